"""Variational CLUB: the contrast of joint with product pairs under a trained q(y | x)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import club
from mibench.estimators.variational.densities import Density
from mibench.estimators.variational.evaluation import held_out_pairs
from mibench.estimators.variational.trained_density import TrainedDensity, model_warnings
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator
from mibench.training.networks import Generators


@register_estimator(
    name="vclub",
    family="variational",
    summary="joint minus product log-likelihood of a trained q(y | x), on held-out points; no bound",
    citation="cheng2020club",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class VariationalCLUB(TrainedDensity[Density]):
    r"""I ~ E_{p(x,y)} log q(y | x) - E_{p(x)p(y)} log q(y | x).

    With q = p(y | x) this is `club`, an upper bound; a trained q has it only if KL(p(x,y) || q(y | x) p(x)) <=
    KL(p(x)p(y) || q(y | x) p(x)), which nobody checks: no bound. Where X tells much of Y, log q(y | x) of product
    pairs falls without limit and the value rises far above MI, to rho^2 / (1 - rho^2) for a correlation rho where MI is
    -1/2 log(1 - rho^2), and it is as large as the tails of log q, about which the data say nothing.
    """

    shuffles: int = parameter(100, "product pairs per held-out point", low=1)

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Density:
        """See `Trained.network`."""
        return self.densities(dim_x, dim_y, generators)[0]

    def evaluate(self, network: Density, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        joint, product = held_out_pairs(network, x, y, self.shuffles)
        value = float(club(joint, product))
        return Estimate(
            value,
            diagnostics={"product_pairs": product.shape[1], "log_likelihood": float(joint.mean())},
            warnings=model_warnings(value, x.shape[1]),
        )
