"""An interval about any estimate, from estimates of parts of the same points: subsampling or the jackknife.

The rows are cut at random into m = 10 groups of b = floor(n / m) rows, and the estimator gives T_1, ..., T_m:

    subsample   T_j from group j alone                s = sd(T) sqrt(b / n)
    jackknife   T_j from all rows but those of j      s = sd(T) (n - b) / sqrt(b n)

For a mean, s^2 is unbiased in both. The interval is T +- t s, where T is the estimate of all points, untouched, and t
the quantile of Student's t with m - 1 degrees of freedom.

It is an interval for the expectation of the estimator: it covers the spread over samples, not the bias. It supposes
independent rows and a variance that falls as 1/n. Where that falls as 1/n^2 (a Gaussian estimate at independence) both
methods are too wide. The jackknife also needs an estimator that changes smoothly as rows are left out; nearest
neighbours and the edges of bins do not, which makes it 1.3 to 2 times too wide for them. Subsampling does without, but
needs an estimator whose spread at b points tells its spread at n. It costs as much as the estimate where that is linear
in n, a tenth of it where it is quadratic; the jackknife costs nine estimates or somewhat less.

A warning tells where the parts average further from T than the interval is wide, so that bias depends on n: a sign that
subsampling can give and the jackknife, whose parts are nearly the whole, cannot. A bias that is the same at b and at n
shows in neither. Measured coverage: `benchmarks/interval_coverage.py`, whose outcome is results/interval_coverage.csv.

Sources: Politis, Romano and Wolf, Subsampling (1999); Holmes and Nemenman, Estimation of mutual information for
real-valued data with error bars and controlled bias, Phys. Rev. E 100 (2019); Shao and Wu, A general theory for
jackknife variance estimation, Ann. Stat. 17 (1989).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mibench.inputs import check_data
from mibench.interface import Array, Context, Estimate, Estimator, InputError, Interval
from mibench.registry import nearest

METHODS = ("subsample", "jackknife")
DEFAULT_LEVEL = Interval.level
VERSION = "1"  # raised whenever the same data and seed can give another interval

_ACCEPTED = f"accepted: {', '.join(METHODS)}"
# Fewer make t large and s uncertain, more make the groups too small to tell the spread at n: 5, 10, 20 and 30 compared.
_GROUPS = 10
_BATCH_BYTES = 2**28  # what the parts handed to `estimate_batch` at once may take


def check_interval(method: str | None, level: Any) -> Interval | None:
    """Return the interval that is asked for, None where none is; refuse what is not accepted."""
    if method is None:
        if level is not None:
            raise InputError(f"level {level} is that of an interval, and none is asked for; {_ACCEPTED}")
        return None
    if method not in METHODS:
        raise InputError(f"unknown interval {method!r}{nearest(method, list(METHODS))}; {_ACCEPTED}")
    if level is None:
        return Interval(method)
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise InputError(f"level {level!r} is not accepted; give a number between 0 and 1, such as 0.95")
    return Interval(method, float(level))


def with_interval(estimator: Estimator, estimate: Estimate, x: Array, y: Array, context: Context) -> Estimate:
    """Return the estimate with the interval that `context.interval` asks for.

    `context` is as it was when the estimate began, so that the groups depend on the seed alone and not on how much
    randomness the estimator used. Where a part cannot be estimated there is a warning in place of the interval.
    An estimator's own interval is replaced where one is asked for, and kept where none is.
    """
    asked = context.interval
    if asked is None:
        return estimate
    try:
        if not math.isfinite(estimate.value):
            raise InputError("the estimate is not finite")
        parts, points = _estimate_parts(estimator, x, y, context, asked.method)
    except Exception as error:  # the estimate itself is not lost with its interval
        reason = str(error) if isinstance(error, InputError) else f"a part failed with {type(error).__name__}: {error}"
        warnings = (*estimate.warnings, "no interval: " + " ".join(reason.split()))
        return dataclasses.replace(estimate, low=None, high=None, level=asked.level, warnings=warnings)
    from scipy.special import stdtrit

    n, b = len(x), len(x) // _GROUPS
    scale = math.sqrt(b / n) if asked.method == "subsample" else (n - b) / math.sqrt(b * n)
    spread = float(parts.std(ddof=1)) * scale
    reach = float(stdtrit(_GROUPS - 1, (1 + asked.level) / 2)) * spread
    mean = float(parts.mean())
    found = {"method": asked.method, "parts": _GROUPS, "points": points, "mean": mean, "standard_error": spread}
    warnings = estimate.warnings
    if abs(mean - estimate.value) > 2 * reach:
        warnings += (
            f"parts of {points} points average {mean:.4f}, further from the estimate than its interval is wide: "
            "the bias depends on n, and the interval does not cover bias",
        )
    return dataclasses.replace(
        estimate,
        low=estimate.value - reach,
        high=estimate.value + reach,
        level=asked.level,
        diagnostics={**estimate.diagnostics, "interval": found},
        warnings=warnings,
    )


def _estimate_parts(estimator: Estimator, x: Array, y: Array, context: Context, method: str) -> tuple[Array, int]:
    """Estimate the groups, or what is left without each; returns the values and the number of points of each."""
    n = len(x)
    if n < 2 * _GROUPS:
        raise InputError(f"it needs at least {2 * _GROUPS} points, got {n}")
    # A stream of its own: the estimator may draw from the start of this one.
    rng = np.random.default_rng(context.rng.integers(2**63, size=4))
    groups = rng.permutation(n)[: n - n % _GROUPS].reshape(_GROUPS, -1)
    chosen = list(groups if method == "subsample" else (np.delete(np.arange(n), group) for group in groups))
    points = len(chosen[0])
    shape = context.shape_of(x, y).with_points(points)
    reason = estimator.unsupported(shape)
    if reason is not None:
        raise InputError(f"parts of {points} points: {reason}")
    plain = dataclasses.replace(context, interval=None, shape=shape)
    contexts = [dataclasses.replace(plain, rng=stream) for stream in rng.spawn(_GROUPS)]
    values = np.full(_GROUPS, math.nan)
    size = max(1, _BATCH_BYTES * n // (points * (x.nbytes + y.nbytes)))
    for start in range(0, _GROUPS, size):
        block = slice(start, start + size)
        pairs = [(x[rows], y[rows]) for rows in chosen[block]]
        for part in pairs:
            check_data(*part)
        xs, ys = zip(*pairs, strict=True)
        for index, result in estimator.estimate_batch(xs, ys, contexts[block]):
            values[start + index] = result.value
    if not np.isfinite(values).all():
        raise InputError(f"{(~np.isfinite(values)).sum()} of {_GROUPS} parts of {points} points gave no finite number")
    return values, points
