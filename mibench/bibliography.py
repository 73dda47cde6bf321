"""BibTeX entries, written where they are used or named by key where several objects share a source; also as text."""

from __future__ import annotations

import functools
import inspect
import re
import string
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_FILE = Path(__file__).with_name("data") / "references.bib"
# Accents that LaTeX writes before a letter, and letters that it names.
ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", ".": "\u0307", "=": "\u0304",
            "v": "\u030c", "c": "\u0327", "H": "\u030b", "u": "\u0306", "k": "\u0328", "r": "\u030a"}  # fmt: skip
LETTERS = {"l": "ł", "L": "Ł", "o": "ø", "O": "Ø", "ss": "ß", "ae": "æ", "aa": "å", "i": "i", "&": "&", "%": "%"}


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
        for entry in separate(entries(citation)):
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


def separate(bibtex: str) -> list[str]:
    """Split BibTeX into its entries."""
    return [entry for entry in re.split(r"^\s*(?=@)", bibtex, flags=re.MULTILINE) if entry.strip()]


def _laid_out(entry: str) -> str:
    """Indent the lines of an entry by two, and its last brace by none, wherever it was written."""
    head, *rest = inspect.cleandoc(entry).splitlines()
    lines = [line.strip() for line in rest]
    return "\n".join([head, *(line if line == "}" else f"  {line}" for line in lines if line)])


@functools.cache
def _references() -> dict[str, str]:
    found = re.split(r"^(?=@)", _FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {entry[entry.index("{") + 1 : entry.index(",")].strip(): entry.strip() for entry in found}


# ---------------------------------------------------------------------------------------------------------------------
# As text


def citation_texts(bibtex: str) -> list[str]:
    """Write each BibTeX entry as a line of text: authors (year). title. journal."""
    return [_citation_text(entry) for entry in separate(bibtex)]


def _citation_text(entry: str) -> str:
    found = re.findall(r"(\w+)\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)\}", entry)
    fields = {key: re.sub(r"\s+", " ", value) for key, value in found}  # long values run over several lines
    where = (
        fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or fields.get("howpublished", "")
    )
    parts = [f"{fields.get('author', '')} ({fields.get('year', 'n.d.')})".strip(), fields.get("title", ""), where]
    if fields.get("doi") or fields.get("eprint"):
        parts.append(f"doi:{fields['doi']}" if fields.get("doi") else f"arXiv:{fields['eprint']}")
    return _unlatex(". ".join(part for part in parts if part))


def _unlatex(text: str) -> str:
    """Write the accents and letters of LaTeX as they look."""
    text = re.sub(r"\\(ss|ae|aa|[lLoOi&%])(?![A-Za-z])\s*", lambda found: LETTERS[found[1]], text)
    accent = r"""\\(["'`^~.=]|[vcHukr](?=[ {]))\s*\{?([A-Za-z])\}?"""
    text = re.sub(accent, lambda found: found[2] + ACCENTS[found[1]], text)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", text))
