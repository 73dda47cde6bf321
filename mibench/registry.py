"""From names to estimators and distributions.

Three ways to be found:

- a file in the folders `estimators/` or `distributions/` with a decorated class (nothing else to edit),
- an entry point of the group `mibench.estimators` or `mibench.distributions` in another installed package,
- `path/to/file.py:Object`, on the command line and in Python.

The facts given to a decorator are literals. They are read from the source text, so that listing imports no estimator
and never torch; a module is imported when its object is used.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import fnmatch
import functools
import hashlib
import importlib
import importlib.util
import inspect
import itertools
import json
import sys
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from mibench import bibliography, suites
from mibench.interface import (
    Configurable,
    DistributionFacts,
    Estimator,
    EstimatorFacts,
    InputError,
    JointDistribution,
    ParameterInfo,
    parameter_named,
    parameters_of,
)

Object = TypeVar("Object", bound=Configurable)
Class = TypeVar("Class", bound=type[Configurable])
Facts = EstimatorFacts | DistributionFacts
# What names an object in Python: name[key=value,...], an object, or a class.
EstimatorLike = str | Estimator | type[Estimator]
DistributionLike = str | JointDistribution | type[JointDistribution]


# ---------------------------------------------------------------------------------------------------------------------
# Specifications: name[key=value, ...]


@dataclass(frozen=True)
class Spec:
    """A name with the parameters as they were written, e.g. `infonce[batch_size=512,critic=separable]`."""

    name: str
    parameters: dict[str, str]

    def __str__(self) -> str:
        return write_spec(self.name, self.parameters)


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


def parse_spec(text: str) -> Spec:
    """Parse `name[key=value,...]`; values may hold brackets of their own."""
    name, bracket, rest = text.strip().partition("[")
    if bracket and not rest.endswith("]"):
        raise InputError(f"brackets do not match in {text!r}; write name[key=value,...]")
    parameters: dict[str, str] = {}
    for item in split_list(rest[:-1]):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise InputError(f"{item!r} in {text!r} is no parameter; write name[key=value,...]")
        if key in parameters:
            raise InputError(f"parameter {key} is given twice in {text!r}")
        parameters[key] = value
    if not name:
        raise InputError(f"no name in {text!r}; write name[key=value,...]")
    return Spec(name, parameters)


# ---------------------------------------------------------------------------------------------------------------------
# Catalogues: what exists, read from source text


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

    def load(self) -> type[Configurable]:
        """Import the module and return the class."""
        found: Any = importlib.import_module(self.module)
        for part in self.qualname.split("."):
            found = getattr(found, part)
        return typing.cast(type[Configurable], found)


class Catalogue(Generic[Object]):
    """All registered classes of one kind, by name and alias."""

    def __init__(self, kind: Literal["estimator", "distribution"], base: type[Object], facts: type[Facts]) -> None:
        self.kind, self.base, self.facts = kind, base, facts
        self.package = f"mibench.{kind}s"  # and the group of entry points
        self._decorated: dict[str, Entry] = {}  # registered while running, outside of the folders and entry points

    def entries(self) -> dict[str, Entry]:
        """Every entry by its name, sorted."""
        return dict(sorted({**self._written, **self._decorated}.items()))

    def by_name(self) -> dict[str, Entry]:
        """Every entry by its name and by each of its aliases."""
        return {name: entry for entry in self.entries().values() for name in entry.names}

    @functools.cached_property
    def _written(self) -> dict[str, Entry]:
        known: dict[str, Entry] = {}
        for entry in itertools.chain(self._in_folder(), self._at_entry_points()):
            for name in entry.names:
                other = known.setdefault(name, entry)
                if other is not entry:
                    raise InputError(
                        f"{self.kind} {name!r} is registered twice, by {other.module}.{other.qualname} and "
                        f"{entry.module}.{entry.qualname}"
                    )
        return {entry.facts.name: entry for entry in known.values()}

    def _in_folder(self) -> Iterator[Entry]:
        root = Path(__file__).with_name(f"{self.kind}s")
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield from self._read(path, ".".join([self.package, *parts]))

    def _at_entry_points(self) -> Iterator[Entry]:
        from importlib.metadata import entry_points  # parsers of mail come with it: `mibench --help` need not wait

        for point in entry_points(group=self.package):
            module = point.module
            found_there = self._read(_source_of(module), module)
            named = [entry for entry in found_there if not point.attr or point.attr == entry.qualname]
            if not named:
                warnings.warn(
                    f"entry point {point.name} of {self.package} names {point.value}, where no class has "
                    f"@register_{self.kind}(...)",
                    stacklevel=2,
                )
            yield from named

    def _read(self, path: Path | None, module: str) -> Iterator[Entry]:
        text = path.read_text(encoding="utf-8") if path is not None and path.exists() else ""
        if f"register_{self.kind}(" not in text:
            return
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            raise InputError(f"{path}:{error.lineno} is no Python: {error.msg}") from error
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for cls in classes:
            for call in cls.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(f"register_{self.kind}"):
                    where = f"{path}:{call.lineno}"
                    try:
                        facts = self._facts({str(word.arg): ast.literal_eval(word.value) for word in call.keywords})
                    except InputError as error:
                        raise InputError(f"{where}: {error}") from error
                    except ValueError as error:
                        raise InputError(
                            f"{where}: facts in @register_{self.kind}(...) are read without running the file: "
                            "write them as literals"
                        ) from error
                    yield Entry(facts, module, cls.name)

    def _facts(self, words: dict[str, Any]) -> Facts:
        accepted = {fact.name: fact.default is dataclasses.MISSING for fact in dataclasses.fields(self.facts)}
        called = f"register_{self.kind}(name={words['name']!r})" if "name" in words else f"register_{self.kind}(...)"
        if missing := [name for name, needed in accepted.items() if needed and name not in words]:
            raise InputError(f"{called} lacks {', '.join(missing)}")
        if unknown := [name for name in words if name not in accepted]:
            hint = nearest(unknown[0], list(accepted))
            raise InputError(f"{called} knows no {unknown[0]}{hint}; accepted: {', '.join(accepted)}")
        if "citation" in words:
            words = {**words, "citation": bibliography.entries(words["citation"])}
        return self.facts(**words)

    def register(self, cls: type[Configurable], facts: dict[str, Any]) -> None:
        """Attach the facts to a class and make it known; a name that another class has is refused."""
        if not issubclass(cls, self.base):
            raise InputError(f"{cls.__name__} is registered as {self.kind} but is no {self.base.__name__}")
        entry, known = Entry(self._facts(facts), cls.__module__, cls.__qualname__), self.by_name()
        for name in entry.names:
            other = known.get(name, entry)
            # The same class again is no conflict: a notebook cell that is run twice, a module that is reloaded.
            if (other.module, other.qualname) != (entry.module, entry.qualname):
                raise InputError(
                    f"{self.kind} {name!r} is registered already, by {other.module}.{other.qualname}; "
                    "give yours another name"
                )
        decorated: Any = cls
        decorated.facts = entry.facts
        if entry.facts.name not in self._written:
            self._decorated[entry.facts.name] = entry
            _loaded[entry.module, entry.qualname] = cls

    def find(self, name: str) -> type[Object]:
        """Return the class of a name, an alias, or `path/to/file.py:Object`."""
        path, _, attribute = name.rpartition(":")
        if path.endswith(".py"):
            return self._from_file(Path(path), attribute)
        if name.endswith(".py"):
            inside = self._inside(import_file(Path(name)))
            there = f", such as {name}:{inside[0]}" if inside else f"; there is no {self.base.__name__} in it"
            raise InputError(f"{name} names no class; give path/to/file.py:Class{there}")
        known = self.by_name()
        if name not in known:
            hint = nearest(name, list(known))
            raise InputError(f"unknown {self.kind} {name!r}{hint}; `mibench list {self.kind}s` shows all")
        entry = known[name]
        try:
            cls = _loaded.get((entry.module, entry.qualname)) or entry.load()
        except ImportError as error:
            raise InputError(f"{self.kind} {name!r} cannot be imported: {error}") from error
        return self._checked(cls, entry.qualname)

    def names(self) -> list[str]:
        """Every name and alias."""
        return list(self.by_name())

    def expand(self, text: str) -> list[str]:
        """Expand a glob such as `*ksg*[k=3]` over the names; anything else is returned as it is."""
        spec = parse_spec(text)
        if not set("*?") & set(spec.name) or ".py:" in spec.name:
            return [text]
        names = fnmatch.filter(self.entries(), spec.name)
        if not names:
            raise InputError(f"no {self.kind} is named like {spec.name!r}; `mibench list {self.kind}s` shows all")
        return [str(dataclasses.replace(spec, name=name)) for name in names]

    def _from_file(self, path: Path, attribute: str) -> type[Object]:
        module = import_file(path)
        cls = getattr(module, attribute, None)
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            inside = self._inside(module)
            what = "is not in" if cls is None else f"is no {self.base.__name__} in"
            raise InputError(f"{attribute!r} {what} {path}{nearest(attribute, inside)}")
        return self._checked(cls, str(path))

    def _inside(self, module: types.ModuleType) -> list[str]:
        """The classes of this kind that a user's file defines."""
        return [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, self.base) and value.__module__ == module.__name__
        ]

    def _checked(self, cls: type[Any], where: str) -> type[Object]:
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(cls.__abstractmethods__))
            raise InputError(f"{where}: {cls.__name__} does not define {missing}")
        own = {name for name, hint in inspect.get_annotations(cls).items() if "ClassVar" not in str(hint)}
        if own - {entry.name for entry in dataclasses.fields(cls)}:
            raise InputError(f"{where}: {cls.__name__} has parameters but is no dataclass; add @dataclass(frozen=True)")
        for name, method in vars(self.base).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                _check_signature(cls, name, method, where)
        if hasattr(cls, "x_discrete") or hasattr(cls, "y_discrete"):  # once the way to say it: labels became numbers
            raise InputError(
                f"{where}: {cls.__name__} defines x_discrete or y_discrete; write `def sample_shape(self, n)`, which "
                "returns Shape(n, kinds of the columns of X, kinds of those of Y)"
            )
        return cls

    def make(self, spec: str | Object | type[Object], **parameters: Any) -> Object:
        """Make an object from its name with parameters in brackets and as keywords."""
        if isinstance(spec, str):
            parsed = parse_spec(self.resolve(spec))
            cls, name, texts = self.find(parsed.name), parsed.name, parsed.parameters
        else:
            kind = spec if isinstance(spec, type) else type(spec)
            if not issubclass(kind, self.base):
                raise InputError(f"{spec!r} is no {self.base.__name__}; give name[key=value,...], a class or an object")
            cls, name, texts = self._checked(kind, kind.__module__), kind.label(), {}
        hints = typing.get_type_hints(cls)
        given, more = _by_parameter(cls, name, texts), _by_parameter(cls, name, parameters)
        values = {info.name: _read_value(text, hints[info.name], info, name) for info, text in given}
        values |= {info.name: _coerce(value, hints[info.name]) for info, value in more}
        if not isinstance(spec, str | type):
            return spec.with_parameters(**values) if values else spec
        missing = [key for key, info in parameters_of(cls).items() if info.required and key not in values]
        if missing:
            raise InputError(f"{name} needs {', '.join(missing)}; write {name}[{missing[0]}=...]")
        return cls(**values)

    def resolve(self, text: str) -> str:
        """Replace a task's id by the distribution it stands for; other texts stay as they are."""
        return suites.task_ids().get(text.strip(), text) if self.kind == "distribution" else text


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


def _by_parameter(cls: type[Configurable], owner: str, given: Mapping[str, Any]) -> list[tuple[ParameterInfo, Any]]:
    """Pair each value with the parameter that it is for, named as today or as formerly."""
    found: dict[str, tuple[ParameterInfo, Any]] = {}
    for key, value in given.items():
        info = parameter_named(cls, key)
        if info is None:
            accepted = list(parameters_of(cls))
            listing = ", ".join(accepted) or "none"
            raise InputError(f"{owner} has no parameter {key!r}{nearest(key, accepted)}; accepted: {listing}")
        if info.name in found:
            raise InputError(f"{owner}: parameter {info.name} is given twice, once as {info.formerly}")
        found[info.name] = info, value
    return list(found.values())


_loaded: dict[tuple[str, str], type[Configurable]] = {}
estimators: Catalogue[Estimator] = Catalogue("estimator", Estimator, EstimatorFacts)  # type: ignore[type-abstract]
distributions: Catalogue[JointDistribution] = Catalogue("distribution", JointDistribution, DistributionFacts)  # type: ignore[type-abstract]


def register_estimator(**facts: Any) -> Callable[[Class], Class]:
    """Register an estimator class; the keywords are the literals of `EstimatorFacts`."""

    def decorate(cls: Class) -> Class:
        estimators.register(cls, facts)
        return cls

    return decorate


def register_distribution(**facts: Any) -> Callable[[Class], Class]:
    """Register a distribution class; the keywords are the literals of `DistributionFacts`."""

    def decorate(cls: Class) -> Class:
        distributions.register(cls, facts)
        return cls

    return decorate


def make_estimator(spec: EstimatorLike, **parameters: Any) -> Estimator:
    """Make an estimator from `name[key=value,...]`, `path/to/file.py:Class` or a class, with further parameters.

    >>> make_estimator("ksg[k=5]").k
    5
    """
    return estimators.make(spec, **parameters)


def make_distribution(spec: DistributionLike, **parameters: Any) -> JointDistribution:
    """Make a distribution from `name[key=value,...]`, a task's id, `path/to/file.py:Class` or a class.

    >>> make_distribution("gaussian-sparse[rho=0.8]", dim_x=2, dim_y=2).dim_x
    2
    """
    return distributions.make(spec, **parameters)


def parameter_values(owner: Configurable) -> dict[str, Any]:
    """Return the parameters as run keys, random streams and rows hold them; a wrapped object is its `full_spec`.

    These outlive a change of the parameters (see `interface.parameter`): a later one is left out at its default, a
    renamed one keeps its first name, a renamed word its first spelling. `make_*` reads them back.
    """
    values = {}
    for name, info in parameters_of(type(owner)).items():
        value = getattr(owner, name)
        if not info.later or value != info.default:
            values[info.stored_name] = full_spec(value) if isinstance(value, Configurable) else info.stored_value(value)
    return values


def full_spec(owner: Configurable) -> str:
    """Write an object as `name[key=value,...]` with its `parameter_values`, so that `make_*` gives it back.

    In alphabetical order: keys and samples of trials hang on this text, and not on the order of fields in a class.
    """
    return write_spec(owner.label(), dict(sorted(parameter_values(owner).items())))


def short_spec(owner: Configurable) -> str:
    """Write an object as `name[key=value,...]` with those parameters that are not at their defaults, in their order."""
    changed = []
    for key, info in parameters_of(type(owner)).items():
        value = getattr(owner, key)
        if info.required or value != info.default:
            text = short_spec(value) if isinstance(value, Configurable) else write_value(value)
            changed.append(f"{key}={text}")
    return f"{owner.label()}[{','.join(changed)}]" if changed else owner.label()


@functools.cache
def stored_estimator(name: str, params: str) -> Estimator | None:
    """The estimator of a row, by its name and its parameters in JSON; None if there is none of these here."""
    try:
        return make_estimator(write_spec(name, json.loads(params)))
    except InputError:
        return None


def nearest(name: str, names: list[str]) -> str:
    """Say which of the names is nearest, as an addition to a message."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (nearest: {found[0]})" if found else ""


# ---------------------------------------------------------------------------------------------------------------------
# Parameter values as text


def write_spec(name: str, parameters: Mapping[str, Any]) -> str:
    """Write `name[key=value,...]`, or the name alone where there are no parameters."""
    inside = ",".join(f"{key}={write_value(value)}" for key, value in parameters.items())
    return f"{name}[{inside}]" if inside else name


def write_value(value: Any) -> str:
    """Write the value of a parameter as `name[key=value]` takes it; JSON's lists are tuples there."""
    if isinstance(value, tuple | list):
        return "(" + ",".join(map(write_value, value)) + ")"
    if isinstance(value, Configurable):
        return full_spec(value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _read_value(text: str, hint: Any, info: ParameterInfo, owner: str) -> Any:
    value = _parse(info.renamed(text), hint)
    if value is _NOT_READ:
        raise InputError(f"{owner}: parameter {info.name} = {text!r} is not accepted; give {info.accepted()}")
    return value


_NOT_READ = object()
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _parse(text: str, hint: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        # `none` is no name of a distribution: first. Text would take anything: last.
        for arg in sorted(args, key=lambda kind: (kind is str, kind is not type(None))):
            value = _parse(text, arg)
            if value is not _NOT_READ:
                return value
        return _NOT_READ
    if origin is Literal:
        return next((arg for arg in args if str(arg).lower() == text.lower()), _NOT_READ)
    if origin is tuple:
        if Path(text).suffix in (".npy", ".csv", ".txt"):
            return _coerce(_read_matrix(text), hint)
        inside = text[1:-1] if text.startswith("(") and text.endswith(")") else text
        values = tuple(_parse(item, args[0]) for item in split_list(inside))
        return _NOT_READ if _NOT_READ in values else values
    if isinstance(hint, type) and issubclass(hint, JointDistribution):
        return make_distribution(text)
    if isinstance(hint, type) and issubclass(hint, Estimator):
        return make_estimator(text)
    if hint is type(None):
        return None if text.lower() == "none" else _NOT_READ
    if hint is bool:
        return _WORDS.get(text.lower(), _NOT_READ)
    if hint is str:
        return text
    try:
        number = float(text)
    except ValueError:
        return _NOT_READ
    if hint is float:
        return number
    return int(number) if number.is_integer() else _NOT_READ


def _read_matrix(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path) if path.endswith(".npy") else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a matrix: {error}") from error


def _coerce(value: Any, hint: Any) -> Any:
    """Accept what Python users write: arrays and lists for tuples, specifications for wrapped objects."""
    kinds = [hint, *typing.get_args(hint)]
    if isinstance(value, str):
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, JointDistribution):
                return make_distribution(value)
            if isinstance(kind, type) and issubclass(kind, Estimator):
                return make_estimator(value)
        return value
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, list):
        return tuple(_coerce(item, None) for item in value)
    return value


_imported_sources: dict[str, bytes] = {}


def import_file(path: Path) -> types.ModuleType:
    """Import a Python file once, however often and from wherever it is named, and again when its text has changed."""
    if not path.is_file():
        raise InputError(f"no file {str(path)!r}; give path/to/file.py:Object")
    path = path.resolve()
    # a/b.py and a_b.py are two files: the digest keeps them apart
    name = f"mibench_file_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    source = path.read_bytes()
    if name in sys.modules and _imported_sources.get(name) == source:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:  # so that it can import what lies beside it, as a script can
        sys.path.append(folder)
    try:
        # Compiled here: Python's cached bytecode takes a file that is changed within a second for the old one. What it
        # prints is no part of an answer on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    _imported_sources[name] = source
    return module


def _source_of(module: str) -> Path | None:
    """Find a module's source file without importing its parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if not rest:
        return origin
    path = origin.parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
