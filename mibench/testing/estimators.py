"""Common checks for estimators: what every estimator promises by its facts, on small samples.

No check knows what an estimator estimates: only those of quantity "mi" must be near 0 under independence, all others
must be larger under dependence than without it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench.estimation import estimate as public_estimate
from mibench.interface import Array, Context, Estimate, Estimator, Shape, are_discrete, kinds_of
from mibench.registry import EstimatorLike, estimators
from mibench.testing import checks
from mibench.testing.checks import Check, NotApplicable, Outcome


def estimator_checks(
    estimator: EstimatorLike,
    *,
    expected_failures: Mapping[str, str] = checks.NOTHING,
    **parameters: Any,
) -> list[Check[Estimator]]:
    """List the checks of an estimator, ready for `pytest.mark.parametrize("check", ..., ids=str)`.

    Parameters
    ----------
    estimator
        A specification such as `ksg[k=5]` or `path/to/file.py:Object`, a class, or an object.
    expected_failures
        Names of checks that are known to fail, with the reason of each.
    parameters
        Further parameters, such as fewer training steps to keep the checks quick.
    """
    return checks.bind(CHECKS, estimators, estimator, parameters, expected_failures)


def check_estimator(
    estimator: EstimatorLike,
    *,
    expected_failures: Mapping[str, str] = checks.NOTHING,
    **parameters: Any,
) -> list[Outcome]:
    """Run every check of an estimator: see `estimator_checks`. AssertionError names all the checks that fail."""
    return checks.run_all(estimator_checks(estimator, expected_failures=expected_failures, **parameters))


# ---------------------------------------------------------------------------------------------------------------------
# Data

KINDS = ("continuous", "discrete", "mixed")
SHAPES = {
    "continuous": ((2, 2), (1, 1), (1, 2), (2, 1)),
    "discrete": ((1, 1), (2, 2)),  # counts of few points say little in more cells
    "mixed": ((2, 1), (1, 1), (2, 2)),  # X continuous, Y labels
}


@dataclass(frozen=True, eq=False)
class Pairs:
    """A sample as the harness would hand it to an estimator."""

    x: Array
    y: Array
    shape: Shape

    def context(self, seed: int) -> Context:
        """Context with an estimator's own stream of random numbers."""
        return Context(np.random.default_rng(seed), shape=self.shape)

    def changed(self, x: Array, y: Array) -> Pairs:
        """Other values of the same kinds, laid out as estimators expect them."""
        return Pairs(np.ascontiguousarray(x), np.ascontiguousarray(y), self.shape)

    def swapped(self) -> Pairs:
        """Y and X."""
        return Pairs(self.y, self.x, self.shape.swapped())

    def unsupported(self, estimator: Estimator) -> str | None:
        """Why the estimator declines this sample."""
        return estimator.unsupported(self.shape)

    def estimate(self, estimator: Estimator, seed: int = 0) -> Estimate:
        """Estimate with a seed."""
        return estimator.estimate(self.x, self.y, self.context(seed))


def draw(kind: str, n: int, dim_x: int, dim_y: int, *, correlation: float, seed: int = 0) -> Pairs:
    """Gaussian pairs in which each column of Y follows one of X; a discrete column holds four equally likely labels.

    The values are multiples of 2^-20, so that shifts and integer factors are exact in floating point.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim_x))
    y = correlation * x[:, np.arange(dim_y) % dim_x] + math.sqrt(1 - correlation**2) * rng.standard_normal((n, dim_y))
    x, y = np.round(x * 2.0**20) / 2.0**20, np.round(y * 2.0**20) / 2.0**20
    quartiles = (-0.6745, 0.0, 0.6745)
    if kind == "discrete":
        x = np.digitize(x, quartiles).astype(float)
    if kind != "continuous":
        y = np.digitize(y, quartiles).astype(float)
    return Pairs(x, y, shape_of_kind(kind, n, dim_x, dim_y))


def shape_of_kind(kind: str, n: int, dim_x: int, dim_y: int) -> Shape:
    """All columns of one kind, or numbers in X and labels in Y."""
    return Shape(n, kinds_of(dim_x, discrete=kind == "discrete"), kinds_of(dim_y, discrete=kind != "continuous"))


def sample_for(
    estimator: Estimator,
    seed: int = 0,
    *,
    n: int = 200,
    correlation: float = 0.9,
    kinds: tuple[str, ...] = (),
    shapes: tuple[tuple[int, int], ...] = (),
) -> Pairs:
    """Draw pairs of the first kind and shape that the estimator takes; of more points where it wants more."""
    reasons = []
    for size in (n, 10 * n):
        for kind in kinds or estimator.facts.supports:
            for dim_x, dim_y in shapes or SHAPES[kind]:
                pairs = draw(kind, size, dim_x, dim_y, correlation=correlation, seed=seed)
                reason = pairs.unsupported(estimator)
                if reason is None:
                    return pairs
                reasons.append(reason)
    raise NotApplicable(reasons[0])


def assert_same(first: Estimate, second: Estimate, what: str) -> None:
    """Fail unless two estimates agree to the last bit, diagnostics and warnings included; say what does not."""
    differ = [
        f"{entry.name} {getattr(first, entry.name)!r} and {getattr(second, entry.name)!r}"
        for entry in dataclasses.fields(Estimate)
        if repr(getattr(first, entry.name)) != repr(getattr(second, entry.name))
    ]
    assert not differ, f"{what}: {'; '.join(differ)}"


def assert_close(first: Estimate, second: Estimate, what: str) -> None:
    """Fail unless two values agree up to rounding."""
    agree = math.isclose(first.value, second.value, rel_tol=1e-6, abs_tol=1e-7)
    assert agree or (math.isnan(first.value) and math.isnan(second.value)), f"{what}: {first.value} and {second.value}"


def assert_explicit(estimate: Estimate, what: str) -> None:
    """Fail unless an estimate is finite or says in a warning why it is not."""
    assert isinstance(estimate, Estimate), f"{what}: returns {type(estimate).__name__}, not Estimate"
    assert math.isfinite(estimate.value) or estimate.warnings, f"{what}: {estimate.value} without a warning"


# ---------------------------------------------------------------------------------------------------------------------
# Promises


def check_facts(estimator: Estimator) -> None:
    """The facts are complete and use the words of `EstimatorFacts`."""
    facts = estimator.facts
    assert facts.supports, "supports no kind of data"
    for given, accepted in (
        (facts.supports, KINDS),
        (facts.invariances, INVARIANCES),
        (facts.devices, ("cpu", "cuda")),
        ((facts.bound, estimator.bound), ("lower", "upper", "none")),
    ):
        unknown = set(given) - set(accepted)
        assert not unknown, f"facts: {', '.join(sorted(unknown))} is none of {', '.join(accepted)}"
    assert facts.quantity.strip(), "no quantity"
    checks.check_facts(estimator)


def check_accepts_data(estimator: Estimator) -> None:
    """It takes some sample of at most a few thousand points; without that, no other check says anything."""
    try:
        sample_for(estimator)
    except NotApplicable as reason:
        raise AssertionError(f"declines every sample that the checks have: {reason}") from reason


def check_unsupported(estimator: Estimator) -> None:
    """`unsupported` answers for any shape with None or one line; it declines other kinds, too many columns, one row."""
    shapes = [(1, 1, 1), (2, 1, 1), (20, 30, 30), (100, 1, 1), (100, 2, 3), (100, 1000, 1), (10**6, 5, 5)]
    limit = estimator.facts.max_dim
    for n, dim_x, dim_y in [*shapes, *([(10**6, limit, 1)] if limit is not None else [])]:
        for kind in KINDS:
            answer = estimator.unsupported(shape_of_kind(kind, n, dim_x, dim_y))
            where = f"unsupported of {n} points with {dim_x} x {dim_y} {kind} columns"
            assert answer is None or isinstance(answer, str), f"{where} returns {answer!r}"
            assert answer != "", f"{where} gives an empty reason"
            assert answer is None or "\n" not in answer, f"{where} gives a reason of several lines"
            assert kind in estimator.facts.supports or answer is not None, f"{where} is None, against the facts"
            assert limit is None or dim_x + dim_y <= limit or answer is not None, f"{where} is None, against max_dim"
            assert n > 1 or answer is not None, f"{where} is None for a single point"


def check_result(estimator: Estimator) -> None:
    """The result is an Estimate of plain values with the quantity and bound that the estimator declares."""
    estimate = sample_for(estimator).estimate(estimator)
    assert isinstance(estimate, Estimate), f"returns {type(estimate).__name__}, not Estimate"
    assert type(estimate.value) is float, f"value is a {type(estimate.value).__name__}, not a plain float"
    assert math.isfinite(estimate.value), f"value is {estimate.value} on ordinary data"
    assert estimate.quantity == estimator.quantity, (
        f"quantity {estimate.quantity!r}, declared {estimator.quantity!r}; give Estimate quantity=self.quantity"
    )
    assert estimate.bound == estimator.bound, (
        f"bound {estimate.bound!r}, declared {estimator.bound!r}; give Estimate bound=self.bound"
    )
    for name, end in (("low", estimate.low), ("high", estimate.high), ("level", estimate.level)):
        assert end is None or type(end) is float, f"{name} is a {type(end).__name__}, not a plain float"
    if estimate.low is not None and estimate.high is not None:
        assert estimate.low <= estimate.high, f"the interval is empty: {estimate.low} to {estimate.high}"
    assert isinstance(estimate.warnings, tuple), f"warnings is a {type(estimate.warnings).__name__}, not a tuple"
    assert all(type(warning) is str for warning in estimate.warnings), "a warning is no text"
    assert isinstance(estimate.diagnostics, dict), "diagnostics is no dict"
    for key, value in estimate.diagnostics.items():
        try:
            json.dumps({key: value})
        except TypeError as error:
            raise AssertionError(f"diagnostics[{key!r}] holds no plain values: {error}") from error
        long = isinstance(value, list | tuple) and len(value) > 200
        assert not long, f"diagnostics[{key!r}] has {len(value)} points, more than 200"
    again = pickle.loads(pickle.dumps(estimate))
    assert_same(estimate, again, "the estimate changes in a pickle")


def check_determinism(estimator: Estimator) -> None:
    """The same data and seed give the same Estimate, whatever was estimated in between, also from a copy."""
    pairs, other = sample_for(estimator), sample_for(estimator, seed=1, correlation=0.0)
    first = pairs.estimate(estimator)
    other.estimate(estimator, seed=1)
    assert_same(first, pairs.estimate(estimator), "the same seed gives two estimates")
    copy = pickle.loads(pickle.dumps(estimator))
    assert_same(first, pairs.estimate(copy), "a copy gives another estimate")


def check_seed(estimator: Estimator) -> None:
    """The estimator's stream is unused where it is deterministic, and matters where it is not."""
    pairs = sample_for(estimator)
    if estimator.deterministic:
        context = pairs.context(0)
        before = context.rng.bit_generator.state
        estimator.estimate(pairs.x, pairs.y, context)
        assert context.rng.bit_generator.state == before, "claims to be deterministic, but draws from context.rng"
        assert_same(pairs.estimate(estimator, 1), pairs.estimate(estimator, 2), "claims to be deterministic")
    else:
        values = {pairs.estimate(estimator, seed).value for seed in range(4)}
        assert len(values) > 1, f"four seeds give one value, {values}, though deterministic=False"


def check_swap_symmetry(estimator: Estimator) -> None:
    """Where it claims to be symmetric, (y, x) gives the estimate of (x, y) up to rounding."""
    if not estimator.facts.symmetric:
        raise NotApplicable("symmetry is not claimed")
    compared = 0
    for dims in ((1, 1), (2, 2), (1, 2)):
        try:
            pairs = sample_for(estimator, shapes=(dims,))
        except NotApplicable:
            continue
        if pairs.swapped().unsupported(estimator) is None:
            compared += 1
            assert_close(pairs.estimate(estimator), pairs.swapped().estimate(estimator), f"(x, y) and (y, x), {dims}")
    if not compared:
        raise NotApplicable("it declines every swapped sample")


# ---------------------------------------------------------------------------------------------------------------------
# Invariances. The maps are exact in floating point, so that an invariant estimate changes by rounding inside the
# estimator only. Each acts on X alone and on Y alone; `rows` alone acts on both.


def _linear(block: Array) -> Array:
    dim = block.shape[1]
    mixed: Array = block @ (np.ones((dim, dim)) + np.diag(np.arange(1.0, dim + 1)))
    return mixed


def _monotone(block: Array) -> Array:
    powers = 3.0 + 2 * (np.arange(block.shape[1]) % 2)
    steep: Array = np.sign(block) * np.abs(block) ** powers + block
    return steep


INVARIANCES: dict[str, Callable[[Array], Array]] = {
    "shift": lambda block: block + 1024.0 * np.arange(1, block.shape[1] + 1),
    "scale": lambda block: 16.0 * block,
    "column-scale": lambda block: block * 4.0 ** np.arange(1, block.shape[1] + 1),
    "monotone": _monotone,
    "linear": _linear,
    "rows": lambda block: np.random.default_rng(7).permutation(block),
}


def check_invariance(estimator: Estimator, name: str) -> None:
    """A change of the data that the facts claim to be harmless leaves the estimate as it is, up to rounding."""
    if name not in estimator.facts.invariances:
        raise NotApplicable(f"invariance {name} is not claimed")
    change = INVARIANCES[name]
    for shapes in ((), ((1, 1),), ((3, 2),)):
        try:
            pairs = sample_for(estimator, shapes=shapes)
        except NotApplicable:
            continue
        plain, x, y = pairs.estimate(estimator), change(pairs.x), change(pairs.y)
        cases = [("x and y", x, y)] if name == "rows" else [("x", x, pairs.y), ("y", pairs.x, y)]
        for block, new_x, new_y in cases:
            assert_close(plain, pairs.changed(new_x, new_y).estimate(estimator), f"{name} of {block} changes it")


# ---------------------------------------------------------------------------------------------------------------------
# Values


def check_independence(estimator: Estimator) -> None:
    """On independent data the mean over several samples is within 4 standard errors + 0.1 nats of 0.

    The allowance covers known biases of consistent estimators at this size: dim_x dim_y / 2n of a Gaussian fit, about
    cells / 2n of a plug-in. A lower bound may fall below 0, an upper bound rise above it; other quantities than MI
    have no common scale, see `check_dependence`.
    """
    if estimator.quantity != "mi":
        raise NotApplicable(f"the scale of {estimator.quantity} is its own")
    n, repeats = (500, 5) if estimator.facts.trains else (1000, 10)
    values = _values(estimator, 0.0, n, repeats, estimator.facts.supports[0])
    mean, limit = values.mean(), 4 * _standard_error(values) + 0.1
    what = f"mean {mean:.3f} of {repeats} independent samples of n = {n}, allowed {limit:.3f}"
    assert mean <= limit or estimator.bound == "upper", what
    assert mean >= -limit or estimator.bound == "lower", what


def check_dependence(estimator: Estimator) -> None:
    """Strong dependence (correlation 0.95) gives more than independence beyond 3 standard errors, for each kind."""
    for kind in estimator.facts.supports:
        without, strong = (_values(estimator, correlation, 400, 4, kind) for correlation in (0.0, 0.95))
        gain, error = strong.mean() - without.mean(), math.hypot(_standard_error(without), _standard_error(strong))
        what = f"{strong.mean():.3f} on strongly dependent {kind} samples, {without.mean():.3f} on independent ones"
        assert gain > 3 * error, f"{what}, standard error of the difference {error:.3f}"


def _values(estimator: Estimator, correlation: float, n: int, repeats: int, kind: str) -> Array:
    samples = [sample_for(estimator, seed, n=n, correlation=correlation, kinds=(kind,)) for seed in range(repeats)]
    return np.array([pairs.estimate(estimator, seed).value for seed, pairs in enumerate(samples)])


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


# ---------------------------------------------------------------------------------------------------------------------
# Conduct


def check_global_random_state(estimator: Estimator) -> None:
    """Estimating leaves numpy's, Python's and torch's global random number generators as they were."""
    pairs = sample_for(estimator)
    pairs.estimate(estimator)  # imports what it needs: importing may seed
    with checks.global_random_state_kept():
        pairs.estimate(estimator)


def check_inputs_kept(estimator: Estimator) -> None:
    """The data are not changed, and read-only data give the same estimate."""
    pairs = sample_for(estimator)
    x, y = pairs.x.copy(), pairs.y.copy()
    writable = pairs.estimate(estimator)
    assert np.array_equal(x, pairs.x), "changes x"
    assert np.array_equal(y, pairs.y), "changes y"
    x.flags.writeable = y.flags.writeable = False
    assert_same(writable, pairs.changed(x, y).estimate(estimator), "read-only data change the estimate")


def check_batch(estimator: Estimator) -> None:
    """`estimate_batch` yields every index once, and what `estimate` gives where the estimator is deterministic."""
    samples = [sample_for(estimator, seed, correlation=0.3 * seed) for seed in range(3)]
    contexts = [pairs.context(seed) for seed, pairs in enumerate(samples)]
    results = list(estimator.estimate_batch([s.x for s in samples], [s.y for s in samples], contexts))
    indices = [index for index, _ in results]
    assert sorted(indices) == [0, 1, 2], f"yields the indices {indices} for 3 samples"
    for index, estimate in results:
        assert isinstance(estimate, Estimate), f"yields {type(estimate).__name__}, not Estimate"
        assert type(estimate.value) is float, f"value is a {type(estimate.value).__name__}, not a plain float"
        if estimator.deterministic:
            assert_close(samples[index].estimate(estimator, index), estimate, f"alone and in a batch, sample {index}")


# ---------------------------------------------------------------------------------------------------------------------
# Unusual data


def check_dimensions(estimator: Estimator) -> None:
    """Blocks of one column and of unequal sizes are estimated, or declined with a reason."""
    estimated = [_finite(estimator, shape) for shape in ((1, 1), (1, 2), (2, 1), (2, 3), (3, 2))]
    if not any(estimated):
        raise NotApplicable("it declines all of these shapes")


def check_few_points(estimator: Estimator) -> None:
    """20 points in 30 + 30 dimensions are declined with a reason, or estimated without an exception."""
    if not _finite(estimator, (30, 30), n=20):
        raise NotApplicable("it declines 20 points in 30 + 30 dimensions, as it may")


def _finite(estimator: Estimator, shape: tuple[int, int], n: int = 200) -> bool:
    pairs = draw(estimator.facts.supports[0], n, *shape, correlation=0.5)
    if pairs.unsupported(estimator) is not None:
        return False
    assert_explicit(pairs.estimate(estimator), f"n = {n}, {shape[0]} x {shape[1]}")
    return True


def check_ties(estimator: Estimator) -> None:
    """Repeated values (integers, every row five times, half of the rows alike) give a number, or a warning."""
    pairs = sample_for(estimator)
    x, y, half = pairs.x, pairs.y, len(pairs.x) // 2
    fives = np.arange(len(x)) // 5
    alike = np.where(np.arange(len(x)) < half, 0, np.arange(len(x)))
    for what, tied in {
        "integers": pairs.changed(np.round(x), np.round(y)),
        "every row five times": pairs.changed(x[fives], y[fives]),
        "half of the rows alike": pairs.changed(x[alike], y[alike]),
    }.items():
        assert_explicit(tied.estimate(estimator), what)


# ---------------------------------------------------------------------------------------------------------------------
# The public door


def check_bad_data(estimator: Estimator) -> None:
    """`mibench.estimate` refuses data that mean nothing with an InputError of one line."""
    pairs = sample_for(estimator)
    for what, x, y in _bad_data(pairs):
        checks.assert_refused(functools.partial(_door, estimator, pairs, x, y), what)


def check_good_data(estimator: Estimator) -> None:
    """`mibench.estimate` takes lists, float32, strided arrays and single columns, and changes no estimate."""
    pairs = sample_for(estimator)
    x, y = pairs.x, pairs.y
    plain = _door(estimator, pairs, x, y)
    if estimator.deterministic:
        assert_close(pairs.estimate(estimator), plain, "estimator.estimate and mibench.estimate")
    assert_same(plain, _door(estimator, pairs, x, y), "mibench.estimate with the same seed")
    assert_same(plain, _door(estimator, pairs, x.tolist(), y.tolist()), "arrays and lists")
    assert_same(plain, _door(estimator, pairs, np.asfortranarray(x), y[::-1][::-1]), "other memory layouts")
    assert_explicit(_door(estimator, pairs, x.astype(np.float32), y.astype(np.float32)), "float32")
    if x.shape[1] == y.shape[1] == 1:
        assert_same(plain, _door(estimator, pairs, x[:, 0], y[:, 0]), "one column and a 1-D array")


def _door(estimator: Estimator, pairs: Pairs, x: Any, y: Any) -> Estimate:
    x_discrete, y_discrete = are_discrete(pairs.shape.x).tolist(), are_discrete(pairs.shape.y).tolist()
    return public_estimate(x, y, estimator, seed=0, x_discrete=x_discrete, y_discrete=y_discrete)


def _bad_data(pairs: Pairs) -> Iterator[tuple[str, Array, Array]]:
    x, y = pairs.x, pairs.y
    for value in (math.nan, math.inf, -math.inf):
        for block in (x, y):
            bad = block.copy()
            bad[3, 0] = value
            yield f"{value} in {'x' if block is x else 'y'}", bad if block is x else x, bad if block is y else y
    constant = np.ones((len(x), 1))
    yield "a constant column in x", np.hstack([x[:, :-1], constant]), y
    yield "a constant y", x, np.ones_like(y)
    yield "y with a row less", x, y[:-1]
    yield "x of three dimensions", x[:, :, None], y
    yield "no rows", x[:0], y[:0]
    yield "a single row", x[:1], y[:1]


CHECKS: dict[str, Callable[[Estimator], None]] = {
    "facts": check_facts,
    "parameters": checks.check_parameters,
    "spec-round-trip": checks.check_spec_round_trip,
    "pickling": checks.check_pickling,
    "accepts-data": check_accepts_data,
    "unsupported": check_unsupported,
    "result": check_result,
    "determinism": check_determinism,
    "seed": check_seed,
    "swap-symmetry": check_swap_symmetry,
    **{f"invariance-{name}": functools.partial(check_invariance, name=name) for name in INVARIANCES},
    "independence": check_independence,
    "dependence": check_dependence,
    "global-random-state": check_global_random_state,
    "inputs-kept": check_inputs_kept,
    "batch": check_batch,
    "dimensions": check_dimensions,
    "few-points": check_few_points,
    "ties": check_ties,
    "bad-data": check_bad_data,
    "good-data": check_good_data,
}
