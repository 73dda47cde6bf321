"""Facts in decorators, read from the source text: no module is imported, and no file is parsed as a whole."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mibench.interface import InputError

# A decorator or a class counts where neither a string nor a comment holds it: these are read first, and passed over.
_PASSED_OVER = r'''
    """ [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* """
  | \'\'\' [^'\\]* (?: (?: \\. | '(?!'') ) [^'\\]* )* \'\'\'
  | " (?: [^"\\\n] | \\. )* "
  | ' (?: [^'\\\n] | \\. )* '
  | \# [^\n]*
'''
_FLAGS = re.VERBOSE | re.MULTILINE | re.DOTALL
_BRACKETS = re.compile(rf"{_PASSED_OVER} | (?P<open> [(\[{{] ) | (?P<close> [)\]}}] )", _FLAGS)
_HEADS = re.compile(
    rf"{_PASSED_OVER} | ^[ \t]* @ (?P<call> [\w.]* register_(?P<kind>\w+) \s* \( )"
    r" | ^[ \t]* (?P<head> class | def | async \s+ def ) \s+ (?P<name>\w+)",
    _FLAGS,
)


@dataclass(frozen=True)
class Decorated:
    """A class under `@register_...(...)`: its name, the words of the decorator, and where that stands."""

    name: str
    words: dict[str, Any]
    where: str


def decorated(path: Path, kind: str) -> Iterator[Decorated]:
    """Read the classes of a file that are registered as `kind`."""
    text = path.read_text(encoding="utf-8")
    if f"register_{kind}" not in text:
        return
    calls: list[int] = []
    for found in _HEADS.finditer(text):
        if found["call"] and found["kind"] == kind:
            calls.append(found.start("call"))
        elif found["head"]:
            for start in calls if found["head"] == "class" else ():
                line = text.count("\n", 0, start) + 1
                yield Decorated(found["name"], _words(_call(text, start), path, line, kind), f"{path}:{line}")
            calls.clear()


def _call(text: str, start: int) -> str:
    """Cut a call out of a text: up to the bracket that closes its first one."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        depth += bool(found["open"]) - bool(found["close"])
        if found["close"] and depth == 0:
            return text[start : found.end()]
    return text[start:]


def _words(call: str, path: Path, line: int, kind: str) -> dict[str, Any]:
    try:
        tree = ast.parse(call, mode="eval").body
        assert isinstance(tree, ast.Call)
        return {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
    except SyntaxError as error:
        raise InputError(f"{path}:{line + (error.lineno or 1) - 1} is no Python: {error.msg}") from error
    except ValueError as error:
        raise InputError(
            f"{path}:{line}: facts in @register_{kind}(...) are read without running the file: write them as literals"
        ) from error


def source_of(module: str) -> Path | None:
    """Find a module's source file without importing its parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if not rest:
        return origin
    path = origin.parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
