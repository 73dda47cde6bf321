"""MINE: the Donsker-Varadhan bound of a trained critic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic, Kind
from mibench.estimators.variational.trained import TrainedCritic
from mibench.estimators.variational.training import Objective
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator

VALIDATION_SHUFFLES = 5
FEWEST_TERMS = 100


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
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class MINE(TrainedCritic):
    r"""I >= E_{p(x,y)} f - log E_{p(x)p(y)} exp f, tight at f = pointwise MI plus a constant.

    Pairs (x_i, y_{i+s}) of randomly ordered rows stand for the product of the margins. The gradient of the logarithm
    divides by a mean that a small batch knows badly; dividing by its moving average instead (`rate`) removes most of
    that bias from the training.

    The bound holds for the true expectations. On m held-out points the mean of exp f is itself estimated, and since
    E log(mean) <= log E(mean), the reported value is biased upward, by about Var(mean) / (2 E(mean)^2): little where
    exp f is moderate, without limit where few terms carry the mean, which a warning then says.
    """

    critic: Kind = parameter("concatenated", "form of f(x, y): g(x).h(y), or one network of x and y together")
    rate: float = parameter(0.01, "weight of the new batch in the moving average of exp f; 1: none", low=1e-4, high=1.0)
    shuffles: int = parameter(100, "product pairs per held-out point at evaluation", low=1)

    def objective(self) -> Objective:
        """See `TrainedCritic.objective`."""
        return CorrectedGradient(self.rate)

    def validate(self, critic: Critic, x: Tensor, y: Tensor) -> float:
        """The bound with few product pairs."""
        return float(donsker_varadhan(critic.pairs(x, y), product_scores(critic, x, y, VALIDATION_SHUFFLES)))

    def evaluate(self, critic: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `TrainedCritic.evaluate`."""
        product = product_scores(critic, x, y, self.shuffles)
        value = float(donsker_varadhan(critic.pairs(x, y), product))
        terms = float(1 / product.double().softmax(0).square().sum())
        warnings = []
        if terms < FEWEST_TERMS:
            warnings.append(
                f"about {terms:.0f} of {len(product)} product pairs carry the mean of exp f: the value is biased upward"
            )
        if value > math.log(len(x)):
            warnings.append(f"above log {len(x)} = {math.log(len(x)):.2f} nats, which so few points cannot certify")
        return Estimate(
            value,
            diagnostics={"product_pairs": len(product), "effective_product_pairs": terms},
            warnings=tuple(warnings),
        )


class CorrectedGradient:
    """MINE's training objective: a moving average of E exp f in the denominator of the gradient.

    With mu the moving average of the batches' means of exp f, a constant for the gradient, the objective is
    mean f(joint) - mean exp f(product) / mu. Everything is kept as logarithms.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.log_average: Tensor | None = None

    def __call__(self, critic: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective and the Donsker-Varadhan value of a batch of joint pairs."""
        scores = critic.pairs(torch.cat([x, x]), torch.cat([y, y.roll(1, 0)]))
        joint, product = scores[: len(x)], scores[len(x) :]
        log_mean = product.logsumexp(0) - math.log(len(x))
        new = log_mean.detach()
        if self.log_average is not None and self.rate < 1:
            new = torch.logaddexp(self.log_average + math.log1p(-self.rate), new + math.log(self.rate))
        self.log_average = new
        return joint.mean() - (log_mean - new).exp(), (joint.mean() - log_mean).detach()


def donsker_varadhan(joint: Tensor, product: Tensor) -> Tensor:
    """Mean of f over joint pairs minus log mean exp f over product pairs, in nats."""
    joint, product = joint.double(), product.double()
    return joint.mean() - product.logsumexp(0) + math.log(len(product))


def product_scores(critic: Critic, x: Tensor, y: Tensor, shuffles: int) -> Tensor:
    """Scores f(x_i, y_{i+s}) for the first shifts s = 1, 2, ...: pairs of different, randomly ordered rows."""
    shifts = range(1, min(shuffles, len(x) - 1) + 1)
    return torch.cat([critic.pairs(x, y.roll(shift, 0)) for shift in shifts])
