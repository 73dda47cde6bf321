"""Critics: scores f(x, y) that a variational bound turns into mutual information.

All are stacked (see `mibench.training.networks`): x (B, n, dim_x) holds n points for each of B replicas. The last layer
starts at zero, so that an untrained critic is constant and every bound on it is exactly 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from mibench.training.networks import Activation, Generators, StackedLinear, activated, perceptron

Kind = Literal["separable", "bilinear", "ridge", "concatenated", "hybrid", "lipschitz"]
FORMULAS = (
    "g(x).h(y); g(x)' W h(y); g(x).h(y) + w.silu(u(x) + v(y)); f([x, y]); f([g(x), h(y)]); f([x, y]) with layers of "
    "spectral norm at most 1"
)
SPREAD = 3.0  # standard deviations over which bends of the first layer lie, see `RidgeCritic`


class Critic(nn.Module, ABC):
    """A trainable score of pairs; `numbers_per_pair` is the memory that scoring a pair takes."""

    numbers_per_pair: int = 1

    @abstractmethod
    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores f(x_i, y_j), shape (B, n, m), of x (B, n, dim_x) and y (B, m, dim_y)."""

    @abstractmethod
    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """Scores f(x_i, y_{i+s}), shape (B, len(shifts), n): shift 0 is joint pairs, others stand for the product."""

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores f(x_i, y_i), shape (B, n)."""
        return self.shifted(x, y, (0,))[:, 0]


class InnerProductCritic(Critic):
    """f(x, y) = g(x) . h(y): all pairs cost one matrix product.

    Separable: g and h are networks into R^embedding. Bilinear: f = g(x)' W h(y) with a trained matrix W that starts at
    zero; without hidden layers g and h are the identity and f = x' W y.
    """

    def __init__(self, embed_x: nn.Module, embed_y: nn.Module) -> None:
        super().__init__()
        self.embed_x, self.embed_y = embed_x, embed_y

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        scores: Tensor = self.embed_x(x) @ self.embed_y(y).mT
        return scores

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        g, h = self.embed_x(x), self.embed_y(y)
        return torch.stack([(g * h.roll(-shift, 1)).sum(-1) for shift in shifts], 1)


class JointCritic(Critic):
    """f(x, y) = network([u, v]) of u, v = x, y (concatenated), or of embeddings u = g(x), v = h(y) (hybrid).

    The first layer is W [u, v] + b = W_u u + (W_v v + b): computed once per point, so that only the layers after it
    are paid per pair. A hybrid critic has its hidden layers in g and h, and one after them.
    """

    def __init__(self, first_x: nn.Module, first_y: nn.Module, rest: nn.Module, width: int) -> None:
        super().__init__()
        self.first_x, self.first_y, self.rest, self.numbers_per_pair = first_x, first_y, rest, width

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        scores: Tensor = self.rest(self.first_x(x)[:, :, None] + self.first_y(y)[:, None]).squeeze(-1)
        return scores

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        from_x, from_y = self.first_x(x), self.first_y(y)
        first = torch.stack([from_x + from_y.roll(-shift, 1) for shift in shifts], 1)
        scores: Tensor = self.rest(first).squeeze(-1)
        return scores


class RidgeCritic(Critic):
    """f(x, y) = g(x) . h(y) + sum_k w_k silu(u_k(x) + v_k(y)): an inner product, and ridge functions of a sum.

    An inner product of smooth functions cannot follow a thin edge along y = x: where Y is X and a little uniform noise
    it finds the best normal noise, 0.18 nats less. A few ridge functions do, and cost little beside the networks. One
    network gives [g, u], one [h, v]. Their first layers, of one or two columns, start `SPREAD` / dim times as large
    as usual, so that their bends lie where the data are, not only in the middle.
    """

    def __init__(self, embed_x: nn.Module, embed_y: nn.Module, weigh: StackedLinear, embedding: int) -> None:
        super().__init__()
        self.embed_x, self.embed_y, self.weigh = embed_x, embed_y, weigh
        self.product, self.sum = slice(embedding), slice(embedding, None)
        self.numbers_per_pair = weigh.weight.shape[1]

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        g, h = self.embed_x(x), self.embed_y(y)
        inner = g[..., self.product] @ h[..., self.product].mT
        # The ridges come before the pairs: their sum is twice as fast over long rows.
        u, v = g[..., self.sum].mT.contiguous(), h[..., self.sum].mT.contiguous()
        ridges = silu(u[..., None] + v[..., None, :]).flatten(2)
        scores: Tensor = inner + torch.baddbmm(self.weigh.bias, self.weigh.weight.mT, ridges).view_as(inner)
        return scores

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        g, h = self.embed_x(x)[:, None], self.embed_y(y)
        h = torch.stack([h.roll(-shift, 1) for shift in shifts], 1)
        inner = (g[..., self.product] * h[..., self.product]).sum(-1)
        scores: Tensor = inner + self.weigh(silu(g[..., self.sum] + h[..., self.sum])).squeeze(-1)
        return scores


class LipschitzCritic(Critic):
    """f(x, y) = network([x, y]), whose layers all have spectral norm at most 1 (unless `spectral` is off).

    With activations of slope at most 1 it then is 1-Lipschitz in the Euclidean distance of (x, y). Its first layer is
    one matrix: were x and y normalised apart, as parts of a `JointCritic`, the slope could be sqrt(2), and an inner
    product of embeddings has no largest slope. So the first layer is paid per pair too. A critic of slope 1 sees the
    Wasserstein distance of joint and product rather than their mutual information, of which it misses most.
    """

    def __init__(
        self,
        dim_x: int,
        dim_y: int,
        generators: Generators,
        *,
        hidden: int,
        layers: int,
        activation: Activation,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        sizes = [dim_x + dim_y, *[hidden] * layers, 1]
        self.network = perceptron(sizes, generators, activation, zero_last=True, spectral=spectral)
        self.numbers_per_pair = max(dim_x + dim_y, hidden)

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        n, m = x.shape[1], y.shape[1]
        return self._scores(x[:, :, None].expand(-1, -1, m, -1), y[:, None].expand(-1, n, -1, -1))

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        partners = torch.stack([y.roll(-shift, 1) for shift in shifts], 1)
        return self._scores(x[:, None].expand(-1, len(shifts), -1, -1), partners)

    def _scores(self, x: Tensor, y: Tensor) -> Tensor:
        scores: Tensor = self.network(torch.cat([x, y], -1)).squeeze(-1)
        return scores


class OfX(Critic):
    """f(x, y) = network(x), such as minus the logarithm of a baseline."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        scores: Tensor = self.network(x).expand(-1, -1, y.shape[1])
        return scores

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        scores: Tensor = self.network(x).mT.expand(-1, len(shifts), -1)
        return scores


class SumCritic(Critic):
    """f(x, y) = base(x, y) + learned(x, y), such as a fixed log-density ratio and what is learned on top of it."""

    def __init__(self, base: Critic, learned: Critic) -> None:
        super().__init__()
        self.base, self.learned = base, learned
        self.numbers_per_pair = max(base.numbers_per_pair, learned.numbers_per_pair)

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        return self.base.all_pairs(x, y) + self.learned.all_pairs(x, y)

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        return self.base.shifted(x, y, shifts) + self.learned.shifted(x, y, shifts)


def width_per_pair(kind: Kind, hidden: int, embedding: int) -> int:
    """Hidden outputs that a critic computes for every pair, none where pairs meet in an inner product only."""
    if kind in ("separable", "bilinear"):
        return 0
    return max(embedding // 2, 1) if kind == "ridge" else hidden


def make_critic(
    kind: Kind,
    dim_x: int,
    dim_y: int,
    generators: Generators,
    *,
    hidden: int,
    layers: int,
    embedding: int,
    activation: Activation = "softplus",
) -> Critic:
    """A critic of `layers` hidden layers of width `hidden`, one replica for each generator.

    A ridge critic has half as many ridge functions as its embedding is long.
    """

    def network(*sizes: int, zero_last: bool = False) -> nn.Sequential:
        return perceptron(sizes, generators, activation, zero_last=zero_last)

    middle, width = [hidden] * layers, width_per_pair(kind, hidden, embedding)
    if kind == "separable":
        return InnerProductCritic(
            network(dim_x, *middle, embedding), network(dim_y, *middle, embedding, zero_last=True)
        )
    if kind == "bilinear":
        embed = [network(dim, *middle, embedding) if layers else nn.Identity() for dim in (dim_x, dim_y)]
        matrix = network(embedding, embedding, zero_last=True) if layers else network(dim_y, dim_x, zero_last=True)
        return InnerProductCritic(embed[0], nn.Sequential(embed[1], matrix))
    if kind == "ridge":
        both = [network(dim, *middle, embedding + width) for dim in (dim_x, dim_y)]
        with torch.no_grad():
            for one, dim in zip(both, (dim_x, dim_y), strict=True):
                for values in one[0].parameters():
                    values.mul_(max(1.0, SPREAD / dim))
            for values in both[1][-1].parameters():
                values[..., :embedding] = 0  # h, as in a separable critic; v need not be, as w is
        return RidgeCritic(both[0], both[1], StackedLinear(width, 1, generators, zero=True), embedding)
    if kind == "lipschitz":
        return LipschitzCritic(dim_x, dim_y, generators, hidden=hidden, layers=layers, activation=activation)
    if kind == "concatenated":
        first = [network(dim, hidden) for dim in (dim_x, dim_y)]
        rest = network(*middle, 1, zero_last=True)
    else:
        first = [network(dim, *middle, hidden) for dim in (dim_x, dim_y)]
        rest = network(hidden, 1, zero_last=True)
    return JointCritic(first[0], first[1], nn.Sequential(activated(activation), rest), width)
