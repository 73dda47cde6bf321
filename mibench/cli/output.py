"""Where a command writes what it found, and in which form."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mibench.interface import InputError

_FORMATS = {".tex": "latex", ".md": "markdown", ".html": "html", ".csv": "csv", ".json": "json", ".txt": "table",
            ".parquet": "parquet"}  # fmt: skip


def add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...], *, units: bool = True) -> None:
    parser.add_argument(
        "--format",
        choices=formats,
        help=f"how the output is written (default: by the ending of --out, else {formats[0]})",
    )
    parser.set_defaults(formats=formats)
    parser.add_argument("--out", metavar="FILE", help="write the output to this file")
    if units:
        add_units(parser)


def add_units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", choices=("nats", "bits"), default="nats", help="unit of the values (default nats)")


def settle_format(options: argparse.Namespace) -> None:
    """Choose a format that is not given: by the ending of --out, else the first that the command has."""
    if "formats" in options and options.format is None:
        ending = _FORMATS.get(Path(options.out or "").suffix.lower())
        options.format = ending if ending in options.formats else options.formats[0]


def check_out(options: argparse.Namespace) -> None:
    """Find out before the work whether its result can be written."""
    from mibench import display

    if options.out is not None:
        display.check_folder(Path(options.out))


def width(options: argparse.Namespace) -> int | None:
    """Columns that a table may take: those of the terminal that it goes to."""
    from mibench import display

    return display.terminal_width() if options.out is None else None


def write(text: str, options: argparse.Namespace) -> None:
    from mibench import display

    if options.out is not None:
        display.write_file(Path(options.out), f"{text}\n".encode())
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        silence()
        raise InputError(f"the output cannot be written: {error}") from error


def silence() -> None:
    """Send what is left of the output nowhere, or Python would try it again as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
