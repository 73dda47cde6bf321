"""Images: pixels from their formulas, latents read back from the pixels, MI of the latents."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import least_squares

from mibench.distributions.images import Rendered
from mibench.interface import Array, InputError
from mibench.registry import make_distribution
from mibench.tasks import make_task

NAMES = ["bump-images", "rectangle-images", "texture-images"]
LATENTS = np.array([[0.3, -1.2, 2.0, -0.4, 0.7], [-2.5, 0.1, -0.8, 1.1, -3.0]])


def images(name: str, size: int, base: str = "gaussian-sparse") -> Rendered:
    law = make_distribution(f"{name}[base={base},size={size}]")
    assert isinstance(law, Rendered)
    return law


def logistic(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def pixel(name: str, v: list[float], s: float, t: float) -> float:
    """The pixel at column coordinate s and row coordinate t, from the bounded latents: the formula of the docstring."""
    if name == "bump-images":
        w, h = 0.4 * math.exp(v[2] / 2), 0.4 * math.exp(v[3] / 2)
        exponent = v[4] / 2 - (s - v[0] / 2) ** 2 / (2 * w**2) - (t - v[1] / 2) ** 2 / (2 * h**2)
        return math.exp(exponent)
    sides = [(s, v[0] / 3, 0.4 * math.exp(v[2] / 2)), (t, v[1] / 3, 0.4 * math.exp(v[3] / 2))]
    across, down = (logistic(16 * (at - c + w)) - logistic(16 * (at - c - w)) for at, c, w in sides)
    return math.exp(v[4] / 2) * across * down


@pytest.mark.parametrize("name", ["bump-images", "rectangle-images"])
def test_pixels_have_their_formula(name: str) -> None:
    size = 9
    law = images(name, size)
    found = law.forward(LATENTS, "x").reshape(2, size, size)
    coordinates = [(2 * i + 1) / size - 1 for i in range(size)]
    for u, picture in zip(LATENTS, found, strict=True):
        bounded = [float(value) / math.sqrt(4 + value**2) for value in u]
        for i, j in itertools.product(range(size), repeat=2):
            assert picture[i, j] == pytest.approx(pixel(name, bounded, coordinates[j], coordinates[i]), rel=1e-11)


def test_a_texture_is_sixteen_waves() -> None:
    """The logarithm has 16 pairs of Fourier coefficients, of strength 0.4 / |f| at latent 0, and a shifted phase."""
    size = 12
    law = images("texture-images", size)
    plain, shifted = np.log(law.forward(np.array([[0.0], [2.0]]), "x")).reshape(2, size, size)
    spectrum, changed = (np.fft.fft2(field) / size**2 for field in (plain, shifted))
    waves = np.argwhere(np.abs(spectrum) > 1e-10)
    assert len(waves) == 32
    for row, column in waves:
        frequency = math.hypot(min(row, size - row), min(column, size - column))
        assert abs(spectrum[row, column]) == pytest.approx(0.2 / frequency)
    ratio = changed[tuple(waves.T)] / spectrum[tuple(waves.T)]
    moved = np.abs(ratio - 1) > 1e-10
    assert moved.sum() == 2  # one wave, and its mirror image
    np.testing.assert_allclose(np.abs(np.angle(ratio[moved])), 2 * 2 / math.sqrt(8), rtol=1e-10)


@pytest.mark.parametrize("size", [8, 16, 17, 32])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "base", ["gaussian-sparse[dim_x=1,dim_y=3]", "gaussian-sparse", "student[dof=3,dim_x=5,dim_y=4]"]
)
def test_latents_are_read_from_the_image(name: str, size: int, base: str) -> None:
    """Injective in float64: 20,000 pairs come back, relative to their size where tails are heavy."""
    law = images(name, size, base)
    points = law.base.sample(20_000, np.random.default_rng(1))
    for side, latents in (("x", points.x), ("y", points.y)):
        pictures = law.forward(latents, side)  # type: ignore[arg-type]  # a loop over words is a loop over text
        assert (pictures > 0).all()
        back = law.inverse(pictures, side)  # type: ignore[arg-type]
        # v is exact to rounding; near +-1 the map from v to u stretches by (1 + u^2 / 4)^(3/2)
        assert (np.abs(back - latents) / (1 + latents**2 / 4) ** 1.5).max() < 1e-9
        inside = np.abs(latents) < 10
        np.testing.assert_allclose(back[inside], latents[inside], atol=1e-6)


def test_all_latents_of_a_texture() -> None:
    law = images("texture-images", 16, "gaussian-dense[dim_x=32,dim_y=20]")
    points = law.base.sample(5000, np.random.default_rng(2))
    np.testing.assert_allclose(law.inverse(law.forward(points.x, "x"), "x"), points.x, atol=1e-9)
    np.testing.assert_allclose(law.inverse(law.forward(points.y, "y"), "y"), points.y, atol=1e-9)


@pytest.mark.parametrize("name", ["bump-images", "rectangle-images"])
def test_a_blind_fit_finds_the_same_latents(name: str) -> None:
    """Least squares over all pixels from scratch, which knows nothing of the inverse."""
    law = images(name, 16)
    truth = LATENTS[:1]
    picture = law.forward(truth, "x")

    def residual(latents: Array) -> Array:
        return np.asarray((law.forward(latents[None], "x") - picture)[0])

    fitted = least_squares(residual, np.zeros(5), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    np.testing.assert_allclose(fitted.x, truth[0], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_rendering_is_not_linear(name: str) -> None:
    """Three latents fill many more than three directions of pixel space, and each moves the image by itself."""
    law = images(name, 16, "gaussian-sparse[dim_x=3,dim_y=3]")
    pictures = law.sample(2000, np.random.default_rng(3)).x
    shares = np.linalg.svd(pictures - pictures.mean(axis=0), compute_uv=False) ** 2
    assert (shares > 1e-3 * shares.sum()).sum() > 5
    step = 1e-5
    slopes = [(law.forward(step * e[None], "x") - law.forward(-step * e[None], "x"))[0] / (2 * step) for e in np.eye(3)]
    assert np.linalg.cond(np.array(slopes).T) < 100


@pytest.mark.parametrize("name", NAMES)
def test_mi_is_that_of_the_latents(name: str) -> None:
    """`--mi` reaches them; pointwise MI of the images is the latents'."""
    law = make_task(f"{name}[base=gaussian-sparse]", mi=4.0).distribution
    found = law.ground_truth()
    assert found is not None
    assert found.value == pytest.approx(4, abs=1e-12)
    sample = law.sample(500, np.random.default_rng(4))
    rolled = np.roll(sample.y, 1, axis=0)
    assert isinstance(law, Rendered)
    latents = law.base.sample(500, np.random.default_rng(4))
    expected = law.base.pmi(latents.x, np.roll(latents.y, 1, axis=0))
    np.testing.assert_allclose(np.asarray(law.pmi(sample.x, rolled)), np.asarray(expected), rtol=1e-6, atol=1e-8)


def test_wrong_bases_and_sizes() -> None:
    """Too many latents; `--dim` has no say over pixels."""
    with pytest.raises(InputError, match="at most 5 columns"):
        make_distribution("bump-images[base=gaussian-sparse[dim_x=6]]")
    with pytest.raises(InputError, match="at most 32 columns"):
        make_distribution("texture-images[base=gaussian-sparse[dim_y=33]]")
    with pytest.raises(InputError, match="fixed size"):
        make_task("bump-images[base=gaussian-sparse]", 4, 4)
