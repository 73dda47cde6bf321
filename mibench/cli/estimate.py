"""`mibench estimate`: estimates from somebody's own data, of one pair of blocks or of all pairs of columns."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mibench import display
from mibench.cli import output, owndata
from mibench.cli.options import add_device, add_interval, check_level, whole
from mibench.interface import InputError
from mibench.progress import ProgressDisplay, say
from mibench.rows.files import to_csv, to_json
from mibench.rows.row import plain
from mibench.rows.units import BITS, in_units

if TYPE_CHECKING:
    import pandas as pd

    from mibench.owndata.estimation import Outcome, PairwiseMatrix, PermutationTest

_PERMUTATIONS = 199  # of a test, unless told


def add_options(parser: argparse.ArgumentParser) -> None:
    owndata.add_data(parser)
    parser.add_argument("--pairwise", action="store_true", help="estimate between all pairs of columns")
    parser.add_argument("--test", choices=("permutation",), help="test against independence")
    parser.add_argument(
        "--permutations", type=whole(1), metavar="K", help=f"number of permutations (default {_PERMUTATIONS})"
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        metavar="S",
        help="seed of the estimator and of the permutations (default 0)",
    )
    add_device(parser)
    add_interval(parser)
    output.add_output(parser, ("table", "json", "csv"))


def main(options: argparse.Namespace) -> int:
    """Print estimates."""
    output.check_out(options)
    if options.permutations and not options.test:
        raise InputError("--permutations is for --test permutation, which is not given")
    check_level(options)
    names = owndata.estimators_named(options)
    return _all_pairs(options, names) if options.pairwise else _one_pair(options, names)


# ---------------------------------------------------------------------------------------------------------------------
# One pair of blocks


def _one_pair(options: argparse.Namespace, names: Sequence[str]) -> int:
    from mibench.owndata.estimation import estimate_many

    x, y = owndata.read_pair(options)
    with owndata.prints_on_stderr(), ProgressDisplay("estimates") as progress:
        outcomes = estimate_many(
            x,
            y,
            names,
            seed=options.seed,
            device=options.device,
            interval=options.interval,
            level=options.level,
            progress=progress,
        )
    works = [one for one in outcomes if one.estimate is not None]
    if not works:
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in outcomes)))
    tests = {one.name: _tested(x, y, one, options) for one in works} if options.test else {}
    output.write(_outcomes_text(outcomes, tests, options), options)
    _say_of_outcomes(outcomes)
    return 0 if all(one.status in ("ok", "skipped") for one in outcomes) else 1


def _tested(x: pd.DataFrame, y: pd.DataFrame, outcome: Outcome, options: argparse.Namespace) -> PermutationTest:
    from mibench.owndata.estimation import permutation_test

    with owndata.prints_on_stderr(), ProgressDisplay(f"permutations ({outcome.name})") as progress:
        return permutation_test(
            x,
            y,
            outcome.estimator,
            permutations=options.permutations or _PERMUTATIONS,
            seed=options.seed,
            device=options.device,
            progress=progress,
        )


def _outcomes_text(
    outcomes: Sequence[Outcome], tests: Mapping[str, PermutationTest], options: argparse.Namespace
) -> str:
    records = [_record(one, tests.get(one.name)) for one in outcomes]
    converted = in_units(records, options.units)
    if options.format == "json":
        return to_json({"units": options.units, "estimates": [plain(record) for record in converted]})
    if options.format == "csv":
        return to_csv([{**record, "units": options.units} for record in converted])
    return display.estimate_table(converted, options.units, output.width(options))


def _record(outcome: Outcome, test: PermutationTest | None) -> dict[str, Any]:
    found = outcome.estimate
    source = outcome.estimator if found is None else found
    return {
        "estimator": outcome.name,
        "estimate": None if found is None else found.value,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "level": None if found is None else found.level,
        "quantity": source.quantity,
        "bound": source.bound,
        "p_value": None if test is None else test.p_value,
        "null_mean": None if test is None else test.null_mean,
        "null_sd": None if test is None else test.null_sd,
        "wall_s": outcome.wall_s,
        "diagnostics": {} if found is None else found.diagnostics,
        "warnings": [] if found is None else list(found.warnings),
        "status": outcome.status,
        "error": outcome.error,
    }


def _say_of_outcomes(outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        if one.error is not None:
            say(f"{one.name}: {one.error.removeprefix(f'{one.estimator.label()}: ')}")
        if one.estimate is not None:
            for text in one.estimate.warnings:
                say(f"{one.name}: {text}")


# ---------------------------------------------------------------------------------------------------------------------
# All pairs of columns


def _all_pairs(options: argparse.Namespace, names: Sequence[str]) -> int:
    from mibench.owndata.estimation import pairwise

    _check_pairwise(options, names)
    table = owndata.read_columns(options)
    (name,) = names
    with owndata.prints_on_stderr(), ProgressDisplay("pairs") as progress:
        matrix = pairwise(table, name, seed=options.seed, device=options.device, progress=progress)
    if not any(estimate is not None for line in matrix.estimates for estimate in line):
        why = [*dict.fromkeys(matrix.reasons.values()), *([matrix.hint] if matrix.hint else [])]
        raise InputError(f"{name}: {'; '.join(why)}")
    warned = _warned(matrix)
    output.write(_matrix_text(name, matrix, warned, options), options)
    _say_of_pairs(name, matrix, warned)
    return 1 if matrix.failed else 0


def _check_pairwise(options: argparse.Namespace, names: Sequence[str]) -> None:
    if options.test:
        raise InputError("--pairwise and --test do not go together; test one pair with --x and --y")
    if options.interval:
        raise InputError("--pairwise and --interval do not go together; ask for one pair with --x and --y")
    if options.y:
        raise InputError("--pairwise takes all columns, or those of --x; --y does not apply")
    if len(names) > 1:
        raise InputError(f"--pairwise takes one estimator, got {', '.join(names)}")


def _warned(matrix: PairwiseMatrix) -> dict[str, list[str]]:
    """Return the warnings of pairs; those of one estimate that stands for both orders once."""
    warned = {}
    for i, line in enumerate(matrix.estimates):
        for j, estimate in enumerate(line):
            again = j < i and estimate is matrix.estimates[j][i]
            if estimate is not None and estimate.warnings and not again:
                warned[_pair(matrix, i, j)] = list(estimate.warnings)
    return warned


def _pair(matrix: PairwiseMatrix, i: int, j: int) -> str:
    return f"{matrix.names[i]},{matrix.names[j]}"


def _matrix_text(
    name: str, matrix: PairwiseMatrix, warned: Mapping[str, list[str]], options: argparse.Namespace
) -> str:
    frame = matrix.to_frame()
    if options.units == "bits":
        frame *= BITS
    if options.format == "csv":
        return frame.to_csv().rstrip("\n")
    values = frame.to_numpy().tolist()
    if options.format == "table":
        return display.matrix_table(matrix.names, values, f"{name}, {options.units}", output.width(options))
    return to_json(
        {
            "units": options.units,
            "estimator": name,
            "columns": list(matrix.names),
            "estimates": [[plain(value) for value in line] for line in values],
            "reasons": {_pair(matrix, i, j): reason for (i, j), reason in matrix.reasons.items()},
            "warnings": warned,
        }
    )


def _say_of_pairs(name: str, matrix: PairwiseMatrix, warned: Mapping[str, list[str]]) -> None:
    for reason in sorted(set(matrix.reasons.values())):
        pairs = dict.fromkeys((min(pair), max(pair)) for pair, why in matrix.reasons.items() if why == reason)
        first, *others = [_pair(matrix, i, j) for i, j in pairs]
        more = f" and {len(others)} more" if others else ""
        say(f"{name}: {reason}: no estimate of {first}{more}")
    if matrix.hint:
        say(f"{name}: {matrix.hint}")
    if warned:
        pair, texts = next(iter(warned.items()))
        say(f"{len(warned)} pairs have warnings, shown by --format json; the first: {pair}: {'; '.join(texts)}")
