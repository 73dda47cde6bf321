"""Estimates from a user's own data: one estimator, several, a permutation test, all pairs of columns.

The data are those that `mibench.inputs.as_columns` accepts. `seed` drives the randomness of the estimator (and of the
permutations or an interval, from streams of their own), never the data: another seed tells how much an estimator's own
randomness matters, not how uncertain the estimate is; an interval does. Values are in nats; `bits` converts them where
they are shown.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mibench import registry
from mibench.estimating import Estimation, Start, points_apart, points_together
from mibench.inputs import (
    Discrete,
    UnsupportedError,
    about_kinds,
    as_columns,
    as_pair,
    check_finite,
    constant_columns,
)
from mibench.interface import Estimate, Estimator, InputError, Interval, Sample, Shape
from mibench.intervals import check_interval
from mibench.provenance import has_gpu_files, usable_cores
from mibench.registry import EstimatorLike, make_estimator

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["ok", "nonfinite", "skipped", "error"]
Progress = Callable[[int, int], None]  # called with (done, total)

_BATCH = 64  # estimates handed to `estimate_batch` at once
_BATCH_BYTES = 2**28  # and the size that their copies of y may have


def estimate(
    x: Any,
    y: Any,
    estimator: EstimatorLike = "ksg",
    *,
    seed: int = 0,
    x_discrete: Discrete = None,
    y_discrete: Discrete = None,
    device: str = "cpu",
    threads: int | None = None,
    interval: str | None = None,
    level: float | None = None,
    **parameters: Any,
) -> Estimate:
    """Estimate the mutual information of x and y in nats.

    Parameters
    ----------
    x, y
        n paired observations: numpy arrays, torch tensors, pandas objects or lists of shape (n,) or (n, d). Rows are
        paired by position.
    estimator
        `name[key=value,...]`, `path/to/file.py:Class`, an estimator class or an estimator.
    seed
        Drives the estimator's own randomness.
    x_discrete, y_discrete
        Which columns are labels, see `mibench.inputs.as_columns`. By default text, bools and categories are.
    device
        "cpu", "cuda" or "auto". Estimators without CUDA code run on the CPU.
    threads
        By default the number of cores at hand, and one for an estimator that trains on the CPU.
    interval, level
        "subsample" or "jackknife", and its nominal coverage (default 0.95): what the estimate may be in other samples,
        its bias aside, see `mibench.intervals`. None: no interval.
    **parameters
        Parameters of the estimator.

    >>> estimate(table[["bmi", "bp"]], table["target"], "ksg", k=5).value
    """
    made = make_estimator(estimator, **parameters)
    pair = as_pair(x, y, x_discrete, y_discrete)
    start = start_of(made, seed, device, threads, check_interval(interval, level))
    return Estimation(made, pair, start).estimate()


@dataclass(frozen=True)
class Outcome:
    """What one of several estimators made of the data: an estimate, or one line that says why there is none.

    The status is that of a trial: "ok", "nonfinite", "skipped" where the estimator does not support such data, or
    "error". `wall_s` is the time of the estimate, without that of its interval.
    """

    name: str
    estimator: Estimator
    estimate: Estimate | None
    status: Status
    error: str | None
    wall_s: float


def estimate_many(
    x: Any,
    y: Any,
    estimators: str | Sequence[EstimatorLike],
    *,
    seed: int = 0,
    x_discrete: Discrete = None,
    y_discrete: Discrete = None,
    device: str = "cpu",
    threads: int | None = None,
    interval: str | None = None,
    level: float | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run several estimators on the same data; the arguments are those of `estimate`.

    Wrong names, unusable data and a missing device raise `InputError` before anything runs. An estimator that does not
    support the data, or fails on it, has an error line in place of its estimate. `estimators` is a list, or a text such
    as "ksg,infonce[batch_size=128],gaussian*".
    """
    if isinstance(estimators, str):
        items = registry.split_list(estimators)
        estimators = [name for item in items for name in registry.estimators.expand(item)]
    if not estimators:
        raise InputError("no estimator is named; `mibench list estimators` shows all")
    made = [make_estimator(spec) for spec in estimators]
    pair = as_pair(x, y, x_discrete, y_discrete)
    asked = check_interval(interval, level)
    estimations = [Estimation(one, pair, start_of(one, seed, device, threads, asked)) for one in made]
    outcomes = []
    for spec, one in zip(estimators, estimations, strict=True):
        name = spec if isinstance(spec, str) else registry.full_spec(one.estimator)
        outcomes.append(_outcome(name, one))
        if progress is not None:
            progress(len(outcomes), len(made))
    return outcomes


def _outcome(name: str, estimation: Estimation) -> Outcome:
    """Estimate; a failure is an outcome, too: one estimator must not lose the others."""
    begun = time.perf_counter()
    try:
        estimation.check()
        found = estimation.point()
    except UnsupportedError as reason:
        return Outcome(name, estimation.estimator, None, "skipped", str(reason), 0.0)
    except (Exception, SystemExit) as failure:
        spent = time.perf_counter() - begun
        return Outcome(name, estimation.estimator, None, "error", one_line(failure), spent)
    spent = time.perf_counter() - begun
    status: Status = "ok" if math.isfinite(found.value) else "nonfinite"
    error = None if status == "ok" else f"the estimate is {found.value}"
    return Outcome(name, estimation.estimator, estimation.with_interval(found), status, error, spent)


# ---------------------------------------------------------------------------------------------------------------------
# Test of independence


@dataclass(frozen=True)
class PermutationTest:
    """Outcome of `permutation_test`; `nonfinite` permutations are counted in the p-value, but not in mean and sd."""

    estimate: Estimate
    p_value: float
    null_mean: float
    null_sd: float
    permutations: int
    nonfinite: int


def permutation_test(
    x: Any,
    y: Any,
    estimator: EstimatorLike = "ksg",
    permutations: int = 200,
    *,
    seed: int = 0,
    x_discrete: Discrete = None,
    y_discrete: Discrete = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> PermutationTest:
    r"""Test whether x and y are independent: is the estimate larger than with the rows of y permuted?

        p = (1 + #{b: T_b >= T}) / (1 + B),   T = T(x, y),   T_b = T(x, y[permutation b]),   b = 1 ... B.

    If the rows are independent draws and x is independent of y, then T, T_1, ..., T_B are exchangeable, so that
    P(p <= a) <= a for every level a, whichever estimator is used and however biased it is. Each of them starts from
    the same seed. Equal values, up to rounding, count as reaching T, and so does a permutation without a number as its
    estimate; if T itself is not a number, p is NaN. The smallest p possible is 1 / (1 + B).

    Source: Phipson and Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9 (2010).
    """
    _check_whole("permutations", permutations, 1)
    made = make_estimator(estimator, **parameters)
    pair = as_pair(x, y, x_discrete, y_discrete)
    observation = Estimation(made, pair, start_of(made, seed, device, threads))
    observation.check()
    shuffle = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    results: dict[int, Estimate] = {}
    total = 1 + permutations  # the data as they are come first, through the same code: ties stay ties
    size = max(1, min(_BATCH, _BATCH_BYTES // pair.y.nbytes))
    for start in range(0, total, size):
        block = range(start, min(start + size, total))
        ys = [pair.y if b == 0 else shuffle.permutation(pair.y) for b in block]
        batch = [dataclasses.replace(observation, sample=dataclasses.replace(pair, y=permuted)) for permuted in ys]
        for index, result in points_together(batch):
            results[start + index] = result
            if progress is not None:
                progress(len(results), total)
    observed = results[0].value
    null = np.array([results[b].value for b in range(1, total)])
    rounding = 1e-12 * max(1.0, abs(observed)) if math.isfinite(observed) else 0.0
    reached = ~(null < observed - rounding)  # a NaN is not below
    finite = null[np.isfinite(null)]
    return PermutationTest(
        estimate=results[0],
        p_value=math.nan if math.isnan(observed) else float((1 + reached.sum()) / total),
        null_mean=float(finite.mean()) if finite.size else math.nan,
        null_sd=float(finite.std(ddof=1)) if finite.size > 1 else math.nan,
        permutations=permutations,
        nonfinite=permutations - finite.size,
    )


# ---------------------------------------------------------------------------------------------------------------------
# All pairs of columns


@dataclass(frozen=True)
class PairwiseMatrix:
    """Estimates between all pairs of columns.

    `estimates[i][j]` is the estimate with column i as x and column j as y; None on the diagonal and where
    `reasons[i, j]` says why there is none. Where it is for the kinds of columns, `hint` says who takes them all.
    `failed` are those that were tried: the estimator raised, or gave no finite number.
    """

    names: tuple[str, ...]
    estimates: tuple[tuple[Estimate | None, ...], ...]
    reasons: dict[tuple[int, int], str]
    hint: str = ""
    failed: frozenset[tuple[int, int]] = frozenset()

    def to_frame(self) -> pd.DataFrame:
        """Return the values in nats as a table, NaN where there is no estimate."""
        import pandas as pd

        values = [[math.nan if cell is None else cell.value for cell in row] for row in self.estimates]
        return pd.DataFrame(values, index=list(self.names), columns=list(self.names))


def pairwise(
    table: Any,
    estimator: EstimatorLike = "ksg",
    *,
    seed: int = 0,
    discrete: Discrete = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> PairwiseMatrix:
    """Estimate the mutual information between all pairs of columns; the arguments are those of `estimate`.

    A symmetric estimator runs once per pair, any other one in both orders. A pair that the estimator does not support
    (constant, or labels where it needs numbers), or on which it fails, has a reason in place of an estimate, and so has
    one whose estimate is no finite number; a missing value anywhere is an error.
    """
    made = make_estimator(estimator, **parameters)
    columns = as_columns(table, "the table", discrete)
    n, count = columns.values.shape
    if n < 2 or count < 2:
        raise InputError(f"the table has {n} rows and {count} columns; at least 2 of each are needed")
    check_finite(columns.values, "the table", columns.names)
    start = start_of(made, seed, device, threads)
    names = columns.names or tuple(map(str, range(count)))
    constant = set(constant_columns(columns.values).tolist())
    singles = [np.ascontiguousarray(columns.values[:, [j]]) for j in range(count)]
    pairs = [(i, j) for i in range(count) for j in range(count) if i < j or (i > j and not made.facts.symmetric)]
    shapes = {(i, j): Shape(n, (columns.kinds[i],), (columns.kinds[j],)) for i, j in pairs}
    cells: dict[tuple[int, int], Estimate] = {}
    reasons: dict[tuple[int, int], str] = {}
    failed: dict[tuple[int, int], str] = {}
    alike: dict[Shape, list[tuple[int, int]]] = {}  # a batch has columns of one kind
    for i, j in pairs:
        reason = made.unsupported(shapes[i, j])
        if reason is None and {i, j} & constant:
            reason = f"column {names[min({i, j} & constant)]!r} is constant"
        if reason is None:
            alike.setdefault(shapes[i, j], []).append((i, j))
        else:
            reasons[i, j] = reason
    batches = [some[first : first + _BATCH] for some in alike.values() for first in range(0, len(some), _BATCH)]
    for batch in batches:
        samples = [Sample(singles[i], singles[j], declared=shapes[i, j]) for i, j in batch]
        for index, result in points_apart([Estimation(made, sample, start) for sample in samples]):
            if not isinstance(result, Estimate):
                failed[batch[index]] = one_line(result)
            elif not math.isfinite(result.value):
                failed[batch[index]] = "; ".join((f"the estimate is {result.value}", *result.warnings))
            else:
                cells[batch[index]] = result
            if progress is not None:
                progress(len(cells) + len(reasons) + len(failed), len(pairs))
    reasons |= failed
    if made.facts.symmetric:
        cells |= {(j, i): cell for (i, j), cell in cells.items()}
        reasons |= {(j, i): reason for (i, j), reason in reasons.items()}
        failed |= {(j, i): reason for (i, j), reason in failed.items()}
    rows = tuple(tuple(cells.get((i, j)) for j in range(count)) for i in range(count))
    found = set(shapes.values())
    refused = any(shape.kind not in made.facts.supports for shape in found)
    hint = "; ".join(about_kinds(made, found, columns.labels)) if refused else ""
    return PairwiseMatrix(names, rows, reasons, hint, frozenset(failed))


# ---------------------------------------------------------------------------------------------------------------------
# What they share


def bits(nats: float) -> float:
    """Convert nats to bits."""
    return nats / math.log(2.0)


def start_of(
    estimator: Estimator, seed: int, device: str, threads: int | None, interval: Interval | None = None
) -> Start:
    """Check seed, device and threads as a user gives them; return what the estimate starts from."""
    _check_whole("seed", seed, 0)
    if threads is not None:
        _check_whole("threads", threads, 1)
    found = _device(estimator, device)
    # Training waits for all threads after every small operation: on a machine with other work two threads took 2 to 5
    # times the CPU seconds of one, and as many times as long.
    many = threads or (1 if estimator.facts.trains and found == "cpu" else usable_cores())
    return Start(seed, found, many, interval)


def _check_whole(name: str, value: object, low: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
        raise InputError(f"{name} = {value!r} is not accepted; give a whole number >= {low}")


def _device(estimator: Estimator, device: str) -> str:
    """Return the device to use, asking torch only where the estimator can use CUDA."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device!r} is not accepted; give auto, cpu or cuda")
    if device == "cpu" or "cuda" not in estimator.facts.devices:
        return "cpu"
    if has_gpu_files():
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if device == "cuda":
        raise InputError("no CUDA device is at hand; give device auto or cpu")
    return "cpu"


def one_line(error: BaseException) -> str:
    """Say what failed in one line, with the kind of error."""
    if isinstance(error, InputError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
