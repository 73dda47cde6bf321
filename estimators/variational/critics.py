"""Critics: scores f(x, y) that a variational bound turns into mutual information.

A critic scores all pairs of two batches, f(x_i, y_j), or the given pairs only, f(x_i, y_i). Its last layer starts at
zero, so that an untrained critic is constant and every bound on it is exactly 0.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["separable", "concatenated"]


class Critic(nn.Module, ABC):
    """A trainable score of pairs; `numbers_per_pair` is the memory that scoring all pairs takes."""

    numbers_per_pair: int

    @abstractmethod
    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores f(x_i, y_j), shape (len(x), len(y)), of x (len(x), dim_x) and y (len(y), dim_y)."""

    @abstractmethod
    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores f(x_i, y_i), shape (n,), of x (n, dim_x) and y (n, dim_y)."""


class SeparableCritic(Critic):
    """f(x, y) = g(x) . h(y) with networks g and h into R^embedding: all pairs cost one matrix product."""

    def __init__(
        self, dim_x: int, dim_y: int, hidden: int, layers: int, embedding: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.numbers_per_pair = 1
        middle = [hidden] * layers
        self.embed_x = perceptron([dim_x, *middle, embedding], generator)
        self.embed_y = perceptron([dim_y, *middle, embedding], generator)
        _zero_last_layer(self.embed_y)

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        g, h = self.embed_x(x), self.embed_y(y)
        scores: Tensor = g @ h.T
        return scores

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.pairs`."""
        g, h = self.embed_x(x), self.embed_y(y)
        scores: Tensor = (g * h).sum(1)
        return scores


class ConcatenatedCritic(Critic):
    """f(x, y) = network([x, y]).

    The first layer is W [x, y] + b = W_x x + (W_y y + b): computed once per point, so that only the layers after it
    are paid per pair.
    """

    def __init__(self, dim_x: int, dim_y: int, hidden: int, layers: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.numbers_per_pair = hidden
        self.dim_x = dim_x
        self.activation = _activation()
        self.first = _linear(dim_x + dim_y, hidden, generator)
        self.rest = perceptron([hidden] * layers + [1], generator)
        _zero_last_layer(self.rest)

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        from_x, from_y = self._first_layer(x, y)
        return self._score(from_x[:, None] + from_y)

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.pairs`."""
        from_x, from_y = self._first_layer(x, y)
        return self._score(from_x + from_y)

    def _first_layer(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.first.weight
        from_x = nn.functional.linear(x, weight[:, : self.dim_x])
        return from_x, nn.functional.linear(y, weight[:, self.dim_x :], self.first.bias)

    def _score(self, first: Tensor) -> Tensor:
        scores: Tensor = self.rest(self.activation(first)).squeeze(-1)
        return scores


def perceptron(sizes: list[int], generator: torch.Generator) -> nn.Sequential:
    """A network of linear layers of the given sizes with softplus(2t)/2 between them.

    A smooth activation: log-density ratios mostly are, and from few points in many dimensions it learns far more of
    them than ReLU does before it overfits.
    """
    network = nn.Sequential()
    for position, (inside, outside) in enumerate(itertools.pairwise(sizes)):
        if position > 0:
            network.append(_activation())
        network.append(_linear(inside, outside, generator))
    return network


def _activation() -> nn.Softplus:
    return nn.Softplus(beta=2.0)


def _linear(inside: int, outside: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer, uniform in +-1/sqrt(inside), from the generator: torch's own initialisation is global."""
    layer = nn.Linear(inside, outside, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for values in (layer.weight, layer.bias):
            values.uniform_(-1 / math.sqrt(inside), 1 / math.sqrt(inside), generator=generator)
    return layer


def _zero_last_layer(network: nn.Sequential) -> None:
    with torch.no_grad():
        for values in network[-1].parameters():
            values.zero_()
