"""Compress, then estimate: the mutual information of low-dimensional codes of X and Y."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from mibench.estimators.wrappers.over_inner import OverInner
from mibench.estimators.wrappers.pca import principal_components
from mibench.interface import Array, Context, Estimate, EstimatorFacts, InputError, Shape, parameter
from mibench.registry import register_estimator

LITTLE_VARIANCE = 0.5
AUTOENCODER_VERSION = "2"  # of the estimator with this encoder; with principal components it is the decorator's


@register_estimator(
    name="compressed",
    family="wrappers",
    summary="MI of low-dimensional codes of X and Y, by any inner estimator: a lower bound by data processing",
    citation="butakov2024information",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
    devices=("cpu", "cuda"),
    example="compressed[dim=1]",
)
@dataclass(frozen=True)
class Compressed(OverInner):
    r"""I >= I(f(X); g(Y)) by data processing, for encoders f and g: the right side is estimated, in nats.

    A block of more than `dim` columns is encoded by `dim` numbers, a smaller one stays as it is. What is estimated is a
    lower bound; whether the estimate is one in expectation depends on the inner estimator, and `bound` says so.

    An encoder is fitted to all points of one block without seeing the other: whatever it overfits in X has nothing to
    do with Y, and independent X and Y keep independent codes. It keeps what varies, not what depends. Five principal
    components at 64 x 64 find 1.73 of 1.74 nats where all columns share a factor (`gaussian-dense`, n = 10,000), and
    0.00 of 1.02 where two pairs of columns among others like them depend (`gaussian-sparse`).

    Nothing is lost where encoders are injective, as they can be on images of `dim` latents. On the five tasks of 16 by
    16 pixels in the suite `images` (n = 5000) KSG finds 81 to 105% of what it finds in the latents from
    principal components, and 93 to 110% from an autoencoder's codes; 77 to 109% in the pixels themselves, for 20 to 40
    times the time that it takes with principal components. `kl` needs codes with a density: it finds 32 to 94% in an
    autoencoder's codes, 42 to 77% or less than 0 in principal components, which lie on a curved surface, and fails
    where a code has more numbers than there are latents.
    """

    encoder: Literal["pca", "autoencoder"] = parameter(
        "pca", "scores on the axes of largest variance, not rescaled; or a trained network's code"
    )
    dim: int = parameter(5, "numbers in a code", low=1)
    hidden: int = parameter(128, "width of the two hidden layers on each side of the code (autoencoder)", low=1)
    max_steps: int = parameter(2000, "training steps at most, of each encoder (autoencoder)", low=1)

    def __post_init__(self) -> None:
        """Data processing is a theorem about mutual information."""
        super().__post_init__()
        if self.inner.quantity != "mi":
            raise InputError(
                f"{self.label()}: {self.inner.label()} estimates {self.inner.quantity}, which encoding may "
                "raise; give an inner estimator of mi"
            )

    def own_facts(self) -> EstimatorFacts:
        """Only lower bounds on the codes' MI are bounds on that of X and Y."""
        facts, inner = super().own_facts(), self.inner.facts
        facts = dataclasses.replace(facts, bound="lower" if self.inner.bound == "lower" else "none")
        if self.encoder == "pca":
            return dataclasses.replace(facts, symmetric=inner.symmetric, deterministic=inner.deterministic)
        return dataclasses.replace(
            facts,
            version=AUTOENCODER_VERSION,
            symmetric=False,
            deterministic=False,
            invariances=(),
            trains=True,
            devices=("cpu", "cuda"),
        )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        shape, kept = context.shape_of(x, y), dict[str, float]()
        if x.shape[1] > self.dim:
            x, kept["x"] = self.encode(x, context)
        if y.shape[1] > self.dim:
            y, kept["y"] = self.encode(y, context)
        shape = dataclasses.replace(shape, x=shape.x[: x.shape[1]], y=shape.y[: y.shape[1]])
        device = context.device if context.device in self.inner.facts.devices else "cpu"
        estimate = self.inner.estimate(x, y, dataclasses.replace(context, device=device, shape=shape))
        diagnostics: dict[str, Any] = {"code_dims": [x.shape[1], y.shape[1]]}
        diagnostics |= {f"variance_kept_{name}": share for name, share in kept.items()}
        diagnostics |= {"bound_by": "data processing"} if kept else {}
        warnings = [
            f"the code of {name} keeps {share:.0%} of its variance: a dependence in the rest is lost"
            for name, share in kept.items()
            if share < LITTLE_VARIANCE
        ]
        return dataclasses.replace(
            estimate,
            bound=self.bound,
            diagnostics=estimate.diagnostics | diagnostics,
            warnings=(*warnings, *estimate.warnings),
        )

    def encode(self, block: Array, context: Context) -> tuple[Array, float]:
        """Codes (n, at most `dim`) of a block (n, columns), and the share of its variance that they explain."""
        if self.encoder == "pca":
            return principal_components(block, self.dim)
        # Here, as it loads torch.
        from mibench.estimators.wrappers.autoencoder import autoencoder_codes

        return autoencoder_codes(block, self.dim, self.hidden, self.max_steps, context)

    def unsupported(self, shape: Shape) -> str | None:
        """Labels are not encoded; the inner estimator takes codes of `dim` columns."""
        for kinds in (shape.x, shape.y):
            dim = len(kinds)
            if dim > self.dim and "discrete" in kinds:
                return f"{dim} columns with labels among them are not encoded; dim = {dim} would take them as they are"
        codes = dataclasses.replace(shape, x=shape.x[: self.dim], y=shape.y[: self.dim])
        return super().unsupported(shape) or self.inner.unsupported(codes)
