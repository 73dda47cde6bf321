"""One cell for each estimator, task, n and version, computed from the raw rows.

Bias is reported only against the truth of the quantity that is estimated. Trials that failed are counted in every cell
and averaged in none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array
from mibench.rows.row import COLUMNS, Law, Method, Task, params_of, params_text, plain

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.90  # of all intervals of scores

Codes = NDArray[np.intp]


class Scores(TypedDict):
    """The scores of one cell, as `cells` defines them; None is what is not known."""

    estimator: str
    params: dict[str, Any]
    estimator_version: str
    distribution: str
    distribution_version: str
    dim_x: int
    dim_y: int
    n: int
    device: str
    interval: str | None
    quantity: str
    trials: int
    ok: int
    failures: dict[str, int]
    level: float | None
    intervals: int
    truth: float | None
    truth_low: float | None
    truth_high: float | None
    truth_se: float | None
    mean: float | None
    bias: float | None
    sd: float | None
    bias_se: float | None
    rmse: float | None
    mae: float | None
    oracle_rmse: float | None
    efficiency: float | None
    efficiency_low: float | None
    efficiency_high: float | None
    coverage: float | None
    coverage_low: float | None
    coverage_high: float | None
    mean_width: float | None
    median_wall_s: float | None
    median_cpu_s: float | None
    solved: bool | None
    stale: NotRequired[bool]  # `summarise` leaves it out


_NUMBERS = ("estimate", "low", "high", "level", "truth", "truth_low", "truth_high", "truth_se", "oracle", "wall_s",
            "cpu_s")  # fmt: skip
_WORDS = tuple(dict.fromkeys((*Method._fields, *Task._fields, "quantity", "status")))
_FETCHED = 1000
_OF_ESTIMATE = ["estimate", "low", "high", "oracle", "wall_s", "cpu_s"]
_OF_LAW = ["truth", "truth_low", "truth_high", "truth_se"]
_BOOTSTRAP = 1000
_BLOCK = 500  # cells whose resampled scores are in memory at once
ROUNDING = 1e-12  # nats: at independence the oracle errs by no more than rounding


@dataclass(frozen=True)
class Solved:
    """When a task counts as solved: |mean - truth| <= max(`absolute`, `relative` |truth|) and sd <= `sd`, in nats.

    `str` writes the rule out, for whatever shows its verdicts.
    """

    absolute: float = 0.05
    relative: float = 0.05
    sd: float = 0.1

    def __str__(self) -> str:
        within = f"max({self.absolute:g} nats, {100 * self.relative:g}%)"
        return f"|mean - truth| <= {within}, sd <= {self.sd:g} nats, no failed trial"


DEFAULT_RULE = Solved()


def cells(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, *, solved: Solved = DEFAULT_RULE) -> pd.DataFrame:
    """Score rows cell by cell: a row of the table for each cell, in the order in which the cells first appear.

    The rows of a cell are of one method and task (`mibench.rows.row`); its columns are those of `Scores`. With the
    estimates T_1 ... T_m of its m = `ok` trials (of `trials`; `failures` counts the others by their status), the truth
    I with standard error `truth_se`, errors e_i = T_i - I, and O_i the mean pointwise MI of the same samples, in nats:

        mean        sum T_i / m                              sd        sqrt(sum (T_i - mean)^2 / (m - 1))
        bias        mean - I                                 bias_se   sqrt(sd^2 / m + truth_se^2)
        rmse        sqrt(sum e_i^2 / m)                      mae       sum |e_i| / m
        oracle_rmse sqrt(sum (O_i - I)^2 / m)
        efficiency  oracle_rmse / rmse, `efficiency_low` and `_high`: percentile bootstrap over seeds
        coverage    share k / q of the q = `intervals` intervals of the trials that hold I; `level` is the nominal one;
                    `coverage_low` and `_high`: Wilson's interval,
                    (k + z^2/2) / (q + z^2) +- z sqrt(k (q - k) / q + z^2/4) / (q + z^2)
        mean_width  of these intervals                       median_wall_s, median_cpu_s    of the m trials, seconds
        solved      |bias| <= max(a, b |I|) and sd <= c for the rule `solved` of a, b, c, and no failed trial

    Missing (NaN; None in `solved`) is what cannot be computed: bias without a truth, sd of one trial, efficiency at
    exact independence, `solved` where neither the truth nor the spread refutes it and one of them is not known. A cell
    whose trials all failed before the truth was computed has that of the other cells of its distribution and quantity.

    Where the truth is only certified to lie from `truth_low` to `truth_high`, an error against the midpoint would be a
    number of no meaning: bias, rmse, mae, efficiency and coverage are missing, and `solved` is judged by the whole
    interval: True if the rule holds wherever the truth lies in it, False if it holds nowhere.

    Sources: Wilson, Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22
    (1927); Efron and Tibshirani, An introduction to the bootstrap (1993), ch. 13.
    """
    frame = read(rows)
    code = number([code_of(frame, Method), code_of(frame, Task)])
    ok = (frame["status"] == "ok").to_numpy()
    frame.loc[~ok, _OF_ESTIMATE] = np.nan
    table = _counts(frame, code, ok)
    frame["truth"] = _truths(table, frame, code).to_numpy()[code]
    _add_errors(table, frame, code)
    _add_efficiency(table, frame, code, ok)
    table["coverage_low"], table["coverage_high"] = wilson(table["coverage"], table["intervals"])
    table[["median_wall_s", "median_cpu_s"]] = frame.groupby(code)[["wall_s", "cpu_s"]].median()
    verdicts = _solved(table, solved)
    return table.replace([np.inf, -np.inf], np.nan).assign(solved=verdicts)[list(Scores.__annotations__)]


def records(cells: pd.DataFrame) -> list[Scores]:
    """Return what `cells` found as mappings; what is not known is None."""
    return [cast("Scores", line) for line in known_only(cells)]


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[Scores]:
    """Return `cells(rows)` as plain mappings with None for what is missing: the cells of `--format json`."""
    return [plain(record) for record in cells(rows).drop(columns="stale").to_dict("records")]


def known_only(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as mappings in which what is not known is None."""
    return [
        {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in line.items()}
        for line in frame.to_dict("records")
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Rows as columns, and groups of equal rows


def read(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, *more: str) -> pd.DataFrame:
    """Return what tells rows apart, their quantity, status and numbers as columns, and `more` of them.

    Numbers are floats, NaN where missing; `params` is JSON text, `stale` is True or False.
    """
    import pandas as pd

    words = [name for name in (*_WORDS, *more) if name not in (*_NUMBERS, "stale")]
    frame = rows.reset_index(drop=True) if isinstance(rows, pd.DataFrame) else _columns(rows, words)
    columns = {name: frame[name] if frame[name].dtype.kind in "iu" else frame[name].astype(object) for name in words}
    columns["params"] = _as_text(frame["params"])
    nothing = pd.Series(np.nan, index=frame.index)
    columns |= {name: frame.get(name, nothing).astype(np.float64) for name in _NUMBERS}
    columns["stale"] = frame["stale"].eq(True) if "stale" in frame else nothing.notna()
    return pd.DataFrame(columns)


def _columns(rows: Sequence[Mapping[str, Any]], words: Sequence[str]) -> pd.DataFrame:
    """Turn mappings into columns, some rows at a time so that each is fetched from memory once."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for name in (*words, *_NUMBERS, "stale")}
    for start in range(0, len(rows), _FETCHED):
        block = rows[start : start + _FETCHED]
        for name, column in columns.items():
            column.extend([row[name] for row in block] if name in words else [row.get(name) for row in block])
    # As Series they keep their type: a DataFrame of arrays would turn words into strings, which cost a second to undo.
    arrays: dict[str, NDArray[Any]] = {name: np.array(column, dtype=_type_of(name)) for name, column in columns.items()}
    return pd.DataFrame({name: pd.Series(array, dtype=array.dtype) for name, array in arrays.items()})


def _type_of(name: str) -> type:
    kinds = {"whole": np.int64, "number": np.float64}
    return kinds.get(COLUMNS[name].kind, object) if name in COLUMNS else object


def _as_text(params: pd.Series[Any]) -> pd.Series[Any]:
    """Write mappings as `params_text` does; each distinct one once, as there are few."""
    import pandas as pd

    reprs = [repr(value) for value in params]
    texts = {key: params_text(value) for key, value in dict(zip(reprs, params, strict=True)).items()}
    return pd.Series([texts[key] for key in reprs], dtype=object)


def as_mappings(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Read the parameters of rows that `read` has made text of."""
    return texts.map(params_of)


def asked_level(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the level where an interval was asked for: an estimator's own level is no choice of the user's."""
    return frame["level"].where(frame["interval"].notna())


def code_of(frame: pd.DataFrame, kind: type[Method | Law | Task]) -> Codes:
    """Number the rows that are of one method, law or task, as `number` does."""
    return number([asked_level(frame) if name == "level" else frame[name] for name in kind._fields])


def number(columns: Sequence[Any]) -> Codes:
    """Number the rows that are equal in all columns, from 0 in the order in which they first appear."""
    import pandas as pd

    code: Codes = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        own, distinct = pd.factorize(column, use_na_sentinel=False)
        code = pd.factorize(code * len(distinct) + own)[0]
    return code


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def _counts(frame: pd.DataFrame, code: Codes, ok: NDArray[np.bool_]) -> pd.DataFrame:
    """Return a line for each cell: what it is of, and how its trials ended."""
    import pandas as pd

    first = np.flatnonzero(~pd.Series(code).duplicated())
    table = frame.loc[first, [*_WORDS]].drop(columns="status").reset_index(drop=True)
    table["params"] = as_mappings(table["params"])
    table["interval"] = table["interval"].where(table["interval"].notna(), None)
    table["trials"] = np.bincount(code, minlength=len(first))
    table["ok"] = np.bincount(code[ok], minlength=len(first))
    failures = _failures(code[~ok], frame["status"].to_numpy()[~ok], len(first))
    table["failures"] = pd.Series(failures, dtype=object)
    table["level"] = frame.groupby(code)["level"].first()
    table["intervals"] = (frame["high"] - frame["low"]).groupby(code).count()
    return table


def _failures(code: Codes, statuses: NDArray[np.object_], count: int) -> list[dict[str, int]]:
    """Count the failed trials of each of the `count` cells by status."""
    failures: list[dict[str, int]] = [{} for _ in range(count)]
    kind = number([code, statuses])
    totals = np.bincount(kind)
    _, first = np.unique(kind, return_index=True)
    for at, total in zip(first, totals, strict=True):
        failures[code[at]][statuses[at]] = int(total)
    return failures


def _truths(table: pd.DataFrame, frame: pd.DataFrame, code: Codes) -> pd.Series[Any]:
    """Add what is known of the truth, also from other cells of the law; return it where it is no certified interval."""
    law = number([code_of(table, Law), table["quantity"]])
    truths = frame.groupby(code)[_OF_LAW].first()
    table[_OF_LAW] = truths.fillna(truths.groupby(law).transform("first"))
    return table["truth"].mask(table["truth_high"] > table["truth_low"])


def _add_errors(table: pd.DataFrame, frame: pd.DataFrame, code: Codes) -> None:
    """Add mean, spread, errors and coverage; `frame` gets the squares of its errors."""
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged estimate: its square is not finite, hence missing
        frame["error"] = frame["estimate"] - frame["truth"]
        frame["width"] = frame["high"] - frame["low"]
        frame["size"], frame["square"] = frame["error"].abs(), frame["error"] ** 2
        frame["oracle_square"] = (frame["oracle"] - frame["truth"]) ** 2
        inside = (frame["low"] <= frame["truth"]) & (frame["truth"] <= frame["high"])
        frame["inside"] = inside.astype(float).mask(frame["width"].isna() | frame["truth"].isna())
        groups = frame.groupby(code)
        means = groups[["estimate", "error", "size", "square", "oracle_square", "width", "inside"]].mean()
        table["sd"] = groups["estimate"].std()
    table[["mean", "bias", "mae", "mean_width", "coverage"]] = means[["estimate", "error", "size", "width", "inside"]]
    known = groups["truth"].first().notna()
    table["bias_se"] = np.hypot(table["sd"] / np.sqrt(table["ok"]), table["truth_se"]).where(known)
    table["rmse"] = np.sqrt(means["square"])
    table["oracle_rmse"] = np.sqrt(means["oracle_square"]).where(groups["oracle"].count() == table["ok"])


def _add_efficiency(table: pd.DataFrame, frame: pd.DataFrame, code: Codes, ok: NDArray[np.bool_]) -> None:
    table["efficiency"] = table["efficiency_low"] = table["efficiency_high"] = np.nan
    finite = np.isfinite(table["rmse"]) & (table["rmse"] > 0) & (table["oracle_rmse"] > ROUNDING)
    table.loc[finite, "efficiency"] = table["oracle_rmse"] / table["rmse"]
    many = (finite & (table["ok"] > 1)).to_numpy()
    use = ok & many[code]
    ends = _bootstrap_ratios(code[use], frame["oracle_square"].to_numpy()[use], frame["square"].to_numpy()[use])
    table.loc[many, ["efficiency_low", "efficiency_high"]] = ends


def _bootstrap_ratios(code: Codes, oracle_squares: Array, squares: Array) -> Array:
    """Return, for each cell, the ends of the interval of oracle RMSE / RMSE over resampled seeds, shape (cells, 2)."""
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    sizes = np.diff(starts, append=len(code))
    ends = np.empty((len(starts), 2))
    for m in np.unique(sizes):
        weights = resampling(m)
        same = np.flatnonzero(sizes == m)
        for block in np.array_split(same, -(-len(same) // _BLOCK)):
            trials = order[starts[block][:, None] + np.arange(m)]
            upper, lower = oracle_squares[trials] @ weights, squares[trials] @ weights
            lower[lower == 0] = np.nan  # a resample of errors that are all 0
            ends[block] = quantiles(np.sqrt(np.divide(upper, lower, out=lower), out=lower))
    return ends


def resampling(m: int) -> Array:
    """Return how often each of m things is drawn in each resample, shape (m, resamples)."""
    rng = np.random.default_rng(0)  # the same rows give the same table
    picks = rng.integers(m, size=(_BOOTSTRAP, m))
    weights = np.zeros((m, _BOOTSTRAP))
    np.add.at(weights, (picks, np.arange(_BOOTSTRAP)[:, None]), 1.0)
    return weights


def quantiles(resampled: Array) -> Array:
    """Return the ends of the percentile intervals of resampled scores (cells, resamples), NaN left out: (cells, 2)."""
    ordered = np.sort(resampled, axis=1)  # NaN comes last; faster than np.quantile
    last = np.count_nonzero(~np.isnan(ordered), axis=1)[:, None] - 1
    place = last * np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    below = np.floor(place).astype(np.intp)
    low, high = (np.take_along_axis(ordered, np.minimum(at, last), axis=1) for at in (below, below + 1))
    ends: Array = low + (place - below) * (high - low)
    return ends


def wilson(share: pd.Series[float], count: pd.Series[int]) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the Wilson interval, at `LEVEL`, of a share of `count`."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (count * share + z**2 / 2) / (count + z**2)
    reach = z * np.sqrt(count * share * (1 - share) + z**2 / 4) / (count + z**2)
    return middle - reach, middle + reach


def _solved(table: pd.DataFrame, rule: Solved) -> pd.Series[Any]:
    import pandas as pd

    low, high = (table[end].fillna(table["truth"]) for end in ("truth_low", "truth_high"))
    ends = [(table["mean"] - end).abs() - np.maximum(rule.absolute, rule.relative * end.abs()) for end in (low, high)]
    worst = ends[0].where(ends[0] > ends[1], ends[1])
    # The nearest truth that may be: the mean itself where it lies in the certified interval.
    best = ends[0].where(ends[0] < ends[1], ends[1]).mask((low <= table["mean"]) & (table["mean"] <= high), -1.0)
    failed = (table["ok"] < table["trials"]) & (table["truth"].notna() | (table["quantity"] == "mi"))
    refuted = failed | (table["truth"].notna() & ((best > 0) | (table["sd"] > rule.sd)))
    solved = pd.Series([None] * len(table), index=table.index, dtype=object)
    solved[(worst <= 0) & (table["sd"] <= rule.sd) & ~failed] = True
    solved[refuted] = False
    return solved
