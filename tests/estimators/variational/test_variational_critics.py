"""Bounds against analytic values and by gradient checks; stacked critics against loops over replicas and pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mibench.estimators.variational import bounds
from mibench.estimators.variational.critics import Critic, JointCritic, Kind, RidgeCritic, SumCritic, make_critic
from mibench.estimators.variational.evaluation import (
    effective_pairs,
    group_count,
    held_out_infonce,
    held_out_pairs,
    pair_warnings,
)
from mibench.interface import InputError
from mibench.registry import make_estimator
from mibench.training.networks import Activation, StackedLinear, activated, perceptron, select

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)
KINDS: tuple[Kind, ...] = ("separable", "bilinear", "ridge", "concatenated", "hybrid", "lipschitz")


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def points(n: int, seed: int, replicas: int = 1) -> tuple[Tensor, Tensor]:
    x, noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, replicas, n, 1)))
    return x, RHO * x + math.sqrt(1 - RHO**2) * noise


class TruePMI(Critic):
    """The pointwise MI of the bivariate normal, plus a constant."""

    def __init__(self, constant: float = 0.0) -> None:
        super().__init__()
        self.constant = constant

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self._pmi(x, y.mT)

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        return torch.stack([self._pmi(x, y.roll(-shift, 1))[..., 0] for shift in shifts], 1)

    def _pmi(self, x: Tensor, y: Tensor) -> Tensor:
        quadratic = (RHO * x * y - 0.5 * RHO**2 * (x**2 + y**2)) / (1 - RHO**2)
        return self.constant + TRUTH + quadratic


def random_critic(kind: Kind, layers: int = 2, replicas: int = 2) -> Critic:
    """A critic in float64 whose last layer is not zero."""
    made = make_critic(kind, 3, 2, generators(replicas), hidden=7, layers=layers, embedding=5).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for values in made.parameters():
            values.uniform_(-1, 1, generator=generator)
    return made.eval()  # spectral norms exact


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# ---------------------------------------------------------------------------------------------------------------------
# Bounds


def test_infonce_with_the_true_critic_has_its_theoretical_expectation() -> None:
    """E = MI - E log(mean over K), by an independent plain Monte Carlo in numpy; below log K and below MI."""
    K, repeats = 8, 20_000
    rng = np.random.default_rng(0)
    x = rng.standard_normal(repeats)
    y = rng.standard_normal((repeats, K))
    y[:, 0] = RHO * x + math.sqrt(1 - RHO**2) * y[:, 0]
    log_ratio = -0.5 * (y - RHO * x[:, None]) ** 2 / (1 - RHO**2) - 0.5 * math.log(1 - RHO**2) + 0.5 * y**2
    expected = log_ratio[:, 0] - np.log(np.exp(log_ratio).mean(axis=1))

    values = bounds.infonce(TruePMI().all_pairs(*points(K, seed=1, replicas=repeats))).numpy()
    difference_se = math.hypot(values.std() / math.sqrt(repeats), expected.std() / math.sqrt(repeats))
    assert values.shape == (repeats,)
    assert abs(values.mean() - expected.mean()) < 4 * difference_se
    assert values.max() <= math.log(K)
    assert values.mean() < TRUTH - 4 * difference_se


def test_infonce_tends_to_mi_with_many_negatives_and_to_log_k_with_few() -> None:
    x, y = points(4000, seed=2)
    pmi_se = RHO / math.sqrt(4000)  # Var PMI = rho^2
    value, negatives = held_out_infonce(TruePMI(), x, y, negatives=4000)
    assert negatives == 4000
    assert abs(float(value) - TRUTH) < 4 * pmi_se
    grid = torch.arange(6.0)[:, None]
    sharp = -1e3 * (grid - grid.T).square()
    assert float(bounds.infonce(sharp)) == pytest.approx(math.log(6))


def test_pair_bounds_with_the_true_critic_are_mi() -> None:
    x, y = points(20_000, seed=3)
    scores = [held_out_pairs(critic, x, y, shuffles=20) for critic in (TruePMI(), TruePMI(constant=700.0))]
    # Joint part: variance rho^2; product part: Var exp(pmi) = 1 / (1 - rho^2) - 1 per point at most.
    se = math.sqrt((RHO**2 + 1 / (1 - RHO**2) - 1) / 20_000)
    assert scores[0][1].shape == (1, 400_000)
    assert float(bounds.donsker_varadhan(*scores[0])) == pytest.approx(TRUTH, abs=4 * se)
    assert float(bounds.nwj(*scores[0])) == pytest.approx(TRUTH, abs=4 * se)
    # Any constant is a Donsker-Varadhan optimum; exp(700) is the edge of float64.
    values = [float(bounds.donsker_varadhan(*pair)) for pair in scores]
    assert values[1] == pytest.approx(values[0], abs=1e-9)


def test_nwj_is_below_donsker_varadhan_and_meets_it_at_the_best_constant() -> None:
    joint, product = normal(3, 40), normal(3, 60, seed=1)
    best = product.logsumexp(-1, keepdim=True) - math.log(60)
    assert (bounds.nwj(joint, product) < bounds.donsker_varadhan(joint, product)).all()
    assert torch.allclose(bounds.nwj(joint - best, product - best), bounds.donsker_varadhan(joint, product))


def test_bounds_take_leading_dimensions() -> None:
    scores, joint, product = normal(2, 3, 6, 6), normal(2, 3, 5), normal(2, 3, 7)
    assert torch.allclose(bounds.infonce(scores)[1, 2], bounds.infonce(scores[1, 2]))
    for bound in (bounds.donsker_varadhan, bounds.nwj):
        assert torch.allclose(bound(joint, product)[1, 2], bound(joint[1, 2], product[1, 2]))


@pytest.mark.parametrize("bound", [bounds.donsker_varadhan, bounds.nwj])
def test_gradients_of_pair_bounds(bound: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(bound, (normal(2, 5).requires_grad_(), normal(2, 6, seed=1).requires_grad_()))


def test_gradient_of_infonce() -> None:
    assert torch.autograd.gradcheck(bounds.infonce, (normal(2, 5, 5).requires_grad_(),))


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_critic_is_constant_and_gives_exactly_zero(kind: Kind) -> None:
    critic = make_critic(kind, 1, 1, generators(2), hidden=8, layers=2, embedding=4)
    x, y = (block.float() for block in points(64, seed=4, replicas=2))
    with torch.no_grad():
        assert torch.equal(critic.all_pairs(x, y), torch.zeros(2, 64, 64))
        assert bounds.infonce(critic.all_pairs(x, y).double()).abs().max() < 1e-14
        joint, product = held_out_pairs(critic, x, y, 3)
        assert bounds.donsker_varadhan(joint, product).abs().max() < 1e-14
        assert torch.equal(bounds.nwj(joint, product), torch.zeros(2).double())


# ---------------------------------------------------------------------------------------------------------------------
# Evaluation


@pytest.mark.parametrize("n", [60, 61])
def test_evaluation_in_blocks_and_groups_equals_plain_sums(n: int) -> None:
    x, y = points(n, seed=5, replicas=2)
    every = TruePMI().all_pairs(x, y).numpy()
    for at_once in (1, 7 * n, 10**6):
        value, negatives = held_out_infonce(TruePMI(), x, y, negatives=n, at_once=at_once)
        whole = [np.mean([s[i, i] - np.log(np.mean(np.exp(s[i]))) for i in range(n)]) for s in every]
        assert negatives == n
        assert value.tolist() == pytest.approx(whole, abs=1e-12)
    value, negatives = held_out_infonce(TruePMI(), x, y, negatives=25)
    groups = np.array_split(np.arange(n), 3)
    by_group = [
        np.mean([s[i, i] - np.log(np.mean(np.exp(s[i, group]))) for group in groups for i in group]) for s in every
    ]
    assert negatives == 20
    assert value.tolist() == pytest.approx(by_group, abs=1e-12)


def test_groups_are_as_few_as_their_size_allows_and_no_point_is_alone() -> None:
    for n, most in itertools.product(range(2, 40), range(2, 50)):
        sizes = [len(part) for part in torch.arange(n).tensor_split(group_count(n, most))]
        assert min(sizes) >= 2
        assert max(sizes) <= (3 if most == 2 and n % 2 else most)
        assert len(sizes) == max(math.ceil(n / most) - (most == 2 and n % 2), 1)


@pytest.mark.parametrize("at_once", [1, 20, 10**6])
def test_product_pairs_never_join_a_point_with_its_own_partner(at_once: int) -> None:
    class Difference(TruePMI):
        def _pmi(self, x: Tensor, y: Tensor) -> Tensor:
            return x - y

    rows = torch.arange(7.0)[None, :, None]
    joint, product = held_out_pairs(Difference(), rows, rows, shuffles=100, at_once=at_once)
    assert joint.tolist() == [[0.0] * 7]
    assert sorted(product[0].tolist()) == sorted(float(i - j) for i in range(7) for j in range(7) if i != j)


def test_dominated_means_and_impossible_values_are_pointed_out() -> None:
    product = torch.zeros(1, 2450, dtype=torch.float64)
    assert effective_pairs(product) == pytest.approx(2450)
    assert pair_warnings(1.0, product, 50) == ()
    product[0, 7] = 900.0
    assert effective_pairs(product) == pytest.approx(1)
    dominated, impossible = pair_warnings(4.0, product, 50)
    assert "about 1 of 2450 product pairs carry the mean of exp f: it is mostly too small" in dominated
    (low,) = pair_warnings(-1e3, product, 50)
    assert "the critic is wrong there, and the value too small" in low
    assert "above log 50 = 3.91" in impossible


# ---------------------------------------------------------------------------------------------------------------------
# Critics and networks


@pytest.mark.parametrize(
    ("kind", "layers"),  # without layers, the other two kinds are refused: test_critics_that_cannot_be_are_refused
    [
        *itertools.product(KINDS, [1, 2, 3]),
        *((kind, 0) for kind in KINDS if kind not in ("concatenated", "lipschitz")),
    ],
)
def test_all_ways_of_scoring_agree_and_replicas_do_not_mix(kind: Kind, layers: int) -> None:
    critic = random_critic(kind, layers)
    x, y = normal(2, 6, 3), normal(2, 6, 2, seed=1)
    with torch.no_grad():
        every = critic.all_pairs(x, y)
        shifted = critic.shifted(x, y, (0, 1, 4))
        assert every.std() > 0.01
        for place, shift in enumerate((0, 1, 4)):
            expected = torch.stack([every[:, i, (i + shift) % 6] for i in range(6)], 1)
            assert torch.allclose(shifted[:, place], expected, atol=1e-12)
        assert torch.allclose(critic.pairs(x, y), shifted[:, 0], atol=1e-12)
        for replica in range(2):
            alone = select(critic, [replica])
            assert torch.allclose(alone.all_pairs(x[[replica]], y[[replica]])[0], every[replica], atol=1e-12)


def plain(layers: Iterable[nn.Module], values: Tensor, replica: int) -> Tensor:
    """A perceptron written out for one point of one replica."""
    linear = [layer for layer in layers if isinstance(layer, StackedLinear)]
    for layer in linear[:-1]:
        values = torch.log1p(torch.exp(2 * (values @ layer.weight[replica] + layer.bias[replica, 0]))) / 2
    return values @ linear[-1].weight[replica] + linear[-1].bias[replica, 0]


@pytest.mark.parametrize("layers", [1, 3])
def test_separable_and_bilinear_scores_equal_a_double_loop(layers: int) -> None:
    x, y = normal(2, 4, 3), normal(2, 5, 2, seed=1)
    with torch.no_grad():
        separable = random_critic("separable", layers)
        nets = list(separable.modules())
        half = [module for module in nets if isinstance(module, nn.Sequential)]
        loop = [[[float(plain(half[0], a, r) @ plain(half[1], b, r)) for b in y[r]] for a in x[r]] for r in range(2)]
        assert torch.allclose(separable.all_pairs(x, y), torch.tensor(loop, dtype=torch.float64), atol=1e-12)
        raw = random_critic("bilinear", layers=0)
        (matrix,) = (module for module in raw.modules() if isinstance(module, StackedLinear))
        for r in range(2):  # x' W y, and a term of x alone
            expected = x[r] @ (matrix.weight[r].T @ y[r].T) + (x[r] @ matrix.bias[r].T)
            assert torch.allclose(raw.all_pairs(x, y)[r], expected, atol=1e-12)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_ridge_scores_equal_a_double_loop(layers: int) -> None:
    critic = random_critic("ridge", layers)
    assert isinstance(critic, RidgeCritic)
    x, y = normal(2, 4, 3), normal(2, 5, 2, seed=1)
    last = critic.weigh
    assert last.weight.shape[1] == 2  # half of the embedding of 5

    def score(a: Tensor, b: Tensor, replica: int) -> float:
        g, h = (plain(net.modules(), point, replica) for net, point in ((critic.embed_x, a), (critic.embed_y, b)))
        ridges = (g[5:] + h[5:]) * torch.sigmoid(g[5:] + h[5:])
        return float(g[:5] @ h[:5] + ridges @ last.weight[replica, :, 0] + last.bias[replica, 0, 0])

    with torch.no_grad():
        loop = [[[score(a, b, r) for b in y[r]] for a in x[r]] for r in range(2)]
        assert torch.allclose(critic.all_pairs(x, y), torch.tensor(loop, dtype=torch.float64), atol=1e-12)


def test_few_columns_start_with_their_bends_spread_over_the_data() -> None:
    """The same draws of the first layer, three times as large for one column and as usual from three on."""
    kinds: tuple[Kind, Kind] = ("ridge", "separable")
    for dim, factor in ((1, 3.0), (2, 1.5), (3, 1.0), (9, 1.0)):
        wide, usual = (
            next(iter(make_critic(kind, dim, dim, generators(2), hidden=6, layers=1, embedding=4).parameters()))
            for kind in kinds
        )
        assert torch.allclose(wide, factor * usual)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_concatenated_scores_equal_plain_concatenation(layers: int) -> None:
    critic = random_critic("concatenated", layers)
    assert isinstance(critic, JointCritic)
    x, y = normal(2, 4, 3), normal(2, 5, 2, seed=1)
    first_x, first_y, *rest = (module for module in critic.modules() if isinstance(module, StackedLinear))
    assert len(rest) == layers
    first = StackedLinear(5, 7, generators(2)).double()
    with torch.no_grad():
        first.weight.copy_(torch.cat([first_x.weight, first_y.weight], 1))
        first.bias.copy_(first_x.bias + first_y.bias)
        loop = [[[float(plain([first, *rest], torch.cat([a, b]), r)) for b in y[r]] for a in x[r]] for r in range(2)]
        assert torch.allclose(critic.all_pairs(x, y), torch.tensor(loop, dtype=torch.float64), atol=1e-12)


def test_a_fixed_term_is_added_and_training_starts_at_it() -> None:
    x, y = points(500, seed=6)
    learned = make_critic("separable", 1, 1, generators(1), hidden=8, layers=2, embedding=4).double()
    critic = SumCritic(TruePMI(), learned)
    with torch.no_grad():
        assert torch.equal(critic.all_pairs(x, y), TruePMI().all_pairs(x, y))
        assert torch.equal(critic.shifted(x, y, (0, 3)), TruePMI().shifted(x, y, (0, 3)))
    bound = bounds.infonce(critic.all_pairs(x, y))
    torch.autograd.backward(bound.sum())
    assert any(values.grad is not None and values.grad.abs().max() > 0 for values in learned.parameters())


def test_a_replica_is_initialised_the_same_alone_and_among_others() -> None:
    together = perceptron([3, 5, 2], generators(3))
    alone = perceptron([3, 5, 2], generators(3)[1:2])
    for stacked, single in zip(together.parameters(), alone.parameters(), strict=True):
        assert torch.equal(stacked[1], single[0])
        assert not torch.equal(stacked[0], stacked[1])
    limits = [values.abs().max() for values in perceptron([400, 300], generators(2)).parameters()]
    assert all(0.9 / 20 < limit <= 1 / 20 for limit in limits)


def test_selected_replicas_are_copies() -> None:
    network = perceptron([3, 2], generators(3))
    network.register_buffer("state", torch.arange(3.0))
    before = [values.clone() for values in network.parameters()]
    chosen = select(network, [2, 0])
    assert chosen.get_buffer("state").tolist() == [2.0, 0.0]
    with torch.no_grad():
        for values, original in zip(chosen.parameters(), before, strict=True):
            assert torch.equal(values, original[[2, 0]])
            values.zero_()
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize("name", ["softplus", "silu", "relu", "tanh"])
def test_activations(name: Activation) -> None:
    t = normal(50)
    expected = {
        "softplus": torch.log1p(torch.exp(2 * t)) / 2,
        "silu": t / (1 + torch.exp(-t)),
        "relu": t.clamp(min=0),
        "tanh": 1 - 2 / (torch.exp(2 * t) + 1),
    }
    assert torch.allclose(activated(name)(t), expected[name], atol=1e-12)


def test_spectral_norm_bounds_the_slope_of_every_replica() -> None:
    layer = StackedLinear(6, 4, generators(3), spectral=True).double()
    with torch.no_grad():
        layer.weight[0] *= 10
        layer.weight[1] *= 1e-3
        exact = np.linalg.norm(layer.weight.numpy(), 2, axis=(1, 2))
        assert exact[0] > 1 > exact[1]
        x, y = normal(3, 500, 6), normal(3, 500, 6, seed=1)
        for _ in range(100):  # the power iteration gets there
            followed = layer(x)
        exactly = layer.eval()(x)
        slopes = (exactly - layer(y)).norm(dim=-1) / (x - y).norm(dim=-1)
        assert slopes.max() <= 1 + 1e-12
        assert torch.allclose(followed, exactly, rtol=1e-6)
        assert torch.allclose(exactly[0], x[0] @ (layer.weight[0] / exact[0]) + layer.bias[0], atol=1e-12)
        assert torch.allclose(exactly[1], x[1] @ layer.weight[1] + layer.bias[1], atol=1e-12)
    zero = StackedLinear(6, 4, generators(1), zero=True, spectral=True)
    assert torch.equal(zero(torch.ones(1, 2, 6)), torch.zeros(1, 2, 4))


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ("mine[critic=lipschitz,activation=silu]", "activation=silu has slopes above 1"),
        ("infonce[critic=lipschitz,layers=0]", "critic=lipschitz has no dependence without layers"),
        ("infonce[critic=concatenated,layers=0]", "critic=concatenated has no dependence without layers"),
    ],
)
def test_critics_that_cannot_be_are_refused(spec: str, refused: str) -> None:
    with pytest.raises(InputError, match=refused):
        make_estimator(spec)


def test_a_lipschitz_critic_is_nowhere_steep() -> None:
    critic = make_critic("lipschitz", 2, 2, generators(2), hidden=9, layers=2, embedding=1).double().eval()
    with torch.no_grad():
        for values in critic.parameters():
            values.copy_(3 * normal(*values.shape, seed=5))
        x, y = normal(2, 50, 2), normal(2, 50, 2, seed=1)
        step = 1e-4 * normal(2, 50, 4, seed=2)
        moved = critic.pairs(x + step[..., :2], y + step[..., 2:])
        slopes = (moved - critic.pairs(x, y)).abs() / step.norm(dim=-1)
    assert 0.01 < slopes.max() <= 1 + 1e-9
