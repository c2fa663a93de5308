"""``python3 scripts COMMAND``: what the Makefile calls. Needs python3 and apt only."""

import argparse
import sys

import bench
import checks
import demo
import translations
from console import main_guard

COMMANDS = {
    "demo": demo.demo,
    "stop": demo.stop,
    "clean": demo.clean,
    "status": demo.status,
    "setup": demo.setup,
    "test": checks.test,
    "lint": checks.lint,
    "bench": bench.bench,
    "translations": translations.translations,
}


def main():
    """Parse the command line and run one command.

    :return: the exit status.
    """
    parser = argparse.ArgumentParser(prog="scripts", description=__doc__)
    parser.add_argument(
        "command",
        choices=COMMANDS,
        metavar="COMMAND",
        help=", ".join(COMMANDS),
    )
    parser.add_argument(
        "names", nargs="*", help="with test and bench: only these (default: all)"
    )
    arguments = parser.parse_args()
    function = COMMANDS[arguments.command]
    if arguments.command in ("test", "bench"):
        return function(arguments.names)
    return function()


if __name__ == "__main__":
    sys.exit(main_guard(main))
