"""SMILE: Donsker-Varadhan with a clipped density ratio."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import donsker_varadhan, jensen_shannon, smile
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.evaluation import effective_pairs, held_out_pairs, pair_warnings
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="smile",
    family="variational",
    summary="Donsker-Varadhan with clipped density ratio, of a critic trained by Jensen-Shannon; no bound",
    citation="""@inproceedings{song2020understanding,
      author = {Jiaming Song and Stefano Ermon},
      title = {Understanding the Limitations of Variational Mutual Information Estimators},
      booktitle = {International Conference on Learning Representations},
      year = {2020}
    }""",
    version="2",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class SMILE(TrainedOnPairs):
    r"""I ~ E_{p(x,y)} f - log E_{p(x)p(y)} clip(exp f, exp(-tau), exp(tau)), with f trained as in `jsd`.

    The clipping keeps the variance of the mean small, and costs the bound: with the pointwise MI as critic the value
    tends to MI - log E clip(...), not to MI. It is above MI where clipping at exp(tau) takes away more of E exp f = 1
    than the other end adds (ten correlated pairs of normal variables, MI 5, tau 5: by 0.43). A critic that is too
    large on joint pairs is not held back either. So the value is no bound, whatever the number of points. With tau=inf
    nothing is clipped: Donsker-Varadhan.

    The diagnostic `clipping_effect` is what the clipping added to the value on the held-out points.
    """

    tau: float = parameter(5.0, "exp f is clipped to exp(-tau) ... exp(tau); inf: not at all", low=0.0)

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return smile(joint, product, self.tau)

    def gain(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.gain`."""
        return jensen_shannon(joint, product)

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`; it is the clipped ratios whose mean must not be carried by few."""
        joint, product = held_out_pairs(network, x, y, self.shuffles)
        value, clipped = float(self.value(joint, product)), product.clamp(-self.tau, self.tau)
        diagnostics = {
            "product_pairs": product.shape[1],
            "effective_product_pairs": effective_pairs(clipped),
            "clipping_effect": value - float(donsker_varadhan(joint, product)),
        }
        return Estimate(value, diagnostics=diagnostics, warnings=pair_warnings(value, clipped, x.shape[1]))
