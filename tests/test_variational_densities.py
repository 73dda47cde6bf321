"""Estimators from conditional densities: the densities, the bounds at the true one, what is trained and claimed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from mibench.estimators.variational import l1out
from mibench.estimators.variational.bounds import barber_agakov, club, leave_one_out
from mibench.estimators.variational.critics import Critic, SumCritic
from mibench.estimators.variational.densities import Density, GaussianMixture, make_density
from mibench.estimators.variational.given import GivenConditional
from mibench.estimators.variational.trained_density import label_indicators
from mibench.interface import Array, Context, Estimate, InputError, JointDistribution, Sample, Shape, kinds_of
from mibench.registry import full_spec, make_distribution, make_estimator
from mibench.training.networks import select

RHO = 0.8
MI = -0.5 * math.log(1 - RHO**2)
SMALL: dict[str, Any] = {"hidden": 16, "max_steps": 60, "validate_every": 20}


def correlated(n: int, rho: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def estimate(spec: str, x: Array, y: Array, *, y_labels: bool = False, seed: int = 0, **parameters: Any) -> Estimate:
    shape = Shape(len(x), kinds_of(x.shape[1]), kinds_of(y.shape[1], discrete=y_labels))
    context = Context(np.random.default_rng(seed), shape=shape)
    return make_estimator(spec, **parameters).estimate(x, y, context)


def mean_and_error(values: Any) -> tuple[float, float]:
    values = np.asarray(values)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


# ---------------------------------------------------------------------------------------------------------------------
# Densities


def densities(dim_x: int, dim_y: int, *, labels: bool = False, replicas: int = 2) -> tuple[Density, Density]:
    """Two densities, in float64, with weights that are nowhere zero."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(replicas)]
    both = make_density(dim_x, dim_y, generators, labels=labels, components=3, hidden=5, layers=1)
    rng = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for density in both:
            density.double()
            for values in density.parameters():
                values.add_(torch.randn(values.shape, generator=rng, dtype=torch.float64), alpha=0.5)
    return both


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_mixture_is_the_one_written_down() -> None:
    """Each component of y is normal with mean L^-1 m and covariance L^-1 D L^-T, of any pairs."""
    conditional, _ = densities(2, 3)
    assert isinstance(conditional, GaussianMixture)
    x, y = normal(2, 4, 2), normal(2, 5, 3, seed=1)
    with torch.no_grad():
        scores, parameters = conditional.all_pairs(x, y).numpy(), conditional.parameters_at(x).numpy()
    for replica, i, j in itertools.product(range(2), range(4), range(5)):
        inverse = np.linalg.inv(np.eye(3) + np.tril(conditional.below[replica].detach().numpy(), -1))
        components = parameters[replica, i].reshape(3, 7)
        scales = np.exp(6 * np.tanh(components[:, 4:] / 6))
        logs = [
            multivariate_normal(inverse @ row[1:4], inverse @ np.diag(scale**2) @ inverse.T).logpdf(y[replica, j])
            for row, scale in zip(components, scales, strict=True)
        ]
        expected = logsumexp(log_softmax(components[:, 0]) + logs)
        assert scores[replica, i, j] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("place", [0, 1])
def test_mixtures_integrate_to_one(place: int) -> None:
    density = densities(2, 2)[place]
    line = torch.linspace(-40, 40, 1601, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)[None]
    with torch.no_grad():
        mass = select(density, [0]).all_pairs(normal(1, 1, 2), grid).exp().sum() * (80 / 1600) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-6)


def test_label_probabilities() -> None:
    for density in densities(2, 4, labels=True):
        x, labels = normal(2, 3, 2), torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
        with torch.no_grad():
            scores, logits = density.all_pairs(x, labels), density.parameters_at(x).detach()
        assert torch.allclose(scores.exp().sum(-1), torch.ones(2, 3, dtype=torch.float64))
        assert scores.numpy() == pytest.approx(log_softmax(logits.numpy(), -1))


@pytest.mark.parametrize("labels", [False, True])
def test_a_density_is_a_stacked_critic(labels: bool) -> None:
    """Shifted and matched pairs are entries of all pairs; a replica alone gives what it gives in the stack."""
    for density in densities(2, 3, labels=labels):
        x, y = normal(2, 6, 2), normal(2, 6, 3, seed=1)
        with torch.no_grad():
            every, rows = density.all_pairs(x, y), torch.arange(6)
            shifted = density.shifted(x, y, (0, 2))
            assert torch.allclose(density.pairs(x, y), every.diagonal(dim1=1, dim2=2))
            assert torch.allclose(shifted[:, 1], every[:, rows, (rows + 2) % 6])
            assert torch.allclose(select(density, [1]).all_pairs(x[1:], y[1:])[0], every[1])


@pytest.mark.parametrize("labels", [False, True])
def test_untrained_conditional_is_the_untrained_marginal(labels: bool) -> None:
    generators = [torch.Generator().manual_seed(0)]
    conditional, marginal = make_density(2, 3, generators, labels=labels, components=4, hidden=5, layers=2)
    x, y = normal(1, 7, 2).float(), normal(1, 7, 3).float()
    assert torch.equal(conditional.pairs(x, y), marginal.pairs(x, y))


@pytest.mark.parametrize("components", [2, 3])
def test_an_untrained_mixture_has_components_of_equal_weight_and_scale_at_different_means(components: int) -> None:
    made = make_density(
        1, 2, [torch.Generator().manual_seed(0)], labels=False, components=components, hidden=4, layers=1
    )
    for density in made:
        logits, means, log_scales = density.start.detach().view(components, 5).tensor_split((1, 3), 1)
        assert not logits.any()
        assert not log_scales.any()
        assert len({float(mean) for mean in means.flatten()}) == 2 * components


def test_scales_are_bounded() -> None:
    """Neither a vanishing nor an enormous scale makes a value or a gradient that is not finite, in float32."""
    density = make_density(1, 1, [torch.Generator().manual_seed(0)], labels=False, components=2, hidden=4, layers=1)[0]
    y = torch.tensor([[[-1e4], [0.0], [1e4]]])
    for raw in (-1e6, -50.0, 50.0, 1e6):
        with torch.no_grad():
            density.start[..., 2::3] = raw
        scores = density.pairs(torch.zeros(1, 3, 1), y)
        gradients = torch.autograd.grad(scores.sum(), list(density.parameters()))
        assert scores.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in gradients)


# ---------------------------------------------------------------------------------------------------------------------
# The bounds where p(y | x) is known


def gaussian_scores(x: Array, y: Array, rho: float) -> Array:
    return np.asarray(norm.logpdf(y, rho * x, math.sqrt(1 - rho**2)))


def test_barber_agakov_falls_short_by_the_divergence() -> None:
    """With p(y | x) MI; with another correlation less KL(p || q); with too wide a q(y) more KL(p(y) || q(y))."""
    x, y = (block[:, 0] for block in correlated(400_000, RHO, 0))
    other = 0.5
    variance = 1 - other**2
    divergence = 0.5 * math.log(variance / (1 - RHO**2)) + (1 - RHO**2 + (RHO - other) ** 2) / (2 * variance) - 0.5
    too_wide = math.log(2) + 1 / 8 - 0.5
    for conditional, scale, expected in (
        (RHO, 1.0, MI),
        (other, 1.0, MI - divergence),
        (RHO, 2.0, MI + too_wide),
    ):
        terms = gaussian_scores(x, y, conditional), norm.logpdf(y, 0, scale)
        value = float(barber_agakov(*map(torch.from_numpy, terms)))
        _, error = mean_and_error(terms[0] - terms[1])
        assert abs(value - expected) < 4 * error
        assert error < 0.005


def test_club_at_the_true_conditional() -> None:
    """rho^2 / (1 - rho^2), by E (y - rho x)^2 = 1 + rho^2 of product pairs: far above MI."""
    values = []
    for seed in range(50):
        x, y = (block[:, 0] for block in correlated(4000, RHO, seed))
        scores = gaussian_scores(x, y, RHO), gaussian_scores(x, np.roll(y, 1), RHO)
        values.append(float(club(*map(torch.from_numpy, scores))))
    mean, error = mean_and_error(values)
    assert abs(mean - RHO**2 / (1 - RHO**2)) < 4 * error
    assert error < 0.02


def leave_one_out_values(k: int, rho: float, repeats: int) -> Array:
    x, y = (block.reshape(repeats, k) for block in correlated(k * repeats, RHO, k))
    return leave_one_out(torch.from_numpy(gaussian_scores(x[:, :, None], y[:, None, :], rho))).numpy()


def test_leave_one_out_at_the_true_conditional() -> None:
    """Above MI at every K, MI for many, CLUB for two."""
    means = {}
    for k, repeats in ((2, 20_000), (10, 4000), (500, 60)):
        means[k], error = mean_and_error(leave_one_out_values(k, RHO, repeats))
        assert means[k] > MI - 3 * error
        expected = {2: RHO**2 / (1 - RHO**2), 500: MI}.get(k)
        assert expected is None or abs(means[k] - expected) < 4 * error + (k == 500) * 0.005
    assert means[2] > means[10] > means[500]


class TrueDensity(Critic):
    """log p(y | x) of the bivariate normal, or log p(y)."""

    def __init__(self, rho: float) -> None:
        super().__init__()
        self.rho = rho

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.from_numpy(gaussian_scores(x.numpy(), y.mT.numpy(), self.rho))

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        moved = np.stack([y[..., 0].roll(-shift, 1).numpy() for shift in shifts], 1)
        return torch.from_numpy(gaussian_scores(x[..., 0].numpy()[:, None], moved, self.rho))


@pytest.mark.parametrize(
    ("name", "expected", "slack"),
    [("ba", MI, 0.0), ("doe", MI, 0.0), ("l1out", MI, 0.01), ("vclub", RHO**2 / (1 - RHO**2), 0.0)],
)
def test_held_out_value_of_the_true_conditional(name: str, expected: float, slack: float) -> None:
    estimator: Any = make_estimator(name)
    density = TrueDensity(RHO)
    network = SumCritic(density, TrueDensity(0.0)) if name == "doe" else density
    values, told = [], []
    for seed in range(20):
        x, y = (torch.from_numpy(block)[None] for block in correlated(1000, RHO, seed))
        found = estimator.evaluate(network, x, y)
        values.append(found.value)
        told.append(found.diagnostics)
    mean, error = mean_and_error(values)
    assert abs(mean - expected) < 4 * error + slack
    assert error < 0.03
    # In nats; with n = 20,000 the mean of -log p has the standard error 1 / sqrt(2 n) = 0.005.
    entropy, tolerance = 0.5 * math.log(2 * math.pi * math.e), 4 / math.sqrt(40_000)
    for key, exact in (
        ("entropy_y", entropy),
        ("entropy_y_given_x", entropy - MI),
        ("log_likelihood", MI - entropy),
    ):
        if key in told[0]:
            assert np.mean([one[key] for one in told]) == pytest.approx(exact, abs=tolerance)


def test_what_training_climbs_is_the_mean_log_likelihood() -> None:
    x, y = (torch.from_numpy(block)[None] for block in correlated(50, RHO, 0))
    estimator: Any = make_estimator("vclub")
    gain, value = estimator.objective(TrueDensity(RHO), x, y)
    expected = [float(TrueDensity(RHO).pairs(x, y).mean())]
    assert gain.tolist() == value.tolist() == pytest.approx(expected)
    assert estimator.validate(TrueDensity(RHO), x, y).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("at_once", [1, 100, 2**24])
def test_leave_one_out_in_groups_is_the_mean_over_points(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """61 points in groups of 21, 20 and 20, whose columns are scored in blocks."""
    monkeypatch.setattr(l1out, "NUMBERS_AT_ONCE", at_once)
    estimator: Any = make_estimator("l1out[negatives=25]")
    x, y = correlated(61, RHO, 0)
    found = estimator.evaluate(TrueDensity(RHO), *(torch.from_numpy(block)[None] for block in (x, y)))
    scores = gaussian_scores(x, y.T, RHO)
    gains = []
    for group in np.array_split(np.arange(61), 3):
        for j in group:
            others = [i for i in group if i != j]
            gains.append(scores[j, j] - logsumexp(scores[others, j]) + math.log(len(others)))
    assert found.value == pytest.approx(np.mean(gains), abs=1e-12)
    assert found.diagnostics["negatives"] == 20


def test_values_that_only_the_model_carries_are_pointed_out() -> None:
    """A q(y | x) far narrower than the data show says more than log n."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((1, 50, 1)))
    y = x + 0.01 * torch.from_numpy(rng.standard_normal((1, 50, 1)))
    sharp = TrueDensity(math.sqrt(1 - 1e-4))
    for name in ("ba", "doe", "vclub"):
        estimator: Any = make_estimator(name)
        network = SumCritic(sharp, TrueDensity(0.0)) if name == "doe" else sharp
        (warning,) = estimator.evaluate(network, x, y).warnings
        assert "above log 50 = 3.91 nats: it stands on the model" in warning


def test_leave_one_out_of_another_conditional_is_no_bound() -> None:
    mean, error = mean_and_error(leave_one_out_values(200, 0.4, 100))
    assert mean < MI - 5 * error


def test_leave_one_out_of_two_is_club() -> None:
    scores = normal(3, 2, 2)
    joint, product = scores.diagonal(dim1=1, dim2=2), scores.flip(2).diagonal(dim1=1, dim2=2)
    assert torch.allclose(leave_one_out(scores), club(joint, product))


def test_leave_one_out_by_hand() -> None:
    scores = normal(5, 5).numpy()
    gains = [scores[j, j] - math.log(np.mean([math.exp(scores[i, j]) for i in range(5) if i != j])) for j in range(5)]
    assert float(leave_one_out(torch.from_numpy(scores))) == pytest.approx(np.mean(gains))


def test_functions_of_y_alone_change_nothing() -> None:
    scores, of_y = normal(4, 6, 6), normal(4, 1, 6, seed=1)
    assert torch.allclose(leave_one_out(scores), leave_one_out(scores + of_y))
    assert torch.allclose(leave_one_out(of_y.expand(4, 6, 6)), torch.zeros(4, dtype=torch.float64), atol=1e-12)
    assert torch.equal(club(torch.full((4, 5), 0.25), torch.full((4, 9), 0.25)), torch.zeros(4))


def test_gradients() -> None:
    pairs = [normal(2, 4, seed=seed).requires_grad_() for seed in range(2)]
    assert torch.autograd.gradcheck(barber_agakov, pairs)
    assert torch.autograd.gradcheck(club, pairs)
    assert torch.autograd.gradcheck(leave_one_out, normal(2, 4, 4).requires_grad_())


# ---------------------------------------------------------------------------------------------------------------------
# A conditional that is given


GIVEN = f"gaussian-sparse[dim_x=1,dim_y=1,pairs=1,rho={RHO}]"


def test_a_given_conditional_is_a_critic() -> None:
    """Row i, column j is the pointwise MI of x_i and y_j, and shifted pairs are entries of it."""
    given = make_distribution(GIVEN)
    x, y = normal(1, 5, 1), normal(1, 5, 1, seed=1)
    critic, rows = GivenConditional(given), torch.arange(5)
    every = critic.all_pairs(x, y)
    for i, j in itertools.product(range(5), repeat=2):
        assert every[0, i, j].item() == given.pmi(x[0, i : i + 1].numpy(), y[0, j : j + 1].numpy())
    assert torch.equal(critic.shifted(x, y, (0, 2))[:, 1], every[:, rows, (rows + 2) % 5])


@pytest.mark.parametrize(
    ("spec", "expected", "slack"),
    [
        (f"club[given={GIVEN}]", RHO**2 / (1 - RHO**2), 0.0),
        (f"l1out[given={GIVEN}]", MI, 0.005),
        (f"l1out[given={GIVEN},negatives=3]", None, 0.0),
    ],
)
def test_given_conditional(spec: str, expected: float | None, slack: float) -> None:
    given = make_distribution(GIVEN)
    estimates = []
    for seed in range(20):
        sample = given.sample(1000, np.random.default_rng(seed))
        estimates.append(estimate(spec, sample.x, sample.y, seed=seed))
    mean, error = mean_and_error([one.value for one in estimates])
    assert mean > MI - 3 * error
    assert expected is None or abs(mean - expected) < 4 * error + slack
    assert {one.bound for one in estimates} == {make_estimator(spec).bound} == {"upper"}


def test_any_distribution_of_x_will_do() -> None:
    """Only p(y | x) has to be right: X of twice the scale, of which the given pointwise MI knows nothing."""
    values, truth = [], 0.5 * math.log1p(4 * RHO**2 / (1 - RHO**2))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = 2 * rng.standard_normal((1000, 1))
        y = RHO * x + math.sqrt(1 - RHO**2) * rng.standard_normal((1000, 1))
        values.append(estimate(f"l1out[given={GIVEN}]", x, y, seed=seed).value)
    mean, error = mean_and_error(values)
    assert abs(mean - truth) < 4 * error + 0.01


@dataclass(frozen=True)
class Shift(JointDistribution):
    """X uniform on 0, 1 and Y = X + U with U uniform on (0, 1), or without a known density."""

    known: bool = True
    dim_x = 1
    dim_y = 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x = rng.integers(2, size=(n, 1)).astype(float)
        return Sample(x, x + rng.random((n, 1)))

    def pmi(self, x: Array, y: Array) -> Array | None:
        inside = np.floor(y) == x
        return np.where(inside, math.log(2), -np.inf)[:, 0] if self.known else None

    def ground_truth(self, quantity: str = "mi") -> None:
        return None


def test_pairs_without_density() -> None:
    """CLUB is infinite and says so; leave-one-out is log 2."""
    sample = Shift().sample(400, np.random.default_rng(0))
    loose = estimate("club", sample.x, sample.y, given=Shift())
    assert loose.value == math.inf
    assert "probability 0" in loose.warnings[0]
    assert estimate("l1out", sample.x, sample.y, given=Shift()).value == pytest.approx(math.log(2), abs=0.01)
    for name in ("club", "l1out"):
        with pytest.raises(InputError, match="no known density"):
            estimate(name, sample.x, sample.y, given=Shift(known=False))


def test_unsuitable_data_are_declined() -> None:
    one, two, label = kinds_of(1), kinds_of(2), kinds_of(1, discrete=True)
    for name in ("club", "l1out"):
        estimator = make_estimator(f"{name}[given={GIVEN}]")
        assert estimator.unsupported(Shape(100, one, one)) is None
        assert "1 x 1 columns" in str(estimator.unsupported(Shape(100, two, one)))
        assert "labels" in str(estimator.unsupported(Shape(100, one, label)))
    assert "given" in str(make_estimator("club").unsupported(Shape(100, one, one)))
    assert make_estimator("l1out").bound == "none"
    for name in ("ba", "doe", "vclub", "l1out"):
        assert "both" in str(make_estimator(name).unsupported(Shape(100, one, ("discrete", "continuous"))))
    assert "doe" in str(make_estimator("ba").unsupported(Shape(100, one, two)))
    assert make_estimator("ba").unsupported(Shape(100, two, ("discrete", "discrete"))) is None


@pytest.mark.parametrize("spec", ["club", "l1out", f"club[given={GIVEN}]", f"l1out[given={GIVEN}]"])
def test_specifications_come_back(spec: str) -> None:
    estimator = make_estimator(spec)
    assert make_estimator(full_spec(estimator)) == estimator


# ---------------------------------------------------------------------------------------------------------------------
# A conditional that is trained


@pytest.mark.parametrize("y_labels", [False, True])
@pytest.mark.parametrize("name", ["doe", "vclub", "l1out"])
def test_untrained_densities_carry_nothing(name: str, y_labels: bool) -> None:
    x, y = correlated(200, RHO, 0)
    y = np.round(y) if y_labels else y
    assert estimate(name, x, y, y_labels=y_labels, learning_rate=0.0, max_steps=1).value == pytest.approx(0, abs=1e-6)


def test_label_indicators() -> None:
    """Rows are one label; values that training did not show share the last indicator."""
    block = np.array([[0, 1], [0, 1], [2, 2], [0, 2], [2, 2], [0, 1]], dtype=float)
    expected = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert label_indicators(block, np.array([0, 1, 2])).tolist() == expected
    many = label_indicators(np.arange(100.0)[:, None], np.arange(80))
    assert many.sum(0).tolist() == [1] * 64 + [36]


def test_kinds_may_mix_in_a_batch() -> None:
    """Three labels and three numbers have codes of one shape; each sample is estimated as it is alone."""
    rng = np.random.default_rng(0)
    x, numbers = rng.standard_normal((200, 2)), rng.standard_normal((200, 3))
    labels = np.arange(200)[:, None] % 2 + (x[:, :1] > 0)
    estimator = make_estimator("doe", **SMALL)

    def contexts() -> list[Context]:
        kinds = kinds_of(1, discrete=True), kinds_of(3), kinds_of(1, discrete=True)
        shapes = [Shape(200, kinds_of(2), of_y) for of_y in kinds]
        return [Context(np.random.default_rng(i), shape=shape) for i, shape in enumerate(shapes)]

    ys = [labels.astype(float), numbers, labels[::-1].astype(float)]
    together = dict(estimator.estimate_batch([x] * 3, ys, contexts()))
    for sample, context in enumerate(contexts()):
        alone = estimator.estimate(x, ys[sample], context)
        assert together[sample].value == pytest.approx(alone.value, abs=1e-4)


def test_repeated_numbers_are_warned_about() -> None:
    x, y = correlated(200, RHO, 0)
    assert any("repeat" in warning for warning in estimate("doe", x, np.round(y), **SMALL).warnings)
    assert not any("repeat" in warning for warning in estimate("doe", x, y, **SMALL).warnings)


def test_trained_densities_find_gaussian_dependence() -> None:
    """4000 points: 800 held-out pairs have a standard error of rho / sqrt(800) = 0.03, CLUB's terms a larger one."""
    x, y = correlated(4000, RHO, 1)
    few: dict[str, Any] = {"components": 4, "hidden": 32, "max_steps": 800}
    for name in ("ba", "doe", "l1out"):
        assert estimate(name, x, y, **few).value == pytest.approx(MI, abs=0.09)
    assert estimate("vclub", x, y, **few).value == pytest.approx(RHO**2 / (1 - RHO**2), abs=0.5)


def test_correlated_columns_need_no_mixture() -> None:
    """Y = X + noise whose columns are correlated: one component is exact, by its triangular map."""
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    x = rng.standard_normal((4000, 2))
    y = x + rng.multivariate_normal(np.zeros(2), covariance, size=4000)
    truth = 0.5 * float(np.linalg.slogdet(np.eye(2) + covariance)[1] - np.linalg.slogdet(covariance)[1])
    found = estimate("doe", x, y, components=1, margins="standard", hidden=32)
    assert found.value == pytest.approx(truth, abs=0.1)
    assert found.value == pytest.approx(
        found.diagnostics["entropy_y"] - found.diagnostics["entropy_y_given_x"], abs=1e-9
    )


def noisy_labels(n: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """X normal, Y = 1 with probability sigmoid(3 x); MI by quadrature on a grid."""
    line = np.linspace(-9, 9, 20001)
    p, weights = 1 / (1 + np.exp(-3 * line)), norm.pdf(line) * (line[1] - line[0])
    p = np.clip(p, 1e-300, 1 - 1e-16)
    truth = math.log(2) + float((weights * (p * np.log(p) + (1 - p) * np.log1p(-p))).sum())
    x = rng.standard_normal((n, 1))
    return x, (rng.random((n, 1)) < 1 / (1 + np.exp(-3 * x))).astype(float), truth


def test_labels() -> None:
    """One column of labels, and the same label in two columns, which is one variable."""
    x, y, truth = noisy_labels(4000, np.random.default_rng(0))
    few: dict[str, Any] = {"hidden": 32, "max_steps": 400}
    for name in ("ba", "doe", "l1out"):
        assert estimate(name, x, y, y_labels=True, **few).value == pytest.approx(truth, abs=0.06)
    once, twice = (estimate("ba", x, block, y_labels=True, **few).value for block in (y, np.hstack([y, 3 * y])))
    assert once == pytest.approx(twice, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("y_labels", [False, True])
def test_barber_agakov_is_below_zero_under_independence(y_labels: bool) -> None:
    """At 200 points, where training overfits: the mean over many samples is at most 3 standard errors above 0."""
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((200, 2)) for _ in range(60)]
    ys = [rng.integers(6, size=(200, 1)).astype(float) if y_labels else rng.standard_normal((200, 1)) for _ in xs]
    shape = Shape(200, kinds_of(2), kinds_of(1, discrete=y_labels))
    contexts = [Context(np.random.default_rng(seed), shape=shape) for seed in range(60)]
    estimates = make_estimator("ba", max_steps=300).estimate_batch(xs, ys, contexts)
    mean, error = mean_and_error([one.value for _, one in estimates])
    assert mean < 3 * error


@pytest.mark.slow
def test_barber_agakov_stays_below_a_strong_dependence() -> None:
    """Correlation 0.99: MI 1.96; held-out values over ten samples of 2000 points are below it, and near."""
    truth = -0.5 * math.log(1 - 0.99**2)
    pairs = [correlated(2000, 0.99, seed) for seed in range(10)]
    contexts = [Context(np.random.default_rng(seed)) for seed in range(10)]
    estimator = make_estimator("ba", components=4, hidden=32)
    estimates = estimator.estimate_batch([x for x, _ in pairs], [y for _, y in pairs], contexts)
    mean, error = mean_and_error([one.value for _, one in estimates])
    assert truth - 0.25 < mean < truth + 3 * error
