"""The reference rows: what the registered estimators gave on the common suites, shipped with mibench.

A file of rows for each estimator, so that one that is run again changes one file, and `environments.json`, which
describes by id the machines and libraries that made them. `benchmarks/reference.py` writes them; `mibench.rows.select`
reads and marks them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data/reference"
ENVIRONMENTS = "environments.json"


def files() -> list[Path]:
    """Return the files of rows, in the order of their names."""
    return sorted(FOLDER.glob("*.csv.gz"))


def environments() -> dict[str, dict[str, Any]]:
    """Return the descriptions of the runs that made the rows, by their id."""
    path = FOLDER / ENVIRONMENTS
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
