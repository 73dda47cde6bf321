"""Where a number comes from: a hash of the code that computes it, and the machine and libraries that ran it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import mibench
from mibench.interface import Configurable

_ROOMS = ("mibench.estimators", "mibench.distributions")
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "pandas")


def code_hash(*owners: Configurable) -> str:
    """Hash the source of the owners' modules and of the machinery they import from beside them.

    Machinery is every module of `mibench.estimators` and `mibench.distributions`, or of the owner's own package or
    folder for code from elsewhere. The harness and the libraries are not part of it: they are in `environment`.
    """
    digest = hashlib.sha256()
    for owner in owners:
        digest.update(_source(type(owner)))
        wrapped = [getattr(owner, entry.name) for entry in dataclasses.fields(owner)]
        for inner in wrapped:
            if isinstance(inner, Configurable):
                digest.update(code_hash(inner).encode())
    return digest.hexdigest()[:16]


def _source(cls: type[Configurable]) -> bytes:
    path = getattr(sys.modules[cls.__module__], "__file__", None)
    if path is not None and cls.__module__ != "__main__":
        return _module_sources(cls.__module__, Path(path))
    try:  # a notebook cell, a script's own class
        return inspect.getsource(cls).encode()
    except (OSError, TypeError):
        return cls.__qualname__.encode()


@functools.cache
def _module_sources(module: str, path: Path) -> bytes:
    room = next((room for room in _ROOMS if module.startswith(room + ".")), None)
    sources: dict[str, bytes] = {}
    waiting = {module: path}
    while waiting:
        name, source = waiting.popitem()
        sources[name] = source.read_bytes().replace(b"\r\n", b"\n")
        for imported in _imports(name, sources[name]):
            beside = source.with_name(imported + ".py") if "." not in imported and room is None else None
            if imported in sources or imported in waiting:
                continue
            if beside is not None and beside.is_file():
                waiting[imported] = beside
            elif imported.startswith((room or name.partition(".")[0]) + "."):
                found = _find(imported)
                if found is not None:
                    waiting[imported] = found
    return b"".join(sources[name] for name in sorted(sources))


def _imports(module: str, source: bytes) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(module.split(".")[: -node.level]) + "." if node.level else ""
            base = (parent + (node.module or "")).strip(".")
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def _find(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # an attribute of a module, not a module
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


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
