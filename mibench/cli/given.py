"""What the words of a command line mean: the types of options, and what commands read from them and write with them."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.interface import InputError
from mibench.intervals import METHODS
from mibench.registry import split_list

if TYPE_CHECKING:
    from mibench.scoring import Solved

PERMUTATIONS = 199  # of a test, unless told


def whole(low: int) -> Callable[[str], int]:
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


def positive(text: str) -> float:
    return _number(text, lambda value: 0 < value < math.inf, "seconds > 0")


def not_negative(text: str) -> float:
    return _number(text, lambda value: 0 <= value < math.inf, "nats >= 0")


def level(text: str) -> float:
    return _number(text, lambda value: 0 < value < 1, "a number between 0 and 1, such as 0.95")


def _number(text: str, accepts: Callable[[float], bool], accepted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not accepts(value):  # as no range does NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give {accepted}")
    return value


def solved(text: str) -> Solved:
    from mibench.scoring import Solved

    parts = [part.strip() for part in text.split(",")]
    try:
        absolute, relative, sd = (float(part.removesuffix("%")) for part in parts)
    except ValueError:
        absolute = relative = sd = math.nan
    if [part.endswith("%") for part in parts] != [False, True, False] or not all(
        0 <= value < math.inf for value in (absolute, relative, sd)
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; give nats of error, percent of the truth and nats of sd, such as 0.05,5%,0.1"
        )
    return Solved(absolute, relative / 100, sd)


def memory(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give a size such as 500M or 4G")
    return int(float(match[1]) * 1024 ** (1 + "KMGT".index(match[2].upper())))


# ---------------------------------------------------------------------------------------------------------------------
# What commands read from the options, and write where they say


def what(options: argparse.Namespace) -> dict[str, Any]:
    """Which trials are meant, to be run or found."""
    return {
        "estimators": items(options.estimator),
        "distributions": items(options.distribution),
        "suites": items(options.suite),
        **size(options),
        "n": sample_sizes(options),
        **{key: getattr(options, key) for key in ("seeds", "first_seed", "device", "interval", "level")},
    }


def size(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "dim_x": options.dim if options.dim_x is None else options.dim_x,
        "dim_y": options.dim if options.dim_y is None else options.dim_y,
        "mi": options.mi,
    }


def sample_sizes(options: argparse.Namespace) -> list[int]:
    ns = []
    for item in items(options.n):
        number = _as_whole(item)
        if number is None or number < 1:
            raise InputError(f"--n {item!r} is not accepted; give whole numbers >= 1, such as 1000,10000")
        ns.append(number)
    return ns


def items(texts: Sequence[str]) -> list[str]:
    return [item for text in texts for item in split_list(text)]


def rule(options: argparse.Namespace) -> Solved:
    """When a task is solved: as asked for, or by the default."""
    from mibench.scoring import DEFAULT_RULE

    return options.solved or DEFAULT_RULE


def check_level(options: argparse.Namespace) -> None:
    if options.level is not None and options.interval is None:
        raise InputError(f"--level is for --interval, which is not given; accepted: {', '.join(METHODS)}")


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
