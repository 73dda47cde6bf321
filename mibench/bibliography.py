"""BibTeX entries: written where they are used, or named by key where several objects cite the same source."""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path

_FILE = Path(__file__).with_name("data") / "references.bib"


def entries(citation: str) -> str:
    """Return the BibTeX behind a citation: keys (a comma list) are looked up, anything else is returned as it is.

    A key that nobody wrote down comes back as it is too: the common checks say that it is no BibTeX entry.
    """
    keys = [key.strip() for key in citation.split(",")]
    if all(key in _references() for key in keys):
        return "\n\n".join(_references()[key] for key in keys)
    return inspect.cleandoc(citation)


@functools.cache
def _references() -> dict[str, str]:
    found = re.split(r"^(?=@)", _FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {entry[entry.index("{") + 1 : entry.index(",")].strip(): entry.strip() for entry in found}
