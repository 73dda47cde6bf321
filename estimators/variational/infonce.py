"""InfoNCE: telling each point's partner from the other points' partners."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import infonce
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.evaluation import held_out_infonce
from mibench.estimators.variational.trained_critic import TrainedCritic
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="infonce",
    family="variational",
    summary="InfoNCE lower bound of a trained critic, on held-out points; at most log of the negatives",
    citation="""@article{oord2018cpc,
      author = {A{\\"a}ron van den Oord and Yazhe Li and Oriol Vinyals},
      title = {Representation Learning with Contrastive Predictive Coding},
      journal = {arXiv:1807.03748},
      year = {2018}
    }""",
    version="3",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class InfoNCE(TrainedCritic):
    r"""I >= E[ f(x_i, y_i) - log 1/K sum_j exp f(x_i, y_j) ] over K pairs, j = i among them; at most log K.

    The bound holds in expectation for every critic f and every K; the best critic is the pointwise MI plus any
    function of x. Training contrasts within the batch, evaluation within all held-out points, up to `negatives`. A
    concatenated or hybrid critic has a hidden layer for each of batch_size^2 pairs per step: many times the cost.
    """

    negatives: int = parameter(10_000, "held-out pairs K that are contrasted with each other at most", low=2)

    def objective(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`."""
        bound = infonce(network.all_pairs(x, y).to(x.dtype))
        return bound, bound

    def validate(self, network: Critic, x: Tensor, y: Tensor) -> Tensor:
        """See `Trained.validate`; with groups of a batch's size, as in training."""
        return held_out_infonce(network, x, y, self.batch_size)[0]

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        values, negatives = held_out_infonce(network, x, y, self.negatives)
        value = float(values)
        ceiling = math.log(negatives)
        warnings = (f"within 1 nat of the ceiling log {negatives} = {ceiling:.2f} nats: the MI may be far higher",)
        return Estimate(value, diagnostics={"negatives": negatives}, warnings=warnings if value > ceiling - 1.0 else ())
