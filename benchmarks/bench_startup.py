"""How long a user waits before anything happens, each in a fresh process. `interpreter` is what Python itself takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

COMMANDS = {
    "interpreter": ["-c", "pass"],
    "import": ["-c", "import mibench"],
    "help": ["-m", "mibench", "--help"],
    "list-estimators": ["-m", "mibench", "list", "estimators"],
    "list-distributions": ["-m", "mibench", "list", "distributions"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def bench_startup(benchmark: Callable[..., object], command: list[str]) -> None:
    benchmark(subprocess.run, [sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
