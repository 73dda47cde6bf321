"""`mibench compare`: somebody's own estimator beside the reference rows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mibench
from mibench import display
from mibench.cli import output
from mibench.cli.execution import add_limits, executed, say_failures
from mibench.cli.options import add_device, add_dim, add_solved, add_store, items, rule, sample_sizes, whole
from mibench.cli.stored import environments, today
from mibench.progress import say
from mibench.report import WIDTHS
from mibench.rows import reference
from mibench.rows.files import to_json
from mibench.rows.row import Row
from mibench.rows.units import in_units

if TYPE_CHECKING:
    from mibench.compare import Comparison


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--estimator", action="append", default=[], metavar="SPEC", help="yours: path/to/file.py:Class, or as for run"
    )
    parser.add_argument(
        "--against", action="append", default=[], metavar="SPEC", help="estimators that get a column of their own"
    )
    parser.add_argument("--suite", action="append", default=[], metavar="NAME", help="suite of tasks (default core)")
    add_dim(parser)
    parser.add_argument("--n", action="append", default=[], metavar="N", help="sample sizes (default: the suite's)")
    parser.add_argument(
        "--seeds", type=whole(1), metavar="K", help="number of seeds (default: those that the others were run with)"
    )
    add_limits(parser)
    add_store(parser)
    add_device(parser)
    add_solved(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how the output is written")
    output.add_units(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="a report as .html, or the errors on all tasks as a figure: .pdf, .svg, .png"
    )


def main(options: argparse.Namespace) -> int:
    """Run what is missing of theirs; print it beside the others, and draw it."""
    from mibench.compare import beside, fresh, prepare
    from mibench.execution.plan import Request

    _check_out(options)
    request = Request(
        estimators=items(options.estimator),
        suites=items(options.suite),
        dim_x=options.dim,
        dim_y=options.dim,
        n=sample_sizes(options),
        seeds=options.seeds,
        device=options.device,
    )
    prepared = prepare(request, items(options.against))
    for note in prepared.notes:
        say(note)
    rows = executed(prepared.trials, prepared.gpu, options)
    if rows is None:
        return 130
    found = beside(rows, prepared.reference, prepared.named, rule(options))
    print(_text(rows, found, options), flush=True)
    if options.out is not None:
        _write([*fresh(rows), *prepared.reference], options)
    return say_failures(rows)


def _is_figure(options: argparse.Namespace) -> bool:
    return options.out is not None and Path(options.out).suffix.lower() != ".html"


def _check_out(options: argparse.Namespace) -> None:
    if _is_figure(options):
        from mibench.report import figures

        figures.check_path(Path(options.out), or_else=" (or .html for a report)")
    else:
        output.check_out(options)


def _text(rows: Sequence[Row], found: Comparison, options: argparse.Namespace) -> str:
    from mibench.report import comparison

    if options.format == "table":
        return comparison.text(found, options.units, display.terminal_width())
    return to_json(
        {"units": options.units, "solved_rule": str(found.rule), "trials": in_units(rows, options.units)}
        | comparison.to_records(found, options.units)
    )


def _write(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Write the figure or the report."""
    from mibench.report import drawing, figures, page

    how = {"units": options.units, "rule": rule(options)}
    if _is_figure(options):
        drawn = drawing.draw("heatmap", rows, WIDTHS["double"], **how)
        figures.save(drawn.figure, Path(options.out))
        say(f"{options.out}: {drawn.caption}")
    else:
        ran_on = {**reference.environments(), **environments(options.store)}
        source = f"{options.store} and the reference rows of mibench {mibench.__version__}"
        output.write(page.page(rows, ran_on, source=source, created=today(), **how), options)
