"""Tasks: a joint distribution under the name that its rows carry, at the size and the MI that are asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from mibench import suites
from mibench.interface import InputError, JointDistribution, parameters_of
from mibench.registry import DistributionLike, Spec, by_parameter, distributions, full_spec, make_distribution


@dataclass(frozen=True)
class Task:
    """A joint distribution under the name that its rows carry."""

    name: str
    distribution: JointDistribution


def suite_tasks(
    name: str, dim_x: int | None = None, dim_y: int | None = None, mi: float | None = None
) -> tuple[list[Task], list[str]]:
    """Return the tasks of a suite at the size asked for, and the names of those whose MI stays what it is.

    Every task must take the dimensions; `mi` goes to the tasks that take it, of which there must be one.
    """
    tasks, unchanged = [], []
    for entry in suites.load(name).tasks:
        task, took_mi = _sized(entry.name, distributions.spec(entry.distribution), dim_x, dim_y, mi)
        tasks.append(task)
        if mi is not None and not took_mi:
            unchanged.append(entry.name)
    if mi is not None and len(unchanged) == len(tasks):
        raise InputError(f"no task of suite {name!r} takes --mi; their MI is fixed")
    return tasks, unchanged


def make_task(
    spec: DistributionLike,
    dim_x: int | None = None,
    dim_y: int | None = None,
    mi: float | None = None,
) -> Task:
    """Make a task of a distribution, at the size and MI asked for."""
    if isinstance(spec, str):
        spec = distributions.spec(spec)
    if isinstance(spec, Spec):
        task, took_mi = _sized(spec.text, spec, dim_x, dim_y, mi)
        if mi is not None and not took_mi:
            raise InputError(f"{spec.text} takes no --mi; its MI is fixed by its other parameters")
        return task
    law = make_distribution(spec)
    _check_size(full_spec(law), law, dim_x, dim_y)
    if mi is not None:
        raise InputError(f"{full_spec(law)} is an object with its own MI; --mi does not change it")
    return Task(full_spec(law), law)


def _sized(name: str, spec: Spec, dim_x: int | None, dim_y: int | None, mi: float | None) -> tuple[Task, bool]:
    with_mi = None if mi is None else _with_mi(spec, mi)
    sizes = {key: str(size) for key, size in (("dim_x", dim_x), ("dim_y", dim_y)) if size is not None}
    law = make_distribution(_with_size(with_mi or spec, sizes))
    _check_size(name, law, dim_x, dim_y)
    return Task(str(with_mi or name), law), with_mi is not None


def _check_size(name: str, law: JointDistribution, dim_x: int | None, dim_y: int | None) -> None:
    for size, asked, option in ((law.dim_x, dim_x, "--dim-x"), (law.dim_y, dim_y, "--dim-y")):
        if asked is not None and asked != size:
            raise InputError(
                f"{name} is {law.dim_x} x {law.dim_y}, a fixed size; {option} {asked} does not apply to it"
            )


# ---------------------------------------------------------------------------------------------------------------------
# Parameters that the text leaves open


def _with_mi(spec: Spec, mi: float) -> Spec | None:
    """Set the MI of a distribution that takes it, and of those it wraps whose MI it keeps; None where it is fixed."""
    cls, parameters = distributions.find(spec.name), _parameters(spec)
    changed: dict[str, str | Spec] = {}
    if cls.keeps_mi:  # a mixture's MI is not its base's
        for key, base in _bases(cls, parameters):
            inner = _with_mi(base, mi)
            if inner is not None:
                changed[key] = inner
    if "mi" in parameters_of(cls) and not {"mi", "rho"} & parameters.keys():
        changed["mi"] = repr(float(mi)).removesuffix(".0")  # every digit: the truth is the MI asked for
    return dataclasses.replace(spec, parameters=parameters | changed, written=None) if changed else None


def _with_size(spec: Spec, sizes: dict[str, str]) -> Spec:
    """Set the dimensions of a distribution that takes them, and of those that it wraps."""
    cls, parameters = distributions.find(spec.name), _parameters(spec)
    inside: dict[str, str | Spec] = {key: _with_size(base, sizes) for key, base in _bases(cls, parameters)}
    taken = sizes if {"dim_x", "dim_y"} <= parameters_of(cls).keys() else {}
    return dataclasses.replace(spec, parameters={**taken, **parameters, **inside})


def _parameters(spec: Spec) -> dict[str, str | Spec]:
    """The parameters of a specification, under their names of today."""
    pairs = by_parameter(distributions.find(spec.name), spec.name, spec.parameters)
    return {info.name: value for info, value in pairs}


def _bases(cls: type[JointDistribution], parameters: dict[str, str | Spec]) -> Iterator[tuple[str, Spec]]:
    """The distributions that one of a class wraps, by parameter."""
    for key, value in parameters.items():
        base = parameters_of(cls)[key].type.base
        if base is not None and issubclass(base, JointDistribution):
            yield key, distributions.spec(value) if isinstance(value, str) else value
