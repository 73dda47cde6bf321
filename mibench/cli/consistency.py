"""`mibench consistency`: whether estimates keep the relations of mutual information on somebody's own data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mibench import display
from mibench.cli import output, owndata
from mibench.cli.options import add_device, add_first_seed, whole
from mibench.interface import InputError
from mibench.progress import ProgressDisplay, say
from mibench.rows.files import to_csv, to_json
from mibench.rows.units import BITS

if TYPE_CHECKING:
    from mibench.owndata.consistency import Judged, Relation


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: mibench consistency data.csv --x bmi,bp --y target --estimator ksg"
    owndata.add_data(parser)
    parser.add_argument("--seeds", type=whole(1), default=5, metavar="K", help="number of seeds (default 5)")
    add_first_seed(parser)
    add_device(parser)
    output.add_output(parser, ("table", "json", "csv"))


def main(options: argparse.Namespace) -> int:
    """Print which relations each estimator keeps on the data."""
    from mibench.owndata.consistency import judge

    output.check_out(options)
    names = owndata.estimators_named(options)
    if len(options.files) == 1 and not (options.x and options.y):
        raise InputError("one table needs --x COLUMNS and --y COLUMNS")
    x, y = owndata.read_pair(options)
    with owndata.prints_on_stderr(), ProgressDisplay("seeds") as progress:
        judged = judge(x, y, names, seeds=_seeds(options), device=options.device, progress=progress)
    without = [one for one in judged if one.error is not None]
    if len(without) == len(judged):
        raise InputError("; ".join(dict.fromkeys(str(one.error) for one in without)))
    output.write(_text(judged, options), options)
    for one in without:
        say(f"{one.name}: {one.error}")
    return 0 if all(one.status in ("ok", "skipped") for one in judged) else 1


def _seeds(options: argparse.Namespace) -> range:
    return range(options.first_seed, options.first_seed + options.seeds)


def _text(judged: Sequence[Judged], options: argparse.Namespace) -> str:
    from mibench.owndata.consistency import explanation

    records = [_record(one, options.units) for one in judged]
    if options.format == "json":
        return to_json({"units": options.units, "seeds": list(_seeds(options)), "estimators": records})
    if options.format == "csv":
        return to_csv([line for record in records for line in _lines(record, options.units)])
    return display.consistency_table(records, explanation(options.seeds), options.units, output.width(options))


def _record(one: Judged, units: str) -> dict[str, Any]:
    """One estimator as a mapping, in the units asked for."""
    scale = BITS if units == "bits" else 1.0
    return {
        "estimator": one.name,
        "estimate": None if one.estimate is None else one.estimate * scale,
        "laws": [_relation(relation, scale) for relation in one.relations],
        "status": one.status,
        "error": one.error,
    }


def _relation(relation: Relation, scale: float) -> dict[str, Any]:
    if relation.expected != 0:
        scale = 1.0  # a ratio has no units
    numbers = {"value": relation.value, "sd": relation.sd, "off": relation.off}
    return {
        "law": relation.name,
        "relation": relation.formula,
        "expected": relation.expected,
        **{key: None if number is None else number * scale for key, number in numbers.items()},
        "verdict": relation.verdict,
        "meaning": relation.meaning,
    }


def _lines(record: dict[str, Any], units: str) -> list[dict[str, Any]]:
    start = {key: record[key] for key in ("estimator", "estimate", "status", "error")}
    return [{**start, **law, "units": units} for law in record["laws"]]
