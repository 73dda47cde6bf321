"""Parameters: what the fields of estimators and distributions are, which values they take, how a text becomes one.

`mibench.interface` hands the public names on. A parameter is declared by `parameter(...)`; its annotation says its
type, which is read once and then knows everything: its name in messages, what it accepts, how it reads a text.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self
from weakref import WeakKeyDictionary

Make = Callable[[type["Configurable"], Any], Any]  # makes an object of a base class from its specification


class InputError(ValueError):
    """Data or parameters that cannot be used; the message is one line that says what is wrong and what is accepted."""


# ---------------------------------------------------------------------------------------------------------------------
# Objects with parameters


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a listing shows of anything registered; literals in `@register_...(...)`.

    Attributes
    ----------
    name, family, summary, citation
        kebab-case name, the folder it lives in, one line of description, a BibTeX entry (or the
        key of one in mibench/data/references.bib).
    version
        Raised whenever the same data and seed can give another number.
    aliases
        Other names that find it.
    example
        The specification that the common checks and the documentation use, where the defaults are not enough:
        "gaussian[covariance=((1,0.5),(0.5,1))]".
    """

    kind: ClassVar[str] = "object"  # what is described, in a word

    name: str
    family: str
    summary: str
    citation: str
    version: str = "1"
    aliases: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Configurable:
    """A frozen dataclass whose fields are parameters, checked when it is made."""

    facts: ClassVar[Facts]

    def __init_subclass__(cls) -> None:
        """Give a class that nobody registers facts of its own; a decorator replaces them."""
        super().__init_subclass__()
        inherited = getattr(cls, "facts", None)
        if inherited is not None and "facts" not in vars(cls):
            summary = (cls.__doc__ or "no description").strip().partition("\n")[0]
            own = {"name": cls.__name__, "family": "own", "summary": summary}
            cls.facts = dataclasses.replace(inherited, **own, citation="", aliases=(), example="")

    def __post_init__(self) -> None:
        for name, info in parameters_of(type(self)).items():
            value = info.declared(getattr(self, name))
            object.__setattr__(self, name, value)
            problem = info.problem(value)
            if problem is not None:
                raise InputError(f"{self.label()}: parameter {name} = {value!r} {problem}; give {info.accepted()}")

    @property
    def version(self) -> str:
        """Version of the object and of those that it wraps."""
        inner = [getattr(self, entry.name) for entry in dataclasses.fields(self)]
        return "/".join([self.facts.version, *(part.version for part in inner if isinstance(part, Configurable))])

    @classmethod
    def label(cls) -> str:
        """Name as registered, or the class name of an object that nobody registered."""
        return cls.facts.name

    def with_parameters(self, **changes: Any) -> Self:
        """Return a copy with some parameters changed."""
        return dataclasses.replace(self, **changes)


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
    type: ParameterType
    default: Any
    doc: str = ""
    low: float | None = None
    high: float | None = None
    later: bool = False
    formerly: str | None = None
    was: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for new, old in self.was.items():
            if not self.type.accepts(new) or self.type.accepts(old):
                raise TypeError(f"{self.name}: was={{{new!r}: {old!r}}} is no new word and its old one")

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

    def declared(self, value: Any) -> Any:
        """Return the one spelling of a value, so that equal parameters are one text and one run key."""
        return self.type.declared(self.renamed(value))

    def read(self, text: Any, owner: str, make: Make) -> Any:
        """Read a text, such as `5` in `ksg[k=5]`."""
        value = self.type.read(self.renamed(text), make)
        if value is NOT_READ:
            raise InputError(f"{owner}: parameter {self.name} = {text!r} is not accepted; give {self.accepted()}")
        return value

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with a value, or return None."""
        if not self.type.accepts(value):
            return "is not accepted"
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and not isinstance(number, bool) and not self._within(number):
                return "is out of range"
        return None

    def _within(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def accepted(self) -> str:
        """Say in words which values are accepted."""
        if self.low is not None and self.high is not None:
            return self.type.limited(f" from {self.low:g} to {self.high:g}")
        if self.low is not None:
            return self.type.limited(f" >= {self.low:g}")
        return self.type.limited("" if self.high is None else f" <= {self.high:g}")


_described: WeakKeyDictionary[type[Configurable], Mapping[str, ParameterInfo]] = WeakKeyDictionary()


def parameters_of(cls: type[Configurable]) -> Mapping[str, ParameterInfo]:
    """Describe the parameters of an estimator or distribution class, in their order."""
    if cls not in _described:
        hints = typing.get_type_hints(cls)
        found = {entry.name: _describe(entry, hints[entry.name]) for entry in dataclasses.fields(cls)}
        for info in found.values():
            if info.formerly in found:
                raise TypeError(f"{cls.__name__}: {info.formerly} is a parameter, and the former name of {info.name}")
        _described[cls] = found
    return _described[cls]


def _describe(entry: dataclasses.Field[Any], hint: Any) -> ParameterInfo:
    default = entry.default
    if default is dataclasses.MISSING and callable(entry.default_factory):
        default = entry.default_factory()
    declared = {key: value for key, value in entry.metadata.items() if key in ParameterInfo.__dataclass_fields__}
    return ParameterInfo(entry.name, type_of(hint), default, **declared)


def parameter_named(cls: type[Configurable], name: str) -> ParameterInfo | None:
    """Find a parameter by its name or its former name; None where there is none."""
    described = parameters_of(cls)
    former = (info for info in described.values() if info.formerly == name)
    return described.get(name) or next(former, None)


# ---------------------------------------------------------------------------------------------------------------------
# Types of parameters

NOT_READ: Final = object()  # a text that is no value of a type
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class ParameterType(ABC):
    """What values a parameter takes, in messages called `name`; `base` is the class of wrapped objects, or None."""

    name: str
    base: type[Configurable] | None = None

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether a parameter may have this value."""

    @abstractmethod
    def read(self, text: str, make: Make) -> Any:
        """Return the value that a text stands for, or NOT_READ."""

    def declared(self, value: Any) -> Any:
        """Return the one spelling of a value: whole numbers given for a float are floats."""
        return value

    def coerce(self, value: Any, make: Make) -> Any:
        """Accept what Python users write: arrays and lists for tuples, specifications for wrapped objects."""
        if isinstance(value, str):
            return value
        return _as_tuples(value)

    def limited(self, limit: str) -> str:
        """Say in words what is accepted within a limit, such as " >= 1"."""
        return self.name


def _as_tuples(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, alone and in a list
        value = value.tolist()
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def type_of(hint: Any) -> ParameterType:
    """Read an annotation."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _OneOf(tuple(map(type_of, inside)))
    if origin is Literal:
        return _Words(inside)
    if origin is tuple:
        return _Tuple(type_of(inside[0]))
    return _PLAIN[hint] if hint in _PLAIN else _Instance(hint)


class _Nothing(ParameterType):
    name = "none"

    def accepts(self, value: Any) -> bool:
        return value is None

    def read(self, text: str, make: Make) -> Any:
        return None if text.lower() == "none" else NOT_READ


class _Switch(ParameterType):
    name = "true or false"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)

    def read(self, text: str, make: Make) -> Any:
        return _SWITCH.get(text.lower(), NOT_READ)


class _Text(ParameterType):
    name = "text"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def read(self, text: str, make: Make) -> Any:
        return text


class _Number(ParameterType):
    name = "number"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)

    def read(self, text: str, make: Make) -> Any:
        try:
            return float(text)
        except ValueError:
            return NOT_READ

    def declared(self, value: Any) -> Any:
        return float(value) if type(value) is int else value

    def limited(self, limit: str) -> str:
        return self.name + limit


class _WholeNumber(_Number):
    name = "whole number"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def read(self, text: str, make: Make) -> Any:
        number = super().read(text, make)
        return int(number) if number is not NOT_READ and number.is_integer() else NOT_READ

    def declared(self, value: Any) -> Any:
        return value


_PLAIN: Final[dict[Any, ParameterType]] = {
    bool: _Switch(),
    int: _WholeNumber(),
    float: _Number(),
    str: _Text(),
    type(None): _Nothing(),
}


class _Words(ParameterType):
    def __init__(self, words: tuple[Any, ...]) -> None:
        self.words, self.name = words, " or ".join(map(str, words))

    def accepts(self, value: Any) -> bool:
        return value in self.words

    def read(self, text: str, make: Make) -> Any:
        return next((word for word in self.words if str(word).lower() == text.lower()), NOT_READ)

    def limited(self, limit: str) -> str:
        return "one of " + ", ".join(map(str, self.words))


class _Tuple(ParameterType):
    def __init__(self, item: ParameterType) -> None:
        self.item, self.name = item, f"tuple of {item.name}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, tuple) and all(map(self.item.accepts, value))

    def read(self, text: str, make: Make) -> Any:
        if Path(text).suffix in (".npy", ".csv", ".txt"):
            return self.coerce(_read_matrix(text), make)
        inside = text[1:-1] if text.startswith("(") and text.endswith(")") else text
        values = tuple(self.item.read(item, make) for item in split_list(inside))
        return NOT_READ if NOT_READ in values else values

    def declared(self, value: Any) -> Any:
        return tuple(map(self.item.declared, value)) if isinstance(value, tuple) else value

    def limited(self, limit: str) -> str:
        return self.name + limit


class _Instance(ParameterType):
    """An object of a class: one that is made from a specification where it is registered."""

    def __init__(self, hint: Any) -> None:
        self.hint = hint
        self.name = getattr(hint, "__name__", str(hint)).lower()
        if isinstance(hint, type) and issubclass(hint, Configurable):
            self.base, self.name = hint, hint.facts.kind

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self.hint)

    def read(self, text: Any, make: Make) -> Any:
        return NOT_READ if self.base is None else make(self.base, text)

    def coerce(self, value: Any, make: Make) -> Any:
        if isinstance(value, str) and self.base is not None:
            return make(self.base, value)
        return super().coerce(value, make)


class _OneOf(ParameterType):
    def __init__(self, options: tuple[ParameterType, ...]) -> None:
        self.options, self.name = options, " or ".join(option.name for option in options)

    def accepts(self, value: Any) -> bool:
        return any(option.accepts(value) for option in self.options)

    def read(self, text: str, make: Make) -> Any:
        # `none` is no name of a distribution: first. Text would take anything: last.
        for option in sorted(self.options, key=lambda one: (isinstance(one, _Text), not isinstance(one, _Nothing))):
            value = option.read(text, make)
            if value is not NOT_READ:
                return value
        return NOT_READ

    def declared(self, value: Any) -> Any:
        fitting = [option for option in self.options if option.accepts(value)]
        # Of whole numbers and numbers, 3 stays whole.
        fitting.sort(key=lambda option: not isinstance(option, _WholeNumber))
        return fitting[0].declared(value) if fitting else value

    def coerce(self, value: Any, make: Make) -> Any:
        if isinstance(value, str):
            return next((one.coerce(value, make) for one in self.options if one.base is not None), value)
        return super().coerce(value, make)

    def limited(self, limit: str) -> str:
        if not limit:
            return self.name
        first, *others = (
            option.name if isinstance(option, _Words) else option.limited(limit) for option in self.options
        )
        return first + ", or " + " or ".join(others)


def _read_matrix(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path) if path.endswith(".npy") else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a matrix: {error}") from error


def split_list(text: str) -> list[str]:
    """Split at the commas that stand outside of brackets: `ksg,infonce[a=1,b=2]` gives two items."""
    items, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "[(") - (letter in "])")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    if depth != 0:
        raise InputError(f"brackets do not match in {text!r}; write name[key=value,...]")
    return [item.strip() for item in [*items, text[start:]] if item.strip()]
