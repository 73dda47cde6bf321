"""The training engine: B replicas of a network at once, each with its own data, batches, stopping and best weights.

The replicas are seeds of a run, like tasks, or cross-fitting folds. Their parameters are stacked (see `networks`), so
that one matrix product, one backward pass and one fused AdamW step serve all of them; they share nothing but the count
of steps. A replica that has ended leaves the stack and the others go on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from mibench.training.networks import Generators, Network, select

Pairs = tuple[Tensor, Tensor]  # x (B, n, dim_x) and y (B, n, dim_y): n pairs for each of B replicas
Objective = Callable[[Network, Tensor, Tensor], tuple[Tensor, Tensor]]
Validate = Callable[[Network, Tensor, Tensor], Tensor]
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Schedule:
    """Step sizes and stopping rule of a training; each is a parameter of `trained.Trained`."""

    batch_size: int
    learning_rate: float
    decay: Literal["constant", "cosine"]
    weight_decay: float
    average: float
    max_steps: int
    validate_every: int
    patience: int
    precision: Literal["float32", "bfloat16"] = "float32"

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if self.decay == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.max_steps))


@dataclass
class Fit(Generic[Network]):
    """One trained replica: a stack of one, with the weights that were best on validation, and how it came about.

    The curves hold (step, bound in nats): training values are means over the batches since the last validation.
    """

    network: Network
    steps: int = 0
    best_step: int = 0
    best_value: float = -math.inf
    training: Curve = field(default_factory=list)
    validation: Curve = field(default_factory=list)
    ended: Literal["stopped", "budget", "diverged", ""] = ""

    def add(self, step: int, training: float, validation: float, schedule: Schedule) -> bool:
        """Note the values of a validation, decide whether training ends, and say whether it was the best yet."""
        self.steps = step
        self.training.append((step, training))
        self.validation.append((step, validation))
        if not (math.isfinite(training) and math.isfinite(validation)):
            self.ended = "diverged"
        elif validation > self.best_value:
            self.best_value, self.best_step = validation, step
        elif step - self.best_step >= schedule.patience * schedule.validate_every:
            self.ended = "stopped"
        if not self.ended and step >= schedule.max_steps:
            self.ended = "budget"
        return self.best_step == step


def train(
    network: Network,
    objective: Objective[Network],
    validate: Validate[Network],
    training: Pairs,
    validation: Pairs,
    *,
    schedule: Schedule,
    generators: Generators,
) -> Iterator[tuple[int, Fit[Network]]]:
    """Maximise a bound over the weights of every replica; yields (replica, fit) as they end.

    `objective` gives, of a batch (B, n, ...), what each replica climbs by its gradient and the value of its bound for
    the curve, both (B,); `validate` gives the bound (B,) on the validation part, at the start and after every
    `validate_every` steps. A replica ends after `patience` validations without a new best, at a value that is not
    finite, or after `max_steps`. The weights that are validated and kept are an exponential moving average of the
    trained ones. Batches of replica b are drawn from `generators[b]`.
    """
    alive, generators = list(range(len(generators))), list(generators)
    (x, y), device = training, training[0].device
    averaged, best = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    optimizer = _adamw(network, schedule)
    fits = [Fit(network) for _ in alive]
    for fit, untrained in zip(fits, _validated(validate, averaged, validation), strict=True):
        fit.best_value = untrained
        fit.validation.append((0, untrained))
    order, position = torch.empty(len(alive), 0, dtype=torch.long, device=device), 0
    step = 0
    while alive:
        values, weights, means = [], list(network.parameters()), list(averaged.parameters())
        for _ in range(min(schedule.validate_every, schedule.max_steps - step)):
            if position + schedule.batch_size > order.shape[1]:  # a new pass; the remainder sits this one out
                order, position = _orders(x.shape[1], generators, device), 0
            rows = order[:, position : position + schedule.batch_size]
            position += schedule.batch_size
            with torch.autocast(device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
                gain, value = objective(network, _taken(x, rows), _taken(y, rows))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(-gain.sum())
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            optimizer.step()
            with torch.no_grad():
                for mean, latest in zip(means, weights, strict=True):
                    mean.lerp_(latest, 1 - schedule.average)
            values.append(value.detach())
            step += 1
        with torch.no_grad():
            for old, new in zip(averaged.buffers(), network.buffers(), strict=True):
                old.copy_(new)
        gains = torch.stack(values).double().mean(0).tolist()
        held_out = _validated(validate, averaged, validation)
        better = [
            place
            for place, replica in enumerate(alive)
            if fits[replica].add(step, gains[place], held_out[place], schedule)
        ]
        _copy(averaged, better, best, [alive[place] for place in better])
        staying = [place for place, replica in enumerate(alive) if not fits[replica].ended]
        ended = [replica for replica in alive if fits[replica].ended]
        if ended and staying:
            network, averaged, optimizer = _continued(network, averaged, optimizer, staying, schedule)
            x, y, order = x[staying], y[staying], order[staying]
            validation = validation[0][staying], validation[1][staying]
            generators = [generators[place] for place in staying]
        alive = [alive[place] for place in staying]
        for replica in ended:
            fits[replica].network = select(best, [replica])
            yield replica, fits[replica]


def _adamw(network: nn.Module, schedule: Schedule) -> AdamW:
    return AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True)


def _continued(
    network: Network, averaged: Network, optimizer: AdamW, staying: list[int], schedule: Schedule
) -> tuple[Network, Network, AdamW]:
    """The stack without the replicas that ended, in the middle of its optimisation."""
    smaller = select(network, staying)
    continued = _adamw(smaller, schedule)
    for old, new in zip(network.parameters(), smaller.parameters(), strict=True):
        if old in optimizer.state:
            state = optimizer.state[old]
            continued.state[new] = {key: value[staying] if value.dim() else value for key, value in state.items()}
    return smaller, select(averaged, staying), continued


def _copy(source: nn.Module, places: list[int], target: nn.Module, replicas: list[int]) -> None:
    """Copy weights and buffers of some replicas of one stack to places in another."""
    with torch.no_grad():
        for new, old in zip(
            [*source.parameters(), *source.buffers()], [*target.parameters(), *target.buffers()], strict=True
        ):
            old[replicas] = new[places]


def _orders(n: int, generators: Generators, device: torch.device) -> Tensor:
    """A random order of the rows 0..n-1 for each replica."""
    return torch.stack([torch.randperm(n, generator=generator) for generator in generators]).to(device)


def _taken(points: Tensor, rows: Tensor) -> Tensor:
    """Rows (B, k) of each replica's points (B, n, dim)."""
    offsets = torch.arange(len(points), device=points.device)[:, None] * points.shape[1]
    return points.flatten(0, 1).index_select(0, (rows + offsets).flatten()).view(*rows.shape, -1)


def _validated(validate: Validate[Network], network: Network, pairs: Pairs) -> list[float]:
    with torch.no_grad():
        values: list[float] = validate(network, *pairs).double().tolist()
    return values
