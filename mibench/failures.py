"""What an exception says and where it comes from, in words for the person whose code raised it."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Any

from mibench.interface import InputError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Cannot allocate memory")
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def failure(error: Exception | SystemExit) -> dict[str, Any]:
    """Return the columns of a row whose work raised."""
    out_of_memory = isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)
    place = "" if isinstance(error, InputError) else f" ({place_of(error)})"
    text = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else str(error)
    return {
        "status": "oom" if out_of_memory else "error",
        "error_type": type(error).__name__,
        "error_text": f"{text[:2000]}{place}",
    }


def place_of(error: BaseException) -> str:
    """Name the file and the line that raised: the innermost that belongs to no installed library, where there is one.

    An array that is too large is made in numpy; what one has to look at is who asked for it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
    where = (own or frames)[-1]
    return f"{Path(where.filename).name}:{where.lineno}"
