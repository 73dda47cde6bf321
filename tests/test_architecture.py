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
# The rooms of the architecture. A module imports its own room and those on lines above, never one of its own line.
ROOMS = [
    ["parameters", "bibliography", "data"],
    ["interface"],
    ["suites", "training"],
    ["registry"],
    ["checks", "failures", "losses", "machine", "profiles", "progress", "provenance", "tasks"],
    ["intervals"],
    ["estimating"],
    ["rows"],
    ["execution", "owndata", "scoring"],
    ["compare", "names"],
    ["display"],
    ["report"],
    ["listing", "testing"],
    ["cli"],
    ["__main__"],
]
ABOVE = {room: {above for line in ROOMS[:place] for above in line} for place, line in enumerate(ROOMS) for room in line}
# Rooms, and modules, that import nothing but this and what lies in their own room. What is measured stands on no line:
# nobody but `losses`, which hands on the bounds, may name an estimator or a distribution.
ONLY = {
    "interface": ["parameters"],
    "suites": ["interface"],
    "training": ["interface"],
    "registry": ["bibliography", "interface", "parameters", "suites"],
    "distributions": ["interface", "registry"],
    "estimators": ["interface", "registry", "training"],
    "losses": ["interface", "estimators.variational"],
}
# What runs work of any kind, and never sees what is inside.
BLIND = [f"execution.{name}" for name in ("batches", "child", "local", "messages", "server", "work")]
BLIND_MAY = [*BLIND, "failures", "machine", "registry"]
KNOW_THE_VERSION = ["cli", "machine", "provenance", "report"]  # of `mibench` itself, which only forwards names


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


def room(module: str) -> str:
    return module.split(".")[1]


def allowed(module: str, imported: str) -> bool:
    """Whether the arrow module -> imported belongs to the architecture."""
    if within(imported, *BARE):
        return False  # the same file under a second name would register its objects twice
    if module == "mibench":
        return True
    if imported == "mibench":
        return room(module) in KNOW_THE_VERSION
    module, imported = module.removeprefix("mibench."), imported.removeprefix("mibench.")
    if module in BLIND:
        return within(imported, *BLIND_MAY)
    here, there = module.partition(".")[0], imported.partition(".")[0]
    if here == there:
        return here != "estimators" or of_the_family(module, imported)
    if here in ONLY:
        return within(imported, *ONLY[here])
    return there in ABOVE[here]


def of_the_family(module: str, imported: str) -> bool:
    """Whether an estimator may import this: of its own family, or a module beside the families that several share."""
    family = ".".join(module.split(".")[:2])
    shared = imported.count(".") == 1 and SOURCES[f"mibench.{imported}"].name != "__init__.py"
    return within(imported, family) or shared


def test_every_module_has_a_room() -> None:
    rooms = [name for line in ROOMS for name in line]
    assert len(rooms) == len({*rooms})
    assert {room(module) for module in SOURCES if module != "mibench"} == {*rooms, *BARE}
    assert {f"mibench.{module}" for module in BLIND} <= {*SOURCES}


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
        ("mibench.registry", "mibench.execution.plan"),
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
        ("mibench.execution.local", "mibench.execution.trial"),
        ("mibench.execution.batches", "mibench.interface"),
        ("mibench.scoring", "mibench.cli"),
        ("mibench.scoring.summary", "mibench.report.tables"),
        ("mibench.scoring.summary", "mibench.display"),
        ("mibench.scoring.cell", "mibench.compare"),
        ("mibench.compare", "mibench.report"),
        ("mibench.compare", "mibench.display"),
        ("mibench.losses", "mibench.estimators.gaussian.cca"),
        ("mibench.losses", "mibench.rows.store"),
        ("mibench.checks", "mibench.owndata.columns"),
        ("mibench.estimating", "mibench.owndata.estimation"),
        ("mibench.intervals", "mibench.estimating"),
        ("mibench.rows.files", "mibench.owndata.files"),
        ("mibench.rows.row", "mibench.execution.plan"),
        ("mibench.execution.trial", "mibench.owndata.columns"),
        ("mibench.execution.trial", "mibench.scoring.cell"),
        ("mibench.owndata.estimation", "mibench.execution.runner"),
        ("mibench.owndata.consistency", "mibench.report"),
        ("mibench.owndata.files", "mibench.cli.owndata"),
        ("mibench.scoring.cell", "mibench.execution.plan"),
        ("mibench.scoring.cell", "mibench.owndata.estimation"),
        ("mibench.tasks", "mibench.rows.row"),
        ("mibench.report.page", "mibench.testing.checks"),
        ("mibench.testing.estimators", "mibench.listing"),
        ("mibench.registry.spec", "mibench.training.loop"),
        ("mibench.suites", "mibench.parameters"),
        ("mibench.bibliography", "mibench.interface"),
        ("mibench.cli.run", "mibench.estimators.gaussian.cca"),
        ("mibench.cli.run", "mibench.__main__"),
        ("mibench.owndata.files", "mibench"),
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
        (
            "import contextlib; from mibench.cli import COMMANDS, main\n"
            "for command in COMMANDS:\n    with contextlib.suppress(SystemExit):\n        main([command, '--help'])",
            [*HEAVY, "rich"],
        ),
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
