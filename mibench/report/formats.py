"""A table as LaTeX, Markdown, HTML and plain text: the same contents, each escaped for its format."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mibench.bibliography import ACCENTS, LETTERS
from mibench.display import aligned, column_blocks, filled
from mibench.names import name_parts, wrap_name

# Characters that fit the line of a page, by the size of the letters, and lines. LaTeX tables that are larger are split.
_SIZES = {"footnotesize": 80, "scriptsize": 89}
_LINES = 45
_HEAD = 16  # characters of a head's line, where it can be broken


@dataclass(frozen=True)
class Entry:
    """A value with what stands after ±, a remark about trials that are not ok, and whether it is among the best.

    `number` is the value with every digit, where there is one.
    """

    value: str
    error: str = ""
    note: str = ""
    best: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Table:
    """What every format writes: heads of the columns, the first of them above the names of the lines, and the lines."""

    caption: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Entry, ...]], ...]


def to_latex(one: Table) -> str:
    r"""Write booktabs tables, in smaller letters or split where they do not fit; they need `\usepackage{booktabs}`."""
    tried = {size: list(_blocks(one, characters)) for size, characters in _SIZES.items()}
    size, blocks = min(tried.items(), key=lambda item: len(item[1]))
    parts = []
    for position, (heads, lines) in enumerate(blocks):
        caption = one.caption if position == 0 else f"Continued ({position + 1} of {len(blocks)})."
        body = [" & ".join([latex(name), *map(_latex_entry, line)]) + r" \\" for name, line in lines]
        parts += [
            r"\begin{table}",
            r"\centering\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            r"\setlength{\belowcaptionskip}{4pt}",  # a caption above, which article sets for one below
            *([r"\addtocounter{table}{-1}"] if position else []),  # the number of the first part
            rf"\caption{{{latex(caption)}}}",
            *([rf"\{size}"] if size != "footnotesize" else []),
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            " & ".join([latex(heads[0]), *map(_latex_head, heads[1:])]) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(parts)


def _blocks(one: Table, characters: int) -> Iterator[tuple[tuple[str, ...], list[tuple[str, tuple[Entry, ...]]]]]:
    """Split a table into parts that fit on a page, as evenly as can be."""
    names = max((len(name) for name, _ in one.lines), default=0)
    sizes = [max(map(len, [*wrap_name(head, _HEAD), *texts])) for head, texts in _columns(one, "")]
    size = math.ceil(len(one.lines) / math.ceil(max(len(one.lines), 1) / _LINES)) or 1
    for group in column_blocks(names, sizes, characters):
        for start in range(0, len(one.lines), size):
            lines = [(name, tuple(line[j] for j in group)) for name, line in one.lines[start : start + size]]
            yield (one.heads[0], *(one.heads[1 + j] for j in group)), lines


def _latex_head(head: str) -> str:
    parts = [latex(part) for part in wrap_name(head, _HEAD)]
    return parts[0] if len(parts) == 1 else r"\shortstack[r]{" + r"\\".join(parts) + "}"


def _latex_entry(entry: Entry) -> str:
    if re.fullmatch(r"-?[\d.]+(e[-+]\d+)?", entry.value):
        value = rf"\mathbf{{{_latex_number(entry.value)}}}" if entry.best else _latex_number(entry.value)
        error = rf" \pm {_latex_number(entry.error)}" if entry.error else ""
        text = f"${value}{error}$"
    else:
        text = latex(entry.value)
        text = rf"\textbf{{{text}}}" if entry.best else text
    return text + (rf" {{\scriptsize ({latex(entry.note)})}}" if entry.note else "")


def _latex_number(text: str) -> str:
    digits, _, exponent = text.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if exponent else digits


_GREEK = {f"GREEK SMALL LETTER {name.upper()}": name for name in (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)} | {"GREEK SMALL LETTER LAMDA": "lambda"} | {f"GREEK CAPITAL LETTER {name.upper()}": name for name in (
    "Gamma", "Delta", "Theta", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
)}  # fmt: skip
_SIGNS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", '"': "''",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, **{sign: f"${sign}$" for sign in "<>|"},
    "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$",
    "∞": r"$\infty$", "²": "$^2$", "†": r"$\dagger$", "−": "$-$", "–": "--", "—": "---", "…": r"\dots{}",
    "‘": "`", "’": "'", "“": "``", "”": "''",
}  # fmt: skip
_COMBINING = {mark: command for command, mark in ACCENTS.items()}
_NAMED = {letter: command for command, letter in LETTERS.items() if letter not in "i&%"}


def latex(text: str) -> str:
    """Write text so that LaTeX of any engine shows it; a sign that it would not know is named by its code."""
    out: list[str] = []
    for letter in unicodedata.normalize("NFD", text):
        name = unicodedata.name(letter, "")
        if letter in _COMBINING and out:
            out[-1] = f"\\{_COMBINING[letter]}{{{out[-1]}}}"
            if _COMBINING[letter] == "k":  # the ogonek, which LaTeX's first encoding lacks
                out[-1] = rf"{{\fontencoding{{T1}}\selectfont{out[-1]}}}"
        elif letter in _SIGNS:
            out.append(_SIGNS[letter])
        elif letter in _NAMED:
            out.append(f"{{\\{_NAMED[letter]}}}")
        elif name in _GREEK:
            out.append(f"$\\{_GREEK[name]}$")
        elif letter.isspace():
            out.append(" ")
        else:
            out.append(letter if letter.isascii() and letter.isprintable() else f"[U+{ord(letter):04X}]")
    return "".join(out)


def _text(entry: Entry) -> str:
    return f"{_value(entry)}{f' ({entry.note})' if entry.note else ''}"


def _value(entry: Entry) -> str:
    return f"{entry.value} ± {entry.error}" if entry.error else entry.value


def to_markdown(one: Table) -> str:
    """Write a table with pipes, its caption below."""

    def line(texts: Sequence[str]) -> str:
        return f"| {' | '.join(texts)} |"

    body = [
        line(
            [_markdown(name), *(f"**{_text(entry)}**" if entry.best else _markdown(_text(entry)) for entry in entries)]
        )
        for name, entries in one.lines
    ]
    rule = line([":--", *["--:"] * (len(one.heads) - 1)])
    return "\n".join([line([_markdown(head) for head in one.heads]), rule, *body, "", _markdown(one.caption)])


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#&~$])", r"\\\1", text)


def to_html(one: Table, *, classes: str = "") -> str:
    """Write a table element; numbers stand in `data-number` with every digit, for those who sort."""
    heads = "".join(f'<th scope="col">{_html_name(head)}</th>' for head in one.heads)
    body = [
        f'<tr><th scope="row">{_html_name(name)}</th>{"".join(map(_html_entry, entries))}</tr>'
        for name, entries in one.lines
    ]
    attribute = f' class="{html.escape(classes)}"' if classes else ""
    head = f"<thead><tr>{heads}</tr></thead>"
    caption = f"<caption><span>{html.escape(one.caption)}</span></caption>"
    return "\n".join([f"<table{attribute}>", caption, head, "<tbody>", *body, "</tbody>", "</table>"])


def _html_name(name: str) -> str:
    return "<wbr>".join(html.escape(part) for part in name_parts(name))


def _html_entry(entry: Entry) -> str:
    value = html.escape(_value(entry))
    number = f' data-number="{entry.number!r}"' if entry.number is not None else ""
    note = f" <small>({html.escape(entry.note)})</small>" if entry.note else ""
    return f"<td{number}>{f'<b>{value}</b>' if entry.best else value}{note}</td>"


def _columns(one: Table, star: str) -> list[tuple[str, list[str]]]:
    """Each column as its head and its texts; `star` stands behind the best."""
    columns = []
    for j, head in enumerate(one.heads[1:]):
        entries = [line[j] for _, line in one.lines]
        blank = " " * len(star) if any(entry.best for entry in entries) else ""
        columns.append((head, [_text(entry) + (star if entry.best else blank) for entry in entries]))
    return columns


def to_text(one: Table, width: int | None = None) -> str:
    """Write columns of plain text, in blocks where they are wider than `width`; a star stands for bold."""
    columns = [(wrap_name(head, _HEAD), texts) for head, texts in _columns(one, " *")]
    names = [name for name, _ in one.lines]
    first = max(map(len, [one.heads[0], *names]))
    sizes = [max(map(len, [*head, *texts])) for head, texts in columns]
    parts = []
    for block in column_blocks(first, sizes, width):
        height = max((len(columns[j][0]) for j in block), default=1)
        heads = [[""] * (height - len(head)) + head for head in ([one.heads[0]], *(columns[j][0] for j in block))]
        lines = [*zip(*heads, strict=True), *zip(names, *(columns[j][1] for j in block), strict=True)]
        parts += [*aligned(lines, [first, *(sizes[j] for j in block)], [False] + [True] * len(block)), ""]
    return "\n".join([*parts, filled(one.caption.replace("Bold: ", "*: "), width)])


WRITERS: dict[str, Callable[[Table], str]] = {"latex": to_latex, "markdown": to_markdown, "html": to_html}


def written(tables: Iterable[Table], form: str, width: int | None = None) -> str:
    """Write tables in a format, one after another."""
    return "\n\n".join(to_text(one, width) if form == "table" else WRITERS[form](one) for one in tables)
