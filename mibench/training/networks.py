"""Stacked networks: B networks of one shape, the replicas, as one module that works on all of them at once.

Every parameter and buffer of a stacked module has the replica as its first dimension, and so has its input (B, ..., k).
Replica b is initialised from its own generator, so that it starts the same alone and among others.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

Activation = Literal["softplus", "silu", "relu", "tanh", "maxmin"]
Generators = Sequence[torch.Generator]
Network = TypeVar("Network", bound=nn.Module)


class StackedLinear(nn.Module):
    """x W_b + bias_b for replica b: input (B, ..., inside), output (B, ..., outside).

    Weights start uniform in +-1/sqrt(inside), or all at `zero`. With `spectral`, W is divided by max(1, its largest
    singular value), which makes the map 1-Lipschitz; in training mode that value is followed by one step of power
    iteration per call, in evaluation mode it is exact.
    """

    left: Tensor

    def __init__(
        self, inside: int, outside: int, generators: Generators, *, zero: bool = False, spectral: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(len(generators), inside, outside))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, outside))
        self.spectral = spectral
        if spectral:
            self.register_buffer("left", torch.full((len(generators), 1, inside), 1 / math.sqrt(inside)))
        if not zero:
            limit = 1 / math.sqrt(inside)
            with torch.no_grad():
                for replica, generator in enumerate(generators):
                    self.weight[replica].uniform_(-limit, limit, generator=generator)
                    self.bias[replica].uniform_(-limit, limit, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each replica's map to its own points."""
        weight = self.weight / self._norm().clamp(min=1.0) if self.spectral else self.weight
        if x.dim() == 3:
            return torch.baddbmm(self.bias, x, weight)
        return torch.baddbmm(self.bias, x.flatten(1, -2), weight).view(*x.shape[:-1], -1)

    def _norm(self) -> Tensor:
        if not self.training:
            # The decomposition raises at weights that are not finite, of one replica for all; they show in x W.
            exact: Tensor = torch.linalg.matrix_norm(self.weight.nan_to_num(0.0, 0.0, 0.0), 2)
            return exact[:, None, None]
        with torch.no_grad():
            right = nn.functional.normalize(self.left @ self.weight, dim=-1)
            moved = right @ self.weight.mT
            # Of a weight that still is zero nothing can be followed: from a zero vector there would be no way back.
            self.left = torch.where(moved.any(-1, keepdim=True), nn.functional.normalize(moved, dim=-1), self.left)
        norm: Tensor = self.left @ self.weight @ right.mT
        return norm


def perceptron(
    sizes: Sequence[int],
    generators: Generators,
    activation: Activation = "softplus",
    *,
    zero_last: bool = False,
    spectral: bool = False,
) -> nn.Sequential:
    """Linear layers of the given sizes with activations between them; the last layer can start at zero."""
    network = nn.Sequential()
    for position, (inside, outside) in enumerate(itertools.pairwise(sizes)):
        if position > 0:
            network.append(activated(activation))
        zero = zero_last and position == len(sizes) - 2
        network.append(StackedLinear(inside, outside, generators, zero=zero, spectral=spectral))
    return network


def activated(name: Activation) -> nn.Module:
    """An activation function; softplus is softplus(2t)/2, maxmin see `MaxMin`.

    Log-density ratios mostly are smooth: from few points in many dimensions a smooth activation learns far more of
    them than ReLU does before it overfits.
    """
    made: dict[Activation, nn.Module] = {
        "softplus": nn.Softplus(beta=2.0),
        "silu": nn.SiLU(),
        "relu": nn.ReLU(),
        "tanh": nn.Tanh(),
        "maxmin": MaxMin(),
    }
    return made[name]


class MaxMin(nn.Module):
    """The larger and the smaller of every two outputs, in place of the two.

    It permutes its input, so that gradients pass with their length. Layers of norm 1 with any other activation here
    make maps that are far flatter than 1 on average, layers with this one can have slope 1 everywhere.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Compare the first half with the second; of an odd number, the last stays as it is."""
        half, odd = divmod(values.shape[-1], 2)
        first, second, last = torch.split(values, [half, half, odd], -1)
        return torch.cat([torch.maximum(first, second), torch.minimum(first, second), last], -1)


def select(network: Network, replicas: Sequence[int]) -> Network:
    """A copy of a stacked network that holds the given replicas only."""
    chosen, rows = copy.deepcopy(network), list(replicas)
    for module in chosen.modules():
        for name, values in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(values.detach()[rows], requires_grad=values.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer[rows])
    return chosen
