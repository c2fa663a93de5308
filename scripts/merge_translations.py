"""Bring every .po beside a .pot up to it; run by ``python3 scripts translations``."""

import sys
from pathlib import Path

import polib

WIDTH = 78
LANGUAGES = ("es", "zh_CN")  # further files are kept up, too
# changes with every export and says nothing
DATES = ("POT-Creation-Date", "PO-Revision-Date", "Last-Translator")


def merge(folder):
    """Merge the translations in ``folder``.

    :param Path folder: an add-on's ``i18n``, with its .pot.
    :return: lines of (file, translated, all).
    """
    (path,) = folder.glob("*.pot")
    template = polib.pofile(str(path), wrapwidth=WIDTH)
    for key in DATES:
        template.metadata.pop(key, None)
    template.save(str(path))
    files = {folder / f"{name}.po" for name in LANGUAGES} | set(folder.glob("*.po"))
    for path in sorted(files):
        known = {}
        if path.exists():
            known = {(x.msgctxt, x.msgid): x.msgstr for x in polib.pofile(str(path))}
        merged = polib.pofile(str(template.fpath), wrapwidth=WIDTH)
        merged.metadata["Language"] = path.stem
        for entry in merged:
            entry.msgstr = known.get((entry.msgctxt, entry.msgid), "")
        merged.save(str(path))
        yield path.name, len(merged.translated_entries()), len(merged)


def main():
    """Merge the folders named on the command line."""
    for folder in map(Path, sys.argv[1:]):
        for name, done, total in merge(folder):
            print(f"{folder.parent.name:32} {name:10} {done:5} of {total}")


if __name__ == "__main__":
    main()
