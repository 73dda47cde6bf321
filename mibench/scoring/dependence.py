"""Does an estimate grow with mutual information? All that can be asked of a dependence measure other than MI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from mibench.interface import Array, InputError
from mibench.plan import make_task
from mibench.rows.row import Law, Method, law_of
from mibench.scoring.cell import ROUNDING, as_mappings, asked_level, code_of, known_only, number, read

if TYPE_CHECKING:
    import pandas as pd


class Order(TypedDict):
    """How the estimates of a method at one n are ordered, as `association` defines it; None is what is not known."""

    estimator: str
    params: dict[str, Any]
    estimator_version: str
    device: str
    interval: str | None
    level: float | None
    stale: bool
    quantity: str
    n: int
    tasks: int
    failed_tasks: int
    failures: int
    spearman: float | None
    kendall: float | None
    auc: float | None
    auc_pairs: int
    saturation: float | None


def association(
    rows: Sequence[Mapping[str, Any]] | pd.DataFrame, mi: Mapping[Law, float] | None = None
) -> pd.DataFrame:
    """Compare estimates with the true MI of their tasks by order alone, for each estimator and n by itself.

    A row for each `Method`, `quantity` and n. With T_j the mean estimate and I_j the true MI of task j of the `tasks`
    on which both are known (`failed_tasks` counts those without any estimate, `failures` the failed trials):

        spearman, kendall  rank correlation (tau-b) of T_j and I_j; missing for fewer than 3 tasks
        auc         P(T > T_0) + P(T = T_0) / 2 for single estimates T where I > 0 and T_0 where I = 0, both of one
                    dim_x, dim_y and n: all such pairs, `auc_pairs` in number, count the same. 1: tells dependence
                    from independence at one threshold for each size; 1/2: chance
        saturation  1 - (slope of T on I over the upper half of tasks) / (slope over the lower half), by least squares;
                    the halves are I >= and <= the median of the distinct values of I. It has no unit, so that it
                    serves every measure. 0: grows as before, 1: has stopped, above 1: falls. Missing where a half has
                    fewer than 2 distinct values or T does not grow over the lower half. It speaks of saturation where
                    tasks differ in little but MI, as those of a staircase do

    Parameters
    ----------
    rows
        One for each trial. The MI of a task is the truth of those rows on it whose quantity is "mi", of any estimator;
        a truth that is only certified to an interval is not used.
    mi
        The MI in nats of further distributions, by their `Law`.

    Sources: Kendall, The treatment of ties in ranking problems, Biometrika 33 (1945); Hanley and McNeil, The meaning
    and use of the area under a receiver operating characteristic (ROC) curve, Radiology 143 (1982).
    """
    import pandas as pd

    frame = read(rows)
    frame["level"] = asked_level(frame)
    group = number([code_of(frame, Method), frame["quantity"], frame["n"]])
    frame["law"] = code_of(frame, Law)
    own = frame["truth"].where((frame["quantity"] == "mi") & ~(frame["truth_high"] > frame["truth_low"]))
    frame["mi"] = own.groupby(frame["law"]).transform("first")
    if mi is not None:
        laws = frame.drop_duplicates("law").set_index("law")[list(Law._fields)]
        known = {code: mi.get(Law(*law), np.nan) for code, *law in laws.itertuples()}
        frame["mi"] = frame["mi"].fillna(frame["law"].map(known))
    frame["params"] = as_mappings(frame["params"])
    return pd.DataFrame([_scored(some) for _, some in frame.groupby(group)], columns=list(Order.__annotations__))


def _scored(rows: pd.DataFrame) -> dict[str, Any]:
    """Score the rows of a method, a quantity and an n, each of which has the MI of its law."""
    ok = rows[rows["status"] == "ok"]
    tasks = ok.groupby("law").agg(estimate=("estimate", "mean"), mi=("mi", "first")).dropna()
    estimates, truths = tasks["estimate"].to_numpy(), tasks["mi"].to_numpy()
    spearman, kendall = _correlations(estimates, truths)
    auc, pairs = _auc(ok[ok["mi"].notna()])
    return {
        **rows.iloc[0],
        "tasks": len(tasks),
        "failed_tasks": rows["law"].nunique() - ok["law"].nunique(),
        "failures": len(rows) - len(ok),
        "spearman": spearman,
        "kendall": kendall,
        "auc": auc,
        "auc_pairs": pairs,
        "saturation": _saturation(estimates, truths),
    }


def orders(rows: Sequence[Mapping[str, Any]]) -> list[Order]:
    """Return `association` as mappings, the best rank correlation of each n first, those without any last.

    The MI of a law that only estimators of another quantity were run on is computed here.
    """
    laws = {law_of(row): None for row in rows}
    known = {law_of(row) for row in rows if row["quantity"] == "mi" and row["truth"] is not None}
    mi = {law: value for law in laws if law not in known and (value := _true_mi(law)) is not None}
    found = [cast("Order", line) for line in known_only(association(rows, mi))]
    return sorted(found, key=lambda line: (line["n"], math.inf if line["spearman"] is None else -line["spearman"]))


def _true_mi(law: Law) -> float | None:
    """Compute the MI of a law, or None where it is not known, or was another version's."""
    try:
        here = make_task(law.distribution, law.dim_x, law.dim_y).distribution
    except InputError:  # of somebody's own file, which is not here
        return None
    truth = here.ground_truth("mi") if here.version == law.distribution_version else None
    return None if truth is None or truth.low is not None else truth.value


def _correlations(estimates: Array, truths: Array) -> tuple[float, float]:
    from scipy import stats

    if len(truths) < 3 or np.ptp(truths) == 0 or np.ptp(estimates) == 0:
        return np.nan, np.nan
    return float(stats.spearmanr(estimates, truths)[0]), float(stats.kendalltau(estimates, truths)[0])


def _auc(trials: pd.DataFrame) -> tuple[float, int]:
    """Return the share of pairs (dependent, independent) in the right order, a tie counting half, and their number."""
    from scipy.stats import rankdata

    right, pairs = 0.0, 0
    for _, some in trials.groupby(["dim_x", "dim_y"]):
        dependent = (some["mi"] > ROUNDING).to_numpy()
        above, below = int(dependent.sum()), int((~dependent).sum())
        # Mann and Whitney: the ranks of the dependent ones, less what they would be without any independent one.
        right += rankdata(some["estimate"])[dependent].sum() - above * (above + 1) / 2
        pairs += above * below
    return (right / pairs if pairs else np.nan), pairs


def _saturation(estimates: Array, truths: Array) -> float:
    distinct = np.unique(truths)
    if len(distinct) < 3:
        return np.nan
    middle = np.median(distinct)
    lower, upper = (np.polyfit(truths[half], estimates[half], 1)[0] for half in (truths <= middle, truths >= middle))
    return float(1 - upper / lower) if lower > 0 else np.nan
