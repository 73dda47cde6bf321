"""What estimators over another estimator share: the inner one, and facts that follow from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mibench.interface import Estimator, EstimatorFacts, parameter
from mibench.registry import make_estimator


@dataclass(frozen=True)
class OverInner(Estimator):
    """An estimator that gives projections or codes of X and Y to an inner one.

    The facts in a decorator describe the defaults; every object has facts of its own, which follow from its inner
    estimator. Continuous columns are projected or encoded; labels have no geometry, and are taken only where they stay
    as they are.
    """

    inner: Estimator = parameter(make_estimator("ksg"), "estimator that is given the projections or codes")

    def __post_init__(self) -> None:
        """Put the object's own facts before those of its class."""
        super().__post_init__()
        object.__setattr__(self, "facts", self.own_facts())

    def own_facts(self) -> EstimatorFacts:
        """Return the facts of an estimator with these parameters; a subclass extends it."""
        return dataclasses.replace(
            type(self).facts,
            bound=self.inner.bound,
            supports=self.inner.facts.supports,
            trains=self.inner.facts.trains,
            devices=self.inner.facts.devices,
            invariances=tuple(name for name in ("shift", "scale", "rows") if name in self.inner.facts.invariances),
        )
