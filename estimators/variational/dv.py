"""The Donsker-Varadhan bound of a critic that climbs it directly."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import donsker_varadhan
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.registry import register_estimator


@register_estimator(
    name="dv",
    family="variational",
    summary="Donsker-Varadhan lower bound of a critic trained with each batch's own gradient, on held-out points",
    citation="""@article{donsker1983asymptotic,
      author = {Monroe D. Donsker and S. R. Srinivasa Varadhan},
      title = {Asymptotic Evaluation of Certain {Markov} Process Expectations for Large Time. {IV}},
      journal = {Communications on Pure and Applied Mathematics},
      year = {1983},
      volume = {36},
      pages = {183--212}
    }""",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class DonskerVaradhan(TrainedOnPairs):
    r"""I >= E_{p(x,y)} f - log E_{p(x)p(y)} exp f, tight at f = pointwise MI plus a constant.

    `mine` reports the same bound; they differ in the training. Here each batch climbs its own value, whose gradient
    E f' - mean(f' exp f) / mean(exp f) divides by the mean of that batch. A ratio of means is not the mean of ratios:
    a batch in which a large exp f is missing pushes too hard, and on average the gradient is not that of the bound.
    `mine` divides by a moving average of the batches' means.

    A lower bound for the true expectations. On m held-out points the mean of exp f is itself estimated, and since
    E log(mean) <= log E(mean), the reported value is biased upward, by about Var(mean) / (2 E(mean)^2); a warning says
    when few terms carry the mean. With the best critic Var(exp f) is at least exp(I) - 1: it takes m > exp(I).
    """

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return donsker_varadhan(joint, product)
