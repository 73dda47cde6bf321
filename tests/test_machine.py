"""What is asked of the machine: its device, and where a run took place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import mibench
from mibench import machine
from mibench.interface import InputError
from mibench.machine import environment, resolve_device
from mibench.registry import make_estimator

# ---------------------------------------------------------------------------------------------------------------------
# Device


@pytest.mark.parametrize(
    ("name", "gpu", "estimators", "expected"),
    [
        ("cpu", "A100", ["ksg"], ("cpu", None)),
        ("auto", "A100", ["cca", "ksg"], ("cuda", "A100")),
        ("auto", None, ["ksg"], ("cpu", None)),
        ("cuda", "A100", ["cca"], ("cuda", "A100")),
    ],
)
def test_cuda_is_used_where_it_is_and_where_an_estimator_can(
    name: str, gpu: str | None, estimators: list[str], expected: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_gpu_name", lambda _: gpu)
    assert resolve_device(name, map(make_estimator, estimators)) == expected


def test_torch_is_not_asked_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpu_name", lambda _: pytest.fail("asked"))
    assert resolve_device("auto", [make_estimator("cca")]) == ("cpu", None)
    assert resolve_device("cpu", [make_estimator("ksg")]) == ("cpu", None)


def test_a_device_that_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpu_name", lambda _: None)
    with pytest.raises(InputError, match=r"^no CUDA device is found here; give --device cpu or auto$"):
        resolve_device("cuda", [])
    with pytest.raises(InputError, match=r"^unknown device 'cudo' \(nearest: cuda\); accepted: auto, cpu, cuda$"):
        resolve_device("cudo", [])


# ---------------------------------------------------------------------------------------------------------------------
# Where it ran


def test_the_environment_says_what_ran_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/mibench", "run", "--estimator", "ksg[k=3]"])
    found = environment(2, 4, "a GPU")
    assert set(found) == {
        "mibench", "git_revision", "git_dirty", "python", "platform", "libraries", "cpu", "cores", "gpu", "threads",
        "jobs", "command",
    }  # fmt: skip
    assert (found["mibench"], found["threads"], found["jobs"], found["gpu"]) == (mibench.__version__, 2, 4, "a GPU")
    assert found["command"] == "mibench run --estimator 'ksg[k=3]'"
    assert {"numpy", "scipy", "torch"} <= found["libraries"].keys()
    assert found["libraries"]["numpy"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment(2, 4, "a GPU") == found


def test_no_git_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "mibench" / "machine.py"))
    found = environment(1, 1, None)
    assert found["git_revision"] is None
    assert found["git_dirty"] is None
