"""The Wasserstein dependency measure: how far joint and product of the margins are apart, by a Lipschitz critic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mibench.estimators.margins import Margins
from mibench.estimators.variational.critics import Critic, LipschitzCritic
from mibench.estimators.variational.evaluation import held_out_pairs
from mibench.estimators.variational.trained import Trained
from mibench.estimators.variational.trained_critic import VALIDATION_SHIFTS
from mibench.interface import Array, Bound, Context, Estimate, InputError, parameter
from mibench.registry import register_estimator
from mibench.training.networks import Activation, Generators

IN_UNITS = ("training_value", "validation_value", "training_curve", "validation_curve", "fold_values")


@register_estimator(
    name="wasserstein",
    family="variational",
    summary="1-Wasserstein distance of joint and product by a 1-Lipschitz critic, on held-out points",
    citation="""@inproceedings{ozair2019wasserstein,
      author = {Sherjil Ozair and Corey Lynch and Yoshua Bengio and A{\\"a}ron van den Oord and Sergey Levine
                and Pierre Sermanet},
      title = {Wasserstein Dependency Measure for Representation Learning},
      booktitle = {Advances in Neural Information Processing Systems},
      volume = {32},
      year = {2019}
    }""",
    quantity="wasserstein",
    bound="lower",
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class Wasserstein(Trained[LipschitzCritic]):
    r"""W_1(p(x,y), p(x)p(y)) = sup over 1-Lipschitz f of E_{p(x,y)} f - E_{p(x)p(y)} f; 0 at independence only.

    No mutual information: it has the unit of the data, grows with their scale (W_1 of (cx, cy) is c times that of
    (x, y)), and need not grow with the MI. The distance is the Euclidean one of (x, y) in the columns as given
    (margins=raw); with margins=standard or normal it is that of the standardised columns or the normal scores. For
    training all columns are divided by one power of two, which is undone afterwards.

    lipschitz=spectral divides every layer by its spectral norm. Then f is 1-Lipschitz, and the value, on held-out
    points, is a lower bound in expectation. With activations other than maxmin such a critic stays far below it.
    lipschitz=penalty subtracts penalty * E max(0, |grad f| - 1)^2 on lines from joint to product pairs. That bounds no
    slope: the value is divided by the largest one found on held-out lines, if that is above 1, and is no bound.
    """

    hidden: int = parameter(64, "width of the hidden layers", low=1)
    activation: Activation = parameter("maxmin", "between the layers; softplus is softplus(2t)/2, maxmin sorts pairs")
    margins: Margins = parameter(
        "raw", "columns only centred, centred and scaled, or turned into normal scores", was={"raw": "given"}
    )
    lipschitz: Literal["spectral", "penalty"] = parameter("spectral", "how the critic's slope is kept at most 1")
    penalty: float = parameter(10.0, "weight of the squared excess of slope (lipschitz=penalty)", low=0.0)
    shuffles: int = parameter(100, "product pairs per held-out point at evaluation", low=1)

    def __post_init__(self) -> None:
        """SiLU is steeper than 1."""
        super().__post_init__()
        if self.lipschitz == "spectral" and self.activation == "silu":
            raise InputError(
                f"{self.label()}: activation=silu has slopes above 1, which lipschitz=spectral does not allow; "
                "give maxmin, softplus, relu or tanh"
            )

    @property
    def bound(self) -> Bound:
        """See `Estimator.bound`."""
        return "lower" if self.lipschitz == "spectral" else "none"

    @property
    def numbers_per_step(self) -> int:
        """See `Trained.numbers_per_step`: joint and product pairs."""
        return 2 * super().numbers_per_step

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        """See `Estimator.estimate_batch`; W_1 of data divided by a number is W_1 divided by it."""
        scales = [_power_of_two(x, y) if self.margins == "raw" else 1.0 for x, y in zip(xs, ys, strict=True)]
        xs, ys = ([block / scale for block, scale in zip(blocks, scales, strict=True)] for blocks in (xs, ys))
        for index, estimate in super().estimate_batch(xs, ys, contexts):
            yield index, _times(estimate, scales[index])

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> LipschitzCritic:
        """See `Trained.network`."""
        return LipschitzCritic(
            dim_x,
            dim_y,
            generators,
            hidden=self.hidden,
            layers=self.layers,
            activation=self.activation,
            spectral=self.lipschitz == "spectral",
        )

    def objective(self, network: LipschitzCritic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`; one product pair per point."""
        joint, product = network.shifted(x, y, (0, 1)).to(x.dtype).unbind(1)
        value = joint.mean(-1) - product.mean(-1)
        if self.lipschitz == "spectral":
            return value, value
        return value - self.penalty * (slopes(network, x, y, 1) - 1).clamp(min=0).square().mean(-1), value

    def validate(self, network: LipschitzCritic, x: Tensor, y: Tensor) -> Tensor:
        """See `Trained.validate`; few product pairs per point."""
        scores = network.shifted(x, y, VALIDATION_SHIFTS)
        return scores[:, 0].mean(-1) - scores[:, 1:].mean((1, 2))

    def evaluate(self, network: LipschitzCritic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`; `shuffles` product pairs per point."""
        joint, product = held_out_pairs(network, x, y, self.shuffles)
        value, steepest = float(joint.mean() - product.mean()), 1.0
        if self.lipschitz == "penalty":
            with torch.inference_mode(False), torch.enable_grad():
                points = x.clone(), y.clone()
                steepest = max(float(slopes(network, *points, shift).max().detach()) for shift in VALIDATION_SHIFTS[1:])
        diagnostics = {"product_pairs": product.shape[1], "largest_slope": steepest}
        return Estimate(value / max(steepest, 1.0), quantity=self.quantity, diagnostics=diagnostics)


def slopes(critic: Critic, x: Tensor, y: Tensor, shift: int) -> Tensor:
    """|grad f| (B, n) at one point each of the lines from (x_i, y_i) to (x_i, y_{i+shift}), differentiable.

    As points come in random order, the places on the lines can be equally spaced.
    """
    places = torch.linspace(0, 1, x.shape[1], dtype=x.dtype, device=x.device)[:, None]
    points = x.detach().requires_grad_(), y.lerp(y.roll(-shift, 1), places).detach().requires_grad_()
    of_x, of_y = torch.autograd.grad(critic.pairs(*points).sum(), points, create_graph=True)
    # The square root of 0 has no derivative.
    return (of_x.square().sum(-1) + of_y.square().sum(-1) + 1e-12).sqrt()


def _power_of_two(x: Array, y: Array) -> float:
    """The power of two nearest to the root mean square of the centred columns: dividing by it rounds nothing."""
    variance = float(np.concatenate([x.var(0), y.var(0)]).mean())
    return float(2.0 ** round(0.5 * math.log2(variance))) if variance > 0 and math.isfinite(variance) else 1.0


def _times(estimate: Estimate, scale: float) -> Estimate:
    """The estimate in the units of the data."""

    def scaled(value: Any) -> Any:
        return [scaled(each) for each in value] if isinstance(value, list) else value * scale

    diagnostics = {
        name: [[step, value * scale] for step, value in entry]
        if name.endswith("_curve")
        else scaled(entry)
        if name in IN_UNITS
        else entry
        for name, entry in estimate.diagnostics.items()
    }
    return dataclasses.replace(estimate, value=estimate.value * scale, diagnostics=diagnostics | {"scale": scale})
