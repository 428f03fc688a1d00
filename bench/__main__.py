"""`python -m bench COMMAND`; see README.md."""

import argparse
import sys

from . import ours, parity


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("parity", help="compare outputs, gradients and steps with PyTorch")
    command.add_argument("specs", nargs="*", help="default: all in specs/")
    command.add_argument("--rows", type=int, default=1024)
    command.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    if args.command == "parity":
        specs = args.specs or sorted((ours.ROOT / "specs").glob("*.mtmd"))
        sys.exit(0 if parity.report(specs, rows=args.rows, steps=args.steps) else 1)


main()
