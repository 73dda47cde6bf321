"""What every estimator with a trained critic shares: parameters, the split, the encoding of columns, the report."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from mibench.estimators.variational.critics import ConcatenatedCritic, Critic, Kind, SeparableCritic
from mibench.estimators.variational.training import Curve, Fit, Objective, Schedule, train
from mibench.interface import Array, Context, Estimate, Estimator, InputError, parameter

Rows = NDArray[np.intp]
FEWEST_POINTS = 50
MOST_LEVELS = 64  # of a label column that get an indicator each
MOST_VALIDATED = 5000  # points per validation: stopping needs no more, and a validation should stay cheap
CURVE_POINTS = 200
# Numbers per training step up to which several threads are no faster than one, and on a busy machine far slower.
SMALL_STEP = 2**16
FAR_OUT = 20.0  # standard deviations; 10,000 normal values reach 4


@dataclass(frozen=True)
class TrainedCritic(Estimator):
    """A variational bound whose critic f(x, y) is trained on one part of the data and evaluated on another.

    The rows are split at random. The critic is trained on the first part; the bound on the second (`validation`) stops
    the training and picks the weights; the value reported is the bound on the third (`evaluation`), on points that
    were neither trained nor selected on. A subclass says what a training batch maximises and how the bound is
    evaluated on held-out points.
    """

    critic: Kind = parameter("separable", "form of f(x, y): g(x).h(y), or one network of x and y together")
    hidden: int = parameter(128, "width of the hidden layers", low=1)
    layers: int = parameter(2, "number of hidden layers", low=1)
    embedding: int = parameter(32, "length of g(x) and h(y) (separable critic)", low=1)
    margins: Literal["standard", "normal"] = parameter(
        "standard", "columns centred and scaled, or turned into normal scores; fitted on the training part"
    )
    batch_size: int = parameter(128, "points per training step", low=2)
    learning_rate: float = parameter(2e-3, "step size of AdamW", low=0.0)
    weight_decay: float = parameter(0.01, "decoupled weight decay of AdamW", low=0.0)
    average: float = parameter(0.99, "decay per step of the moving average of the weights; 0: none", low=0.0, high=1.0)
    max_steps: int = parameter(10_000, "training steps at most", low=1)
    validate_every: int = parameter(50, "training steps between two validations", low=1)
    patience: int = parameter(10, "validations without a new best that end the training", low=1)
    validation: float = parameter(0.2, "fraction of the points that stops the training", low=0.05, high=0.8)
    evaluation: float = parameter(0.2, "fraction of the points that the bound is reported on", low=0.05, high=0.8)

    def __post_init__(self) -> None:
        """Leave something to train on."""
        super().__post_init__()
        if self.validation + self.evaluation > 0.9:
            raise InputError(
                f"{self.label()}: validation + evaluation = {self.validation + self.evaluation:g} leaves too little to "
                "train on; give at most 0.9 together"
            )

    @abstractmethod
    def objective(self) -> Objective:
        """Return a function (critic, x, y) -> (what training follows the gradient of, the bound) of a batch."""

    @abstractmethod
    def validate(self, critic: Critic, x: Tensor, y: Tensor) -> float:
        """Return the bound on held-out pairs, cheaply: it is computed many times."""

    @abstractmethod
    def evaluate(self, critic: Critic, x: Tensor, y: Tensor) -> Estimate:
        """Return the bound on held-out pairs as it is reported, with its own diagnostics and warnings."""

    @property
    def numbers_per_step(self) -> int:
        """Size of a hidden layer's output in one training step."""
        return self.batch_size * self.hidden

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        generator = torch.Generator().manual_seed(int(context.rng.integers(2**63)))
        device = torch.device(context.device)
        parts = split(len(x), self.validation, self.evaluation, context.rng)
        codes = [
            torch.from_numpy(encode(block, discrete, parts[0], self.margins)).to(device)
            for block, discrete in ((x, context.x_discrete), (y, context.y_discrete))
        ]
        training, validation, evaluation = ((codes[0][rows], codes[1][rows]) for rows in map(torch.from_numpy, parts))
        schedule = Schedule(
            min(self.batch_size, len(parts[0])),
            self.learning_rate,
            self.weight_decay,
            self.average,
            self.max_steps,
            self.validate_every,
            self.patience,
        )

        def bound(critic: Critic, x: Tensor, y: Tensor) -> float:
            with torch.inference_mode():
                return self.validate(critic, x[:MOST_VALIDATED], y[:MOST_VALIDATED])

        with torch_threads(context.threads if self.numbers_per_step > SMALL_STEP else 1):
            critic = self._critic(codes[0].shape[1], codes[1].shape[1], generator).to(device)
            fit = train(critic, self.objective(), bound, training, validation, schedule=schedule, generator=generator)
            with torch.inference_mode():
                estimate = self.evaluate(fit.critic, *evaluation)
            farthest = max(float(code.abs().max()) for code in codes)
            return self._reported(estimate, fit, bound(fit.critic, *training), farthest)

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Three parts of too few points say nothing."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        if reason is None and n < FEWEST_POINTS:
            reason = f"needs at least {FEWEST_POINTS} points to train, validate and evaluate, got {n}"
        return reason

    def _critic(self, dim_x: int, dim_y: int, generator: torch.Generator) -> Critic:
        if self.critic == "separable":
            return SeparableCritic(dim_x, dim_y, self.hidden, self.layers, self.embedding, generator=generator)
        return ConcatenatedCritic(dim_x, dim_y, self.hidden, self.layers, generator=generator)

    def _reported(self, estimate: Estimate, fit: Fit, training_value: float, farthest: float) -> Estimate:
        diagnostics = {
            "steps": fit.steps,
            "best_step": fit.best_step,
            "ended": fit.ended,
            "training_value": training_value,
            "validation_value": max(value for _, value in fit.validation if math.isfinite(value)),
            "training_curve": _thinned(fit.training),
            "validation_curve": _thinned(fit.validation),
        }
        warnings = list(estimate.warnings)
        if fit.ended == "diverged":
            warnings.append(f"training diverged by step {fit.steps}; the best weights before that were used")
        elif fit.ended == "budget":
            warnings.append(f"training had not converged after max_steps = {self.max_steps}")
        if farthest > FAR_OUT:
            warnings.append(
                f"a value lies {farthest:.0f} standard deviations from its column's mean: such tails hide the rest of "
                "the data from the critic, with margins=normal they do not"
            )
        return dataclasses.replace(
            estimate, diagnostics=estimate.diagnostics | diagnostics, warnings=tuple(warnings), bound=self.bound
        )


def split(n: int, validation: float, evaluation: float, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Rows of the training, validation and evaluation parts: random, disjoint, together all."""
    n_evaluation, n_validation = round(evaluation * n), round(validation * n)
    n_training = n - n_validation - n_evaluation
    training, validating, evaluating = np.split(rng.permutation(n), [n_training, n_training + n_validation])
    return training, validating, evaluating


def encode(
    block: Array, discrete: tuple[bool, ...] | None, training: Rows, margins: Literal["standard", "normal"]
) -> NDArray[np.float32]:
    """Columns as a network takes them; everything fitted (levels, mean and scale, ranks) is of the training rows.

    A column of labels becomes one indicator per level, for the `MOST_LEVELS` most frequent ones. Every other column,
    and labels of still more levels (counts, say), are standardised or mapped to normal scores. All maps are functions
    of one variable's column, so that a lower bound on the codes is one on the variables.
    """
    columns: list[Array] = []
    for values, is_label in zip(block.T, discrete or (False,) * block.shape[1], strict=True):
        fitted = np.sort(values[training])
        if is_label:
            levels, counts = np.unique(fitted, return_counts=True)
            frequent = levels[np.argsort(-counts, kind="stable")[:MOST_LEVELS]]
            columns.append((values[:, None] == frequent).astype(float))
            if len(levels) <= MOST_LEVELS:
                continue
        if margins == "normal":
            below, at_most = np.searchsorted(fitted, values, "left"), np.searchsorted(fitted, values, "right")
            columns.append(ndtri((below + at_most + 1) / (2 * len(fitted) + 2))[:, None])
        else:
            columns.append(((values - fitted.mean()) / (fitted.std() or 1.0))[:, None])
    return np.hstack(columns).astype(np.float32)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _thinned(curve: Curve) -> list[list[float]]:
    return [[step, value] for step, value in curve[:: math.ceil(len(curve) / CURVE_POINTS) or 1]]
