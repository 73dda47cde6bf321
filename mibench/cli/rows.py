"""Figures, tables, reports and files of rows that are there already."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import textwrap
from pathlib import Path
from typing import Any

import mibench
from mibench import display, scoring
from mibench.cli import given
from mibench.interface import InputError
from mibench.progress import say
from mibench.report import WIDTHS, citations, dependence, tables
from mibench.rows import files, reference, select
from mibench.rows.row import Row
from mibench.rows.store import Store
from mibench.rows.units import in_units

_MANY = 6  # parts of a table, beyond which a paper wants another one


def plot(options: argparse.Namespace) -> int:
    """Draw a figure."""
    from mibench.report import drawing, figures  # matplotlib, which the other commands need not wait for

    path = Path(options.out or f"{options.kind}.pdf")
    figures.check_path(path)
    inches = WIDTHS[options.width]
    if options.against is not None and options.kind != "scaling":
        raise InputError(f"--against is for scaling, not for {options.kind}")
    if options.solved is not None and options.kind not in drawing.SOLVED:
        raise InputError(f"--solved is for {', '.join(drawing.SOLVED)}, not for {options.kind}")
    if options.units != "nats" and options.kind in drawing.UNITLESS:
        raise InputError(f"--units {options.units} is not for {options.kind}")
    if options.kind == "samples":
        drawn = drawing.draw_samples(given.items(options.distribution), inches, **given.size(options))
    else:
        words = {} if options.against is None else {"against": options.against}
        rule = given.rule(options)
        drawn = drawing.draw(options.kind, _selected(options), inches, units=options.units, rule=rule, **words)
    figures.save(drawn.figure, path)
    width = display.terminal_width()
    print(f"{path}\n{drawn.caption if width is None else textwrap.fill(drawn.caption, width)}", flush=True)
    return 0


def table(options: argparse.Namespace) -> int:
    """Write a table, or the citations of what is in it."""
    given.check_out(options)
    if options.solved is not None and (options.score not in ("solved", "summary") or options.bibtex):
        raise InputError("--solved is for --score solved or summary: no other table shows what is solved")
    rows = _selected(options)
    if options.bibtex:
        text, without = citations.bibtex(scoring.cells(rows))
        if without:
            say(f"no citation is known of {', '.join(without)}")
    elif options.score == "dependence":
        text = dependence.table(rows, options.format, given.width(options))
    else:
        rule = given.rule(options)
        layout = {"columns": options.columns, "units": options.units, "width": given.width(options)}
        cells = scoring.cells(rows, solved=rule)
        text = tables.table(cells, options.score, options.format, **layout, rule=str(rule))
        if options.solved is not None and options.format == "csv":  # which has no caption
            say(f"solved: {rule}")
    given.write(text, options)
    parts = text.count(r"\begin{table}")
    if options.format == "latex" and parts > _MANY:
        other = "" if options.score == "summary" else "; --score summary has a line for each estimator"
        say(f"{parts} tables that fit a page: --estimator, --suite and --n choose fewer{other}")
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the report."""
    from mibench.report import page

    given.check_out(options)
    rows = _selected(options)
    if options.reference:
        source, ran_on = f"the reference rows of mibench {mibench.__version__}", reference.environments()
    elif options.rows is not None:
        source, ran_on = options.rows, {}
    else:
        source, ran_on = options.store, environments(options.store)
    how = {"units": options.units, "rule": given.rule(options)}
    given.write(page.page(rows, ran_on, source=source, created=today(), **how), options)
    return 0


def environments(path: str) -> dict[str, dict[str, Any]]:
    with contextlib.closing(Store(path)) as store:
        return store.environments()


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def export(options: argparse.Namespace) -> int:
    """Write the rows as they are."""
    given.check_out(options)
    if not Path(options.store).exists():
        raise InputError(f"there is no store {options.store}; `mibench run` makes one, --store names another")
    if options.format == "parquet" and not options.out:
        raise InputError("--format parquet needs --out FILE")
    with contextlib.closing(Store(options.store)) as store:
        rows = store.rows() if options.all_attempts else list(store.latest().values())
    shown = in_units(rows, options.units)
    if options.out is None:
        given.write(files.to_json(shown) if options.format == "json" else files.to_csv(shown), options)
    else:
        content = files.encoded(shown, options.format, compressed=options.out.endswith(".gz"))
        display.write_file(Path(options.out), content)
    return 0


def _selected(options: argparse.Namespace) -> list[Row]:
    """Rows that are there already, as the options of `_add_selection` choose them; notes on them are said."""
    filters = select.Filters(**given.what(options), keep_stale=options.keep_stale)
    rows, notes = select.select(filters, store=options.store, rows_file=options.rows, shipped=options.reference)
    for note in notes:
        say(note)
    return rows
