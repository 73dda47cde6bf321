"""How trials ended: what failed for which seeds, what was skipped and why, what was warned of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mibench.rows.row import Row, Status, params_text
from mibench.scoring.summary import grouped


class Failure(NamedTuple):
    """Failed trials that are alike: one of them, and the seeds of all."""

    row: Row
    seeds: list[int]


def statuses(rows: Sequence[Row]) -> dict[Status, int]:
    """Count the trials by their status: first what is ok, then the most frequent."""
    found = Counter(row["status"] for row in rows)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "ok", -item[1], item[0])))


def failures(rows: Sequence[Row]) -> list[Failure]:
    """Collect the failed trials of one estimator on one distribution that say the same."""
    groups = grouped((_kind(row), row) for row in rows if row["status"] not in ("ok", "skipped"))
    return [Failure(own[0], [row["seed"] for row in own]) for own in groups.values()]


def _kind(row: Row) -> tuple[str | int | None, ...]:
    text = (row["error_text"] or "").strip()
    return (
        row["estimator"], params_text(row["params"]), row["distribution"], row["n"], row["status"],
        row["error_type"] or "", text,
    )  # fmt: skip


def skips(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Collect the skipped trials by estimator and reason."""
    return grouped(((row["estimator"], row["error_text"] or ""), row) for row in rows if row["status"] == "skipped")


def warnings(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Count warnings, the most frequent first; those that differ in their numbers only are one, shown by the first."""
    kinds = grouped((re.sub(r"\d[\d.,e+-]*", "#", text), text) for row in rows for text in row["warnings"])
    return sorted(((len(texts), texts[0]) for texts in kinds.values()), key=lambda item: -item[0])
