"""Where an exception comes from, in words for the person whose code raised it."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def place_of(error: BaseException) -> str:
    """Name the file and the line that raised: the innermost that belongs to no installed library, where there is one.

    An array that is too large is made in numpy; what one has to look at is who asked for it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
    where = (own or frames)[-1]
    return f"{Path(where.filename).name}:{where.lineno}"
