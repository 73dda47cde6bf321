"""Catalogues: what is registered of each kind, found by name and made from a specification."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import importlib
import inspect
import itertools
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from mibench import bibliography, suites
from mibench.interface import (
    Configurable,
    Estimator,
    Facts,
    InputError,
    JointDistribution,
    ParameterInfo,
    parameter_named,
    parameters_of,
)
from mibench.registry.files import import_file
from mibench.registry.source import decorated, source_of
from mibench.registry.spec import Spec, nearest, parse_spec

Object = TypeVar("Object", bound=Configurable)


@dataclass(frozen=True)
class Kind(Generic[Object]):
    """A kind of registered thing: all that the registry and listings need to know of it.

    `base` is the class that is extended, `plural` the word of `mibench list` and the name of the package and of the
    group of entry points, `mibench.<plural>` unless `package` says otherwise. `columns` are the facts that a list shows
    besides name, family and summary. `ids` gives specifications under names of their own.
    """

    plural: str
    base: type[Object]
    columns: tuple[str, ...] = ()
    ids: Callable[[], Mapping[str, str]] = dict
    package: str = ""

    @property
    def name(self) -> str:
        """The word for one of them."""
        return self.base.facts.kind

    @property
    def facts(self) -> type[Facts]:
        """The class of the facts that its decorator takes."""
        return type(self.base.facts)

    @property
    def group(self) -> str:
        """Its package in mibench, and the group of entry points of other packages."""
        return self.package or f"mibench.{self.plural}"


@dataclass(frozen=True)
class Entry:
    """A registered class: its facts, and where it lives."""

    facts: Facts
    module: str
    qualname: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.facts.name, *self.facts.aliases)

    @property
    def place(self) -> str:
        """Module and class."""
        return f"{self.module}.{self.qualname}"

    def load(self) -> type[Configurable]:
        """Import the module and return the class."""
        found: Any = importlib.import_module(self.module)
        for part in self.qualname.split("."):
            found = getattr(found, part)
        return typing.cast(type[Configurable], found)


_loaded: dict[str, type[Configurable]] = {}  # registered while running, by place


class Catalogue(Generic[Object]):
    """All registered classes of one kind, by name and alias."""

    def __init__(self, kind: Kind[Object]) -> None:
        self.kind = kind
        self._decorated: dict[str, Entry] = {}  # registered while running, outside of the folders and entry points

    def entries(self) -> dict[str, Entry]:
        """Every entry by its name, sorted."""
        return dict(sorted({**self._written, **self._decorated}.items()))

    def by_name(self) -> dict[str, Entry]:
        """Every entry by its name and by each of its aliases."""
        return {name: entry for entry in self.entries().values() for name in entry.names}

    def names(self) -> list[str]:
        """Every name and alias."""
        return list(self.by_name())

    @functools.cached_property
    def _written(self) -> dict[str, Entry]:
        known: dict[str, Entry] = {}
        for entry in itertools.chain(self._in_folder(), self._at_entry_points()):
            for name in entry.names:
                other = known.setdefault(name, entry)
                if other is not entry:
                    raise InputError(
                        f"{self.kind.name} {name!r} is registered twice, by {other.place} and {entry.place}"
                    )
        return {entry.facts.name: entry for entry in known.values()}

    def _in_folder(self) -> Iterator[Entry]:
        root = Path(__file__).parents[2].joinpath(*self.kind.group.split("."))
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield from self._read(path, ".".join([self.kind.group, *parts]))

    def _at_entry_points(self) -> Iterator[Entry]:
        from importlib.metadata import entry_points  # parsers of mail come with it: `mibench --help` need not wait

        for point in entry_points(group=self.kind.group):
            path = source_of(point.module)
            found_there = self._read(path, point.module) if path is not None and path.exists() else ()
            named = [entry for entry in found_there if not point.attr or point.attr == entry.qualname]
            if not named:
                warnings.warn(
                    f"entry point {point.name} of {self.kind.group} names {point.value}, where no class has "
                    f"@register_{self.kind.name}(...)",
                    stacklevel=2,
                )
            yield from named

    def _read(self, path: Path, module: str) -> Iterator[Entry]:
        for found in decorated(path, self.kind.name):
            try:
                facts = self._facts(found.words)
            except InputError as error:
                raise InputError(f"{found.where}: {error}") from error
            yield Entry(facts, module, found.name)

    def _facts(self, words: Mapping[str, Any]) -> Facts:
        accepted = {fact.name: fact.default is dataclasses.MISSING for fact in dataclasses.fields(self.kind.facts)}
        named = f"name={words['name']!r}" if "name" in words else "..."
        called = f"register_{self.kind.name}({named})"
        if missing := [name for name, needed in accepted.items() if needed and name not in words]:
            raise InputError(f"{called} lacks {', '.join(missing)}")
        if unknown := [name for name in words if name not in accepted]:
            hint = nearest(unknown[0], accepted)
            raise InputError(f"{called} knows no {unknown[0]}{hint}; accepted: {', '.join(accepted)}")
        return self.kind.facts(**{**words, "citation": bibliography.entries(words["citation"])})

    def register(self, cls: type[Configurable], facts: Mapping[str, Any]) -> None:
        """Attach the facts to a class and make it known; a name that another class has is refused."""
        if not issubclass(cls, self.kind.base):
            raise InputError(f"{cls.__name__} is registered as {self.kind.name} but is no {self.kind.base.__name__}")
        entry, known = Entry(self._facts(facts), cls.__module__, cls.__qualname__), self.by_name()
        for name in entry.names:
            other = known.get(name, entry)
            # The same class again is no conflict: a notebook cell that is run twice, a module that is reloaded.
            if other.place != entry.place:
                raise InputError(
                    f"{self.kind.name} {name!r} is registered already, by {other.place}; give yours another name"
                )
        cls.facts = entry.facts
        if entry.facts.name not in self._written:
            self._decorated[entry.facts.name] = entry
            _loaded[entry.place] = cls

    def spec(self, text: str) -> Spec:
        """Parse `name[key=value,...]`; an id becomes the specification it stands for, an alias the name."""
        written = text.strip()
        spec = parse_spec(self.kind.ids().get(written, text))
        entry = None if ".py:" in spec.name else self.by_name().get(spec.name)
        return dataclasses.replace(spec, name=spec.name if entry is None else entry.facts.name, written=written)

    def specs(self, text: str) -> list[Spec]:
        """Expand a glob such as `*ksg*[k=3]` over the names; anything else is one specification."""
        spec = self.spec(text)
        if not set("*?") & set(spec.name) or ".py:" in spec.name:
            return [spec]
        names = fnmatch.filter(self.entries(), spec.name)
        if not names:
            raise InputError(
                f"no {self.kind.name} is named like {spec.name!r}; `mibench list {self.kind.plural}` shows all"
            )
        return [dataclasses.replace(spec, name=name, written=None) for name in names]

    def find(self, name: str) -> type[Object]:
        """Return the class of a name, an alias, or `path/to/file.py:Object`."""
        path, _, attribute = name.rpartition(":")
        if path.endswith(".py"):
            return self._from_file(Path(path), attribute)
        if name.endswith(".py"):
            inside = self._inside(import_file(Path(name)))
            there = f", such as {name}:{inside[0]}" if inside else f"; there is no {self.kind.base.__name__} in it"
            raise InputError(f"{name} names no class; give path/to/file.py:Class{there}")
        known = self.by_name()
        if name not in known:
            hint = nearest(name, known)
            raise InputError(f"unknown {self.kind.name} {name!r}{hint}; `mibench list {self.kind.plural}` shows all")
        entry = known[name]
        try:
            cls = _loaded.get(entry.place) or entry.load()
        except (ImportError, SyntaxError) as error:
            raise InputError(f"{self.kind.name} {name!r} cannot be imported: {error}") from error
        return self._checked(cls, entry.qualname)

    def _from_file(self, path: Path, attribute: str) -> type[Object]:
        module = import_file(path)
        cls = getattr(module, attribute, None)
        if not (isinstance(cls, type) and issubclass(cls, self.kind.base)):
            inside = self._inside(module)
            what = "is not in" if cls is None else f"is no {self.kind.base.__name__} in"
            raise InputError(f"{attribute!r} {what} {path}{nearest(attribute, inside)}")
        return self._checked(cls, str(path))

    def _inside(self, module: types.ModuleType) -> list[str]:
        """The classes of this kind that a user's file defines."""
        return [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, self.kind.base) and value.__module__ == module.__name__
        ]

    def _checked(self, cls: type[Any], where: str) -> type[Object]:
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(cls.__abstractmethods__))
            raise InputError(f"{where}: {cls.__name__} does not define {missing}")
        own = {name for name, hint in inspect.get_annotations(cls).items() if "ClassVar" not in str(hint)}
        if own - {entry.name for entry in dataclasses.fields(cls)}:
            raise InputError(f"{where}: {cls.__name__} has parameters but is no dataclass; add @dataclass(frozen=True)")
        for name, method in vars(self.kind.base).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                _check_signature(cls, name, method, where)
        if hasattr(cls, "x_discrete") or hasattr(cls, "y_discrete"):  # once the way to say it: labels became numbers
            raise InputError(
                f"{where}: {cls.__name__} defines x_discrete or y_discrete; write `def sample_shape(self, n)`, which "
                "returns Shape(n, kinds of the columns of X, kinds of those of Y)"
            )
        return cls

    def make(self, spec: str | Spec | Object | type[Object], **parameters: Any) -> Object:
        """Make an object from its name with parameters in brackets and as keywords."""
        if isinstance(spec, str):
            spec = self.spec(spec)
        if isinstance(spec, Spec):
            return self._make(self.find(spec.name), spec.name, spec.parameters, parameters)
        cls = spec if isinstance(spec, type) else type(spec)
        if not issubclass(cls, self.kind.base):
            raise InputError(
                f"{spec!r} is no {self.kind.base.__name__}; give name[key=value,...], a class or an object"
            )
        self._checked(cls, cls.__module__)
        if isinstance(spec, type):
            return self._make(cls, cls.label(), {}, parameters)
        values = _coerced(cls, cls.label(), parameters)
        return spec.with_parameters(**values) if values else spec

    def _make(
        self, cls: type[Object], name: str, written: Mapping[str, str | Spec], parameters: Mapping[str, Any]
    ) -> Object:
        values = {info.name: info.read(text, name, make) for info, text in by_parameter(cls, name, written)}
        values |= _coerced(cls, name, parameters)
        missing = [key for key, info in parameters_of(cls).items() if info.required and key not in values]
        if missing:
            raise InputError(f"{name} needs {', '.join(missing)}; write {name}[{missing[0]}=...]")
        return cls(**values)


def _check_signature(cls: type[Any], name: str, method: Callable[..., Any], where: str) -> None:
    """Refuse a class that cannot be called as the method of its base class is."""
    arguments = inspect.signature(method).parameters.values()
    needed = [argument.name for argument in arguments if argument.default is argument.empty]
    signature = inspect.signature(getattr(cls, name))
    try:
        signature.bind(*needed)
    except TypeError as error:
        raise InputError(
            f"{where}: {cls.__name__} defines {name}{signature}; write `def {name}({', '.join(needed)})`"
        ) from error


def _coerced(cls: type[Configurable], owner: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {info.name: info.type.coerce(value, make) for info, value in by_parameter(cls, owner, parameters)}


Value = TypeVar("Value")


def by_parameter(cls: type[Configurable], owner: str, values: Mapping[str, Value]) -> list[tuple[ParameterInfo, Value]]:
    """Pair each value with the parameter that it is for, named as today or as formerly."""
    found: dict[str, tuple[ParameterInfo, Value]] = {}
    for key, value in values.items():
        info = parameter_named(cls, key)
        if info is None:
            accepted = parameters_of(cls)
            listing = ", ".join(accepted) or "none"
            raise InputError(f"{owner} has no parameter {key!r}{nearest(key, accepted)}; accepted: {listing}")
        if info.name in found:
            raise InputError(f"{owner}: parameter {info.name} is given twice, once as {info.formerly}")
        found[info.name] = info, value
    return list(found.values())


# ---------------------------------------------------------------------------------------------------------------------
# The kinds that there are

KINDS: tuple[Kind[Any], ...] = (
    Kind("estimators", Estimator, ("quantity", "bound", "supports")),
    Kind("distributions", JointDistribution, ids=suites.task_ids),
)
catalogues: dict[str, Catalogue[Any]] = {kind.plural: Catalogue(kind) for kind in KINDS}


def catalogue_of(cls: type[Configurable]) -> Catalogue[Any]:
    """Return the catalogue of the kind that a class is of."""
    for catalogue in catalogues.values():
        if issubclass(cls, catalogue.kind.base):
            return catalogue
    raise InputError(f"{cls.__name__} is of no kind that is registered: {', '.join(catalogues)}")


def make(base: type[Configurable], spec: str | Spec) -> Any:
    """Make an object of the kind that a class is of."""
    return catalogue_of(base).make(spec)
