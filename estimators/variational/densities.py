"""Densities q(y | x) as critics: the score of a pair is log q(y | x), in nats, of stacked replicas.

y is columns of numbers, or the indicators of one label. A marginal q(y) is a density whose x is 0 for every point.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mibench.estimators.variational.critics import Critic
from mibench.training.networks import Activation, Generators, perceptron

LARGEST_LOG_SCALE = 6.0  # scales between 1/400 and 400 of a column's: beyond, a few points decide everything


class Density(Critic):
    """log q(y | x) by a network from x to the parameters of a family; `marginal`: log q(y), by a network from 0.

    The parameters are start + network(x) with `start` (B, 1, k), and the network's last layer starts at zero: an
    untrained q(y | x) is the untrained marginal of the same start. A marginal has a network too because bare parameters
    learn far more slowly: until they had caught up, log q(y | x) - log q(y) would be too large.
    """

    def __init__(self, network: nn.Sequential, start: Tensor, *, marginal: bool) -> None:
        super().__init__()
        self.network, self.start, self.marginal = network, nn.Parameter(start), marginal

    @abstractmethod
    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        """Log density of y (..., dim_y) for parameters (..., k), whose leading dimensions broadcast."""

    def encoded(self, y: Tensor) -> Tensor:
        """Return what `log_density` takes of y, computed once for each point."""
        return y

    def parameters_at(self, x: Tensor) -> Tensor:
        """Parameters (B, n, k) of the density at every point."""
        at_x: Tensor = self.start + self.network(torch.zeros_like(x[:, :1]) if self.marginal else x)
        return at_x.expand(-1, x.shape[1], -1)

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """See `Critic.all_pairs`."""
        return self.log_density(self.parameters_at(x)[:, :, None], self.encoded(y)[:, None])

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        """See `Critic.shifted`."""
        parameters, y = self.parameters_at(x), self.encoded(y)
        return torch.stack([self.log_density(parameters, y.roll(-shift, 1)) for shift in shifts], 1)


class GaussianMixture(Density):
    """A mixture of Gaussians for L y: weights, means and scales of each column follow x, L is the same for all x.

    L is trained, lower triangular with ones on its diagonal, so that log q(y | x) = log q(L y | x). With it one
    component is exact for jointly Gaussian variables, whatever the correlations among the columns of y. Log-scales
    are bounded by `LARGEST_LOG_SCALE` tanh(. / `LARGEST_LOG_SCALE`).
    """

    def __init__(self, network: nn.Sequential, start: Tensor, dim: int, *, marginal: bool) -> None:
        super().__init__(network, start, marginal=marginal)
        self.dim, self.numbers_per_pair = dim, start.shape[-1] // 2
        self.below = nn.Parameter(torch.zeros(len(start), dim, dim))

    def encoded(self, y: Tensor) -> Tensor:
        """See `Density.encoded`: L y."""
        return torch.baddbmm(y, y, self.below.tril(-1).mT)

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        """See `Density.log_density`."""
        parts = parameters.view(*parameters.shape[:-1], -1, 1 + 2 * self.dim)
        logits, means, log_scales = parts.tensor_split((1, 1 + self.dim), -1)
        log_scales = LARGEST_LOG_SCALE * (log_scales / LARGEST_LOG_SCALE).tanh()
        squares = ((y.unsqueeze(-2) - means) * (-log_scales).exp()).square()
        components = -(0.5 * squares + log_scales).sum(-1) - 0.5 * self.dim * math.log(2 * math.pi)
        return (components + logits.squeeze(-1).log_softmax(-1)).logsumexp(-1)


class Categorical(Density):
    """Probabilities of a label, by their logits; y holds one indicator per label."""

    def __init__(self, network: nn.Sequential, start: Tensor, *, marginal: bool) -> None:
        super().__init__(network, start, marginal=marginal)
        self.numbers_per_pair = start.shape[-1]

    def log_density(self, parameters: Tensor, y: Tensor) -> Tensor:
        """See `Density.log_density`."""
        return (parameters.log_softmax(-1) * y).sum(-1)


def make_density(
    dim_x: int,
    dim_y: int,
    generators: Generators,
    *,
    labels: bool,
    components: int,
    hidden: int,
    layers: int,
    activation: Activation = "softplus",
) -> tuple[Density, Density]:
    """A conditional density and a marginal one, both at the same start, one replica for each generator.

    The components of a mixture start at random means: equal ones would stay equal.
    """
    parameters = dim_y if labels else components * (2 * dim_y + 1)
    start = torch.zeros(len(generators), 1, parameters)
    if not labels and components > 1:
        for replica, generator in enumerate(generators):
            means = start[replica].view(components, -1)[:, 1 : dim_y + 1]
            means.normal_(generator=generator)

    def density(*, marginal: bool) -> Density:
        network = perceptron([dim_x, *[hidden] * layers, parameters], generators, activation, zero_last=True)
        if labels:
            return Categorical(network, start.clone(), marginal=marginal)
        return GaussianMixture(network, start.clone(), dim_y, marginal=marginal)

    return density(marginal=False), density(marginal=True)
