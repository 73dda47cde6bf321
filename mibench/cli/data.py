"""Estimates from somebody's own data."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mibench import display, estimation, files
from mibench.cli import given
from mibench.consistency import Judged, explanation, judge
from mibench.estimation import Outcome, PermutationTest
from mibench.interface import InputError
from mibench.progress import ProgressDisplay, say
from mibench.registry import estimators, make_estimator
from mibench.rows.files import to_csv, to_json
from mibench.rows.row import plain
from mibench.rows.units import BITS, in_units


def estimate(options: argparse.Namespace) -> int:
    """Print estimates, of one pair of blocks or of all pairs of columns."""
    given.check_out(options)
    if options.permutations and not options.test:
        raise InputError("--permutations is for --test permutation, which is not given")
    given.check_level(options)
    names = _named_or_ksg(options)
    if options.pairwise:
        return _pairwise(options, names)
    x, y, dropped = files.read_pair(options.files, options.x, options.y, options.discrete, options.missing)
    _say_of_data([x, y], dropped)
    common = {"seed": options.seed, "device": options.device}
    asked = {"interval": options.interval, "level": options.level}
    with _prints_on_stderr(), ProgressDisplay("estimates") as progress:
        outcomes = estimation.estimate_many(x, y, names, progress=progress.reached, **common, **asked)
    works = [one for one in outcomes if one.estimate is not None]
    if not works:
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in outcomes)))
    tests: dict[str, estimation.PermutationTest] = {}
    for one in works if options.test else []:
        with _prints_on_stderr(), ProgressDisplay(f"permutations ({one.name})") as progress:
            tests[one.name] = estimation.permutation_test(
                x,
                y,
                one.estimator,
                permutations=options.permutations or given.PERMUTATIONS,
                progress=progress.reached,
                **common,
            )
    given.write(_outcomes_text(outcomes, tests, options), options)
    for one in outcomes:
        error = () if one.error is None else (one.error.removeprefix(f"{one.estimator.label()}: "),)
        for text in (*error, *(one.estimate.warnings if one.estimate is not None else ())):
            say(f"{one.name}: {text}")
    return 0 if all(one.status in ("ok", "skipped") for one in outcomes) else 1


def _prints_on_stderr() -> contextlib.redirect_stdout[Any]:
    """What an estimator prints is no part of the answer."""
    return contextlib.redirect_stdout(sys.stderr)


def _named_or_ksg(options: argparse.Namespace) -> list[str]:
    names = [name for item in given.items(options.estimator) or ["ksg"] for name in estimators.expand(item)]
    for name in names:
        make_estimator(name)  # a wrong name is found before the data are read
    return names


def _say_of_data(tables: Sequence[pd.DataFrame], dropped: int) -> None:
    if dropped:
        say(f"{dropped} of {dropped + len(tables[0])} rows miss a value and are left out")
    if repeated := files.repeated_rows(*tables):
        say(repeated)
    few = [name for table in tables for name in files.few_valued(table)]
    if few:
        names = ",".join(dict.fromkeys(few))
        say(f"few distinct numbers are taken as continuous in {names}; --discrete {names} makes them labels")
    for line in dict.fromkeys(line for table in tables for line in files.mostly_distinct(table)):
        say(line)


def _outcomes_text(outcomes: Sequence[Outcome], tests: dict[str, PermutationTest], options: argparse.Namespace) -> str:
    records = []
    for one in outcomes:
        found, test = one.estimate, tests.get(one.name)
        records.append(
            {
                "estimator": one.name,
                "estimate": None if found is None else found.value,
                "low": None if found is None else found.low,
                "high": None if found is None else found.high,
                "level": None if found is None else found.level,
                "quantity": one.estimator.quantity if found is None else found.quantity,
                "bound": one.estimator.bound if found is None else found.bound,
                "p_value": None if test is None else test.p_value,
                "null_mean": None if test is None else test.null_mean,
                "null_sd": None if test is None else test.null_sd,
                "wall_s": one.wall_s,
                "diagnostics": {} if found is None else found.diagnostics,
                "warnings": [] if found is None else list(found.warnings),
                "status": one.status,
                "error": one.error,
            }
        )
    converted = in_units(records, options.units)
    if options.format == "json":
        return to_json({"units": options.units, "estimates": [plain(record) for record in converted]})
    if options.format == "csv":
        return to_csv([{**record, "units": options.units} for record in converted])
    return display.estimate_table(converted, options.units, given.width(options))


def _pairwise(options: argparse.Namespace, names: list[str]) -> int:
    if options.test:
        raise InputError("--pairwise and --test do not go together; test one pair with --x and --y")
    if options.interval:
        raise InputError("--pairwise and --interval do not go together; ask for one pair with --x and --y")
    if options.y:
        raise InputError("--pairwise takes all columns, or those of --x; --y does not apply")
    if len(names) > 1:
        raise InputError(f"--pairwise takes one estimator, got {', '.join(names)}")
    table, dropped = files.read_columns(options.files, options.x, options.discrete, options.missing)
    _say_of_data([table], dropped)
    with _prints_on_stderr(), ProgressDisplay("pairs") as progress:
        matrix = estimation.pairwise(
            table, names[0], seed=options.seed, device=options.device, progress=progress.reached
        )
    if not any(cell is not None for line in matrix.estimates for cell in line):
        why = [*dict.fromkeys(matrix.reasons.values()), *([matrix.hint] if matrix.hint else [])]
        raise InputError(f"{names[0]}: {'; '.join(why)}")
    warned = {
        f"{matrix.names[i]},{matrix.names[j]}": list(cell.warnings)
        for i, line in enumerate(matrix.estimates)
        for j, cell in enumerate(line)
        if cell is not None and cell.warnings and (i < j or line[j] is not matrix.estimates[j][i])
    }
    scale = BITS if options.units == "bits" else 1.0
    frame = matrix.to_frame() * scale
    if options.format == "csv":
        text = frame.to_csv().rstrip("\n")
    elif options.format == "json":
        values = [[plain(value) for value in line] for line in frame.to_numpy().tolist()]
        reasons = {f"{matrix.names[i]},{matrix.names[j]}": reason for (i, j), reason in matrix.reasons.items()}
        found = {"columns": list(matrix.names), "estimates": values, "reasons": reasons, "warnings": warned}
        text = to_json({"units": options.units, "estimator": names[0], **found})
    else:
        caption = f"{names[0]}, {options.units}"
        text = display.matrix_table(matrix.names, frame.to_numpy().tolist(), caption, given.width(options))
    given.write(text, options)
    for reason in sorted(set(matrix.reasons.values())):
        pairs = dict.fromkeys((min(pair), max(pair)) for pair, why in matrix.reasons.items() if why == reason)
        blank = [f"{matrix.names[i]},{matrix.names[j]}" for i, j in pairs]
        say(f"{names[0]}: {reason}: no estimate of {blank[0]}" + f" and {len(blank) - 1} more" * (len(blank) > 1))
    if matrix.hint:
        say(f"{names[0]}: {matrix.hint}")
    if warned:
        pair, texts = next(iter(warned.items()))
        say(f"{len(warned)} pairs have warnings, shown by --format json; the first: {pair}: {'; '.join(texts)}")
    return 1 if matrix.failed else 0


def consistency(options: argparse.Namespace) -> int:
    """Print which laws each estimator keeps on the data."""
    given.check_out(options)
    names = _named_or_ksg(options)
    if len(options.files) == 1 and not (options.x and options.y):
        raise InputError("one table needs --x COLUMNS and --y COLUMNS")
    x, y, dropped = files.read_pair(options.files, options.x, options.y, options.discrete, options.missing)
    _say_of_data([x, y], dropped)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with _prints_on_stderr(), ProgressDisplay("seeds") as progress:
        judged = judge(x, y, names, seeds=seeds, device=options.device, progress=progress.reached)
    without = [one for one in judged if one.error is not None]
    if len(without) == len(judged):
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in without)))
    records = [_in_words(one, options.units) for one in judged]
    if options.format == "json":
        text = to_json({"units": options.units, "seeds": list(seeds), "estimators": records})
    elif options.format == "csv":
        common = [{key: record[key] for key in ("estimator", "estimate", "status", "error")} for record in records]
        lines = [{**start, **law} for start, one in zip(common, records, strict=True) for law in one["laws"]]
        text = to_csv([{**line, "units": options.units} for line in lines])
    else:
        caption = explanation(options.seeds)
        text = display.consistency_table(records, caption, options.units, given.width(options))
    given.write(text, options)
    for one in without:
        say(f"{one.name}: {one.error}")
    return 0 if all(one.status in ("ok", "skipped") for one in judged) else 1


def _in_words(one: Judged, units: str) -> dict[str, Any]:
    """One estimator as a mapping, in the units asked for: ratios have none."""
    scale = BITS if units == "bits" else 1.0
    laws = []
    for law in one.laws:
        numbers = {"value": law.value, "sd": law.sd, "off": law.off}
        times = scale if law.expected == 0 else 1.0
        laws.append(
            {"law": law.name, "relation": law.relation, "expected": law.expected}
            | {key: None if number is None else number * times for key, number in numbers.items()}
            | {"verdict": law.verdict, "meaning": law.meaning}
        )
    estimate = None if one.estimate is None else one.estimate * scale
    return {"estimator": one.name, "estimate": estimate, "laws": laws, "status": one.status, "error": one.error}
