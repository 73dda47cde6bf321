"""The difference of two entropies, each that of a trained density on held-out points."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import barber_agakov
from mibench.estimators.variational.critics import SumCritic
from mibench.estimators.variational.trained_density import TrainedDensity, model_warnings
from mibench.interface import Estimate
from mibench.registry import register_estimator
from mibench.training.networks import Generators


@register_estimator(
    name="doe",
    family="variational",
    summary="difference of held-out cross-entropies of a trained q(y) and a trained q(y | x); no bound",
    citation="""@inproceedings{mcallester2020formal,
      author = {David McAllester and Karl Stratos},
      title = {Formal Limitations on the Measurement of Mutual Information},
      booktitle = {International Conference on Artificial Intelligence and Statistics},
      year = {2020},
      pages = {875--884}
    }""",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class DifferenceOfEntropies(TrainedDensity[SumCritic]):
    r"""I ~ h_q(Y) - h_q(Y | X) with h_q(Y) = -E log q(y) and h_q(Y | X) = -E log q(y | x).

    Each cross-entropy is too large, by KL(p(y) || q(y)) and by E KL(p(y | x) || q(y | x)): their difference is neither
    a lower nor an upper bound, and no ceiling such as log n holds it. Too small where q(y | x) is the harder one to
    learn, too large where the columns of Y are entangled and q(y) misses what q(y | x) need not explain. Both are of
    the same family, start alike (0 before training), and are trained by their likelihoods at once: the learning curves
    show the sum of both mean log-likelihoods.
    """

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> SumCritic:
        """See `Trained.network`: log q(y | x) + log q(y), of which the mean is trained and stops the training."""
        return SumCritic(*self.densities(dim_x, dim_y, generators))

    def evaluate(self, network: SumCritic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        conditional, marginal = (density.pairs(x, y).double() for density in (network.base, network.learned))
        value = float(barber_agakov(conditional, marginal))
        entropies = {"entropy_y": -float(marginal.mean()), "entropy_y_given_x": -float(conditional.mean())}
        return Estimate(value, diagnostics=entropies, warnings=model_warnings(value, x.shape[1]))
