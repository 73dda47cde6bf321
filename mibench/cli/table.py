"""`mibench table`: a table of stored results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mibench.cli import output
from mibench.cli.options import add_solved, rule
from mibench.cli.stored import add_selection, selected
from mibench.interface import InputError
from mibench.progress import say
from mibench.report import FORMATS, SCORES
from mibench.rows.row import Row

_MANY = 6  # parts of a table, beyond which a paper wants another one


def add_options(parser: argparse.ArgumentParser) -> None:
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
    add_selection(parser)
    add_solved(parser)
    output.add_output(parser, FORMATS)


def main(options: argparse.Namespace) -> int:
    """Write a table, or the citations of what is in it."""
    output.check_out(options)
    if options.solved is not None and (options.score not in ("solved", "summary") or options.bibtex):
        raise InputError("--solved is for --score solved or summary: no other table shows what is solved")
    rows = selected(options)
    text = _citations(rows) if options.bibtex else _table(rows, options)
    output.write(text, options)
    parts = text.count(r"\begin{table}")
    if options.format == "latex" and parts > _MANY:
        other = "" if options.score == "summary" else "; --score summary has a line for each estimator"
        say(f"{parts} tables that fit a page: --estimator, --suite and --n choose fewer{other}")
    return 0


def _citations(rows: Sequence[Row]) -> str:
    from mibench import scoring
    from mibench.report import citations

    text, without = citations.bibtex(scoring.cells(rows))
    if without:
        say(f"no citation is known of {', '.join(without)}")
    return text


def _table(rows: Sequence[Row], options: argparse.Namespace) -> str:
    from mibench import scoring
    from mibench.report import dependence, tables

    if options.score == "dependence":
        return dependence.table(rows, options.format, output.width(options))
    solved = rule(options)
    layout = {"columns": options.columns, "units": options.units, "width": output.width(options)}
    cells = scoring.cells(rows, solved=solved)
    text = tables.table(cells, options.score, options.format, **layout, rule=str(solved))
    if options.solved is not None and options.format == "csv":  # which has no caption
        say(f"solved: {solved}")
    return text
