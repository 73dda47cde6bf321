"""Sliced MI against loops, closed forms and limits; compression against closed forms of codes and data processing."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from mibench.estimators.wrappers import sliced
from mibench.estimators.wrappers.autoencoder import autoencoder_codes
from mibench.estimators.wrappers.pca import principal_components
from mibench.execution.local import Batch, _modules
from mibench.interface import Array, Context, Estimate, Estimator, InputError, Shape, kinds_of
from mibench.listing import describe
from mibench.plan import Task, Trial
from mibench.registry import full_spec, make_distribution, make_estimator, parse_spec
from mibench.testing import Check, estimator_checks
from mibench.testing.checks import global_random_state_kept


def estimate(spec: str | Estimator, x: Array, y: Array, seed: int = 0, labels: bool = False) -> Estimate:
    """Estimate with a seed; `labels` says that Y holds labels."""
    shape = Shape(len(x), kinds_of(x.shape[1]), kinds_of(y.shape[1], discrete=labels))
    context = Context(np.random.default_rng(seed), shape=shape)
    return make_estimator(spec).estimate(x, y, context)


def mean_and_error(found: list[float]) -> tuple[float, float]:
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(len(found)))


def draw(spec: str, n: int, seed: int = 0) -> tuple[Array, Array]:
    sample = make_distribution(spec).sample(n, np.random.default_rng(seed))
    return sample.x, sample.y


def truth_of(spec: str, quantity: str = "mi") -> float:
    truth = make_distribution(spec).ground_truth(quantity)
    assert truth is not None
    return truth.value


# ---------------------------------------------------------------------------------------------------------------------
# Sliced


def test_slices_are_those_of_a_loop() -> None:
    x, y = draw("gaussian-dense[dim_x=3,dim_y=4,mi=1]", 300)
    rng = np.random.default_rng(5)
    thetas, phis = rng.standard_normal((10, 3)), rng.standard_normal((10, 4))
    values = []
    for theta, phi in zip(thetas, phis, strict=True):
        of_x = np.array([[sum(theta * row) / math.hypot(*theta)] for row in x])
        of_y = np.array([[sum(phi * row) / math.hypot(*phi)] for row in y])
        values.append(estimate("ksg[k=4]", of_x, of_y).value)
    found = estimate("sliced[inner=ksg[k=4],slices=10]", x, y, seed=5)
    assert found.value == pytest.approx(np.mean(values), rel=1e-12)
    assert found.diagnostics["standard_error"] == pytest.approx(np.std(values, ddof=1) / math.sqrt(10), rel=1e-9)
    assert found.diagnostics["smallest_slice"] == pytest.approx(min(values), rel=1e-12)
    assert found.diagnostics["largest_slice"] == pytest.approx(max(values), rel=1e-12)


@pytest.mark.parametrize("inner", ["cca", "ksg"])
@pytest.mark.parametrize(
    "spec",
    [
        "gaussian-sparse[dim_x=3,dim_y=5,pairs=3,rho=0.9]",
        "gaussian-dense[dim_x=4,dim_y=2,mi=1]",
        "gaussian[covariance=((1,0.7,0.2),(0.7,2,0),(0.2,0,1)),dim_x=1]",
    ],
)
def test_sliced_mi_of_normals(spec: str, inner: str) -> None:
    """Fresh points and directions in every repetition: the spread of the values holds both errors."""
    found = [estimate(f"sliced[inner={inner},slices=64]", *draw(spec, 1000, seed), seed).value for seed in range(8)]
    mean, error = mean_and_error(found)
    assert error < 0.15 * mean
    assert truth_of(spec, "sliced-mi") == pytest.approx(mean, abs=4 * error)


def test_sliced_mi_of_independent_variables() -> None:
    spec = "independent[dim_x=6,dim_y=4]"
    found = [estimate("sliced[slices=16]", *draw(spec, 1000, seed), seed).value for seed in range(10)]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(0, abs=4 * error)


def test_standard_error_is_the_spread_over_directions() -> None:
    x, y = draw("gaussian-dense[dim_x=5,dim_y=5,mi=1]", 500)
    found = [estimate("sliced[inner=cca,slices=32]", x, y, seed) for seed in range(60)]
    spread = np.std([one.value for one in found], ddof=1)
    claimed = math.sqrt(np.mean([one.diagnostics["standard_error"] ** 2 for one in found]))
    assert claimed == pytest.approx(spread, rel=4 / math.sqrt(2 * 60))


def test_one_column_each_leaves_only_signs() -> None:
    x, y = draw("gaussian-sparse[dim_x=1,dim_y=1]", 300)
    found = estimate("sliced[slices=8]", x, y)
    assert found.value == pytest.approx(estimate("ksg", x, y).value, rel=1e-12)
    assert found.diagnostics["standard_error"] == pytest.approx(0, abs=1e-12)


def test_wider_projections_see_more_and_the_widest_all() -> None:
    x, y = draw("gaussian-sparse[dim_x=3,dim_y=3,pairs=3]", 2000)
    narrow, wide, all_of_it = (estimate(f"sliced[inner=cca,dims={dims}]", x, y) for dims in (1, 2, 3))
    gain = wide.value - narrow.value
    assert gain > 4 * math.hypot(*(one.diagnostics["standard_error"] for one in (narrow, wide)))
    assert all_of_it.value == pytest.approx(estimate("cca", x, y).value, rel=1e-9)  # rotations of X and Y
    assert (narrow.quantity, wide.quantity) == ("sliced-mi", "2-sliced-mi")


@pytest.mark.parametrize(("dim", "kept"), [(1, 1), (2, 1), (7, 1), (2, 2), (5, 3)])
def test_directions_are_uniform(dim: int, kept: int) -> None:
    found = sliced.directions(4000, dim, kept, np.random.default_rng(0))
    assert found.shape == (4000, dim, kept)
    assert np.abs(found.swapaxes(1, 2) @ found - np.eye(kept)).max() < 1e-12
    for column in range(kept):
        coordinate = found[:, dim - 1, column]
        assert coordinate.mean() == pytest.approx(0, abs=4 / math.sqrt(dim * 4000))
        if dim > 1:
            assert stats.kstest(coordinate**2, stats.beta(0.5, (dim - 1) / 2).cdf).pvalue > 1e-3
    if dim == kept:  # the orthogonal group has two halves
        assert np.linalg.det(found).mean() == pytest.approx(0, abs=4 / math.sqrt(4000))


def test_slices_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw("gaussian-sparse[dim_x=2,dim_y=2]", 100)
    whole = estimate("sliced[slices=7]", x, y)
    monkeypatch.setattr(sliced, "NUMBERS_AT_ONCE", 3 * 2 * 100)
    assert repr(estimate("sliced[slices=7]", x, y)) == repr(whole)


@dataclass(frozen=True)
class Drawn(Estimator):
    """A random number instead of an estimate."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        value = float(context.rng.random())
        return Estimate(value, warnings=("drawn low",) if value < 0.5 else ())


def test_slices_have_random_numbers_of_their_own_and_share_one_warning() -> None:
    x, y = draw("gaussian-sparse[dim_x=2,dim_y=2]", 10)
    wrapped = make_estimator("sliced", inner=Drawn(), slices=100)
    found = estimate(wrapped, x, y)
    assert found.value == pytest.approx(0.5, abs=4 / math.sqrt(1200))
    assert found.diagnostics["standard_error"] == pytest.approx(1 / math.sqrt(1200), rel=0.3)
    (warning,) = found.warnings
    assert int(warning.split()[0]) == pytest.approx(50, abs=4 * 5)
    assert warning.endswith("of 100 slices come with warnings, such as: drawn low")


def test_a_single_column_of_labels_is_taken_as_it_is() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=(400, 1)).astype(float)
    x = rng.standard_normal((400, 2)) + y
    onto = sliced.directions(6, 2, 1, np.random.default_rng(0))
    values = [estimate("mixed-ksg", x @ theta, y, labels=True).value for theta in onto]
    assert estimate("sliced[inner=mixed-ksg,slices=6]", x, y, labels=True).value == pytest.approx(np.mean(values))
    wrapped = make_estimator("sliced[inner=mixed-ksg]")
    assert wrapped.unsupported(Shape(400, ("continuous", "continuous"), ("discrete",))) is None
    reason = wrapped.unsupported(Shape(400, ("continuous", "continuous"), ("discrete", "discrete")))
    assert reason == "columns of labels have no projections; one column of labels alone is taken as it is"


# ---------------------------------------------------------------------------------------------------------------------
# Compressed


def two_pairs(n: int, scale_weak: float, scale_strong: float, seed: int = 0) -> tuple[Array, Array]:
    """A pair of correlation 0.3 and one of 0.9, each with its own scale."""
    rng = np.random.default_rng(seed)
    rho, scale = np.array([0.3, 0.9]), np.array([scale_weak, scale_strong])
    x, noise = rng.standard_normal((n, 2)), rng.standard_normal((n, 2))
    return x * scale, (rho * x + np.sqrt(1 - rho**2) * noise) * scale


@pytest.mark.parametrize(("scales", "rho"), [((5.0, 1.0), 0.3), ((1.0, 5.0), 0.9)])
def test_principal_components_carry_the_mi_of_what_varies_most(scales: tuple[float, float], rho: float) -> None:
    """The code is the wider column, and the estimate that of the pair it belongs to."""
    found = [estimate("compressed[inner=cca,dim=1]", *two_pairs(4000, *scales, seed)).value for seed in range(20)]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(-0.5 * math.log(1 - rho**2), abs=4 * error + 1 / 4000)
    assert mean < -0.5 * math.log((1 - 0.3**2) * (1 - 0.9**2)) - 4 * error


@pytest.mark.parametrize("shape", [(60, 8), (8, 60), (30, 30)])
def test_principal_components_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    block = np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1) + 100
    scores, share = principal_components(block, 4)
    left, values, _ = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)
    expected = left[:, :4] * values[:4]
    assert np.abs(np.abs(scores) - np.abs(expected)).max() < 1e-9 * values[0]
    assert np.abs(scores.T @ scores - np.diag(values[:4] ** 2)).max() < 1e-9 * values[0] ** 2
    assert share == pytest.approx((values[:4] ** 2).sum() / (values**2).sum(), rel=1e-12)
    assert (scores.max(axis=0) > -scores.min(axis=0)).all()  # the sign that is agreed on
    assert np.array_equal(block, np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1) + 100)


@pytest.mark.parametrize("shape", [(50, 9), (9, 50)])
def test_principal_components_end_with_the_rank(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    block = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1])) + 3
    scores, share = principal_components(block, 5)
    assert scores.shape == (shape[0], 2)
    assert share == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("encoder", ["pca", "autoencoder"])
def test_few_columns_stay_as_they_are(encoder: str) -> None:
    x, y = draw("gaussian-sparse[dim_x=2,dim_y=3]", 200)
    whole = estimate("ksg", x, y)
    found = estimate(f"compressed[dim=3,encoder={encoder}]", x, y)
    assert (found.value, found.warnings) == (whole.value, whole.warnings)
    assert found.diagnostics == whole.diagnostics | {"code_dims": [2, 3]}
    one_side = estimate("compressed[dim=2]", x, y)
    assert one_side.diagnostics.keys() - found.diagnostics.keys() == {"variance_kept_y", "bound_by"}
    assert one_side.diagnostics["bound_by"] == "data processing"
    assert one_side.diagnostics["code_dims"] == [2, 2]


@pytest.mark.parametrize("encoder", ["pca", "autoencoder"])
def test_pictures_keep_most_of_their_mi(encoder: str) -> None:
    """64 pixels of 2 latents: codes of 2 numbers find most of the MI, and no more than there is."""
    spec = "bump-images[base=gaussian-sparse[dim_x=2,dim_y=2,mi=1],size=8]"
    sample = make_distribution(spec).sample(2000, np.random.default_rng(0))
    assert sample.pmi is not None
    found = estimate(f"compressed[dim=2,encoder={encoder},max_steps=400,hidden=64]", sample.x, sample.y)
    assert 0.85 < found.value < 1 + 4 * sample.pmi.std() / math.sqrt(2000)
    assert min(found.diagnostics["variance_kept_x"], found.diagnostics["variance_kept_y"]) > 0.8


def test_dependence_beside_the_variance_is_lost_and_the_warning_says_so() -> None:
    x, y = draw("gaussian-sparse[dim_x=32,dim_y=32]", 2000)
    found = estimate("compressed", x, y)
    assert truth_of("gaussian-sparse[dim_x=32,dim_y=32]") > 1
    assert found.value < 0.1
    share = found.diagnostics["variance_kept_x"]
    assert 5 / 32 < share < 0.25  # the largest of 32 like variances
    assert found.warnings[0] == f"the code of x keeps {share:.0%} of its variance: a dependence in the rest is lost"


# ---------------------------------------------------------------------------------------------------------------------
# Autoencoder


def test_an_autoencoder_follows_a_curve_that_principal_components_fold() -> None:
    """X runs around most of a circle; the height, its leading component, takes each of its large values twice."""
    rng = np.random.default_rng(0)
    t = rng.uniform(-1, 1, (2000, 1))
    x, y = np.hstack([np.cos(2.6 * t), np.sin(2.6 * t)]), t + 0.1 * rng.standard_normal((2000, 1))
    whole = estimate("ksg", t, y).value
    folded = estimate("compressed[dim=1]", x, y)
    followed = estimate("compressed[dim=1,encoder=autoencoder,max_steps=600,hidden=64]", x, y)
    assert folded.value < whole - 0.3
    assert followed.value == pytest.approx(whole, abs=0.15)
    assert folded.diagnostics["variance_kept_x"] < 0.7
    assert followed.diagnostics["variance_kept_x"] > 0.85


def test_the_codes_of_an_autoencoder_have_no_units() -> None:
    """The block is divided by one number; a factor of 4 rounds nothing."""
    block = np.random.default_rng(0).standard_normal((200, 3)) * [1.0, 2.0, 3.0]
    (codes, kept), (same, as_much) = (
        autoencoder_codes(factor * block, 2, 8, 50, Context(rng=np.random.default_rng(0))) for factor in (1.0, 4.0)
    )
    assert np.array_equal(codes, same)
    assert kept == as_much


def test_autoencoder_draws_from_the_context_only() -> None:
    x, y = draw("bump-images[base=gaussian-sparse[dim_x=2,dim_y=2],size=8]", 200)
    spec = "compressed[dim=2,encoder=autoencoder,max_steps=20]"
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # it uses one
    try:
        with global_random_state_kept():
            first = estimate(spec, x, y)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert repr(estimate(spec, x, y)) == repr(first)
    assert estimate(spec, x, y, seed=1).value != first.value


def test_torch_is_loaded_by_the_autoencoder_only() -> None:
    probe = """
import sys, numpy as np
from mibench.interface import Context
from mibench.registry import make_estimator
made = make_estimator("compressed[inner=cca,encoder=autoencoder]")
x = np.random.default_rng(0).standard_normal((20, 6))
made.with_parameters(encoder="pca").estimate(x, x[::-1], Context())
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("encoder", "trains"), [("pca", False), ("autoencoder", True)])
def test_processes_load_torch_before_they_fork_children_that_train(encoder: str, trains: bool) -> None:
    task = Task("any", make_distribution("gaussian-sparse"))
    trial = Trial(make_estimator(f"compressed[encoder={encoder}]"), task, 100, 0, "cpu")
    assert ("torch" in _modules(Batch((trial,)))) == trains


# ---------------------------------------------------------------------------------------------------------------------
# What follows from the inner estimator

TRAINED = {"trains": True, "deterministic": False, "symmetric": False, "invariances": (), "devices": ("cpu", "cuda")}
ALL_KINDS = ("continuous", "discrete", "mixed")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("sliced", {"quantity": "sliced-mi", "bound": "none", "deterministic": False, "supports": ("continuous",)}),
        ("sliced[inner=infonce]", {"quantity": "sliced-mi", "bound": "lower", "supports": ALL_KINDS, **TRAINED}),
        ("sliced[inner=hsic,dims=2]", {"quantity": "2-sliced-hsic"}),
        ("sliced[inner=gaussian-copula]", {"invariances": ("shift", "scale", "rows"), "devices": ("cpu",)}),
        ("compressed", {"quantity": "mi", "bound": "none", "deterministic": True, "symmetric": True, "trains": False}),
        ("compressed[inner=infonce]", {"bound": "lower", "supports": ALL_KINDS, **TRAINED}),
        ("compressed[encoder=autoencoder]", {"bound": "none", "supports": ("continuous",), **TRAINED}),
        ("sliced[inner=compressed[inner=infonce]]", {"quantity": "sliced-mi", "bound": "lower", **TRAINED}),
    ],
)
def test_facts_follow_the_inner_estimator(spec: str, expected: dict[str, Any]) -> None:
    made = make_estimator(spec)
    facts = vars(made.facts)
    assert {key: facts[key] for key in expected} == expected
    assert (made.quantity, made.bound) == (facts["quantity"], facts["bound"])
    assert vars(type(made).facts)["quantity"] in ("mi", "sliced-mi")


@pytest.mark.parametrize("name", ["sliced", "compressed"])
def test_the_decorator_describes_the_defaults(name: str) -> None:
    made = make_estimator(name)
    assert made.facts == type(made).facts


def test_changed_parameters_change_the_facts_and_an_inner_version_changes_the_version() -> None:
    made = make_estimator("compressed")
    trained = made.with_parameters(encoder="autoencoder")
    assert trained.facts.trains
    assert (made.facts.version, trained.facts.version) == ("1", "2")
    assert made.version == f"{made.facts.version}/{make_estimator('ksg').version}"


def test_show_describes_the_object() -> None:
    text = describe([make_estimator("sliced[inner=infonce,dims=3]")])
    assert "\nestimates  3-sliced-mi, lower\n" in text
    assert f"default {full_spec(make_estimator('ksg'))}" in " ".join(text.split())


def test_limits_are_those_of_the_inner_estimator() -> None:
    def reason(spec: str, n: int, dim_x: int, dim_y: int, labels: bool = False) -> str | None:
        return make_estimator(spec).unsupported(Shape(n, kinds_of(dim_x), kinds_of(dim_y, discrete=labels)))

    for spec in ("sliced[inner=ksg[k=7]]", "compressed[inner=ksg[k=7]]"):
        assert reason(spec, 7, 50, 50) == make_estimator("ksg[k=7]").unsupported(Shape.continuous(7, 1, 1))
        assert reason(spec, 8, 50, 50) is None
    assert reason("cca", 20, 50, 50) is not None
    assert reason("compressed[inner=cca]", 20, 50, 50) is None
    assert reason("sliced[dims=3]", 100, 2, 5) == "projections keep dims = 3 columns, more than the 2 there are"
    assert reason("sliced", 100, 5, 1, labels=True) == "mixed columns are not supported (only continuous)"
    assert reason("sliced[inner=ross]", 100, 5, 1) == "continuous columns are not supported (only mixed)"
    assert reason("compressed[inner=mixed-ksg,dim=2]", 100, 5, 2, labels=True) is None
    refused = "3 columns with labels among them are not encoded; dim = 3 would take them as they are"
    assert reason("compressed[inner=mixed-ksg,dim=2]", 100, 5, 3, labels=True) == refused


@pytest.mark.parametrize(
    "spec",
    [
        "sliced",
        "sliced[inner=kl[k=5],slices=4]",
        "compressed[inner=kl[k=5],encoder=pca,dim=2]",
        "compressed[encoder=autoencoder,inner=infonce[critic=concatenated,max_steps=10],hidden=16]",
        "sliced[inner=compressed[inner=ksg[k=2,margins=normal],dim=1],dims=2]",
    ],
)
def test_nested_specifications(spec: str) -> None:
    made = make_estimator(spec)
    assert make_estimator(full_spec(made)) == made
    given = parse_spec(spec).parameters.get("inner", "ksg")
    assert getattr(made, "inner") == make_estimator(given)  # noqa: B009
    assert hash(made) == hash(make_estimator(full_spec(made)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("compressed[dim=0]", "compressed: parameter dim = 0 is out of range; give whole number >= 1"),
        ("sliced[slices=1]", "sliced: parameter slices = 1 is out of range; give whole number >= 2"),
        ("sliced[dims=0]", "sliced: parameter dims = 0 is out of range; give whole number >= 1"),
        (
            "compressed[encoder=ae]",
            "compressed: parameter encoder = 'ae' is not accepted; give one of pca, autoencoder",
        ),
        (
            "sliced[inner=gaussian]",
            "unknown estimator 'gaussian' (nearest: gaussian-copula); `mibench list estimators`",
        ),
        ("sliced[inner=ksg[q=5]]", "ksg has no parameter 'q'; accepted: k, margins"),
        ("sliced[inner=ksg[k=5]", "brackets do not match"),
        (
            "compressed[inner=hsic]",
            "compressed: hsic estimates hsic, which encoding may raise; give an inner estimator",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        make_estimator(spec)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_inner_that_is_no_estimator_is_refused() -> None:
    with pytest.raises(InputError, match=r"sliced: parameter inner = 5 is not accepted; give estimator$"):
        make_estimator("sliced", inner=5)


OTHERS = {
    "compressed[encoder=autoencoder,dim=1,max_steps=40,hidden=16]": {
        "dependence": "columns have one variance here: codes of one number may keep different ones of X and of Y"
    },
    "compressed[inner=mixed-ksg,dim=1]": {},
    "sliced[inner=mixed-ksg,slices=8]": {},
    "sliced[inner=gaussian-copula,dims=2,slices=8]": {},
}


@pytest.mark.parametrize(
    "check",
    [check for spec, known in OTHERS.items() for check in estimator_checks(spec, expected_failures=known)],
    ids=str,
)
def test_common_checks_with_other_parameters(check: Check[Any]) -> None:
    check()
