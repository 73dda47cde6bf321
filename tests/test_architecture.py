"""The arrows of the architecture: who may import whom, read from the source; and what start-up must not load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] in ("estimators", "distributions"):
        parts = ("mibench", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# `rglob` does not follow the symlinks in mibench/, so each file is read once.
SOURCES = {
    module_name(path): path
    for folder in ("mibench", "estimators", "distributions")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


BARE = ("estimators", "distributions")


def imports_of(module: str) -> set[str]:
    """Modules of this project that a module imports anywhere: at its top, in a function, for the type checker."""
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return set(read_imports(path.read_text(encoding="utf-8"), package))


def read_imports(source: str, package: str) -> Iterator[str]:
    """Names that the source of a module in `package` imports from this project, relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` imports the module, `from module import name` the module it stands in.
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in SOURCES else base for alias in node.names]
        yield from (name for name in names if within(name, "mibench", *BARE))


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def is_package(name: str) -> bool:
    return SOURCES[name].name == "__init__.py"


def allowed(module: str, imported: str) -> bool:
    """Whether the arrow module -> imported belongs to the architecture."""
    if within(imported, *BARE):
        return False  # the same file under a second name would register its objects twice
    if module in ("mibench.interface", "mibench.bibliography", "mibench.data"):
        return False
    if module == "mibench.suites":
        return imported == "mibench.interface"
    if module == "mibench.registry":
        return imported in ("mibench.bibliography", "mibench.interface", "mibench.suites")
    if within(module, "mibench.training"):
        return imported == "mibench.interface" or within(imported, "mibench.training")
    if within(module, "mibench.distributions"):
        return imported in ("mibench.interface", "mibench.registry") or within(imported, "mibench.distributions")
    if within(module, "mibench.estimators"):
        # estimators/<family>/<name>.py, and modules beside the families for what several of them share.
        family = ".".join(module.split(".")[:3])
        shared = within(imported, "mibench.estimators") and imported.count(".") == 2 and not is_package(imported)
        ground = imported in ("mibench.interface", "mibench.registry") or within(imported, "mibench.training")
        return ground or within(imported, family) or shared
    if within(imported, "mibench.cli"):
        return module == "mibench.__main__" or within(module, "mibench.cli")
    if module == "mibench.losses":
        # The bounds as losses: the one part of the harness that shows an estimator family's machinery.
        return imported == "mibench.interface" or within(imported, "mibench.estimators.variational")
    # Rows become scores, scores a comparison, and these are drawn: never the other way.
    if within(module, "mibench.scoring", "mibench.compare") and within(imported, "mibench.report", "mibench.display"):
        return False
    if within(module, "mibench.scoring") and within(imported, "mibench.compare", "mibench.runner", "mibench.execution"):
        return False
    # The command line and the public names reach everything; the harness names no estimator and no distribution.
    if module == "mibench" or within(module, "mibench.cli"):
        return True
    return not within(imported, "mibench.estimators", "mibench.distributions")


@pytest.mark.parametrize("module", SOURCES)
def test_imports_follow_the_arrows(module: str) -> None:
    wrong = sorted(imported for imported in imports_of(module) if not allowed(module, imported))
    assert not wrong, f"{module} must not import {', '.join(wrong)}"


def test_imports_form_no_circle() -> None:
    """One direction, no back and forth; `mibench/__init__.py` is left out, as it only forwards names when asked."""
    graph = {module: imports_of(module) & SOURCES.keys() - {"mibench", module} for module in SOURCES}
    finished: set[str] = {"mibench"}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in finished:
            for imported in sorted(graph[module]):
                visit(imported, (*path, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_imports_are_read_in_every_spelling() -> None:
    source = """
import estimators.gaussian
import numpy, mibench.rows.store as s
from mibench import registry, estimate
from mibench.estimators.gaussian.cca import CCA
def f():
    from . import cca
    from ..gaussian.cca import CCA
    if TYPE_CHECKING:
        import mibench.cli as c
"""
    assert list(read_imports(source, "mibench.estimators.gaussian")) == [
        "estimators.gaussian",
        "mibench.rows.store",
        "mibench.registry",
        "mibench",
        "mibench.estimators.gaussian.cca",
        "mibench.estimators.gaussian.cca",
        "mibench.estimators.gaussian.cca",
        "mibench.cli",
    ]


def test_every_family_may_train() -> None:
    for module in ("mibench.estimators.variational.trained", "mibench.estimators.wrappers.autoencoder"):
        assert allowed(module, "mibench.training.loop")


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("mibench.interface", "mibench.registry"),
        ("mibench.registry", "mibench.plan"),
        ("mibench.estimators.neighbors.ksg", "mibench.estimators.gaussian.cca"),
        ("mibench.estimators.neighbors.ksg", "mibench.distributions.gaussian"),
        ("mibench.distributions.gaussian", "mibench.estimators.gaussian.cca"),
        ("mibench.distributions.gaussian", "mibench.scoring"),
        ("mibench.estimators.gaussian.cca", "mibench"),
        ("mibench.training.loop", "mibench.estimators.variational.critics"),
        ("mibench.training.loop", "mibench.registry"),
        ("mibench.distributions.gaussian", "mibench.training.networks"),
        ("mibench.rows.store", "mibench.estimators"),
        ("mibench.execution.child", "mibench.distributions.gaussian"),
        ("mibench.scoring", "mibench.cli"),
        ("mibench.scoring.summary", "mibench.report.tables"),
        ("mibench.scoring.summary", "mibench.display"),
        ("mibench.scoring.cell", "mibench.compare"),
        ("mibench.compare", "mibench.report"),
        ("mibench.compare", "mibench.display"),
        ("mibench.losses", "mibench.estimators.gaussian.cca"),
        ("mibench.losses", "mibench.rows.store"),
        ("mibench.cli", "estimators.gaussian"),
    ],
)
def test_wrong_arrows_are_refused(module: str, imported: str) -> None:
    assert not allowed(module, imported)


# ---------------------------------------------------------------------------------------------------------------------
# Start-up

HEAVY = ["torch", "scipy", "sklearn", "pandas", "matplotlib"]


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import mibench; dir(mibench)", [*HEAVY, "numpy"]),
        ("import mibench.cli", HEAVY),
        (
            "from mibench.registry import estimators, distributions; estimators.entries(); distributions.entries()",
            HEAVY,
        ),
        ("from mibench.cli import main; main(['--help'])", HEAVY),
        ("from mibench.cli import main; main(['list', 'estimators'])", HEAVY),
        ("from mibench.cli import main; main(['list', 'distributions'])", HEAVY),
        ("from mibench.cli import main; main(['list', 'suites'])", HEAVY),
    ],
)
def test_start_up_loads_nothing_heavy(code: str, heavy: list[str]) -> None:
    probe = (
        "import atexit, json, sys; atexit.register(lambda: "
        f"print('\\n' + json.dumps([name for name in {heavy!r} if name in sys.modules])));\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
