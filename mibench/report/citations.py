"""The sources behind a table: what every estimator and every distribution in it cites."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mibench import bibliography
from mibench.interface import Configurable, InputError
from mibench.registry import distributions, estimators, make_distribution, make_estimator, write_spec

if TYPE_CHECKING:
    import pandas as pd


def bibtex(cells: pd.DataFrame) -> tuple[str, list[str]]:
    """Return the BibTeX entries of the estimators and distributions in some cells, each once; and who has none.

    What an estimator or a distribution wraps is cited with it. Without a citation is, for one, a class of a user's file
    that is not at hand.
    """
    cited: dict[str, str] = {}
    for cell in cells.to_dict("records"):
        cited |= dict(_of_estimator(cell))
        cited |= dict(_of_distribution(cell["distribution"]))
    return bibliography.distinct(cited.values()), [name for name, citation in cited.items() if not citation]


def _of_estimator(cell: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    name = cell["estimator"]
    try:
        yield from _citations(make_estimator(write_spec(name, cell["params"])))
    except InputError:  # parameters of another version, or a class that is not registered here
        entry = estimators.entries().get(name)
        yield name, entry.facts.citation if entry is not None else ""


def _of_distribution(text: str) -> Iterator[tuple[str, str]]:
    try:
        yield from _citations(make_distribution(text))
    except InputError:
        name = distributions.spec(text).name
        entry = distributions.entries().get(name)
        yield name, entry.facts.citation if entry is not None else ""


def _citations(owner: Configurable) -> Iterator[tuple[str, str]]:
    """The citations of an object and of what it wraps, by name."""
    yield owner.facts.name, owner.facts.citation
    for entry in dataclasses.fields(owner):
        value = getattr(owner, entry.name)
        if isinstance(value, Configurable):
            yield from _citations(value)
