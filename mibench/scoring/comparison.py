"""Which estimator is better: ranks over tasks, and differences of errors on the same samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array
from mibench.rows.row import Method, Task, method_of
from mibench.scoring.cell import (
    LEVEL,
    ROUNDING,
    as_mappings,
    asked_level,
    code_of,
    known_only,
    quantiles,
    read,
    resampling,
)

if TYPE_CHECKING:
    import pandas as pd

_COMPARED = ("seeds", "failures_a", "failures_b", "difference", "se")


def ranks(cells: pd.DataFrame, *, score: str = "rmse", quantity: str = "mi") -> pd.DataFrame:
    """Rank estimators on each task by a score that should be small, and average the ranks over tasks.

    For each n by itself, on the `tasks` that every estimator (each `Method`) has a cell of and whose truth is known:

        rank = mean over tasks of 1 + #{better estimators} + #{equal others} / 2.

    Failures rank last: first counts the share of failed trials (a trial skipped as not supported is one), then the
    score; scores that agree to nine digits are equal. So an estimator with failed trials is behind all that have none,
    and those without any result are last and equal. `rank_low` and `rank_high` are a percentile bootstrap over tasks:
    how the average might be on other tasks of their kind, which the tasks of a suite are only if it was drawn that way.
    One task gives no interval.

    Parameters
    ----------
    cells
        Made by `mibench.scoring.cells`. Only cells of `quantity` are compared: errors of another are in other units.
    score
        Its column to rank by: "rmse", "mae", "sd", "median_cpu_s".

    Returns
    -------
    pandas.DataFrame
        The columns of a `Method`, n, tasks, rank, rank_low, rank_high; by n, then best first. With no task in common,
        tasks is 0 and the ranks are missing.
    """
    import pandas as pd

    known = cells["truth"].notna() & ~(cells["truth_high"] > cells["truth_low"])
    chosen = cells[known & (cells["quantity"] == quantity)].reset_index(drop=True)
    keys = read(chosen.assign(status=""))
    chosen = chosen.assign(
        level=asked_level(keys),
        method=code_of(keys, Method),
        task=code_of(keys, Task),
        failed=1 - chosen["ok"] / chosen["trials"],
        score=chosen[score].fillna(np.inf).map("{:.8e}".format).astype(float),
    )
    parts = [_ranks_at(some).assign(n=n) for n, some in chosen.groupby("n")]
    columns = [*Method._fields, "n", "tasks", "rank", "rank_low", "rank_high"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _ranks_at(cells: pd.DataFrame) -> pd.DataFrame:
    """Rank the methods of one n."""
    entries = cells.drop_duplicates("method").set_index("method")[list(Method._fields)]
    common = cells.groupby("task")["method"].transform("nunique") == len(entries)
    shared = cells[common]
    place = shared.groupby(["failed", "score"]).ngroup()  # worse is larger
    rank = place.groupby(shared["task"]).rank().to_frame("rank")
    matrix = rank.assign(method=shared["method"], task=shared["task"]).pivot(
        index="method", columns="task", values="rank"
    )
    entries["tasks"] = matrix.shape[1]
    entries["rank"] = matrix.mean(axis=1)
    entries["rank_low"] = entries["rank_high"] = np.nan
    if matrix.shape[1] > 1:
        ends = quantiles(matrix.to_numpy() @ resampling(matrix.shape[1]) / matrix.shape[1])
        entries.loc[matrix.index, ["rank_low", "rank_high"]] = ends
    return entries.sort_values("rank", kind="stable")


def paired_differences(
    rows: Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    quantity: str = "mi",
    of: Collection[Method] | None = None,
) -> pd.DataFrame:
    """Compare every two estimators a, b on each task by their errors on the same samples.

    All estimators see the same sample of a seed. With the truth I and the estimates A_i, B_i of the m = `seeds` seeds
    on which both were ok,

        D_i = |A_i - I| - |B_i - I|,    difference = mean of D,    se = sd(D) / sqrt(m),    t = difference / se,

    so the estimand is E|A - I| - E|B - I| in nats over samples of this task and size (negative: a errs less), and `p`
    is that of the two-sided paired t test with m - 1 degrees of freedom, `low` and `high` the matching interval.
    `p_holm` is Holm's correction over all pairs *within one task*: the chance of any false claim on a task is at most
    the level one compares it with; over T tasks expect up to T times that. Samples of other tasks are independent.

    `failures_a` and `failures_b` count the seeds that both were given and that a, or b, failed on: these are compared
    nowhere, so a difference beside them speaks only of the samples that both can do. Equal errors on all seeds, up to
    rounding, have p = 1; with one seed there is a difference and no test. The error of a truth that is known by Monte
    Carlo is not in `se`. Tasks whose truth is only certified to an interval are left out. Where methods are given as
    `of`, only the pairs of one of them and one of the others are compared, and corrected for.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6 (1979).
    """
    import pandas as pd
    from scipy.special import stdtr, stdtrit

    frame = read(rows, "seed")
    frame["level"] = asked_level(frame)
    frame = frame[frame["quantity"] == quantity].reset_index(drop=True)
    frame["method"], frame["task"] = code_of(frame, Method), code_of(frame, Task)
    truth = frame["truth"].mask(frame["truth_high"] > frame["truth_low"]).groupby(frame["task"]).transform("first")
    frame["error"] = (frame["estimate"] - truth).abs().where(frame["status"] == "ok")
    trials = frame[truth.notna()].drop_duplicates(["task", "method", "seed"], keep="last")
    methods = frame.drop_duplicates("method").set_index("method")[list(Method._fields)]
    chosen = None if of is None else np.array([method_of(line) in of for line in known_only(methods)], dtype=bool)
    parts = [_compare(some, chosen).assign(task=task) for task, some in trials.groupby("task")]
    found = pd.concat([pd.DataFrame(columns=["task", "a", "b", *_COMPARED]), *parts][bool(parts) :], ignore_index=True)

    freedom = np.maximum(found["seeds"].to_numpy(dtype=float) - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (found["difference"] / found["se"]).mask(found["difference"] == 0, 0.0).to_numpy(dtype=float)
    found["p"] = np.where(found["se"].notna(), 2 * stdtr(freedom, -np.abs(t)), np.nan)
    reach = found["se"] * stdtrit(freedom, (1 + LEVEL) / 2)
    found["low"], found["high"] = found["difference"] - reach, found["difference"] + reach
    found["p_holm"] = found.groupby("task")["p"].transform(lambda p: holm(p.to_numpy()))

    methods["params"] = as_mappings(methods["params"])
    tasks = frame.drop_duplicates("task").set_index("task")[list(Task._fields)]
    sides = [methods.reindex(found[side]).add_suffix(f"_{side}").reset_index(drop=True) for side in ("a", "b")]
    scores = found[[*_COMPARED, "low", "high", "p", "p_holm"]]
    return pd.concat([tasks.reindex(found["task"]).reset_index(drop=True), *sides, scores], axis=1)


def _compare(trials: pd.DataFrame, chosen: NDArray[np.bool_] | None) -> pd.DataFrame:
    """Compare all pairs of methods that share seeds on one task; `error` is NaN where a trial failed.

    `chosen` says of each method whether it is compared with those that it does not say so of.
    """
    import pandas as pd

    members, column = np.unique(trials["method"], return_inverse=True)
    seeds, line = np.unique(trials["seed"], return_inverse=True)
    values, run = np.full((len(seeds), len(members)), np.nan), np.zeros((len(seeds), len(members)), dtype=bool)
    values[line, column], run[line, column] = trials["error"], True
    a, b = np.triu_indices(len(members), k=1)
    if chosen is not None:
        crossing = chosen[members[a]] != chosen[members[b]]
        a, b = a[crossing], b[crossing]
    differences = values[:, a] - values[:, b]
    differences[np.abs(differences) <= ROUNDING] = 0.0
    both, used = run[:, a] & run[:, b], np.isfinite(differences)
    count = used.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(used, differences, 0.0).sum(axis=0) / count
        squares = (np.where(used, differences - mean, 0.0) ** 2).sum(axis=0)
        se = np.where(count > 1, np.sqrt(squares / (count - 1) / count), np.nan)
    failures = [(both & np.isnan(values[:, side])).sum(axis=0) for side in (a, b)]
    columns = (count, *failures, mean, se)
    table = pd.DataFrame({"a": members[a], "b": members[b], **dict(zip(_COMPARED, columns, strict=True))})
    return table.iloc[np.flatnonzero(both.any(axis=0))]


def holm(p: Array) -> Array:
    """Adjust p-values for testing all at once: max over j <= i of min(1, (count - j + 1) p_(j)); NaN stays NaN."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN is last
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return adjusted
