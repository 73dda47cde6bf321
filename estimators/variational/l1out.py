"""The leave-one-out bound: the other points' p(y | x) stand in for the density of Y."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mibench.estimators.variational.bounds import leave_one_out
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.densities import Density
from mibench.estimators.variational.evaluation import NUMBERS_AT_ONCE, group_count
from mibench.estimators.variational.given import GivenConditional, mismatch, support_warnings
from mibench.estimators.variational.trained_density import TrainedDensity, model_warnings
from mibench.interface import Array, Bound, Context, Estimate, JointDistribution, Shape, parameter
from mibench.registry import register_estimator
from mibench.training.networks import Generators


@register_estimator(
    name="l1out",
    family="variational",
    summary="leave-one-out contrast of a trained q(y | x), no bound; with a given p(y | x) an upper bound",
    citation="poole2019variational",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class LeaveOneOut(TrainedDensity[Density]):
    r"""I ~ E[ log q(y_i | x_i) - log 1/(K-1) sum_{j != i} q(y_i | x_j) ] over K pairs.

    With the true p(y | x) an upper bound in expectation at every K, as the mixture of K - 1 densities falls short of
    p(y) on average: by little where K is far above exp(MI), by the whole of `club` at K = 2. A trained q(y | x), the
    default, makes both terms too small, and the value is no bound; it is evaluated on held-out points. With `given`, a
    distribution with a known density as in `club`, nothing is trained and all points are used.
    """

    given: JointDistribution | None = parameter(None, "distribution that has the p(y | x) of the data; none: train one")
    negatives: int = parameter(1000, "pairs K that are evaluated with each other at most", low=3, high=4000)

    @property
    def bound(self) -> Bound:
        """Which bound the estimate is: only the true p(y | x) makes one."""
        return "none" if self.given is None else "upper"

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Density:
        """See `Trained.network`."""
        return self.densities(dim_x, dim_y, generators)[0]

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        value, pairs = self._leave_one_out(network, x, y)
        return Estimate(value, diagnostics={"negatives": pairs}, warnings=model_warnings(value, x.shape[1]))

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        """See `Estimator.estimate_batch`."""
        if self.given is None:
            yield from super().estimate_batch(xs, ys, contexts)
            return
        for sample, context in enumerate(contexts):
            order = context.rng.permutation(len(xs[sample]))
            x, y = (torch.from_numpy(block[order])[None] for block in (xs[sample], ys[sample]))
            value, pairs = self._leave_one_out(GivenConditional(self.given), x, y)
            diagnostics = {"negatives": pairs}
            yield sample, Estimate(value, bound="upper", diagnostics=diagnostics, warnings=support_warnings(value))

    def unsupported(self, shape: Shape) -> str | None:
        """Data have to be such as `given` makes them."""
        reason = super().unsupported(shape)
        if reason is None and self.given is not None:
            reason = mismatch(self.given, shape)
        return reason

    def _leave_one_out(self, critic: Critic, x: Tensor, y: Tensor) -> tuple[float, int]:
        """The bound, averaged over groups of at most `negatives` pairs, and the size of the smallest."""
        n = x.shape[1]
        groups = group_count(n, self.negatives)
        total = 0.0
        for x_group, y_group in zip(x.tensor_split(groups, 1), y.tensor_split(groups, 1), strict=True):
            columns = max(NUMBERS_AT_ONCE // (x_group.shape[1] * critic.numbers_per_pair), 1)
            blocks = [critic.all_pairs(x_group, block).double() for block in torch.split(y_group, columns, 1)]
            total += x_group.shape[1] * float(leave_one_out(torch.cat(blocks, 2)))
        return total / n, n // groups
