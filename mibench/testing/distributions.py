"""Common checks for joint distributions: samples, pointwise MI and truth agree, at any size and dimension."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np

from mibench.interface import (
    Array,
    ColumnKind,
    GroundTruth,
    InputError,
    JointDistribution,
    Sample,
    Shape,
    parameters_of,
)
from mibench.registry import DistributionLike, distributions
from mibench.testing import checks
from mibench.testing.checks import Check, NotApplicable, Outcome


def distribution_checks(
    distribution: DistributionLike,
    *,
    n: int = 200_000,
    expected_failures: Mapping[str, str] = checks.NOTHING,
    **parameters: Any,
) -> list[Check[JointDistribution]]:
    """List the checks of a distribution, ready for `pytest.mark.parametrize("check", ..., ids=str)`.

    Parameters
    ----------
    distribution
        A specification such as `student[dof=3]` or `path/to/file.py:Object`, a class, or an object.
    n
        Points that the statistical checks draw.
    expected_failures
        Names of checks that are known to fail, with the reason of each.
    parameters
        Further parameters of the distribution.
    """
    statistical = {name: functools.partial(function, n=n) for name, function in STATISTICAL.items()}
    return checks.bind(CHECKS | statistical, distributions, distribution, parameters, expected_failures)


def check_distribution(
    distribution: DistributionLike,
    *,
    n: int = 200_000,
    expected_failures: Mapping[str, str] = checks.NOTHING,
    **parameters: Any,
) -> list[Outcome]:
    """Run every check of a distribution: see `distribution_checks`. AssertionError names all the checks that fail."""
    return checks.run_all(distribution_checks(distribution, n=n, expected_failures=expected_failures, **parameters))


def draw(distribution: JointDistribution, n: int, seed: int = 0) -> Sample:
    """Sample with a seed."""
    return distribution.sample(n, np.random.default_rng(seed))


# ---------------------------------------------------------------------------------------------------------------------
# Samples


def check_facts(distribution: JointDistribution) -> None:
    """The facts are complete; each column is said to be discrete or not."""
    checks.check_facts(distribution)
    assert distribution.facts.formula.strip(), "no formula"


def check_samples(distribution: JointDistribution, n: int = 100) -> None:
    """A sample has finite, C-contiguous float64 blocks of the declared sizes; pmi is None or of shape (n,)."""
    sample = draw(distribution, n)
    assert isinstance(sample, Sample), f"returns {type(sample).__name__}, not Sample"
    for name, block, dim in (("x", sample.x, distribution.dim_x), ("y", sample.y, distribution.dim_y)):
        assert isinstance(block, np.ndarray), f"{name} is a {type(block).__name__}, not an array"
        assert block.shape == (n, dim), f"{name} has shape {block.shape}, declared {(n, dim)}"
        assert block.dtype == np.float64, f"{name} has dtype {block.dtype}, not float64"
        assert block.flags.c_contiguous, f"{name} is not C-contiguous"
        assert np.isfinite(block).all(), f"{name} has values that are not finite"
    _assert_pointwise(sample.pmi, n, "sample.pmi")


def _assert_pointwise(pmi: Array | None, n: int, what: str) -> None:
    if pmi is not None:
        assert isinstance(pmi, np.ndarray), f"{what} is a {type(pmi).__name__}, not an array"
        assert pmi.shape == (n,), f"{what} has shape {pmi.shape}, not {(n,)}"
        assert pmi.dtype == np.float64, f"{what} has dtype {pmi.dtype}, not float64"
        assert not np.isnan(pmi).any(), f"{what} has NaN"


def check_single_point(distribution: JointDistribution) -> None:
    """One pair can be drawn."""
    check_samples(distribution, n=1)


def check_discrete_columns(distribution: JointDistribution) -> None:
    """`sample_shape` says the kind of each column, and the sample says the same; discrete columns repeat values."""
    n = 2000
    sample, shape = draw(distribution, n), distribution.sample_shape(n)
    assert isinstance(shape, Shape), f"sample_shape returns {type(shape).__name__}, not Shape"
    assert shape.n == n, f"sample_shape({n}) is a shape of {shape.n} points"
    for name, kinds, block in (("x", shape.x, sample.x), ("y", shape.y, sample.y)):
        assert isinstance(kinds, tuple), f"sample_shape: {name} is a {type(kinds).__name__}, not a tuple"
        assert len(kinds) == block.shape[1], f"sample_shape: {name} has {len(kinds)} kinds, not {block.shape[1]}"
        for column, kind in enumerate(kinds):
            where = f"sample_shape: {name}[{column}]"
            assert kind in get_args(ColumnKind), f"{where} is {kind!r}; give one of {', '.join(get_args(ColumnKind))}"
            repeats = len(np.unique(block[:, column])) < len(block)
            assert kind == "continuous" or repeats, f"{where} is discrete, but no value repeats"
    assert sample.shape == shape, (
        "the sample declares other kinds of columns than `sample_shape`; return Sample(x, y, pmi, self.sample_shape(n))"
    )


def check_determinism(distribution: JointDistribution) -> None:
    """The same seed gives the same sample, also after others were drawn and changed; another seed gives another."""
    first, other = draw(distribution, 50), draw(distribution, 50, seed=1)
    x, y = first.x.copy(), first.y.copy()
    assert not np.array_equal(x, other.x), "two seeds give the same x"
    assert not np.array_equal(y, other.y), "two seeds give the same y"
    for block in (first.x, first.y):
        if block.flags.writeable:
            block[:] = 0.0
    again = draw(distribution, 50)
    assert np.array_equal(x, again.x), "the same seed gives another x"
    assert np.array_equal(y, again.y), "the same seed gives another y"


def check_rows(distribution: JointDistribution) -> None:
    """The pairs are drawn independently: the side of the median says nothing of the next row's (within 5 / sqrt n)."""
    n = 4000
    sample = draw(distribution, n)
    for name, block in (("x", sample.x), ("y", sample.y)):
        above = (block > np.median(block, axis=0)).astype(float)  # heavy tails have no correlation of their own
        above -= above.mean(axis=0)
        lag = (above[1:] * above[:-1]).mean(axis=0) / np.maximum((above**2).mean(axis=0), 1e-12)
        worst = float(np.abs(lag).max())
        assert worst < 5 / math.sqrt(n), f"neighbouring rows of {name} have correlation {worst:.3f}"


def check_global_random_state(distribution: JointDistribution) -> None:
    """Drawing leaves numpy's, Python's and torch's global random number generators as they were."""
    draw(distribution, 10)  # imports what it needs: importing may seed
    with checks.global_random_state_kept():
        sample = draw(distribution, 10)
        distribution.pmi(sample.x, sample.y)
        distribution.ground_truth()


# ---------------------------------------------------------------------------------------------------------------------
# Truth


def check_truth(distribution: JointDistribution) -> None:
    """The truth is finite and not negative, with a standard error only if it comes from Monte Carlo."""
    truth = distribution.ground_truth()
    if truth is None:
        raise NotApplicable("its mutual information is not known")
    _assert_truth(truth)
    assert truth == distribution.ground_truth(), "asked twice, it gives two truths"


def _assert_truth(truth: GroundTruth) -> None:
    assert isinstance(truth, GroundTruth), f"ground_truth returns {type(truth).__name__}, not GroundTruth"
    assert truth.quantity == "mi", f"asked for mi, got {truth.quantity!r}"
    for name, value in (("value", truth.value), ("standard_error", truth.standard_error)):
        assert type(value) is float, f"{name} is a {type(value).__name__}, not a plain float"
        assert math.isfinite(value), f"{name} is {value}"
        assert value >= 0, f"{name} is {value}; mutual information is not negative"
    methods = ("closed form", "quadrature", "monte carlo", "certified interval")
    assert truth.method in methods, f"method {truth.method!r} is none of {', '.join(methods)}"
    random = truth.method == "monte carlo"
    assert random == (truth.standard_error > 0), f"{truth.method} with standard error {truth.standard_error}"
    if truth.method == "certified interval":
        assert truth.low is not None, "a certified interval without low"
        assert truth.high is not None, "a certified interval without high"
        assert truth.low <= truth.value <= truth.high, f"{truth.value} lies outside of {truth.low} to {truth.high}"
    else:
        assert truth.low is None, f"{truth.method} with an interval"
        assert truth.high is None, f"{truth.method} with an interval"


def check_unknown_quantity(distribution: JointDistribution) -> None:
    """The truth of a quantity that nobody knows is None: never the MI under another name."""
    truth = distribution.ground_truth("no-such-quantity")
    assert truth is None, f"ground_truth('no-such-quantity') is {truth}, not None"


def check_dimensions(distribution: JointDistribution) -> None:
    """Where the dimensions are parameters, 2 x 3 gives samples and a truth of that shape."""
    resized = with_dimensions(distribution, 2, 3)
    if (resized.dim_x, resized.dim_y) != (2, 3) and "dim_x" not in parameters_of(type(distribution)):
        raise NotApplicable("its size follows from the ones it is made of, and is another")
    assert (resized.dim_x, resized.dim_y) == (2, 3), f"asked for 2 x 3, has {resized.dim_x} x {resized.dim_y}"
    check_samples(resized)
    check_discrete_columns(resized)


def check_high_dimension(distribution: JointDistribution) -> None:
    """Where the dimensions are parameters, the truth and the pointwise MI stay finite at 1000 x 1000."""
    large = with_dimensions(distribution, 1000, 1000)
    truth = large.ground_truth()
    if truth is not None:
        _assert_truth(truth)
    sample = draw(large, 2)
    if sample.pmi is not None:
        assert np.isfinite(sample.pmi).all(), f"pointwise MI at 1000 x 1000: {sample.pmi}"


def with_dimensions(distribution: JointDistribution, dim_x: int, dim_y: int) -> JointDistribution:
    """Set the dimensions of a distribution, or of the ones it is made of."""
    changes: dict[str, Any] = {}
    for entry in dataclasses.fields(distribution):
        value = getattr(distribution, entry.name)
        if isinstance(value, JointDistribution):
            changes[entry.name] = with_dimensions(value, dim_x, dim_y)
    changes |= {
        key: dim for key, dim in (("dim_x", dim_x), ("dim_y", dim_y)) if key in parameters_of(type(distribution))
    }
    if not changes:
        raise NotApplicable("its dimensions are no parameters")
    try:
        return distribution.with_parameters(**changes)
    except InputError as reason:
        raise NotApplicable(f"it declines {dim_x} x {dim_y}: {reason}") from reason


# ---------------------------------------------------------------------------------------------------------------------
# Pointwise MI. A function f with mean I(X;Y) under the joint distribution and a mean of e^f of at most 1 under the
# product of the margins attains the Donsker-Varadhan bound E_joint[f] - log E_product[e^f] <= I(X;Y), so it is the
# pointwise MI: the two statistical checks together leave no room for another function.


def check_pmi(distribution: JointDistribution) -> None:
    """`sample.pmi` is what `pmi` gives for those pairs, whatever their order and number."""
    sample = draw(distribution, 200)
    direct = distribution.pmi(sample.x, sample.y)
    _assert_pointwise(direct, 200, "pmi(x, y)")
    assert (direct is None) == (sample.pmi is None), "one of sample.pmi and pmi(x, y) is None, the other is not"
    if direct is None or sample.pmi is None:
        raise NotApplicable("its density is not known")
    close = np.isclose(direct, sample.pmi, rtol=1e-6, atol=1e-8)
    assert close.all(), f"sample.pmi and pmi(x, y) differ at {np.flatnonzero(~close)[:5].tolist()}"
    rows = np.random.default_rng(0).permutation(200)[:50]
    part = distribution.pmi(np.ascontiguousarray(sample.x[rows]), np.ascontiguousarray(sample.y[rows]))
    assert part is not None, "pmi(x, y) of some of the rows is None"
    assert np.allclose(part, direct[rows], rtol=1e-9, atol=1e-9), "the pointwise MI of a pair depends on the others"


def check_mean_pmi(distribution: JointDistribution, n: int) -> None:
    """The mean pointwise MI is the truth, within 4 standard errors."""
    truth = distribution.ground_truth()
    pmi = draw(distribution, n).pmi
    if truth is None or pmi is None:
        raise NotApplicable("its density or its mutual information is not known")
    assert np.isfinite(pmi).all(), "the pointwise MI of a pair that was drawn is not finite"
    error = 4 * math.hypot(float(pmi.std()) / math.sqrt(n), truth.standard_error) + 1e-9
    low, high = (truth.value if end is None else end for end in (truth.low, truth.high))
    mean = float(pmi.mean())
    assert low - error <= mean <= high + error, (
        f"mean pointwise MI {mean:.5f} +- {error / 4:.5f}, truth {truth.value:.5f}"
    )


def check_mean_exp_pmi(distribution: JointDistribution, n: int) -> None:
    """Under the product of the margins (shuffled pairs) the mean of e^pmi is at most 1, within 4 standard errors.

    One-sided: where MI is large, the few pairs that make up the mean are never drawn.
    """
    sample = draw(distribution, n)
    pmi = distribution.pmi(sample.x, np.roll(sample.y, 1, axis=0))
    if pmi is None:
        raise NotApplicable("its density is not known")
    _assert_pointwise(pmi, n, "pmi of shuffled pairs")
    ratio = np.exp(pmi)
    mean, error = float(ratio.mean()), 4 * float(ratio.std()) / math.sqrt(n) + 1e-9
    assert mean <= 1 + error, f"mean of e^pmi over shuffled pairs {mean:.5f} +- {error / 4:.5f}, more than 1"


CHECKS: dict[str, Callable[[JointDistribution], None]] = {
    "facts": check_facts,
    "parameters": checks.check_parameters,
    "spec-round-trip": checks.check_spec_round_trip,
    "pickling": checks.check_pickling,
    "samples": check_samples,
    "single-point": check_single_point,
    "discrete-columns": check_discrete_columns,
    "determinism": check_determinism,
    "rows": check_rows,
    "global-random-state": check_global_random_state,
    "truth": check_truth,
    "unknown-quantity": check_unknown_quantity,
    "dimensions": check_dimensions,
    "high-dimension": check_high_dimension,
    "pmi": check_pmi,
}
STATISTICAL: dict[str, Callable[..., None]] = {"mean-pmi": check_mean_pmi, "mean-exp-pmi": check_mean_exp_pmi}
