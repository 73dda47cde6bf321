"""Barber and Agakov's bound: how much better a trained q(y | x) predicts Y than its known distribution does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import barber_agakov
from mibench.estimators.variational.densities import Density
from mibench.estimators.variational.encoding import Codes, encode
from mibench.estimators.variational.trained_density import TrainedDensity, model_warnings
from mibench.interface import Array, Context, Estimate, Shape, kinds_of
from mibench.registry import register_estimator
from mibench.training.networks import Generators
from mibench.training.splits import Rows


@register_estimator(
    name="ba",
    family="variational",
    summary="lower bound H(Y) + E log q(y | x); Y labels or one column of numbers, so that H(Y) is known",
    citation="""@inproceedings{barber2003im,
      author = {David Barber and Felix Agakov},
      title = {The {IM} Algorithm: A Variational Approach to Information Maximization},
      booktitle = {Advances in Neural Information Processing Systems},
      volume = {16},
      year = {2003},
      pages = {201--208}
    }""",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class BarberAgakov(TrainedDensity[Density]):
    r"""I >= E log q(y | x) - E log p(y), tight at q = p(y | x); p(y) has to be known.

    Labels: p(y) is their frequency among the held-out points. Plug-in entropies are too small on average, so that the
    expectation is a lower bound at every n. Numbers: a single column of Y is mapped to the normal scores of its ranks
    (`margins` is of X alone), where p(y) is the standard normal density, up to what the ranks of the training part do
    not tell, O(1/n). Of several columns the entropy is not known, and a trained q(y) in its place, whose cross-entropy
    is too large, makes no bound: that is `doe`.
    """

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Density:
        """See `Trained.network`."""
        return self.densities(dim_x, dim_y, generators)[0]

    def encode(self, x: Array, y: Array, context: Context, training: Rows) -> tuple[Codes, Codes]:
        """See `Trained.encode`."""
        codes = super().encode(x, y, context, training)
        return codes if self.y_is_labels else (codes[0], encode(y, kinds_of(y.shape[1]), training, "normal"))

    def evaluate(self, network: Density, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        conditional, y = network.pairs(x, y).double(), y.double()
        if self.y_is_labels:
            marginal = y.mean(1, keepdim=True).clamp(min=1e-300).log().mul(y).sum(-1)
        else:
            marginal = -0.5 * (y.square() + math.log(2 * math.pi)).squeeze(-1)
        value = float(barber_agakov(conditional, marginal))
        diagnostics = {"entropy_y": -float(marginal.mean())}
        return Estimate(value, diagnostics=diagnostics, warnings=model_warnings(value, x.shape[1]))

    def unsupported(self, shape: Shape) -> str | None:
        """The entropy of Y has to be known."""
        reason = super().unsupported(shape)
        if reason is None and shape.dim_y > 1 and "continuous" in shape.y:
            reason = "the entropy of several continuous columns of Y is not known; doe trains a density for it"
        return reason
