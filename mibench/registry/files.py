"""Python files that a user names by their path."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
import types
from pathlib import Path

from mibench.interface import InputError

_imported_sources: dict[str, bytes] = {}


def import_file(path: Path) -> types.ModuleType:
    """Import a Python file once, however often and from wherever it is named, and again when its text has changed."""
    if not path.is_file():
        raise InputError(f"no file {str(path)!r}; give path/to/file.py:Object")
    path = path.resolve()
    # a/b.py and a_b.py are two files: the digest keeps them apart
    name = f"mibench_file_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    source = path.read_bytes()
    if name in sys.modules and _imported_sources.get(name) == source:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:  # so that it can import what lies beside it, as a script can
        sys.path.append(folder)
    try:
        # Compiled here: Python's cached bytecode takes a file that is changed within a second for the old one. What it
        # prints is no part of an answer on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    _imported_sources[name] = source
    return module
