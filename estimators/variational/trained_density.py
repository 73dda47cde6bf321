"""Estimators that train a density q(y | x) by maximum likelihood, and compare joint pairs with others under it."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from torch import Tensor

from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.densities import Density, make_density
from mibench.estimators.variational.encoding import MOST_LEVELS, Codes, encode
from mibench.estimators.variational.trained import Trained
from mibench.interface import Array, Context, Estimate, Shape, parameter
from mibench.training.networks import Generators
from mibench.training.splits import Rows

MOST_REPEATED = 0.05  # of the points
LogDensity = TypeVar("LogDensity", bound=Critic)


@dataclass(frozen=True)
class TrainedDensity(Trained[LogDensity], Generic[LogDensity]):
    """A density q(y | x) that is trained and stopped by its mean log-likelihood, which the learning curves show.

    Continuous columns of y have a mixture of Gaussians, columns of labels are one label with a probability for each of
    its values; values that the training part does not have, or beyond the `MOST_LEVELS` most frequent, count as one.
    A subclass says `network`, mostly the first of `densities`, and `evaluate`.
    """

    components: int = parameter(16, "Gaussians in the density of continuous columns of y", low=1)

    y_is_labels: ClassVar[bool] = False

    def densities(self, dim_x: int, dim_y: int, generators: Generators) -> tuple[Density, Density]:
        """A conditional and a marginal density for codes of these sizes."""
        return make_density(
            dim_x,
            dim_y,
            generators,
            labels=self.y_is_labels,
            components=self.components,
            hidden=self.hidden,
            layers=self.layers,
            activation=self.activation,
        )

    def objective(self, network: LogDensity, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`: the mean log-likelihood."""
        value = network.pairs(x, y).to(x.dtype).mean(-1)
        return value, value

    def encode(self, x: Array, y: Array, context: Context, training: Rows) -> tuple[Codes, Codes]:
        """See `Trained.encode`."""
        shape = context.shape_of(x, y)
        codes = label_indicators(y, training) if self.y_is_labels else encode(y, shape.y, training, self.margins)
        return encode(x, shape.x, training, self.margins), codes

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        """See `Estimator.estimate_batch`; samples with labels and samples with numbers train other networks."""
        shapes = [context.shape_of(x, y) for x, y, context in zip(xs, ys, contexts, strict=True)]
        of_labels = ["discrete" in shape.y for shape in shapes]
        for labels in (False, True):
            chosen = [sample for sample, one in enumerate(of_labels) if one is labels]
            parts = [[values[sample] for sample in chosen] for values in (xs, ys)]
            if chosen:
                own = copy.copy(self)
                object.__setattr__(own, "y_is_labels", labels)  # of the data, hence no parameter
                for place, estimate in super(TrainedDensity, own).estimate_batch(
                    parts[0], parts[1], [contexts[sample] for sample in chosen]
                ):
                    warnings = () if labels else repeated_warnings(parts[1][place])
                    yield chosen[place], dataclasses.replace(estimate, warnings=estimate.warnings + warnings)

    def unsupported(self, shape: Shape) -> str | None:
        """One density is of labels or of numbers."""
        reason = super().unsupported(shape)
        if reason is None and len(set(shape.y)) == 2:
            reason = "Y has both continuous columns and labels, for which there is no density here"
        return reason


def label_indicators(block: Array, training: Rows) -> Codes:
    """One indicator for each of the rows' values that are frequent in the training part, and one for all others."""
    values, counts = np.unique(block[training], axis=0, return_counts=True)
    frequent = values[np.argsort(-counts, kind="stable")[:MOST_LEVELS]]
    same = (block[:, None] == frequent).all(-1)
    return np.hstack([same, ~same.any(1, keepdims=True)]).astype(np.float32)


def repeated_warnings(y: Array) -> tuple[str, ...]:
    """Say so where y has no density."""
    repeated = 1 - len(np.unique(y, axis=0)) / len(y)
    if repeated <= MOST_REPEATED:
        return ()
    return (f"{100 * repeated:.0f}% of Y repeat: it has no density, and log q(y | x) no limit; declare labels as such",)


def model_warnings(value: float, n: int) -> tuple[str, ...]:
    """Say so where an estimate stands on its model of q(y | x) alone."""
    ceiling = math.log(n)
    return (f"above log {n} = {ceiling:.2f} nats: it stands on the model of q(y | x)",) if value > ceiling else ()
