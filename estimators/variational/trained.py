"""What every trained estimator shares: parameters, parts and folds, training of all replicas at once, the report."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal

import torch
from torch import Tensor

from mibench.estimators.variational.encoding import Codes, Margins, encode
from mibench.estimators.variational.reporting import averaged, reported
from mibench.interface import Array, Context, Estimate, Estimator, InputError, Shape, parameter
from mibench.training.devices import replicas_at_once, torch_threads, useful_threads
from mibench.training.loop import Fit, Schedule, train
from mibench.training.networks import Activation, Generators, Network
from mibench.training.splits import Rows, cross_split, split

FEWEST_POINTS = 50
MOST_VALIDATED = 5000  # points per validation: stopping needs no more, and a validation should stay cheap
Pairs = tuple[Tensor, Tensor]  # x (n, dim_x) and y (n, dim_y)


@dataclass(frozen=True)
class Trained(Estimator, Generic[Network]):
    """A bound whose networks are trained on one part of the data and evaluated on another.

    The rows are split at random. The networks are trained on the first part; the bound on the second (`validation`)
    stops the training and picks the weights; the value reported is the bound on the third (`evaluation`), on points
    that were neither trained nor selected on. With `folds` = k > 1 this is done k times so that every point is
    evaluated once, and the value is the average over the folds. Samples and folds are trained as one stack.

    What a subclass says
    --------------------
    network(dim_x, dim_y, generators)
        The stacked module (see `mibench.training.networks`), one replica for each generator.
    objective(network, x, y)
        Of a training batch x (B, n, dim_x), y (B, n, dim_y): what each replica climbs and the value of its bound,
        both (B,).
    validate(network, x, y)
        The bound (B,) on held-out points, cheaply; unless told, that of `objective`.
    evaluate(network, x, y)
        The `Estimate` from held-out points of one replica, x (1, n, dim_x), with its own diagnostics and warnings.
    numbers_per_step
        Outputs of a hidden layer in one step of one replica, where it is not batch_size * hidden.

    The first dimension is the replica everywhere; a replica must not depend on another. State that a training keeps
    from step to step is a buffer of the network, with the replica first. Points come in random order: y rolled by one
    row stands for the product of the margins. Nothing may draw random numbers but the generators of `network`. With
    precision=bfloat16 a training batch's scores come in it: make them `.to(x.dtype)` before sums and exponentials.
    """

    hidden: int = parameter(128, "width of the hidden layers", low=1)
    layers: int = parameter(2, "number of hidden layers", low=0)
    activation: Activation = parameter("softplus", "between the layers; softplus is softplus(2t)/2, maxmin sorts pairs")
    margins: Margins = parameter(
        "normal", "columns centred and scaled, turned into normal scores, or only centred; fitted on the training part"
    )
    batch_size: int = parameter(128, "points per training step", low=2)
    learning_rate: float = parameter(2e-3, "step size of AdamW", low=0.0)
    decay: Literal["constant", "cosine"] = parameter("constant", "learning rate over max_steps")
    weight_decay: float = parameter(0.01, "decoupled weight decay of AdamW", low=0.0)
    average: float = parameter(0.99, "decay per step of the moving average of the weights; 0: none", low=0.0, high=1.0)
    max_steps: int = parameter(10_000, "training steps at most", low=1)
    validate_every: int = parameter(50, "training steps between two validations", low=1)
    patience: int = parameter(10, "validations without a new best that end the training", low=1)
    validation: float = parameter(0.2, "fraction of the points that stops the training", low=0.05, high=0.8)
    evaluation: float = parameter(0.2, "fraction that the bound is reported on (one fold)", low=0.05, high=0.8)
    folds: int = parameter(1, "1: one split; more: cross-fitting that evaluates every point once", low=1)
    precision: Literal["float32", "bfloat16"] = parameter("float32", "of the training's matrix products")

    def __post_init__(self) -> None:
        """Leave something to train on."""
        super().__post_init__()
        evaluation = self.evaluation if self.folds == 1 else 1 / self.folds
        if self.validation + evaluation > 0.9:
            raise InputError(
                f"{self.label()}: validation + evaluation = {self.validation + evaluation:g} leaves too little to "
                "train on; give at most 0.9 together"
            )

    @abstractmethod
    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Network:
        """Return the stacked networks before training, one replica for each generator."""

    @abstractmethod
    def objective(self, network: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what training follows the gradient of, and the bound, of a batch: (B,) each."""

    def validate(self, network: Network, x: Tensor, y: Tensor) -> Tensor:
        """Return the bound (B,) on held-out pairs, cheaply: it is computed many times."""
        return self.objective(network, x, y)[1]

    @abstractmethod
    def evaluate(self, network: Network, x: Tensor, y: Tensor) -> Estimate:
        """Return the bound on held-out pairs of one replica as it is reported."""

    def encode(self, x: Array, y: Array, context: Context, training: Rows) -> tuple[Codes, Codes]:
        """Return what the networks see of x and y; everything fitted is of the training rows."""
        shape = context.shape_of(x, y)
        return encode(x, shape.x, training, self.margins), encode(y, shape.y, training, self.margins)

    @property
    def numbers_per_step(self) -> int:
        """Size of a hidden layer's output in one training step of one replica."""
        return self.batch_size * self.hidden

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        ((_, estimate),) = self.estimate_batch([x], [y], [context])
        return estimate

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        """See `Estimator.estimate_batch`; stacks are as large as pays, or as fits the memory."""
        most = replicas_at_once(contexts[0].device, self.numbers_per_step)
        total = len(xs) * self.folds
        size = math.ceil(total / math.ceil(total / most))
        waiting: dict[object, list[_Replica]] = defaultdict(list)  # by shape: labels can have more or fewer levels
        ended: dict[int, list[Estimate]] = defaultdict(list)

        def trained(stack: list[_Replica]) -> Iterator[tuple[int, Estimate]]:
            for place, estimate in self._trained(stack, contexts[0]):
                sample = stack[place].sample
                ended[sample].append(estimate)
                if len(ended[sample]) == self.folds:
                    yield sample, averaged(ended.pop(sample))

        for sample, (x, y, context) in enumerate(zip(xs, ys, contexts, strict=True)):
            for replica in self._prepared(sample, x, y, context):
                stack = waiting[replica.shape]
                stack.append(replica)
                if len(stack) == size:
                    del waiting[replica.shape]
                    yield from trained(stack)
        for stack in waiting.values():
            yield from trained(stack)

    def unsupported(self, shape: Shape) -> str | None:
        """Three parts of too few points say nothing."""
        reason = super().unsupported(shape)
        if reason is None and shape.n < FEWEST_POINTS:
            reason = f"needs at least {FEWEST_POINTS} points to train, validate and evaluate, got {shape.n}"
        if reason is None and shape.n < 2 * self.folds:
            reason = f"needs at least 2 points to evaluate in each of {self.folds} folds, got {shape.n} points"
        return reason

    def _prepared(self, sample: int, x: Array, y: Array, context: Context) -> Iterator[_Replica]:
        if self.folds == 1:
            parts = [split(len(x), self.validation, self.evaluation, context.rng)]
        else:
            parts = cross_split(len(x), self.validation, self.folds, context.rng)
        for training, validation, evaluation in parts:
            generator = torch.Generator().manual_seed(int(context.rng.integers(2**63)))
            codes = [torch.from_numpy(code) for code in self.encode(x, y, context, training)]
            chosen = [
                (codes[0][rows], codes[1][rows])
                for rows in map(torch.from_numpy, (training, validation[:MOST_VALIDATED], evaluation))
            ]
            farthest = 0.0 if self.margins == "given" else max(float(code.abs().max()) for code in codes)
            yield _Replica(sample, generator, chosen[0], chosen[1], chosen[2], farthest)

    def _trained(self, stack: list[_Replica], context: Context) -> Iterator[tuple[int, Estimate]]:
        """Train a stack; yields (place in the stack, estimate)."""
        device = torch.device(context.device)
        training, validation = (
            (torch.stack([x for x, _ in pairs]).to(device), torch.stack([y for _, y in pairs]).to(device))
            for pairs in ([one.training for one in stack], [one.validation for one in stack])
        )
        schedule = Schedule(
            min(self.batch_size, training[0].shape[1]),
            self.learning_rate,
            self.decay,
            self.weight_decay,
            self.average,
            self.max_steps,
            self.validate_every,
            self.patience,
            self.precision,
        )
        generators = [one.generator for one in stack]
        with torch_threads(useful_threads(len(stack) * self.numbers_per_step, context.threads)):
            network = self.network(training[0].shape[2], training[1].shape[2], generators).to(device)
            fits = train(
                network, self.objective, self.validate, training, validation, schedule=schedule, generators=generators
            )
            for place, fit in fits:
                yield place, self._evaluated(fit, stack[place], device)

    def _evaluated(self, fit: Fit[Network], replica: _Replica, device: torch.device) -> Estimate:
        with torch.inference_mode():
            x, y = (part[None].to(device) for part in replica.evaluation)
            estimate = self.evaluate(fit.network, x, y)
            x, y = (part[None, :MOST_VALIDATED].to(device) for part in replica.training)
            training_value = float(self.validate(fit.network, x, y))
        return reported(estimate, fit, self.bound, training_value, replica.farthest)


@dataclass(frozen=True)
class _Replica:
    """One sample, or one fold of it, ready to train: its parts as codes, and how far from the mean they reach."""

    sample: int
    generator: torch.Generator
    training: Pairs
    validation: Pairs
    evaluation: Pairs
    farthest: float

    @property
    def shape(self) -> tuple[torch.Size, ...]:
        return tuple(part.shape for part in (*self.training, *self.validation))
