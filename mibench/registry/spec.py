"""Specifications: `name[key=value,...]`, from text to a value and from an object back to text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mibench.interface import Configurable, InputError, parameters_of
from mibench.parameters import split_list


@dataclass(frozen=True)
class Spec:
    """A name with the parameters as they were written, e.g. `infonce[batch_size=512,critic=separable]`."""

    name: str
    parameters: Mapping[str, str | Spec] = field(default_factory=dict)
    written: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return write_spec(self.name, self.parameters)

    @property
    def text(self) -> str:
        """The text as it was given, a task's id for example, or the specification."""
        return str(self) if self.written is None else self.written


def parse_spec(text: str) -> Spec:
    """Parse `name[key=value,...]`; values may hold brackets of their own."""
    name, bracket, rest = text.strip().partition("[")
    if bracket and not rest.endswith("]"):
        raise InputError(f"brackets do not match in {text!r}; write name[key=value,...]")
    parameters: dict[str, str | Spec] = {}
    for item in split_list(rest[:-1]):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise InputError(f"{item!r} in {text!r} is no parameter; write name[key=value,...]")
        if key in parameters:
            raise InputError(f"parameter {key} is given twice in {text!r}")
        parameters[key] = value
    if not name:
        raise InputError(f"no name in {text!r}; write name[key=value,...]")
    return Spec(name, parameters, text.strip())


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of the names is nearest, as an addition to a message."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (nearest: {found[0]})" if found else ""


# ---------------------------------------------------------------------------------------------------------------------
# Objects as text


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
