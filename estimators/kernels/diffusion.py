"""Diffusion spectral entropy of points, and the categories that a variable falls into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, eigsh
from scipy.special import entr

from mibench.estimators.kernels.gram import gaussian_kernel
from mibench.estimators.kernels.traces import low_rank
from mibench.interface import Array

CATEGORIES = 10  # of a continuous variable
NEIGHBORS = 10  # in the graph that a vector variable is clustered on
MOST_RESTARTS = 200  # of Lanczos' iteration, some seconds at n = 10,000
EXACT = 1500  # points up to which all eigenvalues are computed
LEFT = 1e-12  # share of the kernel's trace that a factor may leave out to stand for it


def dse(points: Array, bandwidth: float, t: int = 1) -> float:
    r"""Diffusion spectral entropy of points (n, dim): -sum_i p_i log p_i with p_i = |lambda_i|^t / sum_j |lambda_j|^t.

    lambda_i are the eigenvalues of the diffusion matrix D^-1 G with the Gaussian kernel
    G_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2)) and the diagonal matrix D of its row sums; D^-1/2 G D^-1/2 has the
    same. In nats, from 0 (all points alike) to log n (each point out of the others' reach): a count of the directions
    that t steps of the diffusion leave apart, which depends on n and on the scale of the data. It is no estimate of
    Shannon entropy.

    Source: Liao et al., Assessing neural network representations during training using noise-resilient diffusion
    spectral entropy, 2024, whose implementation adds the machine epsilon to each p_i; so does this one.

    Beyond 1500 points the kernel is replaced by a factor of rank n / 10 at most, where one leaves out less than 1e-12
    of its trace: smooth data in up to three dimensions, heavy tails in one. That changes the entropy by less than 1e-7.
    Elsewhere it takes O(n^3), to which the search for a factor adds little.
    """
    n = len(points)
    eigenvalues = np.zeros(n)
    factor, left = low_rank(points / bandwidth, n // 10, LEFT * n) if n > EXACT else (np.empty((0, n)), float(n))
    if left <= LEFT * n:
        factor /= np.sqrt(factor.sum(axis=1) @ factor)
        eigenvalues[: len(factor)] = np.linalg.eigvalsh(factor @ factor.T)
    else:
        kernel = gaussian_kernel(points, points, bandwidth)
        degree = np.sqrt(kernel.sum(axis=1))
        kernel /= degree
        kernel /= degree[:, None]
        eigenvalues[:] = np.linalg.eigvalsh(kernel)
    powers = np.abs(eigenvalues) ** t
    return float(entr(powers / powers.sum() + np.finfo(float).eps).sum())


def categories(y: Array, discrete: bool) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Number the category of each row of y (n, dim) from 0, and give reasons to distrust that.

    Discrete columns, and one column of whole numbers, are labels. Another single column is cut into 10 bins of equal
    width, several columns into 10 spectral clusters of the graph of nearest neighbours.
    """
    if discrete or (y.shape[1] == 1 and (y == np.round(y)).all()):
        return np.unique(y, axis=0, return_inverse=True)[1].reshape(len(y)), ()
    if y.shape[1] == 1:
        scaled = (y[:, 0] - y.min()) / (y.max() - y.min())
        bins = np.digitize(scaled, np.linspace(0, 1, CATEGORIES + 1))
        return np.unique(np.minimum(bins, CATEGORIES), return_inverse=True)[1], ()
    graph = neighbor_graph(y)
    pieces = connected_components(graph, directed=False)[0]
    reason = "the graph of Y's nearest neighbours falls apart: its clusters are not unique"
    return np.unique(spectral_clusters(graph), return_inverse=True)[1], (reason,) if pieces > 1 else ()


def neighbor_graph(points: Array) -> csr_array:
    """Weights (n, n): 1 where two points are among the 10 nearest of each other, 1/2 where one is, itself counted."""
    from sklearn.neighbors import kneighbors_graph

    nearest = csr_array(kneighbors_graph(points, NEIGHBORS, include_self=True))
    graph = csr_array(0.5 * (nearest + nearest.T))
    graph.setdiag(0)
    graph.eliminate_zeros()
    return graph


def spectral_clusters(graph: csr_array) -> NDArray[np.intp]:
    r"""Cluster of each node, 0 to 9, from the ten leading eigenvectors of D^-1/2 W D^-1/2, the graph's weights W.

    Divided by D^1/2 they are the rows v_i (10 numbers) of the nodes. Pivoted QR picks ten nodes whose rows are nearest
    to orthogonal; the rotation nearest to these rows makes them axes, and each node belongs to its largest coordinate.

    Source: Damle, Minden and Ying, Simple, direct and efficient multi-way spectral clustering, 2019.
    """
    degree = np.asarray(graph.sum(axis=1))
    scale = diags_array(1 / np.sqrt(np.where(degree > 0, degree, 1)))
    weights = csr_array(scale @ graph @ scale)
    # An iteration by products is fast where neighbours of neighbours are soon everybody; along a curve or on a surface
    # eigenvalues crowd at 1 and it is not, but there the factors of a sparse matrix are sparse.
    start = np.random.default_rng(0).uniform(-1, 1, len(degree))
    try:
        vectors = eigsh(weights, CATEGORIES, which="LA", v0=start, maxiter=MOST_RESTARTS)[1]
    except ArpackNoConvergence:
        vectors = eigsh(weights, CATEGORIES, sigma=1.001, v0=start)[1]
    rows = np.asarray(vectors) * scale.diagonal()[:, None]
    chosen = qr(rows.T, mode="economic", pivoting=True)[2][:CATEGORIES]
    left, _, right = np.linalg.svd(rows[chosen].T)
    return np.asarray(np.abs(rows @ (left @ right)).argmax(axis=1))
