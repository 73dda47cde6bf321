"""Losses: minus the bounds, with their gradients, and encoders that they train."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import mibench
from mibench import losses
from mibench.estimators.variational import bounds
from mibench.interface import InputError

Loss = Callable[[Tensor], Tensor]
ON_ALL_PAIRS: dict[str, tuple[Loss, Loss]] = {
    "infonce": (losses.infonce, bounds.infonce),
    "tuba": (
        lambda scores: losses.tuba(scores, scores.mean(-1)),
        lambda scores: bounds.tuba(scores, scores.mean(-1)),
    ),
    "interpolated": (
        lambda scores: losses.interpolated(scores, scores.mean(-1), 0.3),
        lambda scores: bounds.interpolated(scores, scores.mean(-1), 0.3),
    ),
    "flo": (
        lambda scores: losses.flo(scores, scores.mean(-1)),
        lambda scores: bounds.flo(scores, scores.mean(-1)),
    ),
    "dv": (
        lambda scores: losses.dv(*losses.pairs_of(scores)),
        lambda scores: bounds.donsker_varadhan(*bounds.pairs_of(scores)),
    ),
    "nwj": (
        lambda scores: losses.nwj(*losses.pairs_of(scores)),
        lambda scores: bounds.nwj(*bounds.pairs_of(scores)),
    ),
    "jsd": (
        lambda scores: losses.jsd(*losses.pairs_of(scores)),
        lambda scores: bounds.jensen_shannon(*bounds.pairs_of(scores)),
    ),
    "smile": (
        lambda scores: losses.smile(*losses.pairs_of(scores), tau=0.5),
        lambda scores: bounds.smile(*bounds.pairs_of(scores), tau=0.5),
    ),
}


def scores_of(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape)).requires_grad_()


@pytest.mark.parametrize("name", ON_ALL_PAIRS)
def test_a_loss_is_minus_its_bound(name: str) -> None:
    loss, bound = ON_ALL_PAIRS[name]
    assert torch.allclose(loss(scores_of(2, 5, 5)), -bound(scores_of(2, 5, 5)), atol=1e-14)
    assert loss(scores_of(5, 5)).shape == ()
    scores = scores_of(2, 3, 5, 5)
    assert torch.allclose(loss(scores)[1, 2], loss(scores[1, 2]), atol=1e-14)


def test_the_ends_of_a_range_are_in_it() -> None:
    scores = scores_of(4, 4)
    for alpha in (0.0, 1.0):
        expected = -bounds.interpolated(scores, scores[0], alpha)
        assert torch.equal(losses.interpolated(scores, scores[0], alpha), expected)
    # All product pairs count 1 at tau = 0: minus E_joint f.
    assert float(losses.smile(scores[0], scores[1], tau=0.0).detach()) == pytest.approx(
        -float(scores[0].detach().mean())
    )


@pytest.mark.parametrize("name", [name for name in ON_ALL_PAIRS if name != "smile"])
def test_gradients(name: str) -> None:
    assert torch.autograd.gradcheck(ON_ALL_PAIRS[name][0], (scores_of(2, 4, 4),))


@pytest.mark.parametrize(
    "loss", [losses.club, losses.l1out, lambda scores: losses.ba(scores.diagonal(dim1=-2, dim2=-1), scores[..., 0])]
)
def test_gradients_from_log_densities(loss: Loss) -> None:
    assert torch.autograd.gradcheck(loss, (scores_of(2, 4, 4),))
    assert loss(scores_of(4, 4)).shape == ()


def test_smile_has_the_gradient_of_jsd_and_is_steady_where_its_own_is_not() -> None:
    for scale in (1.0, 30.0):
        joint, product = (scale * scores_of(4)).detach().requires_grad_(), scores_of(3, 2).detach()[:, 0] * scale
        expected = torch.autograd.grad(losses.jsd(joint, product), joint)
        found = torch.autograd.grad(losses.smile(joint, product), joint)
        assert torch.equal(found[0], expected[0])
        assert found[0].abs().sum() <= 0.5


def test_infonce_is_the_cross_entropy_of_finding_the_partner() -> None:
    scores = scores_of(6, 6)
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(6)) - math.log(6)
    assert torch.allclose(losses.infonce(scores), expected, atol=1e-12)


class Encoder(torch.nn.Module):
    """A direction in three dimensions, and a quadratic critic of what is seen along it and of y."""

    def __init__(self) -> None:
        super().__init__()
        self.direction = torch.nn.Parameter(torch.tensor([0.2, 1.0, -1.0]))
        self.critic = torch.nn.Parameter(torch.tensor([0.1, 0.0, 0.0, 0.0]))
        self.log_a = torch.nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of all pairs, and a log baseline of each x."""
        z = (x @ (self.direction / self.direction.norm()))[:, None]
        a, b, c, d = self.critic
        return a * z * y.T + b * z**2 + c * (y**2).T + d, (self.log_a[0] + self.log_a[1] * z**2)[:, 0]


RHO = 0.9


def information(encoder: Encoder) -> float:
    """I(z; y) in closed form: y is correlated with the first coordinate only."""
    weights = encoder.direction.detach().square()
    share = float(weights[0] / weights.sum())
    return -0.5 * math.log(1 - share * RHO**2)


@pytest.mark.parametrize("name", ON_ALL_PAIRS)
def test_training_an_encoder_raises_its_information(name: str) -> None:
    encoder, rng = Encoder(), np.random.default_rng(0)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.02)
    before = information(encoder)
    for _ in range(300):
        x = torch.from_numpy(rng.standard_normal((64, 3))).float()
        y = RHO * x[:, :1] + math.sqrt(1 - RHO**2) * torch.from_numpy(rng.standard_normal((64, 1))).float()
        scores, log_a = encoder(x, y)
        if name == "tuba":
            loss = losses.tuba(scores, log_a)
        elif name == "flo":
            loss = losses.flo(scores, log_a - scores.diagonal())  # then FLO is TUBA
        elif name == "interpolated":
            loss = losses.interpolated(scores, log_a, 0.5)
        else:
            loss = ON_ALL_PAIRS[name][0](scores)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    best = -0.5 * math.log(1 - RHO**2)
    assert before < 0.02 * best
    assert information(encoder) > 0.7 * best


def test_upper_bounds_bound_and_barber_agakov_is_exact_for_true_densities() -> None:
    """With log p(y_j | x_i) of a bivariate normal: l1out and club lie above the information, ba at it."""
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.standard_normal((200, 100)))
    y = RHO * x + math.sqrt(1 - RHO**2) * torch.from_numpy(rng.standard_normal((200, 100)))
    variance, truth = 1 - RHO**2, -0.5 * math.log(1 - RHO**2)
    log_density = -0.5 * (y[:, None] - RHO * x[..., None]) ** 2 / variance - 0.5 * math.log(2 * math.pi * variance)
    log_margin = -0.5 * y**2 - 0.5 * math.log(2 * math.pi)
    exact = losses.ba(log_density.diagonal(dim1=-2, dim2=-1), log_margin)
    above, far_above = losses.l1out(log_density), losses.club(log_density)
    assert abs(float(exact.mean()) + truth) < 4 * float(exact.std()) / math.sqrt(200)
    assert float(above.mean()) > truth
    expected = RHO**2 / variance
    assert abs(float(far_above.mean()) - expected) < 4 * float(far_above.std()) / math.sqrt(200)
    assert losses.ba(log_margin[0], 0.0).shape == ()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda: losses.infonce(torch.zeros(3, 4)), r"scores have the shape \(3, 4\); give \(\.\.\., K, K\)"),
        (lambda: losses.infonce(torch.zeros(4)), r"shape \(4,\)"),
        (lambda: losses.pairs_of(torch.zeros(1, 1)), "K >= 2"),
        (lambda: losses.tuba(torch.zeros(3, 3), torch.zeros(3, 1)), r"log_baseline has the shape \(3, 1\)"),
        (lambda: losses.flo(torch.zeros(3, 3), torch.zeros(2)), r"dual has the shape \(2,\)"),
        (lambda: losses.interpolated(torch.zeros(3, 3), torch.zeros(3), 1.1), "alpha = 1.1 is out of range"),
        (lambda: losses.nwj(torch.zeros(3), torch.zeros(3, 3)), r"shapes \(3,\) and \(3, 3\)"),
        (lambda: losses.dv(torch.zeros(3), torch.zeros(0)), "not empty"),
        (lambda: losses.jsd(torch.zeros(()), torch.zeros(3)), r"shapes \(\) and"),
        (lambda: losses.ba(torch.zeros(3), torch.zeros(3, 1)), r"shapes \(3,\) and \(3, 1\); give \(\.\.\., n\) both"),
        (lambda: losses.ba(torch.zeros(0), 0.0), r"shapes \(0,\) and \(\); give"),
        (lambda: losses.ba(torch.zeros(()), 0.0), r"shapes \(\) and \(\); give"),
        (lambda: losses.smile(torch.zeros(3), torch.zeros(3), tau=-1), "tau = -1 is out of range"),
    ],
)
def test_wrong_shapes_and_parameters_are_refused_in_one_line(loss: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        loss()
    assert "\n" not in str(caught.value)


def test_the_example_runs() -> None:
    assert mibench.losses is losses
    with torch.random.fork_rng(devices=[]):
        assert doctest.testmod(losses) == (0, 7)
