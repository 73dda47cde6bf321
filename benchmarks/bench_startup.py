"""How long a user waits before anything happens, each in a fresh process. `interpreter` is what Python itself takes.

`many` has 80 estimators and 100 distributions: copies of those that are here, under names of their own.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mibench.registry import catalogues

ROOT = Path(__file__).parents[1]
MANY = {"estimators": 80, "distributions": 100}
COMMANDS = {
    "interpreter": ["-c", "pass"],
    "import": ["-c", "import mibench"],
    "help": ["-m", "mibench", "--help"],
    "list-estimators": ["-m", "mibench", "list", "estimators"],
    "list-distributions": ["-m", "mibench", "list", "distributions"],
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with many estimators and distributions."""
    clone = tmp_path_factory.mktemp("many")
    for folder in ("mibench", "estimators", "distributions", "benchmarks", "results"):
        shutil.copytree(ROOT / folder, clone / folder, symlinks=True, ignore=shutil.ignore_patterns("*.sqlite*"))
    for plural, count in MANY.items():
        kind = catalogues[plural].kind.name
        files = [path for path in sorted((clone / plural).rglob("*.py")) if f"@register_{kind}(" in path.read_text()]
        known = len(catalogues[plural].entries())
        for number, path in enumerate(itertools.cycle(files)):
            if known >= count:
                break
            text = re.sub(r"\n    aliases=.*", "", path.read_text())
            text, copied = re.subn(rf'(@register_{kind}\(\s*name="[^"]*)"', rf'\1-{number}"', text)
            path.with_name(f"{path.stem}_{number}.py").write_text(text)
            known += copied
    return clone


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def bench_startup(benchmark: Callable[..., object], command: list[str]) -> None:
    benchmark(subprocess.run, [sys.executable, *command], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", [*COMMANDS][2:])
def bench_startup_with_many(benchmark: Callable[..., object], command: str, many: Path) -> None:
    benchmark(
        subprocess.run, [sys.executable, *COMMANDS[command]], check=True, stdout=subprocess.DEVNULL, cwd=many,
        env={"PYTHONPATH": str(many)},
    )  # fmt: skip
