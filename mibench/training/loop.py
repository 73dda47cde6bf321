"""The training loop: B replicas of a network at once, each with its own data, batches, stopping and best weights.

The replicas are seeds of a run, like tasks, or cross-fitting folds. Their parameters are stacked (see `networks`), so
that one matrix product, one backward pass and one fused AdamW step serve all of them; they share nothing but the count
of steps. A replica that has ended leaves the stack and the others go on.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from mibench.interface import InputError
from mibench.training.checkpoints import content_hash, load_checkpoint, save_checkpoint
from mibench.training.networks import Generators, Network, select

Blocks = tuple[Tensor, ...]  # each (B, n, ...): n points for each of B replicas, such as x and y, or one block alone
Objective = Callable[Concatenate[Network, ...], tuple[Tensor, Tensor]]
Validate = Callable[Concatenate[Network, ...], Tensor]
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Schedule:
    """Step sizes and stopping rule of a training; see `train`."""

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
    training: Blocks,
    validation: Blocks,
    *,
    schedule: Schedule,
    generators: Generators,
    checkpoint: Path | None = None,
    every: float = 300.0,
) -> Iterator[tuple[int, Fit[Network]]]:
    """Maximise a bound over the weights of every replica; yields (replica, fit) as they end.

    `objective` gives, of the network and a batch of every block, what each replica climbs by its gradient and the
    value of its bound for the curve, both (B,); `validate` gives the bound (B,) on the validation part, at the start
    and after every `validate_every` steps. A replica ends after `patience` validations without a new best, at a value
    that is not finite, or after `max_steps`. The weights that are validated and kept are an exponential moving average
    of the trained ones. Batches of replica b are drawn from `generators[b]`.

    With a `checkpoint`, the state is written there every so many seconds, between two rounds of steps, and at the end.
    Where the file exists, the same call goes on from it and gives the same bits as without the interruption; replicas
    that had ended are yielded again. It must be of the same data, weights, generators and schedule.
    """
    stack = _Stack(network, training, validation, schedule, generators)
    identity = "" if checkpoint is None else stack.identity()
    if checkpoint is not None and checkpoint.exists():
        tensors, facts = load_checkpoint(checkpoint)
        if facts.get("identity") != identity:
            raise InputError(f"checkpoint {checkpoint} is of a training with other data, weights, seeds or schedule")
        stack.restore(tensors, facts)
        ended = [replica for replica in range(len(generators)) if replica not in stack.alive]
        yield from stack.fitted(sorted(ended, key=lambda replica: stack.fits[replica].steps))
    else:
        stack.validate_untrained(validate)
    saved = time.monotonic()
    while stack.alive:
        ended = stack.judge(stack.climb(objective), validate)
        if checkpoint is not None and (not stack.alive or time.monotonic() >= saved + every):
            save_checkpoint(checkpoint, stack.tensors(), {"identity": identity, **stack.facts()})
            saved = time.monotonic()
        yield from stack.fitted(ended)


class _Stack(Generic[Network]):
    """The state of a training: the replicas that still train, the best weights of all, and where in the data it is."""

    def __init__(
        self, network: Network, training: Blocks, validation: Blocks, schedule: Schedule, generators: Generators
    ) -> None:
        self.network, self.training, self.validation = network, training, validation
        self.averaged, self.best = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
        self.schedule, self.optimizer = schedule, _adamw(network, schedule)
        self.generators, self.alive = generators, list(range(len(generators)))
        self.fits = [Fit(network) for _ in generators]
        self.device = training[0].device
        self.order = torch.empty(len(generators), 0, dtype=torch.long, device=self.device)
        self.position = self.step = 0

    def validate_untrained(self, validate: Validate[Network]) -> None:
        """Begin the curves: training has to do better than the weights that it starts from."""
        for fit, value in zip(self.fits, self._validated(validate), strict=True):
            fit.best_value = value
            fit.validation.append((0, value))

    def climb(self, objective: Objective[Network]) -> list[float]:
        """Take the steps until the next validation; the mean of each replica's bound over their batches."""
        values, weights, means = [], list(self.network.parameters()), list(self.averaged.parameters())
        for _ in range(min(self.schedule.validate_every, self.schedule.max_steps - self.step)):
            batch = self._batch()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.precision == "bfloat16"):
                gain, value = objective(self.network, *batch)
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(-gain.sum())
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(self.step)
            self.optimizer.step()
            with torch.no_grad():
                for mean, latest in zip(means, weights, strict=True):
                    mean.lerp_(latest, 1 - self.schedule.average)
            values.append(value.detach())
            self.step += 1
        with torch.no_grad():
            for old, new in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
                old.copy_(new)
        found: list[float] = torch.stack(values).double().mean(0).tolist()
        return found

    def judge(self, gains: list[float], validate: Validate[Network]) -> list[int]:
        """Validate, keep what is better, let those that have ended leave the stack, and name them."""
        held_out = self._validated(validate)
        better = [
            place
            for place, replica in enumerate(self.alive)
            if self.fits[replica].add(self.step, gains[place], held_out[place], self.schedule)
        ]
        replicas = [self.alive[place] for place in better]
        with torch.no_grad():
            for name, values in _values(self.best).items():
                values[replicas] = _values(self.averaged)[name][better]
        ended = [replica for replica in self.alive if self.fits[replica].ended]
        if ended:
            self._keep([place for place, replica in enumerate(self.alive) if replica not in ended])
        return ended

    def fitted(self, replicas: Sequence[int]) -> Iterator[tuple[int, Fit[Network]]]:
        """The fits of some replicas with their best weights."""
        for replica in replicas:
            self.fits[replica].network = select(self.best, [replica])
            yield replica, self.fits[replica]

    def identity(self) -> str:
        """Hash what decides the course of the training, as it is given."""
        given = {f"generator.{replica}": generator.get_state() for replica, generator in enumerate(self.generators)}
        blocks = {f"block.{place}": block for place, block in enumerate((*self.training, *self.validation))}
        return content_hash({**_values(self.network), **given, **blocks}, json.dumps(asdict(self.schedule)))

    def tensors(self) -> dict[str, Tensor]:
        """What `restore` needs, by name."""
        found = {"order": self.order}
        for replica, generator in enumerate(self.generators):
            found[f"generator.{replica}"] = generator.get_state()
        for name, network in self._networks().items():
            found |= {f"{name}.{key}": values for key, values in _values(network).items()}
        for index, parameter in enumerate(self.network.parameters()):
            found |= {f"optimizer.{index}.{key}": values for key, values in self.optimizer.state[parameter].items()}
        return found

    def facts(self) -> dict[str, Any]:
        """What `restore` needs besides the tensors."""
        fits = [{name: value for name, value in vars(fit).items() if name != "network"} for fit in self.fits]
        return {"step": self.step, "position": self.position, "alive": self.alive, "fits": fits}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to where a checkpoint was written, from where the training starts."""
        for fit, kept in zip(self.fits, facts["fits"], strict=True):
            curves = {name: list(map(tuple, kept[name])) for name in ("training", "validation")}
            vars(fit).update(kept | curves)
        self._keep(facts["alive"])
        self.step, self.position = facts["step"], facts["position"]
        self.order = tensors["order"].to(self.device)
        for replica, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator.{replica}"])
        with torch.no_grad():
            for name, network in self._networks().items():
                for key, values in _values(network).items():
                    values.copy_(tensors[f"{name}.{key}"])
        for index, parameter in enumerate(self.network.parameters()):
            own = f"optimizer.{index}."
            state = {name.removeprefix(own): value for name, value in tensors.items() if name.startswith(own)}
            self.optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in state.items()}

    def _networks(self) -> dict[str, Network]:
        return {"network": self.network, "averaged": self.averaged, "best": self.best}

    def _validated(self, validate: Validate[Network]) -> list[float]:
        with torch.no_grad():
            values: list[float] = validate(self.averaged, *self.validation).double().tolist()
        return values

    def _batch(self) -> Blocks:
        """The next rows of every replica, of every block."""
        size = self.schedule.batch_size
        if self.position + size > self.order.shape[1]:  # a new pass; the remainder sits this one out
            drawing = [self.generators[replica] for replica in self.alive]
            self.order, self.position = _orders(self.training[0].shape[1], drawing, self.device), 0
        rows = self.order[:, self.position : self.position + size]
        self.position += size
        return tuple(_taken(block, rows) for block in self.training)

    def _keep(self, places: list[int]) -> None:
        """Go on with some of the replicas, in the middle of their optimisation."""
        smaller = select(self.network, places)
        optimizer = _adamw(smaller, self.schedule)
        for old, new in zip(self.network.parameters(), smaller.parameters(), strict=True):
            state = self.optimizer.state[old]
            optimizer.state[new] = {key: value[places] if value.dim() else value for key, value in state.items()}
        self.network, self.averaged, self.optimizer = smaller, select(self.averaged, places), optimizer
        self.training = tuple(block[places] for block in self.training)
        self.validation = tuple(block[places] for block in self.validation)
        self.order, self.alive = self.order[places], [self.alive[place] for place in places]


def _adamw(network: nn.Module, schedule: Schedule) -> AdamW:
    return AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True)


def _values(network: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers by name."""
    return dict([*network.named_parameters(), *network.named_buffers()])


def _orders(n: int, generators: Generators, device: torch.device) -> Tensor:
    """A random order of the rows 0..n-1 for each replica."""
    return torch.stack([torch.randperm(n, generator=generator) for generator in generators]).to(device)


def _taken(points: Tensor, rows: Tensor) -> Tensor:
    """Rows (B, k) of each replica's points (B, n, ...)."""
    offsets = torch.arange(len(points), device=points.device)[:, None] * points.shape[1]
    return points.flatten(0, 1).index_select(0, (rows + offsets).flatten()).view(*rows.shape, *points.shape[2:])
