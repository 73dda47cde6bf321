"""`mibench show`: the description of one estimator, distribution or task."""

from __future__ import annotations

import argparse
from pathlib import Path

from mibench import listing
from mibench.cli import output


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name[key=value,...], a task's id, or path/to/file.py:Class")
    parser.set_defaults(out=None)
    parser.add_argument("--bibtex", action="store_true", help="print only the BibTeX entry")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw a distribution: points and pointwise MI (.png, .pdf, .svg)"
    )


def main(options: argparse.Namespace) -> int:
    """Describe one object, and draw it where that is asked."""
    found = listing.find(options.name)
    if options.plot is not None:
        listing.plot(found, Path(options.plot), options.name)
    output.write(listing.bibtex(found) if options.bibtex else listing.describe(found), options)
    return 0
