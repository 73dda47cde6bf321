"""`mibench plot`: a figure of stored rows."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from mibench import display
from mibench.cli.options import add_solved, items, rule, size
from mibench.cli.output import add_units
from mibench.cli.stored import add_selection, selected
from mibench.interface import InputError
from mibench.report import AGAINST, KINDS, WIDTHS

if TYPE_CHECKING:
    from mibench.report.figures import Drawn


def add_options(parser: argparse.ArgumentParser) -> None:
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
    add_selection(parser)
    add_solved(parser)
    add_units(parser)


def main(options: argparse.Namespace) -> int:
    """Draw a figure."""
    from mibench.report import figures

    path = Path(options.out or f"{options.kind}.pdf")
    figures.check_path(path)
    _check(options)
    drawn = _drawn(options)
    figures.save(drawn.figure, path)
    width = display.terminal_width()
    print(f"{path}\n{drawn.caption if width is None else textwrap.fill(drawn.caption, width)}", flush=True)
    return 0


def _check(options: argparse.Namespace) -> None:
    from mibench.report import drawing

    if options.against is not None and options.kind != "scaling":
        raise InputError(f"--against is for scaling, not for {options.kind}")
    if options.solved is not None and options.kind not in drawing.SOLVED:
        raise InputError(f"--solved is for {', '.join(drawing.SOLVED)}, not for {options.kind}")
    if options.units != "nats" and options.kind in drawing.UNITLESS:
        raise InputError(f"--units {options.units} is not for {options.kind}")


def _drawn(options: argparse.Namespace) -> Drawn:
    from mibench.report import drawing

    inches = WIDTHS[options.width]
    if options.kind == "samples":
        return drawing.draw_samples(items(options.distribution), inches, **size(options))
    words = {} if options.against is None else {"against": options.against}
    rows = selected(options)
    return drawing.draw(options.kind, rows, inches, units=options.units, rule=rule(options), **words)
