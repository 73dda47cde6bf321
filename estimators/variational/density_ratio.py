"""The density ratio by a classifier: how much more likely a pair is joint than shuffled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import donsker_varadhan, jensen_shannon, nwj
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.evaluation import effective_pairs, held_out_pairs
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator

CALIBRATED = math.log(1.25)  # |log E_product exp f| that is let pass


@register_estimator(
    name="density-ratio",
    family="variational",
    summary="mean log-odds of a classifier of joint against product pairs (DEMI), on held-out points",
    citation="""@article{liao2020demi,
      author = {Ruizhi Liao and Daniel Moyer and Polina Golland and William M. Wells},
      title = {{DEMI}: Discriminative Estimator of Mutual Information},
      journal = {arXiv:2010.01766},
      year = {2020}
    }""",
    version="2",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
    aliases=("demi",),
)
@dataclass(frozen=True)
class DensityRatio(TrainedOnPairs):
    r"""I ~ E_{p(x,y)} f, with f the log-odds that a classifier gives a pair of being joint rather than product.

    Logistic regression on as many product as joint pairs climbs log 2 + 1/2 E_{p(x,y)} log s(f)
    + 1/2 E_{p(x)p(y)} log s(-f), s(t) = 1 / (1 + exp(-t)), which is largest at f = pointwise MI; the training curves
    and the stopping use it. It is at most log 2, and says little about how large f should be where pairs are told
    apart with ease: high MI comes out too low.

    No bound: E f = I - E log(p(x,y) / (p(x) p(y) exp f)), which an f that is too large on joint pairs puts above I. The
    ratio of a calibrated classifier has E_{p(x)p(y)} exp f = 1. `log_mean_ratio`, the logarithm of that mean over the
    held-out product pairs, is what the Donsker-Varadhan bound of the same f takes off (`donsker_varadhan`); `nwj` is
    the third reading. A warning names a mean ratio that is far from 1.
    """

    learning_rate: float = parameter(1e-3, "step size of AdamW; larger ones overstate the odds", low=0.0)

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return joint.mean(-1)

    def gain(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.gain`."""
        return jensen_shannon(joint, product)

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        joint, product = held_out_pairs(network, x, y, self.shuffles)
        value, lower = float(self.value(joint, product)), float(donsker_varadhan(joint, product))
        log_mean = value - lower
        diagnostics = {
            "product_pairs": product.shape[1],
            "effective_product_pairs": effective_pairs(product),
            "log_mean_ratio": log_mean,
            "donsker_varadhan": lower,
            "nwj": float(nwj(joint, product)),
        }
        warnings = (
            f"the ratio's mean over product pairs is {math.exp(log_mean):.2g}, of a calibrated classifier it is 1: "
            f"the Donsker-Varadhan bound of the same classifier is {lower:.3f}",
        )
        return Estimate(value, diagnostics=diagnostics, warnings=warnings if abs(log_mean) > CALIBRATED else ())
