"""The words every part of mibench shares: samples, truths, estimates, and who makes them.

Start reading here; this module imports nothing of mibench. An *estimator* turns n paired points into an estimate of
a dependence quantity; a *joint distribution* makes such points and knows the true value. Everything is in nats.

An estimator or a distribution is a frozen dataclass whose fields are its (hyper-)parameters, so it prints itself,
compares, hashes and pickles. The facts that a listing shows (name, family, citation, ...) are literals in its
registration decorator, see `mibench.registry`.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bound = Literal["lower", "upper", "none"]
Scalar = float | int | str | bool | None
ColumnKind = Literal["continuous", "discrete"]
Kinds = tuple[ColumnKind, ...]


class InputError(ValueError):
    """Data or parameters that cannot be used; the message is one line that says what is wrong and what is accepted."""


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
# Parameters


def parameter(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    later: bool = False,
    formerly: str | None = None,
    was: Mapping[str, str] | None = None,
) -> Any:
    """Declare one parameter of an estimator or a distribution as a dataclass field.

    `low` and `high` are inclusive limits. Use `Literal[...]` as the annotation where only a few words are accepted.

    Run keys, random streams and stored rows hold the parameters, and must stay as they are when parameters change.
    `later=True` declares a parameter that came after rows were stored: they hold it only where it is not at its
    default. `formerly="old"` is the name of a renamed parameter, and `was={"new": "old"}` are renamed words: rows keep
    the old ones, and both are accepted.
    """
    if later and default is dataclasses.MISSING:
        raise TypeError("a later parameter needs a default: the rows that were stored before it do not hold it")
    more = {"later": later, "formerly": formerly, "was": dict(was or {})}
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, **more})


@dataclass(frozen=True)
class ParameterInfo:
    """Name, type, default, limits and one-line description of a parameter, as `mibench show` prints them."""

    name: str
    kind: str
    default: Any
    doc: str
    low: float | None
    high: float | None
    choices: tuple[Scalar, ...] | None
    later: bool = False
    formerly: str | None = None
    was: Mapping[str, str] = field(default_factory=dict)

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is dataclasses.MISSING

    @property
    def stored_name(self) -> str:
        """Its name in run keys and rows."""
        return self.formerly or self.name

    def stored_value(self, value: Any) -> Any:
        """Return a value as run keys and rows hold it: under the first spelling of a word."""
        return self.was.get(value, value) if isinstance(value, str) else value

    def renamed(self, value: Any) -> Any:
        """Return a word under its spelling of today, and any other value as it is."""
        if isinstance(value, str):
            return next((new for new, old in self.was.items() if old.lower() == value.lower()), value)
        return value

    def accepted(self) -> str:
        """Say in words which values are accepted."""
        if self.choices is not None:
            return "one of " + ", ".join(map(str, self.choices))
        if self.low is not None and self.high is not None:
            limit = f" from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            limit = f" >= {self.low:g}"
        else:
            limit = f" <= {self.high:g}" if self.high is not None else ""
        # "number or none", "number or median", "whole number or tuple of whole number"
        number, _, word = self.kind.partition(" or ")
        if word.startswith("tuple"):
            word += limit
        return self.kind if not limit else number + limit + (f", or {word}" if word else "")


_described: WeakKeyDictionary[type[Configurable], Mapping[str, ParameterInfo]] = WeakKeyDictionary()


def parameters_of(cls: type[Configurable]) -> Mapping[str, ParameterInfo]:
    """Describe the parameters of an estimator or distribution class, in their order."""
    if cls not in _described:
        _described[cls] = _describe(cls)
    return _described[cls]


def _describe(cls: type[Configurable]) -> Mapping[str, ParameterInfo]:
    hints = typing.get_type_hints(cls)
    described = {}
    for entry in dataclasses.fields(cls):
        hint, choices = hints[entry.name], None
        if typing.get_origin(hint) is Literal:
            choices = typing.get_args(hint)
        kind = " or ".join(map(str, choices)) if choices else _type_name(hint)
        default = (
            entry.default_factory()
            if entry.default is dataclasses.MISSING and callable(entry.default_factory)
            else entry.default
        )
        meta = entry.metadata
        described[entry.name] = info = ParameterInfo(
            entry.name, kind, default, meta.get("doc", ""), meta.get("low"), meta.get("high"), choices,
            meta.get("later", False), meta.get("formerly"), meta.get("was", {}),
        )  # fmt: skip
        for new, old in info.was.items():
            if not _matches(new, hint) or _matches(old, hint):
                raise TypeError(f"{cls.__name__}.{entry.name}: was={{{new!r}: {old!r}}} is no new word and its old one")
    for info in described.values():
        if info.formerly in described:
            raise TypeError(f"{cls.__name__}: {info.formerly} is a parameter, and the former name of {info.name}")
    return described


def parameter_named(cls: type[Configurable], name: str) -> ParameterInfo | None:
    """Find a parameter by its name or its former name; None where there is none."""
    described = parameters_of(cls)
    former = (info for info in described.values() if info.formerly == name)
    return described.get(name) or next(former, None)


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join("none" if arg is type(None) else _type_name(arg) for arg in typing.get_args(hint))
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        inner = [arg for arg in typing.get_args(hint) if arg is not Ellipsis]
        return f"tuple of {_type_name(inner[0])}"
    if isinstance(hint, type) and issubclass(hint, Configurable):
        return "estimator" if issubclass(hint, Estimator) else "distribution"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(hint, getattr(hint, "__name__", str(hint)).lower())


def _matches(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in args
    if origin in (types.UnionType, typing.Union):
        return any(_matches(value, arg) for arg in args)
    if origin is tuple:
        return isinstance(value, tuple) and all(_matches(item, args[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _as_declared(value: Any, hint: Any) -> Any:
    """Write whole numbers given for a float as floats, so that equal parameters are one text and one run key."""
    args = typing.get_args(hint)
    if type(value) is int and (hint is float or (float in args and int not in args)):
        return float(value)
    if isinstance(value, tuple):
        tuples = [kind for kind in (hint, *args) if typing.get_origin(kind) is tuple]
        return tuple(_as_declared(item, typing.get_args(tuples[0])[0]) for item in value) if tuples else value
    return value


@dataclass(frozen=True)
class Configurable:
    """A frozen dataclass whose fields are parameters, checked when it is made."""

    facts: typing.ClassVar[EstimatorFacts | DistributionFacts]

    def __init_subclass__(cls) -> None:
        """Give a class that nobody registers facts of its own; a decorator replaces them."""
        super().__init_subclass__()
        inherited = getattr(cls, "facts", None)
        if inherited is not None and "facts" not in vars(cls):
            summary = (cls.__doc__ or "no description").strip().partition("\n")[0]
            own = {"name": cls.__name__, "family": "own", "summary": summary}
            cls.facts = dataclasses.replace(inherited, **own, citation="", aliases=(), example="")

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, info in parameters_of(type(self)).items():
            value = _as_declared(info.renamed(getattr(self, name)), hints[name])
            object.__setattr__(self, name, value)
            where = f"{self.label()}: parameter {name} = {value!r}"
            if not _matches(value, hints[name]):
                raise InputError(f"{where} is not accepted; give {info.accepted()}")
            numbers = value if isinstance(value, tuple) else (value,)
            for number in numbers:
                if isinstance(number, int | float) and not isinstance(number, bool):
                    below = info.low is not None and number < info.low
                    if below or (info.high is not None and number > info.high):
                        raise InputError(f"{where} is out of range; give {info.accepted()}")

    @classmethod
    def label(cls) -> str:
        """Name as registered, or the class name of an object that nobody registered."""
        return cls.facts.name

    def with_parameters(self, **changes: Any) -> Self:
        """Return a copy with some parameters changed."""
        return dataclasses.replace(self, **changes)


# ---------------------------------------------------------------------------------------------------------------------
# Estimators


@dataclass(frozen=True)
class EstimatorFacts:
    """What a listing shows of an estimator; literals in `@register_estimator(...)`.

    An estimator that wraps another has facts of its own on the object, where they follow from the one it wraps.

    Attributes
    ----------
    name, family, summary, citation
        kebab-case name, the folder it lives in, one line of description, a BibTeX entry (or the
        key of one in mibench/data/references.bib).
    version
        Raised whenever the same data and seed can give another number.
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
    aliases
        Other names that find it.
    example
        The specification that the common checks and the documentation use, where the defaults are not enough.
    """

    name: str
    family: str
    summary: str
    citation: str
    version: str = "1"
    quantity: str = "mi"
    bound: Bound = "none"
    supports: tuple[str, ...] = ("continuous",)
    max_dim: int | None = None
    symmetric: bool = False
    deterministic: bool = False
    invariances: tuple[str, ...] = ()
    trains: bool = False
    devices: tuple[str, ...] = ("cpu",)
    aliases: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Estimator(Configurable, ABC):
    """Estimates a dependence quantity from paired points: a frozen dataclass that implements `estimate`."""

    facts: typing.ClassVar[EstimatorFacts] = EstimatorFacts(name="", family="", summary="", citation="")

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

    @property
    def version(self) -> str:
        """Version of the estimator and of the ones it wraps."""
        return _nested_version(self, self.facts.version)

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


@dataclass(frozen=True)
class DistributionFacts:
    """What a listing shows of a distribution; literals in `@register_distribution(...)`.

    `summary` is one line; `formula` says how I(X; Y) is obtained; `version` is raised whenever the same seed can give
    another sample or the truth changes; `example` is the specification that the common checks and the documentation
    use, where a parameter has no default: "gaussian[covariance=((1,0.5),(0.5,1))]".
    """

    name: str
    family: str
    summary: str
    formula: str
    citation: str
    version: str = "1"
    aliases: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class JointDistribution(Configurable, ABC):
    """A joint distribution of (X, Y) whose mutual information is known. Subclass it as a frozen dataclass."""

    facts: typing.ClassVar[DistributionFacts] = DistributionFacts("", family="", summary="", formula="", citation="")
    # Whether a distribution that wraps another has the same MI: true of maps that are injective on X and on Y.
    keeps_mi: typing.ClassVar[bool] = False

    # A subclass declares dim_x and dim_y as parameters, or as properties where they follow from other parameters.
    if typing.TYPE_CHECKING:

        @property
        def dim_x(self) -> int: ...
        @property
        def dim_y(self) -> int: ...

    def sample_shape(self, n: int) -> Shape:
        """Return the shape of n pairs: all columns continuous. Override it where some take countably many values."""
        return Shape.continuous(n, self.dim_x, self.dim_y)

    @property
    def version(self) -> str:
        """Version of the distribution and of the ones it wraps."""
        return _nested_version(self, self.facts.version)

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


def _nested_version(owner: Configurable, own: str) -> str:
    inner = [getattr(owner, entry.name) for entry in dataclasses.fields(owner)]
    versions = [part.version for part in inner if isinstance(part, Estimator | JointDistribution)]
    return "/".join([own, *versions])
