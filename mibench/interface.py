"""The words every part of mibench shares: samples, truths, estimates, and who makes them.

Start reading here; of mibench this module imports `parameters` alone, and hands its names on. An *estimator* turns n
paired points into an estimate of a dependence quantity; a *joint distribution* makes such points and knows the true
value. Everything is in nats.

An estimator or a distribution is a frozen dataclass whose fields are its (hyper-)parameters, so it prints itself,
compares, hashes and pickles. The facts that a listing shows (name, family, citation, ...) are literals in its
registration decorator, see `mibench.registry`.
"""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from mibench.parameters import (
    Configurable,
    Facts,
    InputError,
    ParameterInfo,
    parameter,
    parameter_named,
    parameters_of,
)

__all__ = [
    "Array",
    "Bound",
    "ColumnKind",
    "Configurable",
    "Context",
    "DistributionFacts",
    "Estimate",
    "Estimator",
    "EstimatorFacts",
    "Facts",
    "GroundTruth",
    "InputError",
    "Interval",
    "JointDistribution",
    "Kinds",
    "ParameterInfo",
    "Sample",
    "Shape",
    "are_discrete",
    "kinds_of",
    "parameter",
    "parameter_named",
    "parameters_of",
]

Array = NDArray[np.float64]
Bound = Literal["lower", "upper", "none"]
ColumnKind = Literal["continuous", "discrete"]
Kinds = tuple[ColumnKind, ...]


# ---------------------------------------------------------------------------------------------------------------------
# Data


@dataclass(frozen=True)
class Shape:
    """How many points there are, and the kind of each column of X, Y and Z.

    A discrete column takes countably many values: labels, or counts. Z has columns only where something is conditioned
    on.
    """

    n: int
    x: Kinds
    y: Kinds
    z: Kinds = ()

    @classmethod
    def continuous(cls, n: int, dim_x: int, dim_y: int) -> Self:
        """Return a shape without discrete columns."""
        return cls(n, kinds_of(dim_x), kinds_of(dim_y))

    @property
    def dim_x(self) -> int:
        """Columns of X."""
        return len(self.x)

    @property
    def dim_y(self) -> int:
        """Columns of Y."""
        return len(self.y)

    @property
    def dim_z(self) -> int:
        """Columns of Z."""
        return len(self.z)

    @property
    def kind(self) -> Literal["continuous", "discrete", "mixed"]:
        """What all columns are together, as `EstimatorFacts.supports` names it."""
        kinds = {*self.x, *self.y, *self.z}
        if len(kinds) > 1:
            return "mixed"
        return "discrete" if "discrete" in kinds else "continuous"

    def with_points(self, n: int) -> Self:
        """Return the same columns with another number of points."""
        return dataclasses.replace(self, n=n)

    def swapped(self) -> Self:
        """Return the shape with X and Y exchanged."""
        return dataclasses.replace(self, x=self.y, y=self.x)


def kinds_of(dim: int, *, discrete: bool = False) -> Kinds:
    """Return the kinds of so many columns that are alike."""
    return ("discrete" if discrete else "continuous",) * dim


def are_discrete(kinds: Kinds) -> NDArray[np.bool_]:
    """Return one bool per column: a mask of the discrete ones."""
    return np.array([kind == "discrete" for kind in kinds], dtype=bool)


@dataclass(frozen=True, eq=False)
class Sample:
    """n independent pairs drawn from a joint distribution.

    Attributes
    ----------
    x, y
        Float64 arrays of shape (n, dim_x) and (n, dim_y).
    pmi
        Pointwise mutual information log p(x,y) / (p(x) p(y)) of each pair in nats, shape (n,); None where the density
        is not known. Its mean is the best unbiased guess that knows the density: the oracle.
    declared
        The shape with the kinds of the columns, `JointDistribution.sample_shape(n)`; None where all are continuous.
    """

    x: Array
    y: Array
    pmi: Array | None = None
    declared: Shape | None = None

    @property
    def shape(self) -> Shape:
        """N and the kinds of the columns: continuous where nothing else is declared."""
        return self.declared or Shape.continuous(len(self.x), self.x.shape[1], self.y.shape[1])


@dataclass(frozen=True)
class GroundTruth:
    """The true value of a quantity, in nats (a Wasserstein distance: in the units of the data), and how it is known.

    `standard_error` is 0 for a closed form or a quadrature, whose absolute error is at most 1e-6. Where only an
    interval is certain, `value` is its midpoint and `low`, `high` are its ends; elsewhere they are None.
    """

    value: float
    standard_error: float = 0.0
    low: float | None = None
    high: float | None = None
    method: Literal["closed form", "quadrature", "monte carlo", "certified interval"] = "closed form"
    quantity: str = "mi"


@dataclass(frozen=True)
class Interval:
    """An interval that is asked for: the method by which it is found, see `mibench.intervals`, and its coverage."""

    method: str
    level: float = 0.95


@dataclass(frozen=True)
class Context:
    """What an estimator may use besides the data: its own randomness, a device, threads, and the kind of each column.

    An estimator draws random numbers from `rng` only. `interval` is the one asked for, or None. `shape` holds the kinds
    of the columns; None means that all are continuous, see `shape_of`.
    """

    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    device: str = "cpu"
    threads: int = 1
    interval: Interval | None = None
    shape: Shape | None = None

    def shape_of(self, x: Array, y: Array) -> Shape:
        """Return `shape`, or that of the data with all columns continuous where it is None."""
        return self.shape or Shape.continuous(len(x), x.shape[1], y.shape[1])


@dataclass(frozen=True)
class Estimate:
    """An estimate in nats, never clipped: a negative value is a value.

    Attributes
    ----------
    value
        The estimate of `quantity` in nats.
    low, high, level
        An interval and its nominal coverage, or None.
    quantity
        What is estimated: "mi" is Shannon mutual information; other quantities are never compared with it.
    bound
        "lower" or "upper" where the expectation is a bound on the truth, else "none".
    diagnostics
        Plain values (numbers, strings, short lists; curves of at most 200 points) that help to judge the estimate.
    warnings
        Reasons to distrust the estimate, one sentence each.
    """

    value: float
    low: float | None = None
    high: float | None = None
    level: float | None = None
    quantity: str = "mi"
    bound: Bound = "none"
    diagnostics: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------------------
# Estimators


@dataclass(frozen=True, kw_only=True)
class EstimatorFacts(Facts):
    """What a listing shows of an estimator besides `Facts`.

    An estimator that wraps another has facts of its own on the object, where they follow from the one it wraps.

    Attributes
    ----------
    quantity, bound
        As in `Estimate`. Where they depend on parameters, the class overrides the property of that name.
    supports
        Kinds of columns: "continuous", "discrete", "mixed" (both kinds in one variable or between X and Y).
    max_dim
        Largest dim_x + dim_y that makes sense, or None.
    symmetric, deterministic
        Whether estimate(x, y) = estimate(y, x) up to rounding, and whether the estimator's own seed is unused. Where a
        parameter brings randomness in, the class overrides the property `deterministic`.
    invariances
        Changes of the data that leave the estimate as it is, of: "shift", "scale" (a factor for each block, not one
        for both), "column-scale", "monotone" (increasing maps of each column), "linear" (invertible maps of a block),
        "rows" (their order).
    trains, devices
        Whether it fits a model by iteration, and the device classes it can use.
    """

    kind: ClassVar[str] = "estimator"

    quantity: str = "mi"
    bound: Bound = "none"
    supports: tuple[str, ...] = ("continuous",)
    max_dim: int | None = None
    symmetric: bool = False
    deterministic: bool = False
    invariances: tuple[str, ...] = ()
    trains: bool = False
    devices: tuple[str, ...] = ("cpu",)


@dataclass(frozen=True)
class Estimator(Configurable, ABC):
    """Estimates a dependence quantity from paired points: a frozen dataclass that implements `estimate`."""

    facts: ClassVar[EstimatorFacts] = EstimatorFacts(name="", family="", summary="", citation="")

    @property
    def quantity(self) -> str:
        """The quantity estimated with these parameters."""
        return self.facts.quantity

    @property
    def bound(self) -> Bound:
        """Which bound the estimate is with these parameters."""
        return self.facts.bound

    @property
    def deterministic(self) -> bool:
        """Whether the estimator's own seed is unused with these parameters."""
        return self.facts.deterministic

    @abstractmethod
    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """Estimate the quantity from pairs (x[i], y[i]).

        x (n, dim_x) and y (n, dim_y) have been checked: float64, finite, the same number of rows, no constant column,
        and `unsupported` returned None for their shape. They must not be changed.
        """

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        """Estimate several samples of one shape, yielding (index, estimate) as they finish.

        The default is a loop. Override it where training all at once is cheaper.
        """
        for index, (x, y, context) in enumerate(zip(xs, ys, contexts, strict=True)):
            yield index, self.estimate(x, y, context)

    def unsupported(self, shape: Shape) -> str | None:
        """Say why data of this shape cannot be estimated, or return None where it can.

        Extend it (`super().unsupported(shape) or ...`) where a parameter sets a limit, such as n > k.
        """
        if shape.kind not in self.facts.supports:
            return f"{shape.kind} columns are not supported (only {', '.join(self.facts.supports)})"
        if self.facts.max_dim is not None and shape.dim_x + shape.dim_y > self.facts.max_dim:
            return f"too many dimensions: {shape.dim_x} + {shape.dim_y} > {self.facts.max_dim}"
        if shape.n < 2:
            return f"needs at least 2 points, got {shape.n}"
        return None


# ---------------------------------------------------------------------------------------------------------------------
# Distributions


@dataclass(frozen=True, kw_only=True)
class DistributionFacts(Facts):
    """What a listing shows of a distribution besides `Facts`: `formula` says how I(X; Y) is obtained.

    Its `version` is raised whenever the same seed can give another sample or the truth changes.
    """

    kind: ClassVar[str] = "distribution"

    formula: str


@dataclass(frozen=True)
class JointDistribution(Configurable, ABC):
    """A joint distribution of (X, Y) whose mutual information is known. Subclass it as a frozen dataclass."""

    facts: ClassVar[DistributionFacts] = DistributionFacts(name="", family="", summary="", formula="", citation="")
    # Whether a distribution that wraps another has the same MI: true of maps that are injective on X and on Y.
    keeps_mi: ClassVar[bool] = False

    # A subclass declares dim_x and dim_y as parameters, or as properties where they follow from other parameters.
    if typing.TYPE_CHECKING:

        @property
        def dim_x(self) -> int: ...
        @property
        def dim_y(self) -> int: ...

    def sample_shape(self, n: int) -> Shape:
        """Return the shape of n pairs: all columns continuous. Override it where some take countably many values."""
        return Shape.continuous(n, self.dim_x, self.dim_y)

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Draw n independent pairs; the sample carries their pointwise MI where the density is known.

        Where a column is discrete it also carries `sample_shape(n)`, as its `declared`.
        """

    def pmi(self, x: Array, y: Array) -> Array | None:
        """Return log p(x,y) / (p(x) p(y)) in nats of any pairs, shape (n,); None where the density is not known."""
        return None

    @abstractmethod
    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """Return the true value of a quantity, computed from the parameters; None where it is not known."""
