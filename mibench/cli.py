"""The command line: parse, call one function, print. Standard output holds the answer and nothing else.

Exit codes: 0 all is well, 1 some trials or estimates failed, 2 wrong input (said in one line), 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import mibench
from mibench.interface import InputError
from mibench.intervals import DEFAULT_LEVEL, METHODS
from mibench.registry import estimators, make_estimator, nearest, split_list
from mibench.report import AGAINST, FORMATS, KINDS, SCORES, WIDTHS
from mibench.store import DEFAULT_STORE, plain

if TYPE_CHECKING:
    import pandas as pd

    from mibench.consistency import Judged
    from mibench.estimation import Outcome, PermutationTest
    from mibench.plan import Trial
    from mibench.scoring import Solved

_PERMUTATIONS = 199
_SEEDS = 5  # of consistency
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
        code: int = options.command(options)
    except InputError as error:
        print(f"mibench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mibench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mibench ... | head`
        _silence()
        return 0
    return code


def _silence() -> None:
    """Send what is left of the output nowhere, or Python would try it again as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ---------------------------------------------------------------------------------------------------------------------
# Options


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

    def command(name: str, function: Any, text: str, example: str | None = None) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=example, allow_abbrev=False)
        added.set_defaults(command=function)
        return added

    run = command("run", _run, "run estimators on tasks with known mutual information")
    _add_what(run, suite="core", n="the suite's, else 10000", seeds="the suite's, 5")
    _add_limits(run)
    _add_store(run)
    _add_device(run)
    _add_interval(run)
    _add_output(run, ("table", "json", "csv"), units=True)

    listing = command("list", _list, "list what there is")
    listing.add_argument("what", choices=("estimators", "distributions", "tasks", "suites"), help="what to list")
    listing.add_argument(
        "--suite", action="append", default=[], metavar="NAME", help="suites whose tasks are listed (default all)"
    )
    _add_size(listing)
    _add_output(listing, ("table", "json", "csv"), units=False)

    show = command(
        "show", _show, "describe an estimator, a distribution or a task: formula, parameters, truth, citation"
    )
    show.add_argument("name", help="name[key=value,...], a task's id, or path/to/file.py:Class")
    show.set_defaults(out=None)
    show.add_argument("--bibtex", action="store_true", help="print only the BibTeX entry")
    show.add_argument("--plot", metavar="FILE", help="draw a distribution: points and pointwise MI (.png, .pdf, .svg)")

    estimate = command("estimate", _estimate, "estimate the mutual information in your own data")
    _add_data(estimate)
    estimate.add_argument("--pairwise", action="store_true", help="estimate between all pairs of columns")
    estimate.add_argument("--test", choices=("permutation",), help="test against independence")
    estimate.add_argument(
        "--permutations", type=_whole(1), metavar="K", help=f"number of permutations (default {_PERMUTATIONS})"
    )
    estimate.add_argument(
        "--seed",
        type=_whole(0),
        default=0,
        metavar="S",
        help="seed of the estimator and of the permutations (default 0)",
    )
    _add_device(estimate)
    _add_interval(estimate)
    _add_output(estimate, ("table", "json", "csv"), units=True)

    consistency = command(
        "consistency",
        _consistency,
        "check on your own data whether estimates keep the laws of mutual information, whatever it is there",
        "example: mibench consistency data.csv --x bmi,bp --y target --estimator ksg",
    )
    _add_data(consistency)
    consistency.add_argument(
        "--seeds", type=_whole(1), default=_SEEDS, metavar="K", help=f"number of seeds (default {_SEEDS})"
    )
    consistency.add_argument("--first-seed", type=_whole(0), default=0, metavar="S", help="first seed (default 0)")
    _add_device(consistency)
    _add_output(consistency, ("table", "json", "csv"), units=True)

    plot = command("plot", _plot, "draw stored rows as a figure; prints where it is and what its caption must say")
    kinds = ", ".join(f"{kind}: {text}" for kind, text in KINDS.items())
    plot.add_argument("kind", choices=tuple(KINDS), metavar="kind", help=kinds)
    plot.add_argument("--out", metavar="FILE", help="write to this .pdf, .svg or .png (default KIND.pdf)")
    plot.add_argument(
        "--width", choices=tuple(WIDTHS), default="single", help="one column of a paper, 3.4 inches, or two, 7 inches"
    )
    plot.add_argument(
        "--against", choices=AGAINST, help="what scaling stands on (default: the first of them that varies)"
    )
    _add_selection(plot)
    _add_solved(plot)
    _add_units(plot)

    made = command("table", _table, "write a table of stored results: estimators x tasks, or each over all tasks")
    made.add_argument(
        "--score",
        choices=tuple(SCORES),
        default="mean",
        metavar="SCORE",
        help=f"what is shown: {', '.join(SCORES)} (solved, ranks and cost over all tasks); default mean",
    )
    made.add_argument(
        "--columns", choices=("tasks", "estimators"), help="what goes across (default: the fewer of the two)"
    )
    made.add_argument(
        "--bibtex", action="store_true", help="write the BibTeX entries of all in the table instead of the table"
    )
    _add_selection(made)
    _add_solved(made)
    _add_output(made, FORMATS, units=True)

    report = command("report", _report, "write a report on stored results as one HTML file")
    _add_selection(report)
    _add_solved(report)
    _add_units(report)
    report.add_argument("--out", metavar="FILE", help="write the report to this file")

    compare = command("compare", _compare, "run your estimator and put it beside the rows of all others")
    compare.add_argument(
        "--estimator", action="append", default=[], metavar="SPEC", help="yours: path/to/file.py:Class, or as for run"
    )
    compare.add_argument(
        "--against", action="append", default=[], metavar="SPEC", help="estimators that get a column of their own"
    )
    compare.add_argument("--suite", action="append", default=[], metavar="NAME", help="suite of tasks (default core)")
    compare.add_argument("--dim", type=_whole(1), metavar="D", help="dimension of X and of Y, for tasks that take it")
    compare.add_argument("--n", action="append", default=[], metavar="N", help="sample sizes (default: the suite's)")
    compare.add_argument(
        "--seeds", type=_whole(1), metavar="K", help="number of seeds (default: those that the others were run with)"
    )
    _add_limits(compare)
    _add_store(compare)
    _add_device(compare)
    _add_solved(compare)
    compare.add_argument("--format", choices=("table", "json"), default="table", help="how the output is written")
    _add_units(compare)
    compare.add_argument(
        "--out", metavar="FILE", help="a report as .html, or the errors on all tasks as a figure: .pdf, .svg, .png"
    )

    export = command("export", _export, "write the stored rows to a file")
    export.add_argument("--all-attempts", action="store_true", help="earlier attempts of retried trials too")
    _add_store(export)
    _add_output(export, ("csv", "json", "parquet"), units=True)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a user's own data, and the estimators for them."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="one table (.csv .tsv .parquet .npy .npz), or a file for X and one for Y",
    )
    parser.add_argument(
        "--x", action="append", default=[], metavar="COLUMNS", help="columns of X: names, globs or positions"
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
    parser.add_argument("--seeds", type=_whole(1), metavar="K", help=f"number of seeds (default: {seeds})")
    parser.add_argument("--first-seed", type=_whole(0), default=0, metavar="S", help="first seed (default 0)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how trials run."""
    parser.add_argument("--jobs", type=_whole(1), metavar="J", help="trials at once (default: one a core, at most 8)")
    parser.add_argument(
        "--timeout", type=_positive, default=3600.0, metavar="SECONDS", help="limit of time for a trial (default 3600)"
    )
    parser.add_argument(
        "--memory",
        type=_bytes,
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
    _add_interval(parser)


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dim", type=_whole(1), metavar="D", help="dimension of X and of Y, for tasks that take it")
    parser.add_argument("--dim-x", type=_whole(1), metavar="D", help="dimension of X")
    parser.add_argument("--dim-y", type=_whole(1), metavar="D", help="dimension of Y")
    parser.add_argument("--mi", type=_not_negative, metavar="NATS", help="mutual information, for tasks that take it")


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
        "--level", type=_level, metavar="P", help=f"nominal coverage of the interval (default {DEFAULT_LEVEL})"
    )


def _add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...], *, units: bool) -> None:
    parser.add_argument(
        "--format", choices=formats, default=formats[0], help=f"how the output is written (default {formats[0]})"
    )
    parser.add_argument("--out", metavar="FILE", help="write the output to this file")
    if units:
        _add_units(parser)


def _add_units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", choices=("nats", "bits"), default="nats", help="unit of the values (default nats)")


def _add_solved(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--solved",
        type=_solved,
        metavar="A,R%,S",
        help="a task is solved where |mean - truth| <= max(A nats, R%% of the truth), sd <= S nats and no trial failed "
        "(default 0.05,5%%,0.1)",
    )


def _whole(low: int) -> Any:
    def parse(text: str) -> int:
        number = _as_whole(text)
        if number is None or number < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give a whole number >= {low}")
        return number

    return parse


def _as_whole(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _number(text: str, low: float, accepted: str, *, open_end: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (low < value if open_end else low <= value) or value == float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give {accepted}")
    return value


def _positive(text: str) -> float:
    return _number(text, 0.0, "seconds > 0", open_end=True)


def _not_negative(text: str) -> float:
    return _number(text, 0.0, "nats >= 0")


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give a number between 0 and 1, such as 0.95")
    return value


def _solved(text: str) -> Solved:
    from mibench.scoring import Solved

    parts = [part.strip() for part in text.split(",")]
    try:
        absolute, relative, sd = (float(part.removesuffix("%")) for part in parts)
    except ValueError:
        absolute = relative = sd = float("nan")
    if [part.endswith("%") for part in parts] != [False, True, False] or not all(
        0 <= value < float("inf") for value in (absolute, relative, sd)
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; give nats of error, percent of the truth and nats of sd, such as 0.05,5%,0.1"
        )
    return Solved(absolute, relative / 100, sd)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give a size such as 500M or 4G")
    return int(float(match[1]) * 1024 ** (1 + "KMGT".index(match[2].upper())))


def _size(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "dim_x": options.dim if options.dim_x is None else options.dim_x,
        "dim_y": options.dim if options.dim_y is None else options.dim_y,
        "mi": options.mi,
    }


def _sample_sizes(options: argparse.Namespace) -> list[int]:
    ns = []
    for item in _items(options.n):
        number = _as_whole(item)
        if number is None or number < 1:
            raise InputError(f"--n {item!r} is not accepted; give whole numbers >= 1, such as 1000,10000")
        ns.append(number)
    return ns


def _selected(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows that are there already, as the options of `_add_selection` choose them; notes on them are said."""
    from mibench import selection
    from mibench.progress import say

    filters = selection.Filters(
        estimators=_items(options.estimator),
        distributions=_items(options.distribution),
        suites=_items(options.suite),
        **_size(options),
        n=_sample_sizes(options),
        seeds=options.seeds,
        first_seed=options.first_seed,
        device=options.device,
        interval=options.interval,
        level=options.level,
        keep_stale=options.keep_stale,
    )
    rows, notes = selection.select(filters, store=options.store, rows_file=options.rows, shipped=options.reference)
    for note in notes:
        say(note)
    return rows


def _items(texts: Sequence[str]) -> list[str]:
    return [item for text in texts for item in split_list(text)]


# ---------------------------------------------------------------------------------------------------------------------
# Commands


def _run(options: argparse.Namespace) -> int:
    from mibench import display, runner
    from mibench.progress import say
    from mibench.scoring import summarise

    request = runner.Request(
        estimators=_items(options.estimator),
        distributions=_items(options.distribution),
        suites=_items(options.suite),
        **_size(options),
        n=_sample_sizes(options),
        seeds=options.seeds,
        first_seed=options.first_seed,
        device=options.device,
        interval=options.interval,
        level=options.level,
    )
    _check_out(options)
    _check_level(options)
    trials, notes, gpu = runner.plan(request)
    for note in notes:
        say(note)
    rows = _executed(trials, gpu, options)
    if rows is None:
        return 130
    cells = summarise(rows)
    if options.format == "json":
        trials_out, summary = display.in_units(rows, options.units), display.in_units(cells, options.units)
        text = display.to_json({"units": options.units, "trials": trials_out, "summary": summary})
    elif options.format == "csv":
        text = display.to_csv(display.in_units(rows, options.units))
    else:
        text = display.cell_table(display.in_units(cells, options.units), options.units, _width(options))
    _write(text, options)
    without = [row for row in rows if row["interval"] and row["status"] == "ok" and row["low"] is None]
    if without:
        reason = next(text for text in without[0]["warnings"] if text.startswith("no interval"))
        say(f"{len(without)} of {len(rows)} trials have no interval; the first: {reason.removeprefix('no interval: ')}")
    return _say_failures(rows)


def _executed(trials: Sequence[Trial], gpu: str | None, options: argparse.Namespace) -> list[dict[str, Any]] | None:
    """Run what is missing of the trials and return the rows of all; None after Ctrl-C."""
    from mibench import runner
    from mibench.execution.local import Limits
    from mibench.progress import ProgressDisplay, say
    from mibench.store import Store

    store = Store(options.store)
    try:
        with ProgressDisplay() as progress:
            return runner.run_trials(
                trials,
                store,
                limits=Limits(options.jobs, options.timeout, options.memory),
                retry=_items(options.retry),
                keep_stale=options.keep_stale,
                gpu=gpu,
                watcher=progress,
            )
    except KeyboardInterrupt:
        kept = len(store.latest(trial.run_key for trial in trials))
        say(f"mibench: interrupted; {kept} of {len(trials)} trials are in {options.store}")
        say("the same command runs the rest")
        return None
    finally:
        store.close()


def _say_failures(rows: Sequence[dict[str, Any]]) -> int:
    """Say which trials failed; returns the exit code."""
    from mibench.progress import say

    failed = [row for row in rows if row["status"] not in ("ok", "skipped")]
    for row in failed[:5]:
        which = f"{row['estimator']} on {row['distribution']}, n = {row['n']}, seed {row['seed']}"
        say(f"{row['status']}: {which}: {' '.join(str(row['error_text']).split())}")
    if failed:
        retry = ",".join(sorted({row["status"] for row in failed}))
        say(f"{len(failed)} of {len(rows)} trials failed; --retry {retry} runs them again")
    return 1 if failed else 0


def _list(options: argparse.Namespace) -> int:
    from mibench import display, listing

    _check_out(options)
    records = listing.records(options.what, _items(options.suite), **_size(options))
    if options.format == "json":
        text = display.to_json(records)
    elif options.format == "csv":
        text = display.to_csv(records)
    else:
        text = listing.as_table(options.what, records, _width(options))
    _write(text, options)
    return 0


def _show(options: argparse.Namespace) -> int:
    from mibench import listing

    found = listing.find(options.name)
    if options.plot is not None:
        listing.plot(found, Path(options.plot), options.name)
    _write(listing.bibtex(found) if options.bibtex else listing.describe(found), options)
    return 0


def _estimate(options: argparse.Namespace) -> int:
    from mibench import estimation, inputs
    from mibench.progress import ProgressDisplay, say

    _check_out(options)
    if options.permutations and not options.test:
        raise InputError("--permutations is for --test permutation, which is not given")
    _check_level(options)
    names = _named_or_ksg(options)
    if options.pairwise:
        return _pairwise(options, names)
    x, y, dropped = inputs.read_pair(options.files, options.x, options.y, options.discrete, options.missing)
    _say_of_data([x, y], dropped)
    common = {"seed": options.seed, "device": options.device}
    asked = {"interval": options.interval, "level": options.level}
    with ProgressDisplay("estimates") as progress:
        outcomes = estimation.estimate_many(x, y, names, progress=progress.reached, **common, **asked)
    works = [one for one in outcomes if one.estimate is not None]
    if not works:
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in outcomes)))
    tests: dict[str, estimation.PermutationTest] = {}
    for one in works if options.test else []:
        with ProgressDisplay(f"permutations ({one.name})") as progress:
            tests[one.name] = estimation.permutation_test(
                x,
                y,
                one.estimator,
                permutations=options.permutations or _PERMUTATIONS,
                progress=progress.reached,
                **common,
            )
    _write(_outcomes_text(outcomes, tests, options), options)
    for one in outcomes:
        for text in one.estimate.warnings if one.estimate is not None else (str(one.error),):
            say(f"{one.name}: {text.removeprefix(f'{one.estimator.label()}: ')}")
    return 0 if len(works) == len(outcomes) else 1


def _named_or_ksg(options: argparse.Namespace) -> list[str]:
    names = [name for item in _items(options.estimator) or ["ksg"] for name in estimators.expand(item)]
    for name in names:
        make_estimator(name)  # a wrong name is found before the data are read
    return names


def _say_of_data(tables: Sequence[pd.DataFrame], dropped: int) -> None:
    from mibench import inputs
    from mibench.progress import say

    if dropped:
        say(f"{dropped} of {dropped + len(tables[0])} rows miss a value and are left out")
    few = [name for table in tables for name in inputs.few_valued(table)]
    if few:
        names = ",".join(dict.fromkeys(few))
        say(f"few distinct numbers are taken as continuous in {names}; --discrete {names} makes them labels")


def _outcomes_text(outcomes: Sequence[Outcome], tests: dict[str, PermutationTest], options: argparse.Namespace) -> str:
    from mibench import display

    records = []
    for one in outcomes:
        found, test = one.estimate, tests.get(one.name)
        records.append(
            {
                "estimator": one.name,
                "estimate": None if found is None else found.value,
                "low": None if found is None else found.low,
                "high": None if found is None else found.high,
                "level": None if found is None else found.level,
                "quantity": one.estimator.quantity if found is None else found.quantity,
                "bound": one.estimator.bound if found is None else found.bound,
                "p_value": None if test is None else test.p_value,
                "null_mean": None if test is None else test.null_mean,
                "null_sd": None if test is None else test.null_sd,
                "wall_s": one.wall_s,
                "diagnostics": {} if found is None else found.diagnostics,
                "warnings": [] if found is None else list(found.warnings),
                "error": one.error,
            }
        )
    converted = display.in_units(records, options.units)
    if options.format == "json":
        return display.to_json({"units": options.units, "estimates": [plain(record) for record in converted]})
    if options.format == "csv":
        return display.to_csv([{**record, "units": options.units} for record in converted])
    return display.estimate_table(converted, options.units, _width(options))


def _pairwise(options: argparse.Namespace, names: list[str]) -> int:
    from mibench import display, estimation, inputs
    from mibench.progress import ProgressDisplay, say

    if options.test:
        raise InputError("--pairwise and --test do not go together; test one pair with --x and --y")
    if options.interval:
        raise InputError("--pairwise and --interval do not go together; ask for one pair with --x and --y")
    if options.y:
        raise InputError("--pairwise takes all columns, or those of --x; --y does not apply")
    if len(names) > 1:
        raise InputError(f"--pairwise takes one estimator, got {', '.join(names)}")
    table, dropped = inputs.read_columns(options.files, options.x, options.discrete, options.missing)
    _say_of_data([table], dropped)
    with ProgressDisplay("pairs") as progress:
        matrix = estimation.pairwise(
            table, names[0], seed=options.seed, device=options.device, progress=progress.reached
        )
    if not any(cell is not None for line in matrix.estimates for cell in line):
        raise InputError("; ".join(dict.fromkeys(matrix.reasons.values())))
    warned = {
        f"{matrix.names[i]},{matrix.names[j]}": list(cell.warnings)
        for i, line in enumerate(matrix.estimates)
        for j, cell in enumerate(line)
        if cell is not None and cell.warnings and (i < j or line[j] is not matrix.estimates[j][i])
    }
    scale = display.BITS if options.units == "bits" else 1.0
    frame = matrix.to_frame() * scale
    if options.format == "csv":
        text = frame.to_csv().rstrip("\n")
    elif options.format == "json":
        values = [[plain(value) for value in line] for line in frame.to_numpy().tolist()]
        reasons = {f"{matrix.names[i]},{matrix.names[j]}": reason for (i, j), reason in matrix.reasons.items()}
        found = {"columns": list(matrix.names), "estimates": values, "reasons": reasons, "warnings": warned}
        text = display.to_json({"units": options.units, "estimator": names[0], **found})
    else:
        caption = f"{names[0]}, {options.units}"
        text = display.matrix_table(matrix.names, frame.to_numpy().tolist(), caption, _width(options))
    _write(text, options)
    for reason in sorted(set(matrix.reasons.values())):
        say(reason)
    if warned:
        pair, texts = next(iter(warned.items()))
        say(f"{len(warned)} pairs have warnings, shown by --format json; the first: {pair}: {'; '.join(texts)}")
    return 1 if matrix.reasons else 0


def _consistency(options: argparse.Namespace) -> int:
    from mibench import consistency, display, inputs
    from mibench.progress import ProgressDisplay, say

    _check_out(options)
    names = _named_or_ksg(options)
    if len(options.files) == 1 and not (options.x and options.y):
        raise InputError("one table needs --x COLUMNS and --y COLUMNS")
    x, y, dropped = inputs.read_pair(options.files, options.x, options.y, options.discrete, options.missing)
    _say_of_data([x, y], dropped)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with ProgressDisplay("seeds") as progress:
        judged = consistency.judge(x, y, names, seeds=seeds, device=options.device, progress=progress.reached)
    failed = [one for one in judged if one.error is not None]
    if len(failed) == len(judged):
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in failed)))
    records = [_in_words(one, options.units) for one in judged]
    if options.format == "json":
        text = display.to_json({"units": options.units, "seeds": list(seeds), "estimators": records})
    elif options.format == "csv":
        common = [{key: record[key] for key in ("estimator", "estimate", "error")} for record in records]
        lines = [{**start, **law} for start, one in zip(common, records, strict=True) for law in one["laws"]]
        text = display.to_csv([{**line, "units": options.units} for line in lines])
    else:
        caption = consistency.explanation(options.seeds)
        text = display.consistency_table(records, caption, options.units, _width(options))
    _write(text, options)
    for one in failed:
        say(f"{one.name}: {one.error}")
    return 1 if failed else 0


def _in_words(one: Judged, units: str) -> dict[str, Any]:
    """One estimator as a mapping, in the units asked for: ratios have none."""
    from mibench.display import BITS

    scale = BITS if units == "bits" else 1.0
    laws = []
    for law in one.laws:
        numbers = {"value": law.value, "sd": law.sd, "off": law.off}
        times = scale if law.expected == 0 else 1.0
        laws.append(
            {"law": law.name, "relation": law.relation, "expected": law.expected}
            | {key: None if number is None else number * times for key, number in numbers.items()}
            | {"verdict": law.verdict, "meaning": law.meaning}
        )
    estimate = None if one.estimate is None else one.estimate * scale
    return {"estimator": one.name, "estimate": estimate, "laws": laws, "error": one.error}


def _plot(options: argparse.Namespace) -> int:
    from mibench.report import drawing, figures

    path = Path(options.out or f"{options.kind}.pdf")
    figures.check_path(path)
    width = WIDTHS[options.width]
    if options.against is not None and options.kind != "scaling":
        raise InputError(f"--against is for scaling, not for {options.kind}")
    if options.solved is not None and options.kind not in drawing.SOLVED:
        raise InputError(f"--solved is for {', '.join(drawing.SOLVED)}, not for {options.kind}")
    if options.units != "nats" and options.kind in drawing.UNITLESS:
        raise InputError(f"--units {options.units} is not for {options.kind}")
    if options.kind == "samples":
        drawn = drawing.draw_samples(_items(options.distribution), width, **_size(options))
    else:
        words = {} if options.against is None else {"against": options.against}
        rule = _rule(options)
        drawn = drawing.draw(options.kind, _selected(options), width, units=options.units, rule=rule, **words)
    figures.save(drawn.figure, path)
    print(f"{path}\n{drawn.caption}", flush=True)
    return 0


def _table(options: argparse.Namespace) -> int:
    from mibench import scoring
    from mibench.progress import say
    from mibench.report import citations, marked, tables

    _check_out(options)
    if options.solved is not None and (options.score not in ("solved", "summary") or options.bibtex):
        raise InputError("--solved is for --score solved or summary: no other table shows what is solved")
    rows = _selected(options)
    if options.bibtex:
        text, without = citations.bibtex(scoring.cells(rows))
        if without:
            say(f"no citation is known of {', '.join(without)}")
    else:
        rule = _rule(options)
        layout = {"columns": options.columns, "units": options.units}
        cells = scoring.cells(marked(rows), solved=rule)
        text = tables.table(cells, options.score, options.format, **layout, rule=str(rule))
        if options.solved is not None and options.format == "csv":  # which has no caption
            say(f"solved: {rule}")
    _write(text, options)
    return 0


def _report(options: argparse.Namespace) -> int:
    from mibench import reference
    from mibench.report import page

    _check_out(options)
    rows = _selected(options)
    if options.reference:
        source, environments = f"the reference rows of mibench {mibench.__version__}", reference.environments()
    elif options.rows is not None:
        source, environments = options.rows, {}
    else:
        source, environments = options.store, _environments(options.store)
    how = {"units": options.units, "rule": _rule(options)}
    _write(page.page(rows, environments, source=source, created=_today(), **how), options)
    return 0


def _rule(options: argparse.Namespace) -> Solved:
    """When a task is solved: as asked for, or by the default."""
    from mibench.scoring import DEFAULT_RULE

    return options.solved or DEFAULT_RULE


def _environments(path: str) -> dict[str, dict[str, Any]]:
    from mibench.store import Store

    store = Store(path)
    try:
        return store.environments()
    finally:
        store.close()


def _today() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def _compare(options: argparse.Namespace) -> int:
    from mibench import compare, display, runner
    from mibench.progress import say
    from mibench.report import comparison

    picture = options.out is not None and Path(options.out).suffix.lower() != ".html"
    if picture:
        from mibench.report import figures

        figures.check_path(Path(options.out), or_else=" (or .html for a report)")
    else:
        _check_out(options)
    request = runner.Request(
        estimators=_items(options.estimator),
        suites=_items(options.suite),
        dim_x=options.dim,
        dim_y=options.dim,
        n=_sample_sizes(options),
        seeds=options.seeds,
        device=options.device,
    )
    prepared = compare.prepare(request, _items(options.against))
    for note in prepared.notes:
        say(note)
    rows = _executed(prepared.trials, prepared.gpu, options)
    if rows is None:
        return 130
    found = compare.beside(rows, prepared.reference, prepared.named, _rule(options))
    if options.format == "json":
        trials, cells = display.in_units(rows, options.units), display.in_units(found.cells, options.units)
        text = display.to_json(
            {"units": options.units, "solved_rule": str(found.rule), "trials": trials, "summary": cells}
            | {"estimators": found.summary}
        )
    else:
        text = comparison.text(found, options.units, display.terminal_width())
    print(text, flush=True)
    if options.out is not None:
        _draw_comparison([*({**row, "stale": False} for row in rows), *prepared.reference], picture, options)
    return _say_failures(rows)


def _draw_comparison(rows: Sequence[dict[str, Any]], picture: bool, options: argparse.Namespace) -> None:
    from mibench import reference
    from mibench.progress import say
    from mibench.report import drawing, figures, page

    how = {"units": options.units, "rule": _rule(options)}
    if picture:
        drawn = drawing.draw("heatmap", rows, WIDTHS["double"], **how)
        figures.save(drawn.figure, Path(options.out))
        say(f"{options.out}: {drawn.caption}")
    else:
        environments = {**reference.environments(), **_environments(options.store)}
        source = f"{options.store} and the reference rows of mibench {mibench.__version__}"
        _write(page.page(rows, environments, source=source, created=_today(), **how), options)


def _export(options: argparse.Namespace) -> int:
    from mibench import display
    from mibench.store import Store

    _check_out(options)
    if not Path(options.store).exists():
        raise InputError(f"there is no store {options.store}; `mibench run` makes one, --store names another")
    if options.format == "parquet" and not options.out:
        raise InputError("--format parquet needs --out FILE")
    store = Store(options.store)
    rows = store.rows() if options.all_attempts else list(store.latest().values())
    store.close()
    rows = display.in_units(rows, options.units)
    if options.format == "parquet":
        display.to_parquet(rows, Path(options.out))
    else:
        _write(display.to_json(rows) if options.format == "json" else display.to_csv(rows), options)
    return 0


def _check_level(options: argparse.Namespace) -> None:
    if options.level is not None and options.interval is None:
        raise InputError(f"--level is for --interval, which is not given; accepted: {', '.join(METHODS)}")


def _check_out(options: argparse.Namespace) -> None:
    """Find out before the work whether its result can be written."""
    from mibench import display

    if options.out is not None:
        display.check_folder(Path(options.out))


def _width(options: argparse.Namespace) -> int | None:
    """Columns that a table may take: those of the terminal that it goes to."""
    from mibench import display

    return display.terminal_width() if options.out is None else None


def _write(text: str, options: argparse.Namespace) -> None:
    from mibench import display

    if options.out is not None:
        display.write_file(Path(options.out), f"{text}\n".encode())
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        _silence()
        raise InputError(f"the output cannot be written: {error}") from error
