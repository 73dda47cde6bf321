"""The command line: parse, call one function, which prints. Standard output holds the answer and nothing else.

A command is a module of this package with `add_options(parser)` and `main(options) -> exit code`, and one line in
`COMMANDS`. Its help must come fast: what a run, a figure or an estimate needs is imported where it is used.

Exit codes: 0 all is well, 1 some trials or estimates failed, 2 wrong input (said in one line), 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence

import mibench
from mibench.cli import output
from mibench.cli.parser import CommandParser, Parser
from mibench.interface import InputError

# Command -> its module, which is imported when the command is given, and its line of help.
COMMANDS = {
    "run": ("run", "run estimators on tasks with known mutual information"),
    "list": ("listing", "list what there is"),
    "show": ("show", "describe an estimator, a distribution or a task: formula, parameters, truth, citation"),
    "estimate": ("estimate", "estimate the mutual information in your own data"),
    "consistency": (
        "consistency",
        "check on your own data whether estimates keep the laws of mutual information, whatever it is there",
    ),
    "plot": ("plot", "draw stored rows as a figure; prints where it is and what its caption must say"),
    "table": ("table", "write a table of stored results: estimators x tasks, or each over all tasks"),
    "report": ("report", "write a report on stored results as one HTML file"),
    "compare": ("compare", "run your estimator and put it beside the rows of all others"),
    "export": ("export", "write the stored rows to a file"),
}
_EXAMPLES = """examples:
  mibench run --estimator infonce --dim 64
  mibench run --estimator 'ksg[k=5],gauss*' --n 500,1000 --seeds 9 --format json
  mibench run --estimator mine.py:Mine --distribution 'student[dof=1]' --n 500
  mibench estimate data.csv --x bmi,bp --y target --estimator ksg
  mibench consistency data.csv --x bmi,bp --y target --estimator ksg,cca
  mibench compare --estimator mine.py:Mine --suite bmi
  mibench plot heatmap --suite core --dim 5 --out core.pdf
  mibench list estimators
  mibench show ksg
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        options = _parser().parse_args(arguments)
        output.settle_format(options)
        code: int = options.main(options)
    except InputError as error:
        print(f"mibench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mibench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mibench ... | head`
        output.silence()
        return 0
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="mibench",
        description="How far is a mutual-information estimate from the truth? Values are in nats.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mibench {mibench.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True, parser_class=CommandParser)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=textwrap.fill(text, 79),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.module = f"mibench.cli.{module}"
    return parser
