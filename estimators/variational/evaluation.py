"""Evaluation of a trained critic on held-out points, with as many negatives or product pairs as fit.

Points x (B, n, dim_x), y (B, n, dim_y) come in random order; what is reported is of a stack of one, B = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic

NUMBERS_AT_ONCE = 2**24
FEWEST_TERMS = 100


def group_count(n: int, most: int) -> int:
    """How many groups of about equal size n points make, of at most `most` each; of 3 where 2 would leave one alone."""
    return max(min(math.ceil(n / most), n // 2), 1)


def scored_rows(
    critic: Critic, x: Tensor, y: Tensor, negatives: int, at_once: int = NUMBERS_AT_ONCE
) -> Iterator[Tensor]:
    """Scores (B, r, K) of points against their whole group of at most `negatives`, partners on the diagonal.

    Blocks of r rows hold at most about `at_once` numbers; all of them together hold every point once, in order.
    """
    replicas, n = x.shape[:2]
    groups = group_count(n, negatives)
    for x_group, y_group in zip(x.tensor_split(groups, 1), y.tensor_split(groups, 1), strict=True):
        size = x_group.shape[1]
        rows = max(at_once // (replicas * size * critic.numbers_per_pair), 1)
        for start in range(0, size, rows):
            yield critic.all_pairs(x_group[:, start : start + rows], y_group.roll(-start, 1))


def held_out_infonce(
    critic: Critic, x: Tensor, y: Tensor, negatives: int, at_once: int = NUMBERS_AT_ONCE
) -> tuple[Tensor, int]:
    """InfoNCE (B,), averaged over groups of at most `negatives` pairs, and the size of the smallest group."""
    replicas, n = x.shape[:2]
    total = torch.zeros(replicas, dtype=torch.float64, device=x.device)
    for scores in scored_rows(critic, x, y, negatives, at_once):
        gains = scores.diagonal(0, 1, 2) - scores.logsumexp(2) + math.log(scores.shape[2])
        total += gains.sum(1, dtype=torch.float64)
    return total / n, n // group_count(n, negatives)


def held_out_pairs(
    critic: Critic, x: Tensor, y: Tensor, shuffles: int, at_once: int = NUMBERS_AT_ONCE
) -> tuple[Tensor, Tensor]:
    """Scores, in float64, of the joint pairs (1, n) and of `shuffles` product pairs per point (1, n * shuffles)."""
    n = x.shape[1]
    shifts = range(min(shuffles, n - 1) + 1)
    size = max(at_once // (n * critic.numbers_per_pair), 1)
    scores = torch.cat(
        [critic.shifted(x, y, shifts[start : start + size]).double() for start in range(0, len(shifts), size)], 1
    )
    return scores[:, 0], scores[:, 1:].flatten(1)


def effective_pairs(product: Tensor) -> float:
    """How many product pairs carry the mean of exp f: (sum w)^2 / sum w^2 with w = exp f, of scores (1, m)."""
    return float(1 / product.double().softmax(-1).square().sum())


def pair_warnings(value: float, product: Tensor, n: int) -> tuple[str, ...]:
    """Reasons to distrust a bound that averages exp f over product pairs (1, m) of n points."""
    warnings, terms = [], effective_pairs(product)
    if terms < FEWEST_TERMS:
        # A mean of few terms misses the rare large ones; where it is so large that the value is negative, it met one.
        what = (
            "the critic is wrong there, and the value too small"
            if value < 0
            else ("it is mostly too small, and the value too large")
        )
        warnings.append(f"about {terms:.0f} of {product.shape[1]} product pairs carry the mean of exp f: {what}")
    if value > math.log(n):
        warnings.append(f"above log {n} = {math.log(n):.2f} nats, which so few points cannot certify")
    return tuple(warnings)
