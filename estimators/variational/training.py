"""How a critic is trained: batches of the training part, early stopping on the validation part, best weights kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic

Pairs = tuple[Tensor, Tensor]  # x (n, dim_x) and y (n, dim_y), one pair per row
Objective = Callable[[Critic, Tensor, Tensor], tuple[Tensor, Tensor]]
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Schedule:
    """Step sizes and stopping rule of a training; each is a parameter of `trained.TrainedCritic`."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    average: float
    max_steps: int
    validate_every: int
    patience: int


@dataclass(frozen=True)
class Fit:
    """A trained critic, with the weights that were best on validation, and how it came about.

    The curves hold (step, bound in nats): training values are means over the batches since the last validation.
    """

    critic: Critic
    steps: int
    best_step: int
    training: Curve
    validation: Curve
    ended: Literal["stopped", "budget", "diverged"]


def train(
    critic: Critic,
    objective: Objective,
    bound: Callable[[Critic, Tensor, Tensor], float],
    training: Pairs,
    validation: Pairs,
    *,
    schedule: Schedule,
    generator: torch.Generator,
) -> Fit:
    """Maximise a bound over the weights of a critic.

    `objective` gives of a batch what is maximised by its gradient, and the value of the bound for the curve;
    `bound` is evaluated on the validation part at the start and after every `validate_every` steps. Training ends
    after `patience` validations without a new best, at a value that is not finite, or after `max_steps`. The weights
    that are validated and kept are an exponential moving average of the trained ones.
    """
    x, y = training
    kept = copy.deepcopy(critic)
    optimizer = torch.optim.AdamW(
        critic.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
    batches = shuffled_batches(len(x), schedule.batch_size, generator, x.device)
    best_value, best_step, best_weights = bound(kept, *validation), 0, copy.deepcopy(kept.state_dict())
    training_curve: Curve = []
    validation_curve = [(0, best_value)]
    step = 0
    ended: Literal["stopped", "budget", "diverged"] = "budget"
    while step < schedule.max_steps:
        values = []
        for _ in range(min(schedule.validate_every, schedule.max_steps - step)):
            rows = next(batches)
            gain, value = objective(critic, x.index_select(0, rows), y.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(-gain)
            optimizer.step()
            with torch.no_grad():
                for mean, weights in zip(kept.parameters(), critic.parameters(), strict=True):
                    mean.lerp_(weights, 1 - schedule.average)
            values.append(value.detach())
            step += 1
        training_curve.append((step, float(torch.stack(values).mean())))
        validation_curve.append((step, bound(kept, *validation)))
        if not (math.isfinite(training_curve[-1][1]) and math.isfinite(validation_curve[-1][1])):
            ended = "diverged"
            break
        if validation_curve[-1][1] > best_value:
            best_value, best_step, best_weights = validation_curve[-1][1], step, copy.deepcopy(kept.state_dict())
        elif step - best_step >= schedule.patience * schedule.validate_every:
            ended = "stopped"
            break
    kept.load_state_dict(best_weights)
    return Fit(kept, step, best_step, training_curve, validation_curve, ended)


def shuffled_batches(n: int, size: int, generator: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """Endless batches of row numbers: each pass over 0..n-1 in a new order; the remainder of n / size sits it out."""
    while True:
        order = torch.randperm(n, generator=generator).to(device)
        yield from torch.split(order[: n - n % size], size)
