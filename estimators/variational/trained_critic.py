"""Estimators whose network is a critic f(x, y), and those of them that contrast joint with shuffled pairs."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import pairs_of
from mibench.estimators.variational.critics import FORMULAS, Critic, Kind, make_critic, width_per_pair
from mibench.estimators.variational.evaluation import effective_pairs, held_out_pairs, pair_warnings
from mibench.estimators.variational.trained import Trained
from mibench.interface import Estimate, InputError, parameter
from mibench.training.networks import Generators

WIDE: tuple[Kind, ...] = ("concatenated", "hybrid", "lipschitz")  # hidden layers of theirs see pairs
VALIDATION_SHIFTS = range(4)  # joint pairs, and three product pairs per point


@dataclass(frozen=True)
class TrainedCritic(Trained[Critic]):
    """A trained critic; a subclass says `objective` and `evaluate`, see `Trained`.

    In a ridge critic pairs meet in the last layer, so that all pairs of a batch cost little more than its points; it
    follows thin structure, where a separable one loses 0.2 nats. A concatenated, hybrid or lipschitz critic has a
    hidden layer for each pair.
    """

    critic: Kind = parameter("ridge", FORMULAS)
    batch_size: int = parameter(64, "points per training step", low=2)
    embedding: int = parameter(32, "length of g(x) and h(y) (separable, bilinear and ridge critic)", low=1)

    def __post_init__(self) -> None:
        """A concatenated critic has no dependence without a hidden layer; SiLU is steeper than 1."""
        super().__post_init__()
        if self.critic == "lipschitz" and self.activation == "silu":
            raise InputError(
                f"{self.label()}: activation=silu has slopes above 1, which critic=lipschitz does not allow; "
                "give maxmin, softplus, relu or tanh"
            )
        if self.critic in ("concatenated", "lipschitz") and self.layers == 0:
            raise InputError(f"{self.label()}: critic={self.critic} has no dependence without layers; give layers >= 1")

    @property
    def numbers_per_step(self) -> int:
        """See `Trained.numbers_per_step`: those of points, or of all pairs of a batch."""
        per_pair = width_per_pair(self.critic, self.hidden, self.embedding)
        return self.batch_size * max(self.hidden, self.batch_size * per_pair)

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Critic:
        """See `Trained.network`."""
        return make_critic(
            self.critic,
            dim_x,
            dim_y,
            generators,
            hidden=self.hidden,
            layers=self.layers,
            embedding=self.embedding,
            activation=self.activation,
        )


@dataclass(frozen=True)
class TrainedOnPairs(TrainedCritic):
    """A value of scores of joint pairs and of shuffled ones; a subclass says `value`, and `gain` if that differs.

    Training takes all product pairs of a batch: with one per point the gradient is noisy, and estimates are lower by up
    to 0.1 nats. Where each pair would cost a hidden layer (critic=concatenated, hybrid, lipschitz) it does with one.
    """

    shuffles: int = parameter(100, "product pairs per held-out point at evaluation", low=1)

    @abstractmethod
    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """Return what is reported, (B,), of scores of joint pairs (B, n) and product pairs (B, m)."""

    def gain(self, joint: Tensor, product: Tensor) -> Tensor:
        """Return what training climbs, stops by and shows in its curves, where that is not the value reported."""
        return self.value(joint, product)

    @property
    def numbers_per_step(self) -> int:
        """See `Trained.numbers_per_step`."""
        return 2 * self.batch_size * self.hidden if self.critic in WIDE else super().numbers_per_step

    def batch_scores(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of a batch (B, n, ...): its n joint pairs, and n (n - 1) product pairs, or n: (B, n) and (B, m)."""
        if self.critic in WIDE:
            joint, product = network.shifted(x, y, (0, 1)).to(x.dtype).unbind(1)
            return joint, product
        return pairs_of(network.all_pairs(x, y).to(x.dtype))

    def objective(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`."""
        gain = self.gain(*self.batch_scores(network, x, y))
        return gain, gain

    def validate(self, network: Critic, x: Tensor, y: Tensor) -> Tensor:
        """See `Trained.validate`; few product pairs per point."""
        scores = network.shifted(x, y, VALIDATION_SHIFTS)
        return self.gain(scores[:, 0], scores[:, 1:].flatten(1))

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`; `shuffles` product pairs per point."""
        joint, product = held_out_pairs(network, x, y, self.shuffles)
        value = float(self.value(joint, product))
        diagnostics = {"product_pairs": product.shape[1], "effective_product_pairs": effective_pairs(product)}
        return Estimate(value, diagnostics=diagnostics, warnings=pair_warnings(value, product, x.shape[1]))
