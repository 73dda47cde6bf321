"""Suites: the ones that ship can be read and made; a wrong file is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mibench import suites
from mibench.interface import InputError
from mibench.registry import make_distribution

GOOD = """
name = "mine"
description = "Two tasks"
n = [100, 1000]
seeds = 3

[[tasks]]
distribution = "gaussian-sparse[rho=0.8]"
id = "strong"

[[tasks]]
distribution = "independent"
"""


def write(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    suite = suites.load(write(tmp_path, GOOD))
    assert (suite.name, suite.description, suite.n, suite.seeds) == ("mine", "Two tasks", (100, 1000), 3)
    assert [(task.name, task.distribution) for task in suite.tasks] == [
        ("strong", "gaussian-sparse[rho=0.8]"),
        ("independent", "independent"),
    ]


@pytest.mark.parametrize("name", suites.names())
def test_suites_that_ship_are_named_like_their_file(name: str) -> None:
    assert suites.load(name).name == name


@pytest.mark.parametrize("task", [task for name in suites.names() for task in suites.load(name).tasks], ids=str)
def test_tasks_that_ship_can_be_made_by_name_and_know_their_truth(task: suites.Task) -> None:
    made = make_distribution(task.name)
    assert made == make_distribution(task.distribution)
    assert made.ground_truth() is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', "", "it has no name"),
        ("seeds = 3", "", "it has no seeds"),
        ("seeds = 3", 'seeds = "three"', "seeds = 'three' should be a int"),
        ("seeds = 3", "seeds = 0", "must be whole numbers above 0"),
        ("seeds = 3", "seeds = true", "must be whole numbers above 0"),
        ("n = [100, 1000]", "n = 100", "n = 100 should be a list"),
        ("n = [100, 1000]", "n = [100, 1e3]", "must be whole numbers above 0"),
        ("n = [100, 1000]", "n = [-1]", "must be whole numbers above 0"),
        ("seeds = 3", "seeds = 3\nrepeats = 3", "it has an unknown key repeats; accepted: name, description, n, seeds"),
        ('id = "strong"', 'name = "strong"', "a task has an unknown key name; accepted: distribution, id"),
        ('distribution = "independent"', 'id = "none"', "a task has no distribution"),
        ('distribution = "independent"', "distribution = 3", "distribution = 3 should be a str"),
        ('id = "strong"', 'id = "independent"', "task named twice: independent"),
        ("[[tasks]]", "[[tasks", "mine.toml cannot be read"),
        ("[[tasks]]", "[[task]]", "it has no tasks"),
    ],
)
def test_a_wrong_file_is_one_clear_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        suites.load(write(tmp_path, GOOD.replace(old, new)))
    assert message in str(caught.value)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml cannot be read"):
        suites.load(str(file))


def test_an_unknown_suite_names_the_nearest_and_all() -> None:
    with pytest.raises(InputError, match=r"unknown suite 'cor' \(nearest: core\); there are .*core"):
        suites.load("cor")
    with pytest.raises(InputError, match=r"unknown suite 'missing\.toml'"):
        suites.load("missing.toml")


def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(suites, "FOLDER", folder)
    suites.load.cache_clear()
    suites.task_ids.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_caches() -> object:
    yield
    suites.load.cache_clear()
    suites.task_ids.cache_clear()


def test_a_task_id_is_accepted_wherever_a_distribution_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped(tmp_path, monkeypatch, mine=GOOD)
    assert suites.names() == ["mine"]
    assert suites.task_ids() == {"strong": "gaussian-sparse[rho=0.8]"}
    assert make_distribution("strong") == make_distribution("gaussian-sparse[rho=0.8]")


def test_an_id_stands_for_one_distribution_in_all_suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = GOOD.replace('"mine"', '"other"')
    shipped(tmp_path, monkeypatch, mine=GOOD, other=other)
    assert suites.task_ids() == {"strong": "gaussian-sparse[rho=0.8]"}
    shipped(tmp_path, monkeypatch, other=other.replace("0.8", "0.9"))
    with pytest.raises(InputError, match=r"'strong' stands for gaussian-sparse\[rho=0.8\] and for .*0\.9"):
        suites.task_ids()
