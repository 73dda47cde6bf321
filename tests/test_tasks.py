"""Tasks: a distribution at the size and the MI that are asked for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mibench import suites
from mibench.interface import InputError, JointDistribution, parameters_of
from mibench.registry import Entry, distributions, make_distribution
from mibench.tasks import make_task, suite_tasks

OPEN = ("gaussian-sparse", "gaussian-dense", "half-cube[base=gaussian-sparse]", "wiggly[base=gaussian-dense]",
        "rotate[base=half-cube[base=gaussian-dense]]", "gaussian-sparse[pairs=3]")  # fmt: skip


@pytest.mark.parametrize("spec", OPEN)
@pytest.mark.parametrize("mi", [0.0, 1e-7, 1.23456789012345, 20.0])
def test_mi_is_the_truth_to_every_digit(spec: str, mi: float) -> None:
    task = make_task(spec, 4, 6, mi)
    truth = task.distribution.ground_truth()
    assert truth is not None
    assert truth.value == pytest.approx(mi, rel=1e-12, abs=1e-15)
    assert f"mi={mi:g}"[:6] in task.name
    again = make_distribution(task.name, **({} if "base" in task.name else {"dim_x": 4, "dim_y": 6})).ground_truth()
    assert again is not None
    assert again.value == pytest.approx(mi, rel=1e-12, abs=1e-15)  # the row's name tells the MI


def with_bases(law: JointDistribution) -> list[JointDistribution]:
    """The distribution, and those whose MI it has."""
    inner = [value for value in vars(law).values() if law.keeps_mi and isinstance(value, JointDistribution)]
    return [law, *(one for base in inner for one in with_bases(base))]


@pytest.mark.parametrize("entry", distributions.entries().values(), ids=lambda entry: entry.facts.name)
def test_every_distribution_takes_mi_or_says_so(entry: Entry) -> None:
    spec = entry.facts.example or entry.facts.name
    law = make_distribution(spec)
    if not any("mi" in parameters_of(type(one)) for one in with_bases(law)):
        with pytest.raises(InputError, match="takes no --mi"):
            make_task(spec, mi=0.7)
        return
    task = make_task(spec, mi=0.7)
    truth = task.distribution.ground_truth()
    assert truth is not None
    assert truth.value == pytest.approx(0.7, rel=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        "independent",
        "additive-uniform",
        "gaussian[covariance=((1,0.5),(0.5,1))]",
        "contaminated[base=gaussian-sparse]",
        "half-cube[base=contaminated[base=gaussian-sparse]]",
        "gaussian-sparse[rho=0.3]",
        "gaussian-sparse[mi=0.3]",
        "half-cube[base=gaussian-dense[rho=0.3]]",
    ],
)
def test_mi_is_refused_where_it_is_fixed(spec: str) -> None:
    with pytest.raises(InputError, match="takes no --mi") as caught:
        make_task(spec, mi=1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["gaussian-sparse", "student", "independent", "contaminated[base=half-cube[base=gaussian-dense]]",
     "asinh[base=student[dof=1]]", "gaussian-sparse[rho=0.5]"],
)  # fmt: skip
def test_dimensions_go_to_open_tasks(spec: str) -> None:
    task = make_task(spec, 3, 7)
    assert (task.distribution.dim_x, task.distribution.dim_y) == (3, 7)
    assert task.name == spec
    sample = task.distribution.sample(5, np.random.default_rng(0))
    assert (sample.x.shape, sample.y.shape) == ((5, 3), (5, 7))
    assert make_task(spec, dim_y=2).distribution.dim_x == 5


@pytest.mark.parametrize(
    "spec",
    [
        "additive-uniform",
        "gaussian[covariance=((1,0.5),(0.5,1))]",
        "gaussian-sparse[dim_x=2,dim_y=2]",
        "half-cube[base=gaussian-sparse[dim_x=2,dim_y=2]]",
    ],
)
def test_dimensions_are_refused_where_they_are_fixed(spec: str) -> None:
    with pytest.raises(InputError, match="a fixed size") as caught:
        make_task(spec, 3, 3)
    assert "\n" not in str(caught.value)
    own = make_distribution(spec)
    assert make_task(spec, own.dim_x, own.dim_y).distribution == own


def test_explicit_parameters_win_over_the_default_and_fit_the_size() -> None:
    assert make_task("gaussian-sparse[dim_x=2]", dim_y=4).distribution.dim_x == 2
    one_pair, two_pairs = (make_task("gaussian-sparse", dim, dim).distribution.ground_truth() for dim in (1, 2))
    assert one_pair is not None
    assert two_pairs is not None
    assert one_pair.value == pytest.approx(-0.5 * math.log(1 - 0.8**2))
    assert two_pairs.value == pytest.approx(2 * one_pair.value)


def test_an_object_is_a_task_with_its_own_size() -> None:
    law = make_distribution("gaussian-sparse", dim_x=2, dim_y=2, rho=0.3)
    task = make_task(law)
    assert task.distribution is law
    assert make_distribution(task.name) == law
    for size in ({"dim_x": 3}, {"mi": 1.0}):
        with pytest.raises(InputError):
            make_task(law, **size)


def test_a_suite_takes_size_and_mi_as_a_whole() -> None:
    tasks, unchanged = suite_tasks("core", 3, 4, 0.5)
    assert {(task.distribution.dim_x, task.distribution.dim_y) for task in tasks} == {(3, 4)}
    for task in tasks:
        truth = task.distribution.ground_truth()
        assert truth is not None
        assert (truth.value == pytest.approx(0.5, rel=1e-12)) == (task.name not in unchanged)
    assert {"independent", "contaminated[base=gaussian-sparse]"} <= set(unchanged)


def test_a_suite_without_open_tasks_refuses_mi(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ndescription = ""\nn = [10]\nseeds = 1\n'
        '[[tasks]]\nid = "mine-1"\ndistribution = "gaussian-sparse[rho=0.1]"\n'
    )
    assert [task.name for task in suite_tasks(str(path))[0]] == ["mine-1"]
    with pytest.raises(InputError, match="takes --mi"):
        suite_tasks(str(path), mi=1.0)


def test_published_ids_keep_their_name() -> None:
    for name, distribution in list(suites.task_ids().items())[:5]:
        task = make_task(name)
        assert task.name == name
        assert task.distribution == make_distribution(distribution)


def test_ids_and_objects_inside_of_others_take_size_and_mi() -> None:
    for text in ("asinh[base=1v1-normal-0.75]", "half-cube[base=gaussian-sparse[mi=0.3]]"):
        with pytest.raises(InputError, match="takes no --mi"):
            make_task(text, mi=0.7)
    spec = distributions.spec("half-cube[base= gaussian-sparse]")
    assert spec.text == "half-cube[base= gaussian-sparse]"
    task = make_task(spec, 3, 4, mi=0.7)
    assert task == make_task(spec.text, 3, 4, mi=0.7)
    assert task.name == "half-cube[base=gaussian-sparse[mi=0.7]]"
    assert task.distribution == make_distribution("half-cube[base=gaussian-sparse[mi=0.7,dim_x=3,dim_y=4]]")
