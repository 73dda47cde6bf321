"""Where a number comes from: a hash of the code that computes it, and the machine and libraries that ran it."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import glob
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mibench
from mibench.interface import Configurable, InputError

_ROOMS = ("mibench.estimators.", "mibench.distributions.", "mibench.training.")
_MIBENCH = Path(mibench.__file__).parents[1]
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "pandas")


def code_hash(*owners: Configurable) -> str:
    """Hash the source of the owners' modules and of the machinery that they import.

    Machinery is every module of `mibench.estimators`, `mibench.distributions` and `mibench.training`, and for code from
    elsewhere what lies in its own package or beside its file; and the files that these name in `DATA_FILES`. The
    harness and the libraries are not part of it: they are in `environment`.
    """
    parts = []
    for owner in owners:
        parts.append(_class_hash(type(owner)))
        wrapped = [getattr(owner, entry.name) for entry in dataclasses.fields(owner)]
        parts += [code_hash(inner) for inner in wrapped if isinstance(inner, Configurable)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


_hashes: dict[type, str] = {}


def read_again() -> None:
    """Forget the sources that were read: files may have changed since the last run of this process."""
    _hashes.clear()


def _class_hash(cls: type) -> str:
    if cls not in _hashes:
        path = _file(cls.__module__)
        parts = _module_sources(cls.__module__, path) if path is not None else _live_parts(cls)
        _hashes[cls] = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return _hashes[cls]


def _file(module: str) -> Path | None:
    """Where a module's source stands; None for a script, a notebook and what was typed."""
    path = getattr(sys.modules.get(module), "__file__", None)
    return Path(path) if path is not None and module != "__main__" else None


def _module_sources(module: str, path: Path) -> Iterator[bytes]:
    """Sources of a module, and of all that it imports from the rooms of mibench, its own package or its folder.

    A file that one of them names in `DATA_FILES` counts by its hash.
    """
    root = path.parents[module.count(".") + (path.name == "__init__.py")]
    package = module.partition(".")[0] + "." if "site-packages" in path.parts else ""
    sources: dict[str, bytes] = {}
    waiting = {module: path}
    while waiting:
        name, source = waiting.popitem()
        sources[name] = source.read_bytes().replace(b"\r\n", b"\n")
        tree = ast.parse(sources[name])
        sources |= {f"{name}/{file}": _data(source, file) for file in _data_files(source, tree)}
        for imported in _imports(name if source.name == "__init__.py" else name.rpartition(".")[0], tree):
            if imported.startswith(_ROOMS):
                found = _find(_MIBENCH, imported)
            elif imported.startswith(package) and not imported.startswith("mibench."):
                found = _find(root, imported)
            else:
                found = None
            if found is not None and imported not in sources:
                waiting[imported] = found
    return (sources[name] for name in sorted(sources))


def _data_files(source: Path, tree: ast.Module) -> tuple[str, ...]:
    """Names of the files beside a module that it reads, such as trained weights: its literal `DATA_FILES`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["DATA_FILES"]:
            with contextlib.suppress(ValueError):
                names = ast.literal_eval(node.value)
                if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
                    return names
            raise InputError(f'{source}: give DATA_FILES as a literal, such as DATA_FILES = ("weights.safetensors",)')
    return ()


def _data(source: Path, name: str) -> bytes:
    """Hash a file beside a module."""
    try:
        with (source.parent / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"{source} reads {name}, which cannot be read beside it: {error.strerror}") from None


def _imports(package: str, tree: ast.Module) -> set[str]:
    """Names of the modules that a source imports, and of what it imports from them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".") if package else []
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)}
    return names - {""}


def _find(root: Path, module: str) -> Path | None:
    """Find a module's file without importing anything."""
    path = root.joinpath(*module.split("."))
    return next((one for one in (path.with_name(path.name + ".py"), path / "__init__.py") if one.is_file()), None)


def _live_parts(cls: type) -> Iterator[bytes]:
    """Describe a class without a file by its compiled code, and by that of all it uses from the same place.

    Line numbers, comments and the rest of a script do not count.
    """
    waiting: list[Any] = [cls]
    seen: set[int] = set()
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, type | types.FunctionType):
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            path = _file(thing.__module__)
            if path is not None and _is_own(thing.__module__, path):
                yield from _module_sources(thing.__module__, path)
            if thing.__module__ != cls.__module__:
                continue
        if isinstance(thing, type):
            yield thing.__qualname__.encode()
            waiting += thing.__bases__
            waiting += [vars(thing)[name] for name in sorted(vars(thing)) if name not in ("__doc__", "__firstlineno__")]
        elif isinstance(thing, types.FunctionType):
            waiting += [thing.__code__, thing.__defaults__, thing.__kwdefaults__, *_used(thing)]
        elif isinstance(thing, types.CodeType):
            yield thing.co_code + " ".join(thing.co_names).encode()
            waiting += thing.co_consts
        elif isinstance(thing, property | functools.cached_property | staticmethod | classmethod):
            waiting.append(next(getattr(thing, name) for name in ("fget", "func", "__func__") if hasattr(thing, name)))
        elif isinstance(thing, tuple | list):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.items()
        elif isinstance(thing, set | frozenset):
            waiting += sorted(thing, key=repr)
        elif thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
            yield repr(thing).encode()


def _is_own(module: str, path: Path) -> bool:
    """Whether a module is neither the harness nor a library: its code belongs to the estimate."""
    library = "site-packages" in path.parts or path.is_relative_to(sysconfig.get_path("stdlib"))
    return module.startswith(_ROOMS) or not (library or module.partition(".")[0] == "mibench")


def _used(function: types.FunctionType) -> Iterator[Any]:
    """What a function and the functions inside it look up outside of themselves."""
    codes = [function.__code__]
    names = set()
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    yield from (function.__globals__[name] for name in sorted(names) if name in function.__globals__)
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is still empty
            yield cell.cell_contents


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


def usable_cores() -> int:
    """Number of cores this process may use, in a container fewer than there are; macOS knows only the latter."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


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


def has_gpu_files() -> bool:
    """Whether a CUDA device can be here at all: a glance at its files spares the seconds that importing torch takes."""
    return sys.platform == "linux" and (bool(glob.glob("/dev/nvidia[0-9]*")) or Path("/dev/dxg").exists())
