"""Normal mixtures: points, densities, and mutual information after the dimension is reduced exactly.

Reduced law
    log p_k(x, y) of a component is quadratic. Where its slope along a direction of x is the same function of x in all
    components and free of y, that direction is a factor of p(x, y) by itself and tells nothing of y. What is left is
    the projection of x onto the span of the differences between components, a sufficient statistic, and again normal
    in each component. Where all components are then centred at one point with covariances c_k I and X, Y independent
    within each of them, the distance from that point is sufficient.

Quadrature
    Gauss-Legendre panels on each remaining axis, as fine as the finest component that reaches there, and their tensor
    product. Panels of 2 standard deviations with 20 nodes, 7.5 standard deviations to either side: the error is below
    1e-9. Where the product has too many nodes, randomised quasi-Monte Carlo with its standard error takes its place.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln, logsumexp

from mibench.interface import Array, GroundTruth

REACH, PANEL, NODES = 7.5, 2.0, 20
MOST_NODES = 20_000_000  # of the product of both sides' rules: about half a second
MOST_NODES_OF_A_SIDE = MOST_NODES // 100  # no rule has fewer than 100 nodes
REPLICATES, POINTS = 32, 4096  # of the quasi-Monte Carlo rule


@dataclass(frozen=True, eq=False)
class NormalComponents:
    """Weights (k,) of sum 1, means (k, d) and covariances (k, d, d); the first dim_x of the d columns are X."""

    weights: Array
    means: Array
    covariances: Array
    dim_x: int

    @functools.cached_property
    def _factors(self) -> Array:
        return np.asarray(np.linalg.cholesky(self.covariances), dtype=np.float64)

    @functools.cached_property
    def _factors_y(self) -> Array:
        return np.asarray(np.linalg.cholesky(self.covariances[:, self.dim_x :, self.dim_x :]), dtype=np.float64)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw n points: X (n, dim_x) and Y (n, dim_y)."""
        label = rng.choice(len(self.weights), size=n, p=self.weights)
        points = rng.standard_normal((n, self.means.shape[1]))
        for k, factor in enumerate(self._factors):
            rows = label == k
            points[rows] = self.means[k] + points[rows] @ factor.T
        return np.ascontiguousarray(points[:, : self.dim_x]), np.ascontiguousarray(points[:, self.dim_x :])

    def pmi(self, x: Array, y: Array) -> Array:
        """Log p(x, y) - log p(x) - log p(y), shape (n,)."""
        points, of_y = np.hstack([x, y]), np.empty((len(self.weights), len(x)))
        joint, of_x = np.empty_like(of_y), np.empty_like(of_y)
        for k, (mean, factor, factor_y) in enumerate(zip(self.means, self._factors, self._factors_y, strict=True)):
            # The factor of X is a block of the joint one, so that one solution has both norms.
            white = solve_triangular(factor, (points - mean).T, lower=True)
            white_y = solve_triangular(factor_y, (y - mean[self.dim_x :]).T, lower=True)
            scales = np.log(np.diag(factor))
            norm_x = (white[: self.dim_x] ** 2).sum(axis=0)
            of_x[k] = -0.5 * norm_x - scales[: self.dim_x].sum()
            joint[k] = -0.5 * (norm_x + (white[self.dim_x :] ** 2).sum(axis=0)) - scales.sum()
            of_y[k] = -0.5 * (white_y**2).sum(axis=0) - np.log(np.diag(factor_y)).sum()
        columns = self.weights[:, None]
        joint, of_x, of_y = (logsumexp(part, axis=0, b=columns) for part in (joint, of_x, of_y))
        return np.asarray(joint - of_x - of_y)

    def reduced(self) -> NormalComponents:
        """Project X and Y onto sufficient statistics of as few columns as possible; none if they are independent."""
        center, blocks = self.weights @ self.means, (slice(0, self.dim_x), slice(self.dim_x, None))
        within = np.tensordot(self.weights, self.covariances, axes=1)
        whitener = np.zeros_like(within)
        for block in blocks:
            size = len(within[block])
            whitener[block, block] = solve_triangular(
                np.linalg.cholesky(within[block, block]), np.eye(size), lower=True
            )
        white = self._mapped(whitener, center, self.dim_x)
        precisions = _inverse(white.covariances)
        slopes = np.einsum("kij,kj->ki", precisions, white.means)
        bases = []
        for own, other in (blocks, blocks[::-1]):
            curvature = precisions[:, own, own] - precisions[0, own, own]
            parts = [*curvature, *precisions[:, own, other], (slopes - slopes[0])[:, own].T]
            basis, strength, _ = np.linalg.svd(np.hstack(parts), full_matrices=False)
            # Rounding makes up to 1e-12 of the largest difference; below 1e-7 the effect on MI is below 1e-13.
            bases.append(basis[:, strength > min(1e-12 * max(strength[0], precisions.max()), 1e-7)])
        sizes = [basis.shape[1] for basis in bases]
        projection = np.zeros((sum(sizes), len(within)))
        projection[: sizes[0], blocks[0]], projection[sizes[0] :, blocks[1]] = bases[0].T, bases[1].T
        return white._mapped(projection, np.zeros(len(within)), sizes[0])

    def _mapped(self, matrix: Array, origin: Array, dim_x: int) -> NormalComponents:
        """Return the law of matrix @ (point - origin)."""
        return NormalComponents(
            self.weights, (self.means - origin) @ matrix.T, matrix @ self.covariances @ matrix.T, dim_x
        )

    def mutual_information(self) -> GroundTruth:
        """I(X; Y) in nats: a closed form, a quadrature, or Monte Carlo with its standard error."""
        law = self.reduced()
        if law.dim_x in (0, law.means.shape[1]):
            return GroundTruth(0.0)
        if np.ptp(law.means, axis=0).max() <= 1e-12 and np.ptp(law.covariances, axis=0).max() <= 1e-12:
            # One law in all components: white, so that 1 is the scale.
            return GroundTruth(float(law._component_information()[0]))
        sides = _sides(law)
        if sides is None:
            return _monte_carlo(law)
        return GroundTruth(_quadrature(law, *sides), method="quadrature")

    def _component_information(self) -> Array:
        """Mutual information within each component, shape (k,)."""
        margin_x = self.covariances[:, : self.dim_x, : self.dim_x]
        margin_y = self.covariances[:, self.dim_x :, self.dim_x :]
        log_det = [np.linalg.slogdet(part)[1] for part in (margin_x, margin_y, self.covariances)]
        return np.asarray(0.5 * (log_det[0] + log_det[1] - log_det[2]))


def _inverse(matrices: Array) -> Array:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


# ---------------------------------------------------------------------------------------------------------------------
# Quadrature


@dataclass(frozen=True, eq=False)
class _Side:
    """A quadrature rule for one side's statistic, with what each component contributes to the integrand.

    points (m, r), weights (m,), log_margin (m,): log density of the mixture; log_given (k, m): log density of each
    component, given the other side's statistic at its mean where the two are correlated within components.
    """

    points: Array
    weights: Array
    log_margin: Array
    log_given: Array


def _sides(law: NormalComponents) -> tuple[_Side, _Side] | None:
    """Return the rules for both sides, or None where their product would have too many nodes."""
    precisions = _inverse(law.covariances)
    blocks = slice(0, law.dim_x), slice(law.dim_x, None)
    separate = bool(np.abs(precisions[:, blocks[0], blocks[1]]).max() <= 1e-10 * np.abs(precisions).max())
    sides = []
    for block in blocks:
        means, covariances, given = law.means[:, block], law.covariances[:, block, block], precisions[:, block, block]
        squares = np.trace(covariances, axis1=1, axis2=2) / means.shape[1]
        round_ones = (
            np.abs(covariances - squares[:, None, None] * np.eye(means.shape[1])) <= 1e-10 * squares[:, None, None]
        )
        concentric = separate and round_ones.all() and np.ptp(means, axis=0).max() <= 1e-10 * math.sqrt(squares.min())
        if concentric and means.shape[1] > 1:
            sides.append(_radius(law.weights, np.sqrt(squares), means.shape[1]))
        else:
            sides.append(_projection(law.weights, means, covariances, given))
    left, right = sides
    return None if left is None or right is None or len(left.points) * len(right.points) > MOST_NODES else (left, right)


def _radius(weights: Array, scales: Array, dim: int) -> _Side | None:
    """Distance from the common centre: scale times a chi variable, of standard deviation < 1 and curvature <= -1."""
    mode = math.sqrt(dim - 1)
    rule = _axis(np.maximum(mode - REACH, 0) * scales, (mode + REACH) * scales, scales / math.sqrt(2))
    if rule is None:
        return None
    nodes, widths = rule
    ratio = nodes / scales[:, None]
    constant = (1 - dim / 2) * math.log(2) - gammaln(dim / 2)
    log_given = constant + (dim - 1) * np.log(ratio) - 0.5 * ratio**2 - np.log(scales)[:, None]
    return _Side(nodes[:, None], widths, np.asarray(logsumexp(log_given, axis=0, b=weights[:, None])), log_given)


def _projection(weights: Array, means: Array, covariances: Array, given: Array) -> _Side | None:
    """Tensor product over the columns; `given` holds the precisions of this side given the other."""
    reach = REACH * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    finest = 1 / np.sqrt(np.diagonal(given, axis1=1, axis2=2))
    axes = []
    for mean, half, scale in zip(means.T, reach.T, finest.T, strict=True):
        axis = _axis(mean - half, mean + half, scale)
        if axis is None:
            return None
        axes.append(axis)
    if math.prod(len(nodes) for nodes, _ in axes) > MOST_NODES_OF_A_SIDE:
        return None
    points = np.stack([grid.ravel() for grid in np.meshgrid(*(nodes for nodes, _ in axes), indexing="ij")], axis=1)
    widths = functools.reduce(np.multiply.outer, [widths for _, widths in axes]).ravel()
    log_margin = logsumexp(_log_normal(points, means, _inverse(covariances)), axis=0, b=weights[:, None])
    return _Side(points, widths, np.asarray(log_margin), _log_normal(points, means, given))


def _log_normal(points: Array, means: Array, precisions: Array) -> Array:
    """Log normal densities (k, m) at points (m, r)."""
    shift = points - means[:, None]
    constant = 0.5 * (np.linalg.slogdet(precisions)[1] - means.shape[1] * math.log(2 * math.pi))
    return np.asarray(constant[:, None] - 0.5 * ((shift @ precisions) * shift).sum(axis=2))


def _axis(low: Array, high: Array, scale: Array) -> tuple[Array, Array] | None:
    """Nodes and weights on the union of the intervals, each as fine as its scale; None where they are too many."""
    ends, edges = np.unique([low, high]), []
    for start, stop in itertools.pairwise(ends):
        covering = (low <= start) & (stop <= high)
        if covering.any():
            panels = math.ceil((stop - start) / (PANEL * scale[covering].min()))
            if panels * NODES > MOST_NODES_OF_A_SIDE:
                return None
            points = np.linspace(start, stop, panels + 1)
            edges.append(np.stack([points[:-1], points[1:]], axis=1))
    begin, end = np.concatenate(edges).T[:, :, None]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (end - begin) / 2
    return ((begin + end) / 2 + half * nodes).ravel(), (half * weights).ravel()


def _quadrature(law: NormalComponents, left: _Side, right: _Side) -> float:
    """Integrate p log[p / (p_x p_y)] over the product of both rules.

    A component is the product of both sides given the other one at its mean, times exp(-cross - own), where own is the
    mutual information within the component.
    """
    crosses = _inverse(law.covariances)[:, : law.dim_x, law.dim_x :]
    own = law._component_information()
    tiny = np.finfo(float).tiny  # where p underflows there is nothing to integrate
    correlated = own > 1e-10
    scaled_left = law.weights[:, None] * np.exp(left.log_given)
    given_right = np.exp(right.log_given)
    total, rows = 0.0, max(1, 500_000 // len(right.points))
    for start in range(0, len(left.points), rows):
        part = slice(start, start + rows)
        density = scaled_left[~correlated, part].T @ given_right[~correlated]
        for k in np.flatnonzero(correlated):
            shift_x = left.points[part] - law.means[k, : law.dim_x]
            shift_y = right.points - law.means[k, law.dim_x :]
            exponent = left.log_given[k, part, None] + right.log_given[k] - (shift_x @ crosses[k]) @ shift_y.T
            density += law.weights[k] * np.exp(exponent - own[k])
        ratio = np.log(np.maximum(density, tiny)) - left.log_margin[part, None] - right.log_margin
        total += float(left.weights[part] @ (density * ratio) @ right.weights)
    return total


# ---------------------------------------------------------------------------------------------------------------------
# Monte Carlo


def _monte_carlo(law: NormalComponents) -> GroundTruth:
    """Mean pointwise MI by scrambled Sobol points, each component by itself; the seed is fixed: a law has one truth."""
    from scipy.stats import qmc  # slow to import, and seldom needed

    dim = law.means.shape[1]
    each = 2 ** max(5, int(math.log2(POINTS / len(law.weights))))  # Sobol points come in powers of 2
    rng = np.random.default_rng(0)
    means = np.zeros(REPLICATES)
    for replicate in range(REPLICATES):
        uniform = qmc.Sobol(dim, seed=rng)
        white = qmc.MultivariateNormalQMC(np.zeros(dim), engine=uniform).random(each)
        for weight, mean, factor in zip(law.weights, law.means, law._factors, strict=True):
            points = mean + white @ factor.T
            means[replicate] += weight * law.pmi(points[:, : law.dim_x], points[:, law.dim_x :]).mean()
    error = float(means.std(ddof=1)) / math.sqrt(REPLICATES)
    return GroundTruth(float(means.mean()), standard_error=error, method="monte carlo")
