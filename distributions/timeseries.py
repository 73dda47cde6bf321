"""Pairs of time series: blocks of two jointly normal stationary processes, from short to long memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_lyapunov, toeplitz

from mibench.distributions.gaussian import WithCovariance
from mibench.interface import Array, InputError, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="ar",
    family="timeseries",
    summary="successive values of two autoregressive processes with correlated innovations",
    formula="I = 1/2 log(det S_x det S_y / det S) with Toeplitz blocks; -1/2 log(1 - c^2) - (T-1)/2 log(1 - rho^2) for"
    " equal lengths T, c the correlation of X_t and Y_t",
    citation="gelfand1959calculation",
)
@dataclass(frozen=True)
class Autoregressive(WithCovariance):
    r"""X = (X_1, ..., X_dim_x), X_t = phi_x X_{t-1} + E_t, unit variances; Y likewise with F_t, Cor(E_t, F_t) = rho.

    Both processes are stationary, other innovations independent, so that for k >= 0

    Cor(X_{t+k}, X_t) = phi_x^k,   Cor(X_{t+k}, Y_t) = c phi_x^k,   Cor(X_t, Y_{t+k}) = c phi_y^k,
    c = rho sqrt((1 - phi_x^2)(1 - phi_y^2)) / (1 - phi_x phi_y).

    At rho = 0 each series is strongly dependent in itself and independent of the other.
    """

    dim_x: int = parameter(5, "length of the block X", low=1)
    dim_y: int = parameter(5, "length of the block Y, which starts at the same time", low=1)
    phi_x: float = parameter(0.9, "autoregression of X", low=-0.9999, high=0.9999)
    phi_y: float = parameter(0.7, "autoregression of Y", low=-0.9999, high=0.9999)
    rho: float = parameter(0.6, "correlation of the innovations", low=-0.9999, high=0.9999)

    @property
    def matrix(self) -> Array:
        """See `WithCovariance.matrix`."""
        s, t = np.arange(self.dim_x), np.arange(self.dim_y)
        lag = s[:, None] - t
        residual = (1 - self.phi_x**2) * (1 - self.phi_y**2)
        now = self.rho * math.sqrt(residual) / (1 - self.phi_x * self.phi_y)
        cross = now * np.where(lag >= 0, self.phi_x ** np.abs(lag), self.phi_y ** np.abs(lag))
        return np.block([[toeplitz(self.phi_x**s), cross], [cross.T, toeplitz(self.phi_y**t)]])


@register_distribution(
    name="var",
    family="timeseries",
    summary="successive values of a vector autoregression, its first channels against the others",
    formula="I = 1/2 log(det S_x det S_y / det S) with blocks A^|k| G of the autocovariance, G = A G A' + noise",
    citation="gelfand1959calculation",
)
@dataclass(frozen=True)
class VectorAutoregressive(WithCovariance):
    r"""Z_t = A Z_{t-1} + E_t with E_t normal, stationary: X holds the first channels of Z_1, ..., Z_T, Y the others.

    Cov(Z_{t+k}, Z_t) = A^k G for k >= 0, with the solution G of G = A G A' + Cov(E_t). Columns are ordered by time,
    then by channel: dim_x = channels_x T. By default Y follows X with a delay of one step, X knows nothing of Y.
    """

    coefficients: tuple[tuple[float, ...], ...] = parameter(
        ((0.8, 0.0), (0.5, 0.6)), "matrix A: rows in brackets, or a .npy, .csv or .txt file"
    )
    noise: tuple[tuple[float, ...], ...] | None = parameter(
        None, "covariance of E_t, likewise; none means independent channels of variance 1"
    )
    channels_x: int = parameter(1, "channels that belong to X", low=1)
    length: int = parameter(8, "length T of the blocks", low=1, high=1024)

    def __post_init__(self) -> None:
        """Check the shapes, and that the process is stationary."""
        super().__post_init__()
        channels, label = len(self.coefficients), self.label()
        for name, rows in (("coefficients", self.coefficients), ("noise", self.noise or self.coefficients)):
            if len(rows) != channels or {len(row) for row in rows} != {channels} or not np.isfinite(rows).all():
                raise InputError(f"{label}: {name} is no finite square matrix with one row for each channel")
        if not self.channels_x < channels:
            raise InputError(f"{label}: channels_x = {self.channels_x} leaves no Y; give 1 to {channels - 1}")
        radius = float(np.abs(np.linalg.eigvals(np.array(self.coefficients))).max())
        if radius >= 1:
            raise InputError(f"{label}: coefficients have an eigenvalue of size {radius:.4g}; stationary needs below 1")
        innovations = self._innovations
        if not np.array_equal(innovations, innovations.T) or np.linalg.eigvalsh(innovations)[0] <= 0:
            raise InputError(f"{label}: noise is not symmetric positive definite; give a covariance matrix")

    @property
    def dim_x(self) -> int:
        """Channels of X times the length."""
        return self.channels_x * self.length

    @property
    def dim_y(self) -> int:
        """Channels of Y times the length."""
        return (len(self.coefficients) - self.channels_x) * self.length

    @property
    def _innovations(self) -> Array:
        return np.eye(len(self.coefficients)) if self.noise is None else np.array(self.noise)

    @property
    def matrix(self) -> Array:
        """See `WithCovariance.matrix`."""
        a, channels, times = np.array(self.coefficients), len(self.coefficients), np.arange(self.length)
        lagged = [solve_discrete_lyapunov(a, self._innovations)]
        for _ in times[1:]:
            lagged.append(a @ lagged[-1])
        lag = times[:, None] - times
        blocks = np.array(lagged)[np.abs(lag)]  # (T, T, channels, channels)
        blocks = np.where((lag >= 0)[:, :, None, None], blocks, blocks.swapaxes(2, 3))
        whole = blocks.swapaxes(1, 2).reshape(channels * self.length, channels * self.length)
        order = np.arange(len(whole)).reshape(self.length, channels)
        columns = np.concatenate([order[:, : self.channels_x].ravel(), order[:, self.channels_x :].ravel()])
        return np.asarray(whole[np.ix_(columns, columns)])


@register_distribution(
    name="fractional-noise",
    family="timeseries",
    summary="two noisy views of a signal with long memory (fractional Gaussian noise)",
    formula="I = 1/2 log(det S_x det S_y / det S) with Toeplitz blocks; over the eigenvalues g of the signal's"
    " covariance I = -1/2 sum log(1 - (s g / (s g + 1 - s))^2) for equal lengths",
    citation="""@article{mandelbrot1968fractional,
      author = {Benoit B. Mandelbrot and John W. Van Ness},
      title = {Fractional Brownian Motions, Fractional Noises and Applications},
      journal = {SIAM Review},
      volume = {10},
      number = {4},
      pages = {422--437},
      year = {1968}
    }""",
)
@dataclass(frozen=True)
class FractionalNoise(WithCovariance):
    r"""X_t = sqrt(s) Z_t + sqrt(1-s) E_t and Y_t = sqrt(s) Z_t + sqrt(1-s) F_t; E, F white, Z fractional noise.

    Cov(Z_{t+k}, Z_t) = (|k+1|^{2H} - 2 |k|^{2H} + |k-1|^{2H}) / 2 falls off as k^{2H-2}, not summable for H > 1/2: the
    whole past matters. At H = 1/2 the signal is white.
    """

    dim_x: int = parameter(5, "length of the block X", low=1)
    dim_y: int = parameter(5, "length of the block Y, which starts at the same time", low=1)
    hurst: float = parameter(0.9, "Hurst exponent H", low=0.01, high=0.99)
    signal: float = parameter(0.7, "share s of the variance that is signal", low=0, high=0.9999)

    @property
    def matrix(self) -> Array:
        """See `WithCovariance.matrix`."""
        k, power = np.arange(max(self.dim_x, self.dim_y)), 2 * self.hurst
        gamma = (np.abs(k + 1) ** power - 2.0 * k**power + np.abs(k - 1.0) ** power) / 2
        common = self.signal * toeplitz(gamma)
        views = [common[: self.dim_x, : self.dim_x], common[: self.dim_y, : self.dim_y]]
        cross = common[: self.dim_x, : self.dim_y]
        x, y = (view + (1 - self.signal) * np.eye(len(view)) for view in views)
        return np.block([[x, cross], [cross.T, y]])
