"""FLO: a contrast of each pair with others, its logarithm replaced by the Fenchel-Legendre dual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from mibench.estimators.variational.bounds import flo, log_contrast
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.evaluation import group_count, scored_rows
from mibench.estimators.variational.trained_critic import TrainedCritic
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator
from mibench.training.networks import Generators


@register_estimator(
    name="flo",
    family="variational",
    summary="Fenchel-Legendre lower bound of a critic and a learned dual variable, on held-out points",
    citation="""@inproceedings{guo2022tight,
      author = {Qing Guo and Junya Chen and Dong Wang and Yuewei Yang and Xinwei Deng and Jing Huang and Larry Carin
                and Fan Li and Chenyang Tao},
      title = {Tight Mutual Information Estimation With Contrastive {Fenchel}-{Legendre} Optimization},
      booktitle = {Advances in Neural Information Processing Systems},
      volume = {35},
      year = {2022}
    }""",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class FLO(TrainedCritic):
    r"""I >= 1 - E_{p(x,y)} [ u(x, y) + exp(-u(x, y)) E_{p(y')} exp(f(x, y') - f(x, y)) ].

    With t the inner expectation, u + t exp(-u) is at least 1 + log t, and -E log t = E f - E_x log E_y' exp f <= I.
    So the bound holds in expectation for every f and u and for any number of y', without a ceiling at log K; it is
    tight at f = pointwise MI plus any function of x, and u = log t. Critic f and dual variable u are two networks of
    one kind, trained together. A concatenated critic scores batch_size^2 pairs per step, u only batch_size.

    With u = log a(x) - f it is TUBA: a free u has to find f once more. Where f is steep or has many columns it does so
    less well: 0.8 nats too low on thin uniform noise and 0.15 at 25 x 25, TUBA 0.2 and 0.05 (suite bmi, n = 10,000).

    Where the MI is high, exp(-u) t is rarely huge and mostly small: then few held-out points carry its mean, the value
    varies widely and mostly lies above its expectation, and a warning says so.
    """

    batch_size: int = parameter(128, "points per training step", low=2)
    negatives: int = parameter(10_000, "held-out pairs that are contrasted with each other at most", low=2)

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Critic:
        """See `Trained.network`: the critic f, and u as a part of it."""
        critic = super().network(dim_x, dim_y, generators)
        critic.add_module("dual", super().network(dim_x, dim_y, generators))
        return critic

    def objective(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`."""
        bound = flo(network.all_pairs(x, y).to(x.dtype), _dual(network, x, y))
        return bound, bound

    def validate(self, network: Critic, x: Tensor, y: Tensor) -> Tensor:
        """See `Trained.validate`; with groups of a batch's size, as in training."""
        return _held_out(network, x, y, self.batch_size)[0]

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        n = x.shape[1]
        values, terms = _held_out(network, x, y, self.negatives)
        value, effective = float(values), float(terms.sum().square() / terms.square().sum())
        warnings = []
        if effective < n / 10:
            warnings.append(f"about {effective:.0f} of {n} points carry the mean of exp(-u) t: the value varies widely")
        if value > math.log(n):
            warnings.append(f"above log {n} = {math.log(n):.2f} nats, which so few points cannot certify")
        diagnostics = {"negatives": n // group_count(n, self.negatives) - 1, "effective_points": effective}
        return Estimate(value, diagnostics=diagnostics, warnings=tuple(warnings))


def _dual(network: Critic, x: Tensor, y: Tensor) -> Tensor:
    return cast(Critic, network.get_submodule("dual")).pairs(x, y).to(x.dtype)


def _held_out(network: Critic, x: Tensor, y: Tensor, negatives: int) -> tuple[Tensor, Tensor]:
    """The bound (B,), and its terms exp(-u) t (B, n), all 1 where f and u are best."""
    contrasts = torch.cat([log_contrast(scores.double()) for scores in scored_rows(network, x, y, negatives)], 1)
    dual = _dual(network, x, y).double()
    terms = (contrasts - dual).exp()
    return 1 - (dual + terms).mean(1), terms
