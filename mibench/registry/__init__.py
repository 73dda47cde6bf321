"""From names to estimators and distributions.

Three ways to be found:

- a file in the folders `estimators/` or `distributions/` with a decorated class (nothing else to edit),
- an entry point of the group `mibench.estimators` or `mibench.distributions` in another installed package,
- `path/to/file.py:Object`, on the command line and in Python.

The facts given to a decorator are literals. They are read from the source text, so that listing imports no estimator
and never torch; a module is imported when its object is used. A further kind is one more record in `KINDS`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from mibench.interface import (
    Configurable,
    DistributionFacts,
    Estimator,
    EstimatorFacts,
    Facts,
    InputError,
    JointDistribution,
)
from mibench.parameters import split_list
from mibench.registry.catalogue import KINDS, Catalogue, Entry, Kind, by_parameter, catalogue_of, catalogues
from mibench.registry.files import import_file
from mibench.registry.spec import (
    Spec,
    full_spec,
    nearest,
    parameter_values,
    parse_spec,
    short_spec,
    write_spec,
    write_value,
)

__all__ = [
    "KINDS",
    "Catalogue",
    "DistributionLike",
    "Entry",
    "EstimatorLike",
    "Kind",
    "Spec",
    "by_parameter",
    "catalogue_of",
    "catalogues",
    "distributions",
    "estimators",
    "full_spec",
    "import_file",
    "make_distribution",
    "make_estimator",
    "nearest",
    "parameter_values",
    "parse_spec",
    "register_distribution",
    "register_estimator",
    "registers",
    "short_spec",
    "split_list",
    "stored_estimator",
    "write_spec",
    "write_value",
]

Class = TypeVar("Class", bound=type[Configurable])
Words = ParamSpec("Words")
# What names an object in Python: name[key=value,...], an object, or a class.
EstimatorLike = str | Spec | Estimator | type[Estimator]
DistributionLike = str | Spec | JointDistribution | type[JointDistribution]

estimators: Catalogue[Estimator] = catalogues["estimators"]
distributions: Catalogue[JointDistribution] = catalogues["distributions"]


def registers(catalogue: Catalogue[Any], facts: Callable[Words, Facts]) -> Callable[Words, Callable[[Class], Class]]:
    """Make the decorator that registers a class in a catalogue; its keywords are those of the facts."""

    def register(*words: Words.args, **literals: Words.kwargs) -> Callable[[Class], Class]:
        if words:
            raise InputError(f"the facts in @register_{catalogue.kind.name}(...) are given as name=value")

        def decorate(cls: Class) -> Class:
            catalogue.register(cls, literals)
            return cls

        return decorate

    name = facts.__name__ if isinstance(facts, type) else "the facts"
    register.__name__ = register.__qualname__ = f"register_{catalogue.kind.name}"
    register.__doc__ = f"Register a class; the keywords are the literals of `{name}`."
    return register


register_estimator = registers(estimators, EstimatorFacts)
register_distribution = registers(distributions, DistributionFacts)


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


@functools.cache
def stored_estimator(name: str, params: str) -> Estimator | None:
    """The estimator of a row, by its name and its parameters in JSON; None if there is none of these here."""
    try:
        return estimators.make(Spec(name, {key: write_value(value) for key, value in json.loads(params).items()}))
    except InputError:
        return None
