"""InfoNCE: telling each point's partner from the other points' partners."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.trained import TrainedCritic
from mibench.estimators.variational.training import Objective
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator

NUMBERS_AT_ONCE = 2**24


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
    concatenated critic scores batch_size^2 pairs per step: many times the cost of a separable one.
    """

    negatives: int = parameter(10_000, "held-out pairs K that are contrasted with each other at most", low=2)

    @property
    def numbers_per_step(self) -> int:
        """See `TrainedCritic.numbers_per_step`; a concatenated critic scores all pairs of a batch."""
        return super().numbers_per_step * (self.batch_size if self.critic == "concatenated" else 1)

    def objective(self) -> Objective:
        """See `TrainedCritic.objective`."""

        def objective(critic: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            bound = infonce_bound(critic.all_pairs(x, y))
            return bound, bound

        return objective

    def validate(self, critic: Critic, x: Tensor, y: Tensor) -> float:
        """The bound with groups of a batch's size, as in training."""
        return held_out_infonce(critic, x, y, self.batch_size)[0]

    def evaluate(self, critic: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `TrainedCritic.evaluate`."""
        value, negatives = held_out_infonce(critic, x, y, self.negatives)
        ceiling = math.log(negatives)
        warnings = (f"within 1 nat of the ceiling log {negatives} = {ceiling:.2f} nats: the MI may be far higher",)
        return Estimate(value, diagnostics={"negatives": negatives}, warnings=warnings if value > ceiling - 1.0 else ())


def infonce_bound(scores: Tensor) -> Tensor:
    """Mean over i of f_ii - log mean_j exp f_ij, in nats, of scores (..., K, K)."""
    positive = scores.diagonal(dim1=-2, dim2=-1)
    return (positive - scores.logsumexp(-1)).mean(-1) + math.log(scores.shape[-1])


def held_out_infonce(
    critic: Critic, x: Tensor, y: Tensor, negatives: int, at_once: int = NUMBERS_AT_ONCE
) -> tuple[float, int]:
    """The bound, averaged over groups of at most `negatives` pairs, and the size of the smallest group.

    Rows are scored in blocks that hold at most about `at_once` numbers.
    """
    groups = math.ceil(len(x) / negatives)
    total = 0.0
    for x_group, y_group in zip(x.tensor_split(groups), y.tensor_split(groups), strict=True):
        size = len(x_group)
        rows = max(at_once // (size * critic.numbers_per_pair), 1)
        for start in range(0, size, rows):
            scores = critic.all_pairs(x_group[start : start + rows], y_group)
            gains = scores.diagonal(start) - scores.logsumexp(1) + math.log(size)
            total += float(gains.sum(dtype=torch.float64))
    return total / len(x), len(x) // groups
