"""The Jensen-Shannon critic of Deep InfoMax, plugged into the NWJ bound."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import jensen_shannon, nwj
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.registry import register_estimator


@register_estimator(
    name="jsd",
    family="variational",
    summary="NWJ lower bound of a critic trained by Jensen-Shannon divergence, on held-out points",
    citation="""@inproceedings{hjelm2019learning,
      author = {R Devon Hjelm and Alex Fedorov and Samuel Lavoie-Marchildon and Karan Grewal and Phil Bachman
                and Adam Trischler and Yoshua Bengio},
      title = {Learning deep representations by mutual information estimation and maximization},
      booktitle = {International Conference on Learning Representations},
      year = {2019}
    }""",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class JSD(TrainedOnPairs):
    r"""I >= 1 + E_{p(x,y)} f - E_{p(x)p(y)} exp f, with f trained as log-odds of joint against product pairs.

    What is climbed, and what stops the training, is log 2 + 1/2 E_{p(x,y)} log s(f) + 1/2 E_{p(x)p(y)} log s(-f) with
    s(t) = 1 / (1 + exp(-t)): a lower bound on the Jensen-Shannon divergence of joint and product, largest at
    f = pointwise MI. Its gradients are bounded, so training is steady at any MI. It is at most log 2 and no estimate of
    MI; the training curves show it.

    What is reported is the NWJ bound at f, on held-out points: a lower bound in expectation whichever way f was
    trained. Where pairs are told apart almost without error, errors of f that hardly change the divergence make exp f
    far too large somewhere, and the value low or even far below 0. `smile` plugs the same critic into
    Donsker-Varadhan, clipped or, at tau=inf, as it is.
    """

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return nwj(joint, product)

    def gain(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.gain`."""
        return jensen_shannon(joint, product)
