"""BibTeX entries: written where they are used, or named by key where several objects cite the same source."""

from __future__ import annotations

import functools
import inspect
import re
import string
from collections.abc import Iterable
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


def distinct(citations: Iterable[str]) -> str:
    """Return all entries of some citations, each once and under a key of its own, in the order of their keys.

    An entry is the same where key and title are. Where two sources have one key, the later one gets a letter behind it.
    """
    found: dict[str, tuple[str, str]] = {}
    for citation in citations:
        for entry in re.split(r"^\s*(?=@)", entries(citation), flags=re.MULTILINE):
            head = re.match(r"@\w+\s*\{\s*([^,\s]+)\s*,", entry)
            if head is None:
                continue
            text = _laid_out(entry)
            title = re.search(r"\btitle\s*=\s*(.*)", text)
            identity = re.sub(r"[^a-z0-9]", "", (title[1] if title else text).lower())
            for key in (head[1], *(f"{head[1]}{letter}" for letter in string.ascii_lowercase)):
                if found.setdefault(key, (identity, text.replace(head[1], key, 1)))[0] == identity:
                    break
    return "\n\n".join(found[key][1] for key in sorted(found, key=str.lower))


def _laid_out(entry: str) -> str:
    """Indent the lines of an entry by two, and its last brace by none, wherever it was written."""
    head, *rest = inspect.cleandoc(entry).splitlines()
    lines = [line.strip() for line in rest]
    return "\n".join([head, *(line if line == "}" else f"  {line}" for line in lines if line)])


@functools.cache
def _references() -> dict[str, str]:
    found = re.split(r"^(?=@)", _FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {entry[entry.index("{") + 1 : entry.index(",")].strip(): entry.strip() for entry in found}
