"""The command line: parse, call one function, which prints. Standard output holds the answer and nothing else.

Exit codes: 0 all is well, 1 some trials or estimates failed, 2 wrong input (said in one line), 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import mibench
from mibench.cli import given
from mibench.interface import InputError
from mibench.intervals import DEFAULT_LEVEL, METHODS
from mibench.registry import nearest
from mibench.report import AGAINST, FORMATS, KINDS, SCORES, WIDTHS
from mibench.rows.store import DEFAULT_STORE

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
        given.settle_format(options)
        code = _function(options.command)(options)
    except InputError as error:
        print(f"mibench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mibench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mibench ... | head`
        given.silence()
        return 0
    return code


def _function(command: str) -> Callable[[argparse.Namespace], int]:
    """Import what runs a command when it is called: a list must not wait for what a run needs."""
    module, name = command.split(".")
    found: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(f"mibench.cli.{module}"), name)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The parser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest option."""

    def error(self, message: str) -> NoReturn:
        options = [option for action in self._actions for option in action.option_strings]
        message = message.removeprefix("argument ")
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            is_option = unknown[1].startswith("-")
            hint = nearest(unknown[1], options) if is_option else ""
            message = f"unknown {'option' if is_option else 'argument'} {unknown[1]}{hint}"
        elif choice := re.match(r"(\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message):
            accepted = re.findall(r"[\w-]+", choice[3])
            message = (
                f"{choice[1]}: unknown {choice[2]!r}{nearest(choice[2], accepted)}; accepted: {', '.join(accepted)}"
            )
        elif missing := re.match(r"the following arguments are required: (.*)", message):
            choices = [a.choices for a in self._actions if a.choices and (a.metavar or a.dest) == missing[1]]
            hint = f"; give {', '.join(choices[0])}" if choices else ""
            message = f"argument {missing[1]} is missing{hint}"
        raise InputError(f"{message}; see `{self.prog} --help`")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Options that a command does not know are reported by that command, which knows the nearest one.
        found, rest = super().parse_known_args(args, namespace)
        if rest and self.get_default("command") is not None:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mibench",
        description="How far is a mutual-information estimate from the truth? Values are in nats.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mibench {mibench.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True, parser_class=_Parser)
    for name, (function, text, add_options) in {
        "run": ("running.run", "run estimators on tasks with known mutual information", _run_options),
        "list": ("names.list_all", "list what there is", _list_options),
        "show": (
            "names.show",
            "describe an estimator, a distribution or a task: formula, parameters, truth, citation",
            _show_options,
        ),
        "estimate": ("data.estimate", "estimate the mutual information in your own data", _estimate_options),
        "consistency": (
            "data.consistency",
            "check on your own data whether estimates keep the laws of mutual information, whatever it is there",
            _consistency_options,
        ),
        "plot": (
            "rows.plot",
            "draw stored rows as a figure; prints where it is and what its caption must say",
            _plot_options,
        ),
        "table": (
            "rows.table",
            "write a table of stored results: estimators x tasks, or each over all tasks",
            _table_options,
        ),
        "report": ("rows.report", "write a report on stored results as one HTML file", _report_options),
        "compare": (
            "comparing.compare",
            "run your estimator and put it beside the rows of all others",
            _compare_options,
        ),
        "export": ("rows.export", "write the stored rows to a file", _export_options),
    }.items():
        command = commands.add_parser(
            name,
            help=text,
            description=textwrap.fill(text, 79),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=function)
        add_options(command)
    return parser


# ---------------------------------------------------------------------------------------------------------------------
# Options of one command


def _run_options(parser: argparse.ArgumentParser) -> None:
    _add_what(parser, suite="core", n="the suite's, else 10000", seeds="the suite's, 5")
    _add_limits(parser)
    _add_store(parser)
    _add_device(parser)
    _add_interval(parser)
    _add_output(parser, ("table", "json", "csv"), units=True)


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("estimators", "distributions", "tasks", "suites"), help="what to list")
    parser.add_argument(
        "--suite", action="append", default=[], metavar="NAME", help="suites whose tasks are listed (default all)"
    )
    _add_size(parser)
    _add_output(parser, ("table", "json", "csv"), units=False)


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name[key=value,...], a task's id, or path/to/file.py:Class")
    parser.set_defaults(out=None)
    parser.add_argument("--bibtex", action="store_true", help="print only the BibTeX entry")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw a distribution: points and pointwise MI (.png, .pdf, .svg)"
    )


def _estimate_options(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--pairwise", action="store_true", help="estimate between all pairs of columns")
    parser.add_argument("--test", choices=("permutation",), help="test against independence")
    parser.add_argument(
        "--permutations",
        type=given.whole(1),
        metavar="K",
        help=f"number of permutations (default {given.PERMUTATIONS})",
    )
    parser.add_argument(
        "--seed",
        type=given.whole(0),
        default=0,
        metavar="S",
        help="seed of the estimator and of the permutations (default 0)",
    )
    _add_device(parser)
    _add_interval(parser)
    _add_output(parser, ("table", "json", "csv"), units=True)


def _consistency_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: mibench consistency data.csv --x bmi,bp --y target --estimator ksg"
    _add_data(parser)
    parser.add_argument("--seeds", type=given.whole(1), default=5, metavar="K", help="number of seeds (default 5)")
    parser.add_argument("--first-seed", type=given.whole(0), default=0, metavar="S", help="first seed (default 0)")
    _add_device(parser)
    _add_output(parser, ("table", "json", "csv"), units=True)


def _plot_options(parser: argparse.ArgumentParser) -> None:
    kinds = "\n".join(f"  {kind:<13}  {text}" for kind, text in KINDS.items())
    parser.epilog = f"kinds:\n{kinds}"
    parser.add_argument("kind", choices=tuple(KINDS), metavar="kind", help="what is drawn, see below")
    parser.add_argument("--out", metavar="FILE", help="write to this .pdf, .svg or .png (default KIND.pdf)")
    parser.add_argument(
        "--width", choices=tuple(WIDTHS), default="single", help="one column of a paper, 3.4 inches, or two, 7 inches"
    )
    parser.add_argument(
        "--against", choices=AGAINST, help="what scaling stands on (default: the first of them that varies)"
    )
    _add_selection(parser)
    _add_solved(parser)
    _add_units(parser)


def _table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--score",
        choices=tuple(SCORES),
        default="mean",
        metavar="SCORE",
        help=f"what is shown: {', '.join(SCORES)}; summary is solved, rank, errors and cost of each estimator over all "
        "tasks (default mean)",
    )
    parser.add_argument(
        "--columns", choices=("tasks", "estimators"), help="what goes across (default: the fewer of the two)"
    )
    parser.add_argument(
        "--bibtex", action="store_true", help="write the BibTeX entries of all in the table instead of the table"
    )
    _add_selection(parser)
    _add_solved(parser)
    _add_output(parser, FORMATS, units=True)


def _report_options(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    _add_solved(parser)
    _add_units(parser)
    parser.add_argument("--out", metavar="FILE", help="write the report to this file")


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--estimator", action="append", default=[], metavar="SPEC", help="yours: path/to/file.py:Class, or as for run"
    )
    parser.add_argument(
        "--against", action="append", default=[], metavar="SPEC", help="estimators that get a column of their own"
    )
    parser.add_argument("--suite", action="append", default=[], metavar="NAME", help="suite of tasks (default core)")
    parser.add_argument(
        "--dim", type=given.whole(1), metavar="D", help="dimension of X and of Y, for tasks that take it"
    )
    parser.add_argument("--n", action="append", default=[], metavar="N", help="sample sizes (default: the suite's)")
    parser.add_argument(
        "--seeds",
        type=given.whole(1),
        metavar="K",
        help="number of seeds (default: those that the others were run with)",
    )
    _add_limits(parser)
    _add_store(parser)
    _add_device(parser)
    _add_solved(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how the output is written")
    _add_units(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="a report as .html, or the errors on all tasks as a figure: .pdf, .svg, .png"
    )


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all-attempts", action="store_true", help="earlier attempts of retried trials too")
    _add_store(parser)
    _add_output(parser, ("csv", "json", "parquet"), units=True)


# ---------------------------------------------------------------------------------------------------------------------
# Options that several commands have


def _add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a user's own data, and the estimators for them."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="one table (.csv .tsv .parquet .npy .npz), or a file for X and one for Y",
    )
    parser.add_argument(
        "--x", action="append", default=[], metavar="COLUMNS", help="columns of X: names, globs or positions from 0"
    )
    parser.add_argument("--y", action="append", default=[], metavar="COLUMNS", help="columns of Y")
    parser.add_argument("--estimator", action="append", default=[], metavar="SPEC", help="as for run (default ksg)")
    parser.add_argument(
        "--discrete", action="append", default=[], metavar="COLUMNS", help="columns of numbers that are labels"
    )
    parser.add_argument(
        "--missing", choices=("error", "drop"), default="error", help="rows that miss a value (default error)"
    )


def _add_what(parser: argparse.ArgumentParser, *, suite: str, n: str, seeds: str) -> None:
    """Add the options that name estimators, tasks, sizes and seeds, with their defaults in words."""
    parser.add_argument(
        "--estimator",
        action="append",
        default=[],
        metavar="SPEC",
        help="name[key=value,...], a glob, path/to/file.py:Class, or a comma list of these",
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="NAME",
        help=f"suite of tasks (default {suite}); comma list or .toml file",
    )
    parser.add_argument(
        "--distribution", action="append", default=[], metavar="SPEC", help="like --estimator; or a task's id"
    )
    _add_size(parser)
    parser.add_argument("--n", action="append", default=[], metavar="N", help=f"sample sizes (default: {n})")
    parser.add_argument("--seeds", type=given.whole(1), metavar="K", help=f"number of seeds (default: {seeds})")
    parser.add_argument("--first-seed", type=given.whole(0), default=0, metavar="S", help="first seed (default 0)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how trials run."""
    parser.add_argument(
        "--jobs", type=given.whole(1), metavar="J", help="trials at once (default: one a core, at most 8)"
    )
    parser.add_argument(
        "--timeout",
        type=given.positive,
        default=3600.0,
        metavar="SECONDS",
        help="limit of time for a trial (default 3600)",
    )
    parser.add_argument(
        "--memory",
        type=given.memory,
        metavar="SIZE",
        help="limit of memory for a trial, such as 4G (default: 80%% of all memory, shared by the jobs)",
    )
    parser.add_argument(
        "--retry",
        action="append",
        default=[],
        metavar="STATUS",
        help="run stored trials of this status again: timeout,crash,error,...",
    )
    parser.add_argument("--keep-stale", action="store_true", help="keep stored rows that other code has made")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose among rows that are there already."""
    _add_what(parser, suite="every task", n="all", seeds="all")
    parser.add_argument("--keep-stale", action="store_true", help="use rows that other code has made too")
    parser.add_argument(
        "--rows", metavar="FILE", help="take the rows of this file, as export writes it, instead of the store's"
    )
    parser.add_argument(
        "--reference", action="store_true", help="take the rows of all estimators that come with mibench instead"
    )
    _add_store(parser)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="rows of this device (default: of any)")
    parser.add_argument("--interval", choices=METHODS, help="rows with this interval (default: with any, or none)")
    parser.add_argument("--level", type=given.level, metavar="P", help="rows of this nominal coverage (default: any)")


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dim", type=given.whole(1), metavar="D", help="dimension of X and of Y, for tasks that take it"
    )
    parser.add_argument("--dim-x", type=given.whole(1), metavar="D", help="dimension of X")
    parser.add_argument("--dim-y", type=given.whole(1), metavar="D", help="dimension of Y")
    parser.add_argument(
        "--mi", type=given.not_negative, metavar="NATS", help="mutual information, for tasks that take it"
    )


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", default=DEFAULT_STORE, metavar="PATH", help=f"SQLite file of the rows (default {DEFAULT_STORE})"
    )


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where estimators that can use a GPU run (default auto)",
    )


def _add_interval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--interval", choices=METHODS, help="interval about each estimate, for its spread over samples, not its bias"
    )
    parser.add_argument(
        "--level", type=given.level, metavar="P", help=f"nominal coverage of the interval (default {DEFAULT_LEVEL})"
    )


def _add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...], *, units: bool) -> None:
    parser.add_argument(
        "--format",
        choices=formats,
        help=f"how the output is written (default: by the ending of --out, else {formats[0]})",
    )
    parser.set_defaults(formats=formats)
    parser.add_argument("--out", metavar="FILE", help="write the output to this file")
    if units:
        _add_units(parser)


def _add_units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", choices=("nats", "bits"), default="nats", help="unit of the values (default nats)")


def _add_solved(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--solved",
        type=given.solved,
        metavar="A,R%,S",
        help="a task is solved where |mean - truth| <= max(A nats, R%% of the truth), sd <= S nats and no trial failed "
        "(default 0.05,5%%,0.1)",
    )
