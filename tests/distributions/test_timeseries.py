"""Time series: closed forms, simulated recursions, and sums over the past."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from laws import truth

from mibench.distributions.gaussian import WithCovariance
from mibench.interface import Array, InputError
from mibench.registry import make_distribution

A = ((0.5, 0.2, 0.0), (-0.3, 0.6, 0.1), (0.2, 0.0, -0.4))
Q = ((1.0, 0.3, 0.1), (0.3, 2.0, -0.2), (0.1, -0.2, 0.5))


def law_of(spec: str, **parameters: object) -> WithCovariance:
    law = make_distribution(spec, **parameters)
    assert isinstance(law, WithCovariance)
    return law


def past(coefficients: Array, noise: Array, length: int) -> Array:
    """Covariance of Z_1, ..., Z_length, ordered by time, as a sum over 3000 innovations: Z_t = sum_k A^k E_{t-k}."""
    powers = [np.eye(len(noise))]
    for _ in range(3000):
        powers.append(coefficients @ powers[-1])
    stacked = np.array(powers)
    lagged = [np.einsum("kab,bc,kdc->ad", stacked[k:], noise, stacked[: len(stacked) - k]) for k in range(length)]
    return np.block([[lagged[s - t] if s >= t else lagged[t - s].T for t in range(length)] for s in range(length)])


@pytest.mark.parametrize("length", [1, 2, 7, 64, 256])
@pytest.mark.parametrize(
    ("phi_x", "phi_y", "rho"), [(0.9, 0.7, 0.6), (0.5, -0.8, -0.9), (0.99, 0.99, 0.3), (0.9, 0.2, 0)]
)
def test_ar_is_first_values_and_then_innovations(length: int, phi_x: float, phi_y: float, rho: float) -> None:
    """The blocks are equivalent to the first values and the later innovations: pairs that are independent."""
    first = rho * math.sqrt((1 - phi_x**2) * (1 - phi_y**2)) / (1 - phi_x * phi_y)
    expected = -0.5 * math.log1p(-(first**2)) - (length - 1) / 2 * math.log1p(-(rho**2))
    spec = f"ar[dim_x={length},dim_y={length},phi_x={phi_x},phi_y={phi_y},rho={rho}]"
    assert truth(spec) == pytest.approx(expected, abs=1e-9)


def test_ar_of_unequal_lengths() -> None:
    """The matrix is that of the sum over the past; MI grows with the common length."""
    phi_x, phi_y, rho = 0.8, -0.5, 0.7
    deviations = np.sqrt([1 - phi_x**2, 1 - phi_y**2])
    noise = np.array([[1, rho], [rho, 1]]) * np.outer(deviations, deviations)
    whole = past(np.diag([phi_x, phi_y]), noise, 6)
    columns = [0, 2, 4, *(1, 3, 5, 7, 9, 11)]  # three values of X, six of Y
    law = law_of(f"ar[dim_x=3,dim_y=6,phi_x={phi_x},phi_y={phi_y},rho={rho}]")
    np.testing.assert_allclose(law.matrix, whole[np.ix_(columns, columns)], atol=1e-12)
    # What Y does after the end of X is new, given Y until then: no more is told.
    values = [truth(f"ar[dim_x=4,dim_y={n}]") for n in range(1, 9)]
    assert all(after > before + 0.01 for before, after in itertools.pairwise(values[:4]))
    np.testing.assert_allclose(values[4:], values[3], atol=1e-12)


@pytest.mark.parametrize(("channels_x", "length"), [(1, 1), (1, 5), (2, 4)])
def test_var_is_the_sum_over_the_past(channels_x: int, length: int) -> None:
    """Covariance of the blocks, sorted by side, from moving averages."""
    law = law_of("var", coefficients=A, noise=Q, channels_x=channels_x, length=length)
    of_x = [channel < channels_x for _ in range(length) for channel in range(3)]
    columns = [*np.flatnonzero(of_x), *np.flatnonzero(~np.array(of_x))]
    expected = past(np.array(A), np.array(Q), length)[np.ix_(columns, columns)]
    np.testing.assert_allclose(law.matrix, expected, atol=1e-12)
    assert (law.dim_x, law.dim_y) == (channels_x * length, (3 - channels_x) * length)


def test_var_samples_obey_the_recursion() -> None:
    """Z_t - A Z_{t-1} is white with the covariance of the noise, and uncorrelated with the past."""
    sample = make_distribution("var", coefficients=A, noise=Q, channels_x=2, length=4).sample(
        100_000, np.random.default_rng(0)
    )
    z = np.concatenate([sample.x.reshape(-1, 4, 2), sample.y.reshape(-1, 4, 1)], axis=2)
    innovations = z[:, 3] - z[:, 2] @ np.array(A).T
    variances = np.diag(np.array(Q))
    error = np.sqrt(2 * np.outer(variances, variances) / len(z))
    assert (np.abs(innovations.T @ innovations / len(z) - np.array(Q)) / error).max() < 4
    for lag in (0, 1, 2):
        assert np.abs(np.corrcoef(innovations, z[:, lag], rowvar=False)[:3, 3:]).max() < 4.5 / math.sqrt(len(z))


def test_var_without_coupling_is_two_ar() -> None:
    """Diagonal coefficients: the scale of a channel is no information."""
    found = truth("var[coefficients=((0.8,0),(0,0.3)),noise=((2,0.9),(0.9,0.5)),length=20]")
    assert found == pytest.approx(truth("ar[dim_x=20,dim_y=20,phi_x=0.8,phi_y=0.3,rho=0.9]"), abs=1e-10)


@pytest.mark.parametrize("length", [1, 5, 256])
@pytest.mark.parametrize(("hurst", "signal"), [(0.5, 0.6), (0.9, 0.7), (0.99, 0.99), (0.2, 0.3), (0.7, 0)])
def test_fractional_noise_by_eigenvalues(length: int, hurst: float, signal: float) -> None:
    """Both views share the eigenvectors of the signal; its partial sum has the variance length^(2 H)."""
    law = law_of(f"fractional-noise[dim_x={length},dim_y={length},hurst={hurst},signal={signal}]")
    cross = law.matrix[:length, length:]
    assert cross.sum() == pytest.approx(signal * length ** (2 * hurst), rel=1e-10)
    g = np.linalg.eigvalsh(cross)  # of the signal's share
    expected = -0.5 * float(np.log1p(-((g / (g + 1 - signal)) ** 2)).sum())
    found = law.ground_truth()
    assert found is not None
    assert found.value == pytest.approx(expected, abs=1e-9, rel=1e-10)
    if hurst == 0.5:
        assert found.value == pytest.approx(-length / 2 * math.log1p(-(signal**2)), abs=1e-9)


def test_long_memory_is_not_summable() -> None:
    """Correlations fall as H (2H - 1) k^(2H - 2), from which an autoregression's are far."""
    gamma = law_of("fractional-noise[dim_x=400,dim_y=1,hurst=0.8,signal=0.9999]").matrix[0, :400] / 0.9999
    assert gamma[399] == pytest.approx(0.8 * 0.6 * 399**-0.4, rel=1e-4)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("var[coefficients=((1,0),(0,0.5))]", "eigenvalue of size 1;"),
        ("var[coefficients=((0.5,0),(0,0.5,1))]", "no finite square matrix"),
        ("var[noise=((1,0,0),(0,1,0),(0,0,1))]", "noise is no finite square matrix"),
        ("var[noise=((1,2),(2,1))]", "positive definite"),
        ("var[noise=((1,0.2),(0.1,1))]", "positive definite"),
        ("var[channels_x=2]", "leaves no Y"),
        ("var[length=0]", "out of range"),
        ("ar[phi_x=1]", "out of range"),
        ("fractional-noise[hurst=1]", "out of range"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_distribution(spec)
