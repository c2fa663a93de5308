"""`python -m rating CASE.json …`: rate case documents, print one JSON object."""

import json
import sys
from decimal import Decimal
from pathlib import Path

from .case import rate_case
from .errors import TariffError
from .parse import shown, unique_keys


def load(path: Path) -> dict:
    """The JSON of a file; numbers stay exact, a key given twice is an error."""
    try:
        return json.loads(
            path.read_text(encoding="utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            object_pairs_hook=unique_keys,
        )
    except OSError as error:
        raise TariffError("", error.strerror or "cannot be read") from None
    except TariffError:
        raise
    except (ValueError, ArithmeticError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else "malformed"
        raise TariffError("", f"is not JSON: {reason}") from None


def main(arguments: list[str]) -> int:
    """Rate the cases named; exit status 0, or 2 with one line on stderr."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m rating CASE.json ...", file=sys.stderr)
        return 0 if arguments else 2
    output: dict[str, dict] = {}
    notes: list[str] = []
    for name in arguments:
        found: list[str] = []
        try:
            case = load(Path(name))
            result = rate_case(case, Path(name).parent, found)
            if case["id"] in output:
                raise TariffError("id", f"{shown(case['id'])} is used twice")
        except (TariffError, ValueError) as error:
            line = " ".join(str(error).split())
            print(f"{name}: {line}", file=sys.stderr)
            return 2
        output[case["id"]] = result
        notes += [f"{name}: review: {note}" for note in found]
    for note in notes:
        print(note, file=sys.stderr)
    print(json.dumps(output, indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))
