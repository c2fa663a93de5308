"""Texts as they may stand in a file that a spreadsheet opens."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def safe(text):
    """``text``, made harmless where a spreadsheet would take it for a formula.

    A tenant or a bank may write any text; one that begins with a sign of a formula
    gets an apostrophe before it.
    """
    text = text or ""
    if text.lstrip().startswith(FORMULA) or text[:1] in "\t\r\n":
        return f"'{text}" if text else ""
    return text
