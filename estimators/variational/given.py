"""The true p(y | x), given as a joint distribution whose density is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic
from mibench.interface import InputError, JointDistribution, Shape


class GivenConditional(Critic):
    """log p(y | x) less log p(y), which is the pointwise MI of a distribution, for one replica in float64."""

    def __init__(self, given: JointDistribution) -> None:
        super().__init__()
        self.given, self.numbers_per_pair = given, given.dim_x + given.dim_y

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        n, m = x.shape[1], y.shape[1]
        return self._pmi(x[0].repeat_interleave(m, 0), y[0].repeat(n, 1)).view(1, n, m)

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        return torch.stack([self._pmi(x[0], y[0].roll(-shift, 0)) for shift in shifts])[None]

    def _pmi(self, x: Tensor, y: Tensor) -> Tensor:
        pmi = self.given.pmi(x.numpy(), y.numpy())
        if pmi is None:
            raise InputError(f"given={self.given.label()} has no known density; give a distribution that has one")
        return torch.from_numpy(pmi)


def mismatch(given: JointDistribution, shape: Shape) -> str | None:
    """Say why data of this shape cannot be of the given distribution."""
    expected = given.sample_shape(shape.n)
    if (expected.dim_x, expected.dim_y) != (shape.dim_x, shape.dim_y):
        columns = f"{expected.dim_x} x {expected.dim_y} columns"
        return f"given={given.label()} is of {columns}, not of {shape.dim_x} x {shape.dim_y}"
    if expected != shape:
        return f"given={given.label()} has other columns of labels"
    return None


def support_warnings(value: float) -> tuple[str, ...]:
    """Say so where a pair has no density."""
    outside = "some pair, joint or shuffled, has probability 0 under the given distribution"
    return () if math.isfinite(value) else (outside,)
