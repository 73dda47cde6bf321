"""The machine that mibench runs on: its cores, its device, and what a run stores about it."""

from __future__ import annotations

import functools
import glob
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mibench
from mibench.interface import Estimator, InputError
from mibench.registry import nearest

_DEVICES = ("auto", "cpu", "cuda")
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "pandas")


def usable_cores() -> int:
    """Number of cores this process may use, in a container fewer than there are; macOS knows only the latter."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


# ---------------------------------------------------------------------------------------------------------------------
# Device


def resolve_device(name: str, estimators: Iterable[Estimator], *, here: bool = False) -> tuple[str, str | None]:
    """Return the device class ("cpu" or "cuda") that the estimators use, and the GPU's name.

    `name` is "auto", "cpu" or "cuda". Torch is asked where an estimator can use CUDA, or where it is demanded: `here`,
    in this process, if the estimators run in it; else in a process of its own, so that this one holds no GPU memory.
    """
    if name not in _DEVICES:
        raise InputError(f"unknown device {name!r}{nearest(name, list(_DEVICES))}; accepted: {', '.join(_DEVICES)}")
    useful = name == "auto" and any("cuda" in estimator.facts.devices for estimator in estimators)
    gpu = _gpu_name(here) if useful or name == "cuda" else None
    if gpu is None and name == "cuda":
        raise InputError("no CUDA device is found here; give --device cpu or auto")
    return ("cuda", gpu) if gpu is not None else ("cpu", None)


@functools.cache
def _gpu_name(here: bool) -> str | None:
    if not _has_gpu_files():
        return None
    if here:
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _has_gpu_files() -> bool:
    """Whether a CUDA device can be here at all: a glance at its files spares the seconds that importing torch takes."""
    return sys.platform == "linux" and (bool(glob.glob("/dev/nvidia[0-9]*")) or Path("/dev/dxg").exists())


# ---------------------------------------------------------------------------------------------------------------------
# Environment


def environment(threads: int, jobs: int, gpu: str | None) -> dict[str, Any]:
    """Describe this run: versions, machine and command line."""
    revision = _git("rev-parse", "HEAD")
    return {
        "mibench": mibench.__version__,
        "git_revision": revision,
        "git_dirty": bool(_git("status", "--porcelain")) if revision else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "threads": threads,
        "jobs": jobs,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Ask git about the checkout that mibench runs from; None when it is installed elsewhere."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
