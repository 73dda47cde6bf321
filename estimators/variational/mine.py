"""MINE: the Donsker-Varadhan bound of a trained critic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mibench.estimators.variational.bounds import donsker_varadhan
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.interface import parameter
from mibench.registry import register_estimator
from mibench.training.networks import Generators


@register_estimator(
    name="mine",
    family="variational",
    summary="Donsker-Varadhan lower bound of a critic trained with MINE's corrected gradient, on held-out points",
    citation="""@inproceedings{belghazi2018mine,
      author = {Mohamed Ishmael Belghazi and Aristide Baratin and Sai Rajeswar and Sherjil Ozair and Yoshua Bengio
                and Aaron Courville and R Devon Hjelm},
      title = {Mutual Information Neural Estimation},
      booktitle = {International Conference on Machine Learning},
      year = {2018},
      pages = {531--540}
    }""",
    version="3",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class MINE(TrainedOnPairs):
    r"""I >= E_{p(x,y)} f - log E_{p(x)p(y)} exp f, tight at f = pointwise MI plus a constant.

    Pairs (x_i, y_{i+s}) of randomly ordered rows stand for the product of the margins. The gradient of the logarithm
    divides by a mean that a small batch knows badly; dividing by its moving average instead (`rate`) removes most of
    that bias from the training.

    The bound holds for the true expectations. On m held-out points the mean of exp f is itself estimated, and since
    E log(mean) <= log E(mean), the reported value is biased upward, by about Var(mean) / (2 E(mean)^2): little where
    exp f is moderate, without limit where few terms carry the mean, which a warning then says.
    """

    rate: float = parameter(0.01, "weight of the new batch in the moving average of exp f; 1: none", low=1e-4, high=1.0)

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Critic:
        """See `Trained.network`; the moving average, as a logarithm, is a buffer."""
        critic = super().network(dim_x, dim_y, generators)
        critic.register_buffer("log_average", torch.full((len(generators),), math.nan))
        return critic

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return donsker_varadhan(joint, product)

    def objective(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`.

        With mu the moving average of the batches' means of exp f, a constant for the gradient, what is climbed is
        mean f(joint) - mean exp f(product) / mu. Everything is kept as logarithms.
        """
        joint, product = self.batch_scores(network, x, y)
        log_mean = product.logsumexp(-1) - math.log(product.shape[-1])
        average, new = network.get_buffer("log_average"), log_mean.detach()
        if self.rate < 1:
            moved = torch.logaddexp(average + math.log1p(-self.rate), new + math.log(self.rate))
            new = torch.where(average.isnan(), new, moved)
            average.copy_(new)
        return joint.mean(-1) - (log_mean - new).exp(), self.value(joint, product)
