"""Options that several commands have: how they are declared, which values they take, and what they mean."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mibench.interface import InputError
from mibench.intervals import DEFAULT_LEVEL, METHODS
from mibench.registry import split_list
from mibench.rows.store import DEFAULT_STORE

if TYPE_CHECKING:
    from mibench.scoring import Solved


def add_trials(parser: argparse.ArgumentParser, *, suite: str, n: str, seeds: str) -> None:
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
    add_size(parser)
    parser.add_argument("--n", action="append", default=[], metavar="N", help=f"sample sizes (default: {n})")
    parser.add_argument("--seeds", type=whole(1), metavar="K", help=f"number of seeds (default: {seeds})")
    add_first_seed(parser)


def trials(options: argparse.Namespace) -> dict[str, Any]:
    """Which trials are meant, to be run or found."""
    return {
        "estimators": items(options.estimator),
        "distributions": items(options.distribution),
        "suites": items(options.suite),
        **size(options),
        "n": sample_sizes(options),
        **{key: getattr(options, key) for key in ("seeds", "first_seed", "device", "interval", "level")},
    }


def items(texts: Sequence[str]) -> list[str]:
    """Split comma lists of an option that may repeat."""
    return [item for text in texts for item in split_list(text)]


def sample_sizes(options: argparse.Namespace) -> list[int]:
    ns = []
    for item in items(options.n):
        number = _as_whole(item)
        if number is None or number < 1:
            raise InputError(f"--n {item!r} is not accepted; give whole numbers >= 1, such as 1000,10000")
        ns.append(number)
    return ns


def add_dim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dim", type=whole(1), metavar="D", help="dimension of X and of Y, for tasks that take it")


def add_size(parser: argparse.ArgumentParser) -> None:
    add_dim(parser)
    parser.add_argument("--dim-x", type=whole(1), metavar="D", help="dimension of X")
    parser.add_argument("--dim-y", type=whole(1), metavar="D", help="dimension of Y")
    parser.add_argument("--mi", type=not_negative, metavar="NATS", help="mutual information, for tasks that take it")


def size(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "dim_x": options.dim if options.dim_x is None else options.dim_x,
        "dim_y": options.dim if options.dim_y is None else options.dim_y,
        "mi": options.mi,
    }


def add_first_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--first-seed", type=whole(0), default=0, metavar="S", help="first seed (default 0)")


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", default=DEFAULT_STORE, metavar="PATH", help=f"SQLite file of the rows (default {DEFAULT_STORE})"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where estimators that can use a GPU run (default auto)",
    )


def add_interval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--interval", choices=METHODS, help="interval about each estimate, for its spread over samples, not its bias"
    )
    parser.add_argument(
        "--level", type=level, metavar="P", help=f"nominal coverage of the interval (default {DEFAULT_LEVEL})"
    )


def check_level(options: argparse.Namespace) -> None:
    if options.level is not None and options.interval is None:
        raise InputError(f"--level is for --interval, which is not given; accepted: {', '.join(METHODS)}")


def add_solved(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--solved",
        type=solved,
        metavar="A,R%,S",
        help="a task is solved where |mean - truth| <= max(A nats, R%% of the truth), sd <= S nats and no trial failed "
        "(default 0.05,5%%,0.1)",
    )


def rule(options: argparse.Namespace) -> Solved:
    """When a task is solved: as asked for, or by the default."""
    from mibench.scoring import DEFAULT_RULE

    return options.solved or DEFAULT_RULE


# ---------------------------------------------------------------------------------------------------------------------
# Values that an option takes


def whole(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = _as_whole(text)
        if number is None or number < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give a whole number >= {low}")
        return number

    return parse


def _as_whole(text: str) -> int | None:
    """Read 10000, 10_000 or 1e4; None where it is none of these."""
    try:
        return int(text)
    except ValueError:
        pass
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
