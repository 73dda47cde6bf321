"""Every common check catches an object that is broken in that way, and passes ones that are not."""

from __future__ import annotations

import collections
import math
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from mibench import registry
from mibench.interface import (
    Array,
    Bound,
    Context,
    DistributionFacts,
    Estimate,
    Estimator,
    EstimatorFacts,
    GroundTruth,
    InputError,
    JointDistribution,
    Sample,
    Shape,
    kinds_of,
    parameter,
)
from mibench.testing import (
    NotApplicable,
    check_distribution,
    check_estimator,
    distribution_checks,
    estimator_checks,
)
from mibench.testing.checks import bibtex_problem

CITATION = "@book{someone1948, author = {Some One}, title = {On something}, year = 1948}"


def failures(checks: Sequence[Any]) -> set[str]:
    """Names of the checks that fail."""
    failed = set()
    for check in checks:
        try:
            check()
        except NotApplicable:
            pass
        except AssertionError:
            failed.add(check.name)
    return failed


# ---------------------------------------------------------------------------------------------------------------------
# Estimators that keep their promises


@dataclass(frozen=True)
class GaussianFit(Estimator):
    """MI of a Gaussian with the sample's covariance, from log-determinants."""

    facts: ClassVar[EstimatorFacts] = EstimatorFacts(
        name="gaussian-fit",
        family="test",
        summary="Gaussian MI from log-determinants",
        citation=CITATION,
        symmetric=True,
        deterministic=True,
        invariances=("shift", "scale", "column-scale", "linear", "rows"),
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y))

    def value(self, x: Array, y: Array) -> float:
        logdets = [np.linalg.slogdet(np.atleast_2d(np.cov(block.T)))[1] for block in (x, y, np.hstack([x, y]))]
        return float(0.5 * (logdets[0] + logdets[1] - logdets[2]))

    def unsupported(self, shape: Shape) -> str | None:
        dims = shape.dim_x + shape.dim_y
        return super().unsupported(shape) or (f"needs n > {dims}" if shape.n <= dims else None)


NO_CLAIMS = replace(GaussianFit.facts, symmetric=False, invariances=())


@dataclass(frozen=True)
class Subsampled(GaussianFit):
    """The fit to a random nine tenths of the points: its seed matters."""

    facts = replace(NO_CLAIMS, deterministic=False)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        rows = context.rng.permutation(len(x))[: math.ceil(0.9 * len(x))]
        return Estimate(self.value(x[rows], y[rows]))


@dataclass(frozen=True)
class PlugIn(Estimator):
    """MI of the empirical distribution of two label columns."""

    facts: ClassVar[EstimatorFacts] = replace(
        GaussianFit.facts, supports=("discrete",), invariances=("shift", "monotone", "rows"), max_dim=2
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        entropies = []
        for block in (x, y, np.hstack([x, y])):
            counts = np.array(sorted(collections.Counter(map(tuple, block.tolist())).values()))
            entropies.append(math.log(len(x)) - float((counts * np.log(counts)).sum()) / len(x))
        return Estimate(entropies[0] + entropies[1] - entropies[2])


@dataclass(frozen=True)
class CorrelationRatio(Estimator):
    """Share of the variance of a continuous X that labels Y explain: no MI, of mixed data only."""

    facts: ClassVar[EstimatorFacts] = replace(
        NO_CLAIMS, supports=("mixed",), quantity="correlation-ratio", invariances=("shift", "scale", "rows")
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        explained = np.zeros(x.shape[1])
        for label in np.unique(y[:, 0]):
            inside = x[y[:, 0] == label]
            explained += len(inside) * (inside.mean(axis=0) - x.mean(axis=0)) ** 2
        ratio = float((explained / ((x - x.mean(axis=0)) ** 2).sum(axis=0)).mean())
        return Estimate(ratio, quantity="correlation-ratio")


@pytest.mark.parametrize("good", [GaussianFit, Subsampled, PlugIn, CorrelationRatio])
def test_sound_estimators_pass(good: type[Estimator]) -> None:
    outcomes = check_estimator(good)
    assert {outcome.status for outcome in outcomes} == {"passed", "skipped"}
    skipped = {outcome.check for outcome in outcomes if outcome.status == "skipped"}
    assert not skipped & {"accepts-data", "result", "determinism", "seed", "dependence", "ties", "inputs-kept"}


# ---------------------------------------------------------------------------------------------------------------------
# Estimators that break one promise each


class Remembers(GaussianFit):
    """Depends on what was estimated before."""

    facts = NO_CLAIMS
    seen: ClassVar[list[float]] = []

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        self.seen.append(self.value(x, y))
        return Estimate(self.seen[-1] + 0.001 * len(self.seen))


class SeedsNumpy(GaussianFit):
    """Sets the global state of numpy."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        np.random.seed(0)  # noqa: NPY002
        return super().estimate(x, y, context)


class DrawsFromPython(GaussianFit):
    """Draws from Python's global generator."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y) + 0 * random.random())


class DrawsFromTorch(GaussianFit):
    """Draws from torch's global generator."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        import torch

        return Estimate(self.value(x, y) + 0 * float(torch.rand(1)))


class DrawsInSecret(GaussianFit):
    """Draws from the context, though deterministic."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y) + 0 * context.rng.random())


class IgnoresSeed(GaussianFit):
    """Fixes its own seed."""

    facts = replace(NO_CLAIMS, deterministic=False)


class Asymmetric(GaussianFit):
    """Weighs X otherwise than Y."""

    facts = replace(NO_CLAIMS, symmetric=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x**3, y))


class ClaimsMonotone(GaussianFit):
    """Linear correlation is not invariant under monotone maps."""

    facts = replace(NO_CLAIMS, invariances=("monotone",))


class Uncentred(GaussianFit):
    """Forgets the means."""

    facts = replace(NO_CLAIMS, invariances=("shift",))

    def value(self, x: Array, y: Array) -> float:
        return super().value(x, y) + 1e-4 * float(x.mean())


class Ridge(GaussianFit):
    """A ridge makes the covariance depend on the scale, of Y here."""

    facts = replace(NO_CLAIMS, invariances=("shift", "scale"))

    def value(self, x: Array, y: Array) -> float:
        noise = np.random.default_rng(9).standard_normal(y.shape)
        return super().value(x, y + 0.1 * noise)


class ColumnNorm(GaussianFit):
    """Scales a block as a whole, not its columns."""

    facts = replace(NO_CLAIMS, invariances=("scale", "column-scale"))

    def value(self, x: Array, y: Array) -> float:
        noise = np.random.default_rng(9).standard_normal(x.shape)
        return super().value(x / x.std() + 0.1 * noise, y)


class FirstColumns(GaussianFit):
    """Looks at the first columns only: not invariant under linear maps."""

    facts = replace(NO_CLAIMS, invariances=("column-scale", "linear"))

    def value(self, x: Array, y: Array) -> float:
        return super().value(x[:, :1], y[:, :1])


class SecondHalf(GaussianFit):
    """Uses the second half of the rows."""

    facts = replace(NO_CLAIMS, invariances=("rows",))

    def value(self, x: Array, y: Array) -> float:
        return super().value(x[len(x) // 2 :], y[len(x) // 2 :])


class Biased(GaussianFit):
    """Is off by 0.3 nats everywhere."""

    def value(self, x: Array, y: Array) -> float:
        return super().value(x, y) + 0.3


class Blind(Subsampled):
    """Returns noise around 0."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(context.rng.normal(scale=0.01)))


class Reflects(GaussianFit):
    """Writes into its inputs."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        x *= -1.0
        return Estimate(self.value(x, y))


class NumpyScalar(GaussianFit):
    """Returns a numpy scalar."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(np.float64(self.value(x, y)))


class OtherQuantity(GaussianFit):
    """Returns another quantity than it declares."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y), quantity="dsmi")


class OtherBound(GaussianFit):
    """Returns another bound than it declares for these parameters."""

    @property
    def bound(self) -> Bound:
        return "lower"


class ArrayInDiagnostics(GaussianFit):
    """Keeps an array in its diagnostics."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y), diagnostics={"curve": np.zeros(3)})


class LongCurve(GaussianFit):
    """Keeps a curve of every step."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.value(x, y), diagnostics={"curve": [0.0] * 1000})


class NoTies(GaussianFit):
    """Fails where a row repeats."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if len(np.unique(x, axis=0)) < len(x):
            raise ZeroDivisionError("two points at distance 0")
        return super().estimate(x, y, context)


class SilentNaN(GaussianFit):
    """Returns NaN without a word where a row repeats."""

    def value(self, x: Array, y: Array) -> float:
        return super().value(x, y) if len(np.unique(x, axis=0)) == len(x) else math.nan


class AcceptsAnything(GaussianFit):
    """Declines nothing, so that few points in many dimensions raise from deep inside."""

    def unsupported(self, shape: Shape) -> str | None:
        return None

    def value(self, x: Array, y: Array) -> float:
        np.linalg.cholesky(np.atleast_2d(np.cov(np.hstack([x, y]).T)))
        return super().value(x, y)


class DeclinesEverything(GaussianFit):
    """Takes no data."""

    def unsupported(self, shape: Shape) -> str | None:
        return "not today"


class EqualDimensions(GaussianFit):
    """Works for as many columns in X as in Y, and does not say so."""

    facts = NO_CLAIMS

    def value(self, x: Array, y: Array) -> float:
        return super().value(x, y) + 0 * float((x * y).sum())


class RepeatsIndex(GaussianFit):
    """Yields one result of a batch twice and another one never."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index, estimate in super().estimate_batch(xs, ys, contexts):
            yield min(index, len(xs) - 2), estimate


class MixesBatch(GaussianFit):
    """Hands out the results of a batch in the wrong order."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index, estimate in super().estimate_batch(xs, ys, contexts):
            yield len(xs) - 1 - index, estimate


class Unpicklable(GaussianFit):
    """Cannot reach a child process."""

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle this")


class NoCitation(GaussianFit):
    """Cites in prose."""

    facts = replace(GaussianFit.facts, citation="Some One (1948)")


class LongSummary(GaussianFit):
    """Says too much."""

    facts = replace(GaussianFit.facts, summary="A very good estimator. " * 5)


class OddKind(GaussianFit):
    """Supports a kind of data that does not exist."""

    facts = replace(GaussianFit.facts, supports=("continuous", "images"))


class OddInvariance(GaussianFit):
    """Claims what no check knows."""

    facts = replace(GaussianFit.facts, invariances=("everything",))


@dataclass(frozen=True)
class Undocumented(GaussianFit):
    """Has a parameter that nothing is said about."""

    k: int = 3


@dataclass(frozen=True)
class Unchecked(GaussianFit):
    """Checks no parameter."""

    k: int = parameter(3, "neighbours", low=1)

    def __post_init__(self) -> None:
        pass


BROKEN_ESTIMATORS: list[tuple[type[Estimator], set[str]]] = [
    (Remembers, {"determinism", "seed", "inputs-kept", "batch", "good-data"}),
    (SeedsNumpy, {"global-random-state"}),
    (DrawsFromPython, {"global-random-state"}),
    (DrawsFromTorch, {"global-random-state"}),
    (DrawsInSecret, {"seed"}),
    (IgnoresSeed, {"seed"}),
    (Asymmetric, {"swap-symmetry"}),
    (ClaimsMonotone, {"invariance-monotone"}),
    (Uncentred, {"invariance-shift"}),
    (Ridge, {"invariance-scale"}),
    (ColumnNorm, {"invariance-column-scale"}),
    (FirstColumns, {"invariance-linear"}),
    (SecondHalf, {"invariance-rows"}),
    (Biased, {"independence"}),
    (Blind, {"dependence"}),
    (Reflects, {"inputs-kept"}),
    (NumpyScalar, {"result", "batch"}),
    (OtherQuantity, {"result"}),
    (OtherBound, {"result"}),
    (ArrayInDiagnostics, {"result"}),
    (LongCurve, {"result"}),
    (NoTies, {"ties"}),
    (SilentNaN, {"ties"}),
    (AcceptsAnything, {"unsupported", "few-points"}),
    (DeclinesEverything, {"accepts-data"}),
    (EqualDimensions, {"dimensions"}),
    (RepeatsIndex, {"batch"}),
    (MixesBatch, {"batch"}),
    (Unpicklable, {"pickling", "determinism"}),
    (NoCitation, {"facts"}),
    (LongSummary, {"facts"}),
    (OddKind, {"facts", "dependence"}),
    (OddInvariance, {"facts"}),
    (Undocumented, {"parameters"}),
    (Unchecked, {"parameters"}),
]


@pytest.mark.parametrize(("broken", "intended"), BROKEN_ESTIMATORS)
def test_a_broken_estimator_fails_the_intended_checks_and_no_others(
    broken: type[Estimator], intended: set[str]
) -> None:
    assert failures(estimator_checks(broken)) == intended


def refuses_nothing(x: Any, y: Any, estimator: Estimator, **_: Any) -> Estimate:
    """A public door without a lock."""
    n = min(len(x), len(y))
    x, y = (np.asarray(block, float).reshape(len(block), -1)[:n] for block in (x, y))
    return estimator.estimate(x, y, Context())


def tells_lists_apart(x: Any, *_: Any, **__: Any) -> Estimate:
    """A public door that treats lists otherwise than arrays."""
    return Estimate(float(isinstance(x, list)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the NaN that the door lets in
@pytest.mark.parametrize(("door", "intended"), [(refuses_nothing, "bad-data"), (tells_lists_apart, "good-data")])
def test_a_broken_door_is_found(door: Any, intended: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mibench.testing.estimators.public_estimate", door)
    assert intended in failures(estimator_checks(GaussianFit))


def test_a_parameter_that_no_text_can_write_is_found() -> None:
    @registry.register_estimator(name="labelled", family="test", summary="Has a text", citation=CITATION)
    @dataclass(frozen=True)
    class Labelled(GaussianFit):
        """Has a text."""

        text: str = parameter("a", "any text")

    named = {check.name: check for check in estimator_checks("labelled")}
    named["spec-round-trip"]()
    named = {check.name: check for check in estimator_checks("labelled", text="a,b")}
    with pytest.raises(AssertionError, match="spec-round-trip"):
        named["spec-round-trip"]()


# ---------------------------------------------------------------------------------------------------------------------
# How checks are asked for and reported


def test_one_error_names_every_failed_check() -> None:
    with pytest.raises(AssertionError) as caught:
        check_estimator(NumpyScalar)
    first, *rest = str(caught.value).splitlines()
    assert first == f"2 of {len(estimator_checks(NumpyScalar))} checks failed"
    assert rest[0] == "NumpyScalar-result: value is a float64, not a plain float"
    assert rest[1].startswith("NumpyScalar-batch: ")


def test_a_check_that_does_not_apply_is_skipped_with_its_reason() -> None:
    reasons = {outcome.check: outcome.reason for outcome in check_estimator(Subsampled) if outcome.status == "skipped"}
    assert reasons["swap-symmetry"] == "symmetry is not claimed"
    assert reasons["invariance-monotone"] == "invariance monotone is not claimed"
    assert reasons["few-points"] == "it declines 20 points in 30 + 30 dimensions, as it may"


def test_expected_failures_are_data() -> None:
    expected = {"result": "old numpy", "batch": "old numpy"}
    outcomes = {outcome.check: outcome for outcome in check_estimator(NumpyScalar, expected_failures=expected)}
    assert outcomes["result"].status == "skipped"
    assert outcomes["result"].reason == "fails as expected: old numpy"
    with pytest.raises(AssertionError, match="gaussian-fit-batch: passes, though expected to fail"):
        check_estimator(GaussianFit, expected_failures={"batch": "old numpy"})
    with pytest.raises(InputError, match=r"no check is named 'batches' \(nearest: batch\)"):
        estimator_checks(GaussianFit, expected_failures={"batches": "old numpy"})


def test_a_file_of_ones_own_is_checked_with_ones_own_parameters(tmp_path: Any) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        """
from dataclasses import dataclass
from mibench.estimators.gaussian.cca import CCA
from mibench.interface import Estimate, parameter

@dataclass(frozen=True)
class Shifted(CCA):
    "Off by a constant."
    offset: float = parameter(0.0, "nats added")

    def estimate(self, x, y, context):
        return Estimate(super().estimate(x, y, context).value + self.offset)
"""
    )
    assert failures(estimator_checks(f"{file}:Shifted")) == set()
    assert failures(estimator_checks(f"{file}:Shifted", offset=1.0)) == {"independence"}
    assert failures(estimator_checks(f"{file}:Shifted[offset=1]")) == {"independence"}


def test_binding_makes_nothing() -> None:
    checks = estimator_checks("no_such_file.py:Mine")
    assert str(checks[0]) == "no_such_file.py:Mine-facts"
    with pytest.raises(AssertionError, match="no file"):
        checks[0]()


def test_pytest_is_not_needed() -> None:
    code = "import sys, mibench.testing; sys.exit('pytest' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CITATION, None),
        (f"{CITATION}\n{CITATION}", None),
        ("", "there is none"),
        ("Some One (1948)", "does not start like"),
        ("@book{author = {A}, title = {B}, year = 1}", "does not start like"),
        ("@book{a, author = {A, title = {B}, year = 1}", "braces"),
        ("@book{a, author = {A}, title = {B}}", "no year"),
    ],
)
def test_bibtex(text: str, problem: str | None) -> None:
    found = bibtex_problem(text)
    assert (found is None) if problem is None else (found is not None and problem in found)


# ---------------------------------------------------------------------------------------------------------------------
# Distributions


@dataclass(frozen=True)
class Normal(JointDistribution):
    """Each column of the shorter block is correlated with one of the longer."""

    facts: ClassVar[DistributionFacts] = DistributionFacts(
        name="normal", family="test", summary="Correlated pairs", formula="-m/2 log(1 - rho^2)", citation=CITATION
    )
    dim_x: int = parameter(2, "columns of X", low=1)
    dim_y: int = parameter(2, "columns of Y", low=1)
    rho: float = parameter(0.6, "correlation", low=-0.999, high=0.999)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x, y = rng.standard_normal((n, self.dim_x)), rng.standard_normal((n, self.dim_y))
        m = min(self.dim_x, self.dim_y)
        y[:, :m] = self.rho * x[:, :m] + math.sqrt(1 - self.rho**2) * y[:, :m]
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array | None:
        m, rho = min(self.dim_x, self.dim_y), self.rho
        u, v = x[:, :m], y[:, :m]
        terms = -0.5 * math.log1p(-(rho**2)) - (rho**2 * (u**2 + v**2) - 2 * rho * u * v) / (2 * (1 - rho**2))
        total: Array = terms.sum(axis=1)
        return total

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(self.information()) if quantity == "mi" else None

    def information(self) -> float:
        return -0.5 * min(self.dim_x, self.dim_y) * math.log1p(-(self.rho**2))


@dataclass(frozen=True)
class Labels(JointDistribution):
    """Two equal fair coins with probability `same`: discrete, of a fixed size."""

    facts: ClassVar[DistributionFacts] = replace(Normal.facts, name="coins")
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1
    same: float = parameter(0.8, "probability of equal coins", low=0.0, high=1.0)

    def sample_shape(self, n: int) -> Shape:
        return Shape(n, ("discrete",), ("discrete",))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x = rng.integers(0, 2, (n, 1)).astype(float)
        y = np.where(rng.random((n, 1)) < self.same, x, 1 - x)
        return Sample(x, y, self.pmi(x, y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        density: Array = np.log(np.where(x == y, 2 * self.same, 2 - 2 * self.same))[:, 0]
        return density

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        entropy = -self.same * math.log(self.same) - (1 - self.same) * math.log(1 - self.same)
        return GroundTruth(math.log(2) - entropy) if quantity == "mi" else None


class Opaque(Normal):
    """Its density and its MI are unknown."""

    def pmi(self, x: Array, y: Array) -> Array | None:
        return None

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return None


class Bracketed(Normal):
    """Its MI is known to lie in an interval."""

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        low, high = 0.9 * self.information(), 1.1 * self.information()
        return (
            GroundTruth((low + high) / 2, low=low, high=high, method="certified interval") if quantity == "mi" else None
        )


@pytest.mark.parametrize("good", [Normal, Normal(dim_x=3, dim_y=1, rho=0.99), Labels, Opaque, Bracketed])
def test_sound_distributions_pass(good: JointDistribution | type[JointDistribution]) -> None:
    outcomes = check_distribution(good, n=20_000)
    assert {outcome.status for outcome in outcomes} == {"passed", "skipped"}


class WrongTruth(Normal):
    """Its truth is a fifth too large."""

    def information(self) -> float:
        return 1.2 * super().information()


class WrongPMI(Normal):
    """Forgets the normalisation of its density."""

    def pmi(self, x: Array, y: Array) -> Array | None:
        pmi = super().pmi(x, y)
        return None if pmi is None else pmi + 0.1


class ConstantPMI(Normal):
    """Gives the truth for the pointwise MI of every pair: the right mean of the wrong function."""

    def pmi(self, x: Array, y: Array) -> Array | None:
        return np.full(len(x), self.information())


class OtherSamplePMI(Normal):
    """The sample's pointwise MI is not that of the formula."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        sample = super().sample(n, rng)
        return replace(sample, pmi=np.full(n, self.information()))


class EmpiricalPMI(Normal):
    """The pointwise MI depends on the other pairs given."""

    def pmi(self, x: Array, y: Array) -> Array | None:
        return super().pmi((x - x.mean(axis=0)) / x.std(axis=0), y) if len(x) > 1 else super().pmi(x, y)


class GlobalNoise(Normal):
    """Draws from numpy's global generator."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        np.random.standard_normal(n)  # noqa: NPY002
        return super().sample(n, rng)


class FixedSeed(Normal):
    """Ignores the generator."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        return super().sample(n, np.random.default_rng(0))


class Cached(Normal):
    """Hands out the same arrays again."""

    drawn: ClassVar[dict[tuple[Normal, int, int], Sample]] = {}

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        key = (self, n, int(rng.integers(2**40)))
        if key not in self.drawn:
            self.drawn[key] = super().sample(n, rng)
        return self.drawn[key]


class SinglePrecision(Normal):
    """Returns float32."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        sample = super().sample(n, rng)
        x: Any = sample.x.astype(np.float32)
        return replace(sample, x=x)


class Transposed(Normal):
    """Draws column by column."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        sample = super().sample(n, rng)
        return replace(sample, y=np.asfortranarray(sample.y))


class Standardised(Normal):
    """Standardises its own sample: one pair has no spread."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        if n == 1:
            raise ValueError("one point has no standard deviation")
        return super().sample(n, rng)


class Chain(Normal):
    """Each row follows from the one before."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x, y = super().sample(n, rng).x, super().sample(n, rng).y
        x[1:] = (x[1:] + x[:-1]) / math.sqrt(2)
        return Sample(x, y, self.pmi(x, y))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return None


class OneKind(Normal):
    """Says for the block what should be said for each column."""

    def sample_shape(self, n: int) -> Shape:
        return Shape(n, ("continuous",), kinds_of(self.dim_y))


class FalseKind(Normal):
    """Calls continuous columns discrete."""

    def sample_shape(self, n: int) -> Shape:
        return Shape(n, kinds_of(self.dim_x), kinds_of(self.dim_y, discrete=True))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        return replace(super().sample(n, rng), declared=self.sample_shape(n))


class OtherWord(Normal):
    """Names a kind that there is not."""

    def sample_shape(self, n: int) -> Shape:
        return Shape(n, ("number",) * self.dim_x, kinds_of(self.dim_y))  # type: ignore[arg-type]


class OnePoint(Normal):
    """Gives the shape of one point, however many are drawn."""

    def sample_shape(self, n: int) -> Shape:
        return Shape.continuous(1, self.dim_x, self.dim_y)


class Undeclared(Labels):
    """Its sample does not carry the kinds."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        return replace(super().sample(n, rng), declared=None)


class Square(Normal):
    """Draws as many columns of Y as of X, whatever dim_y says."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        return replace(self, dim_y=self.dim_x)._draw(n, rng)

    def _draw(self, n: int, rng: np.random.Generator) -> Sample:
        return super().sample(n, rng)


class Determinant(Normal):
    """Takes the logarithm of a determinant, which is 0 in high dimension."""

    def information(self) -> float:
        with np.errstate(divide="ignore"):
            return float(-0.5 * np.log((1 - self.rho**2) ** (4 * min(self.dim_x, self.dim_y))) / 4)


class KnowsEverything(Normal):
    """Gives its MI for the truth of any quantity."""

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(self.information(), quantity=quantity)


class Uncertain(Normal):
    """A Monte Carlo truth without its error."""

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(self.information(), method="monte carlo") if quantity == "mi" else None


class OpenInterval(Normal):
    """A certified interval without ends."""

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(self.information(), method="certified interval") if quantity == "mi" else None


class NumpyTruth(Normal):
    """Its truth is a numpy scalar."""

    def information(self) -> float:
        return np.float64(super().information())


class NoFormula(Normal):
    """Does not say where its truth is from."""

    facts = replace(Normal.facts, formula="")


@pytest.mark.parametrize(
    ("broken", "intended"),
    [
        (WrongTruth, {"mean-pmi"}),
        (WrongPMI, {"mean-pmi", "mean-exp-pmi"}),
        (ConstantPMI, {"mean-exp-pmi"}),
        (OtherSamplePMI, {"pmi"}),
        (EmpiricalPMI, {"pmi"}),
        (GlobalNoise, {"global-random-state"}),
        (FixedSeed, {"determinism"}),
        (Cached, {"determinism"}),
        (SinglePrecision, {"samples", "single-point", "dimensions"}),
        (Transposed, {"samples", "dimensions"}),
        (Standardised, {"single-point"}),
        (Chain, {"rows"}),
        (OneKind, {"discrete-columns", "dimensions"}),
        (FalseKind, {"discrete-columns", "dimensions"}),
        (OtherWord, {"discrete-columns", "dimensions"}),
        (OnePoint, {"discrete-columns", "dimensions"}),
        (Undeclared, {"discrete-columns"}),
        (Square, {"dimensions"}),
        (Determinant, {"high-dimension"}),
        (KnowsEverything, {"unknown-quantity"}),
        (Uncertain, {"truth", "high-dimension"}),
        (OpenInterval, {"truth", "high-dimension"}),
        (NumpyTruth, {"truth", "high-dimension"}),
        (NoFormula, {"facts"}),
    ],
)
def test_a_broken_distribution_fails_the_intended_checks_and_no_others(
    broken: type[JointDistribution], intended: set[str]
) -> None:
    assert failures(distribution_checks(broken, n=20_000)) == intended


def test_an_example_stands_in_where_a_parameter_has_no_default() -> None:
    @registry.register_distribution(
        name="needy", family="test", summary="s", formula="f", citation=CITATION, example="needy[rho=0.5,scales=(1,2)]"
    )
    @dataclass(frozen=True)
    class Needy(Normal):
        """Needs scales."""

        scales: tuple[float, ...] = field(kw_only=True, metadata={"doc": "of nothing"})

    checks = {check.name: check for check in distribution_checks("needy", n=1000)}
    assert checks["samples"].make() == Needy(rho=0.5, scales=(1.0, 2.0))
    checks["spec-round-trip"]()
    assert distribution_checks("needy", scales=(3.0,))[0].make() == Needy(rho=0.5, scales=(3.0,))
