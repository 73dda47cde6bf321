"""The search of all pairs by torch, in float64: for a CUDA device, and on any other the same to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mibench.interface import Array

Counts = NDArray[np.int64]

# Matrices (rows, n) in use at once, the sort within `topk` among them, and the bytes they may take without CUDA.
MATRICES, HOST_BYTES = 8, 2**27


def strict_neighbors(
    x: Array, y: Array, ks: Sequence[int], *, euclidean: bool, device: str
) -> tuple[Array, Counts, Counts]:
    """See `search.strict_neighbors`; some rows against all points at a time, as memory allows.

    In the Euclidean norm squares are compared, and numpy takes the roots: not all of torch's are rounded correctly.
    """
    n, places = len(x), torch.tensor([k - 1 for k in ks], device=device)
    blocks = [torch.tensor(block.T.copy(), dtype=torch.float64, device=device) for block in (x, y)]
    free = torch.cuda.mem_get_info(device)[0] // 2 if torch.device(device).type == "cuda" else HOST_BYTES
    size = max(1, min(n, free // (8 * n * MATRICES)))
    parts = []
    for rows in (slice(start, min(start + size, n)) for start in range(0, n, size)):
        in_x, in_y = (_measure(columns, rows, euclidean) for columns in blocks)
        nearest = torch.maximum(in_x, in_y).topk(max(ks), dim=1, largest=False, sorted=True).values
        radii = nearest[:, places].cpu().numpy()
        radii = np.sqrt(radii) if euclidean else radii
        borders = torch.tensor(_squared_borders(radii) if euclidean else radii, device=device)
        counts = ([(near < border[:, None]).sum(1) for border in borders.T] for near in (in_x, in_y))
        parts.append([radii, *(torch.stack(count, dim=1).cpu().numpy() for count in counts)])
    radii, counts_x, counts_y = (np.concatenate(part) for part in zip(*parts, strict=True))
    return radii, counts_x, counts_y


def _measure(columns: torch.Tensor, rows: slice, euclidean: bool) -> torch.Tensor:
    """Distances (their squares in the Euclidean norm) of some points to all (rows, n); infinite to themselves."""
    found = torch.zeros(rows.stop - rows.start, columns.shape[1], dtype=columns.dtype, device=columns.device)
    for column in columns:
        away = column[rows, None] - column
        # Square first, then add: a fused product and sum would round once, not twice.
        found = found.add_(away.square_()) if euclidean else torch.maximum(found, away.abs_(), out=found)
    own = torch.arange(rows.start, rows.stop, device=columns.device)
    found[own - rows.start, own] = torch.inf
    return found


def _squared_borders(radii: Array) -> Array:
    """The numbers that exactly those squares lie below whose roots are less than the radii."""
    squares = radii * radii
    while (short := np.sqrt(squares) < radii).any():
        squares[short] = np.nextafter(squares[short], np.inf)
    while (beyond := (squares > 0) & (np.sqrt(np.nextafter(squares, 0)) >= radii)).any():
        squares[beyond] = np.nextafter(squares[beyond], 0)
    return squares
