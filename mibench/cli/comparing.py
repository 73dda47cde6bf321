"""Somebody's own estimator beside the reference rows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mibench
from mibench import display, runner
from mibench.cli import given
from mibench.cli.rows import environments, today
from mibench.cli.running import executed, say_failures
from mibench.compare import beside, fresh, prepare
from mibench.progress import say
from mibench.report import WIDTHS, comparison
from mibench.rows import reference
from mibench.rows.files import to_json
from mibench.rows.row import Row
from mibench.rows.units import in_units


def compare(options: argparse.Namespace) -> int:
    """Run what is missing of theirs; print it beside the others, and draw it."""
    picture = options.out is not None and Path(options.out).suffix.lower() != ".html"
    if picture:
        from mibench.report import figures

        figures.check_path(Path(options.out), or_else=" (or .html for a report)")
    else:
        given.check_out(options)
    request = runner.Request(
        estimators=given.items(options.estimator),
        suites=given.items(options.suite),
        dim_x=options.dim,
        dim_y=options.dim,
        n=given.sample_sizes(options),
        seeds=options.seeds,
        device=options.device,
    )
    prepared = prepare(request, given.items(options.against))
    for note in prepared.notes:
        say(note)
    rows = executed(prepared.trials, prepared.gpu, options)
    if rows is None:
        return 130
    found = beside(rows, prepared.reference, prepared.named, given.rule(options))
    if options.format == "json":
        text = to_json(
            {"units": options.units, "solved_rule": str(found.rule), "trials": in_units(rows, options.units)}
            | comparison.to_records(found, options.units)
        )
    else:
        text = comparison.text(found, options.units, display.terminal_width())
    print(text, flush=True)
    if options.out is not None:
        _draw_comparison([*fresh(rows), *prepared.reference], picture, options)
    return say_failures(rows)


def _draw_comparison(rows: Sequence[Row], picture: bool, options: argparse.Namespace) -> None:
    from mibench.report import drawing, figures, page

    how = {"units": options.units, "rule": given.rule(options)}
    if picture:
        drawn = drawing.draw("heatmap", rows, WIDTHS["double"], **how)
        figures.save(drawn.figure, Path(options.out))
        say(f"{options.out}: {drawn.caption}")
    else:
        ran_on = {**reference.environments(), **environments(options.store)}
        source = f"{options.store} and the reference rows of mibench {mibench.__version__}"
        given.write(page.page(rows, ran_on, source=source, created=today(), **how), options)
