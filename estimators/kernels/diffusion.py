"""Diffusion spectral entropy of points, and the categories that a variable falls into."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from mibench.estimators.kernels.gram import gaussian_kernel
from mibench.interface import Array

CATEGORIES = 10  # of a continuous variable
NEIGHBORS = 10  # in the graph that a vector variable is clustered on


def dse(points: Array, bandwidth: float, t: int = 1) -> float:
    r"""Diffusion spectral entropy of points (n, dim): -sum_i p_i log p_i with p_i = |lambda_i|^t / sum_j |lambda_j|^t.

    lambda_i are the eigenvalues of the diffusion matrix D^-1 G with the Gaussian kernel
    G_ij = exp(-|a_i - a_j|^2 / (2 bandwidth^2)) and the diagonal matrix D of its row sums; D^-1/2 G D^-1/2 has the
    same. In nats, from 0 (all points alike) to log n (each point out of the others' reach): a count of the directions
    that t steps of the diffusion leave apart, which depends on n and on the scale of the data. It is no estimate of
    Shannon entropy.

    Source: Liao et al., Assessing neural network representations during training using noise-resilient diffusion
    spectral entropy, 2024, whose implementation adds the machine epsilon to each p_i; so does this one.
    """
    kernel = gaussian_kernel(points, points, bandwidth)
    degree = np.sqrt(kernel.sum(axis=1))
    kernel /= degree
    kernel /= degree[:, None]
    powers = np.abs(np.linalg.eigvalsh(kernel)) ** t
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
    from sklearn.cluster import SpectralClustering

    # The seed starts the eigenvalue iteration, which has one result.
    clustering = SpectralClustering(
        CATEGORIES, n_neighbors=NEIGHBORS, affinity="nearest_neighbors", assign_labels="cluster_qr", random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = clustering.fit_predict(y)
    unconnected = any("not fully connected" in str(warning.message) for warning in caught)
    reason = "the graph of Y's nearest neighbours falls apart: its clusters are not unique"
    return np.unique(labels, return_inverse=True)[1], (reason,) if unconnected else ()
