"""Gaussian mixtures of (X, Y): the fit by EM, its mutual information, and what fitting adds to it."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from mibench.interface import Array

# EM ends where a step gains less log-likelihood a point, or after so many steps.
SMALLEST_GAIN, MOST_STEPS = 1e-5, 500
# Added to the variances of white blocks within each component; a variance of less than 10 times this is a collapse.
FLOOR = 1e-9
# Draws of the first round, and the floating-point numbers that a round's draws may take.
FIRST_DRAWS, MOST_NUMBERS = 4096, 20_000_000
ROWS = 4096  # of a block of the score matrix


@dataclass(frozen=True, eq=False)
class Mixture:
    """Weights (k,), means (k, d) and covariances (k, d, d) of (X, Y); the first dim_x of the d columns are X."""

    weights: Array
    means: Array
    covariances: Array
    dim_x: int

    @property
    def parameters(self) -> int:
        """Free numbers in weights, means and covariances."""
        components, dims = self.means.shape
        return parameters(components, dims)

    @functools.cached_property
    def _blocks(self) -> tuple[slice, slice, slice]:
        return slice(None), slice(0, self.dim_x), slice(self.dim_x, None)

    @functools.cached_property
    def _factors(self) -> tuple[Array, ...]:
        """Cholesky factors of the covariances of (X, Y), of X and of Y within each component."""
        return tuple(_cholesky(self.covariances[:, block, block]) for block in self._blocks)

    def log_densities(self, points: Array) -> tuple[Array, ...]:
        """Log densities (k, n) of each component: of (x, y), of x and of y."""
        found = []
        for block, factors in zip(self._blocks, self._factors, strict=True):
            logs = np.empty((len(self.weights), len(points)))
            for k, factor in enumerate(factors):
                white = solve_triangular(factor, (points[:, block] - self.means[k, block]).T, lower=True)
                constant = np.log(np.diag(factor)).sum() + 0.5 * len(factor) * math.log(2 * math.pi)
                logs[k] = -0.5 * (white**2).sum(axis=0) - constant
            found.append(logs)
        return tuple(found)

    def log_likelihood(self, points: Array) -> float:
        """Sum of log p(x, y)."""
        return float(logsumexp(self.log_densities(points)[0], axis=0, b=self.weights[:, None]).sum())

    def log_ratio(self, points: Array) -> Array:
        """Log p(x, y) / (p(x) p(y)) under the mixture, shape (n,)."""
        return self._log_ratio(self.log_densities(points))

    def _log_ratio(self, log_densities: tuple[Array, ...]) -> Array:
        joint, of_x, of_y = (logsumexp(part, axis=0, b=self.weights[:, None]) for part in log_densities)
        return np.asarray(joint - of_x - of_y)

    def mutual_information(self, limit: float, rng: np.random.Generator) -> tuple[float, float]:
        """Mutual information of the mixture and its Monte Carlo standard error, at most `limit` where draws allow it.

        I = sum_k w_k E_k[log p(x, y) / (p(x) p(y))], with draws of each component by itself. What the log-ratio of
        that component alone says of the integrand is taken at its known mean, the component's own mutual information:
        a control variate, which leaves no error at all where components are far apart or there is only one.
        """
        draws, most = FIRST_DRAWS, MOST_NUMBERS // self.means.shape[1]
        value, error = self._monte_carlo(draws, rng)
        while error > limit and draws < most:
            draws = min(math.ceil(1.2 * draws * (error / limit) ** 2), most)
            value, error = self._monte_carlo(draws, rng)
        return value, error

    def _monte_carlo(self, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        value = variance = 0.0
        in_joint, in_x, in_y = (np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1) for factors in self._factors)
        for k, weight in enumerate(self.weights):
            count = max(100, round(weight * draws))
            points = self.means[k] + rng.standard_normal((count, self.means.shape[1])) @ self._factors[0][k].T
            logs = self.log_densities(points)
            ratio, own = self._log_ratio(logs), logs[0][k] - logs[1][k] - logs[2][k]
            spread = own.var()
            slope = np.mean((own - own.mean()) * (ratio - ratio.mean())) / spread if spread > 0 else 0.0
            rest = ratio - slope * (own - (in_x[k] + in_y[k] - in_joint[k]))
            value += weight * rest.mean()
            variance += weight**2 * rest.var(ddof=2) / count
        return float(value), math.sqrt(variance)

    def fitting_bias(self, points: Array) -> float:
        """Excess of the mean log-ratio over the points to which the mixture was fitted, to first order in 1/n.

        Fitting adds p / (2n) to the mean log density of (x, y), p parameters, but only tr(J^-1 J_x) / (2n) to that of
        x: the margin is a by-product of the joint fit. J and J_x are the information matrices, means of s s^T with s
        the gradient in all p parameters of log p(x, y), or of log p(x); here over the points. J - J_x is positive
        semidefinite (the score of x is the mean of that of (x, y) given x), so that no eigenvalue of J^-1 J_x above 1
        is taken for more: few points in a component would make any. One component gives dim_x dim_y / (2n).
        """
        count = self.parameters
        information = np.zeros((3, count, count))
        for start in range(0, len(points), ROWS):
            rows = points[start : start + ROWS]
            for part, (block, logs) in enumerate(zip(self._blocks, self.log_densities(rows), strict=True)):
                scores = self._scores(rows, block, logs)
                information[part] += scores.T @ scores
        joint, of_x, of_y = information
        scale = 1 / np.sqrt(np.diag(joint))
        strength, directions = np.linalg.eigh(joint * np.outer(scale, scale))
        seen = strength > count * np.finfo(float).eps * strength[-1]
        whitener = scale[:, None] * directions[:, seen] / np.sqrt(strength[seen])
        shares = [np.linalg.eigvalsh(whitener.T @ margin @ whitener) for margin in (of_x, of_y)]
        return float(seen.sum() - np.minimum(shares, 1).sum()) / (2 * len(points))

    def _scores(self, points: Array, block: slice, logs: Array) -> Array:
        """Gradient (n, p) of the log density of some columns: in the log-weights, the means and the covariances."""
        weighted = np.log(self.weights)[:, None] + logs
        belongs = np.exp(weighted - logsumexp(weighted, axis=0))
        dims = self.means.shape[1]
        row, column = np.triu_indices(dims)
        parts = [(belongs - self.weights[:, None])[1:].T]
        for k in range(len(self.weights)):
            precision, pull = np.zeros((dims, dims)), np.zeros((len(points), dims))
            precision[block, block] = np.linalg.inv(self.covariances[k, block, block])
            pull[:, block] = (points[:, block] - self.means[k, block]) @ precision[block, block]
            curl = (pull[:, row] * pull[:, column] - precision[row, column]) * np.where(row == column, 0.5, 1.0)
            parts += [belongs[k, :, None] * pull, belongs[k, :, None] * curl]
        return np.hstack(parts)


def _cholesky(matrices: Array) -> Array:
    return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)


def parameters(components: int, dims: int) -> int:
    """Free numbers in weights, means and covariances of so many components."""
    return components - 1 + components * (dims + dims * (dims + 1) // 2)


@dataclass(frozen=True, eq=False)
class Fit:
    """A mixture fitted to n points: its log-likelihood, and how EM ended."""

    mixture: Mixture
    n: int
    log_likelihood: float
    converged: bool
    steps: int

    @property
    def bic(self) -> float:
        """Bayesian information criterion, halved and per point: nats, smaller is better."""
        return (0.5 * self.mixture.parameters * math.log(self.n) - self.log_likelihood) / self.n

    @property
    def collapsed(self) -> bool:
        """Whether a component has lost its width, or holds too few points to have one: its likelihood has no bound."""
        flat = float(np.linalg.eigvalsh(self.mixture.covariances).min()) < 10 * FLOOR
        return flat or bool(self.n * self.mixture.weights.min() <= self.mixture.means.shape[1])


def best_fit(points: Array, dim_x: int, components: int, initialisations: int, rng: np.random.Generator) -> Fit:
    """Maximise the likelihood of white points (n, d) by EM; of several starts the best that has not collapsed."""
    starts = 1 if components == 1 else initialisations
    fits = [_fit(points, dim_x, components, rng) for _ in range(starts)]
    return max(fits, key=lambda fit: (not fit.collapsed, fit.log_likelihood))


def _fit(points: Array, dim_x: int, components: int, rng: np.random.Generator) -> Fit:
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        components,
        tol=SMALLEST_GAIN,
        max_iter=MOST_STEPS,
        reg_covar=FLOOR,
        init_params="k-means++",  # unlike k-means itself the same to the last bit whatever the number of threads
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # see `converged`
        model.fit(points)
    mixture = Mixture(model.weights_, model.means_, model.covariances_, dim_x)
    return Fit(mixture, len(points), mixture.log_likelihood(points), bool(model.converged_), int(model.n_iter_))
