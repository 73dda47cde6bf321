"""Variational bounds on mutual information as functions of critic scores, in nats; differentiable, for any critic f.

Two shapes of scores, both with any leading dimensions (replicas):

- all pairs (..., K, K): scores[i, j] = f(x_i, y_j), the diagonal is joint pairs;
- `joint` (..., n) of pairs drawn together, and `product` (..., m) of pairs drawn apart.
"""

from __future__ import annotations

import math

from torch import Tensor


def infonce(scores: Tensor) -> Tensor:
    """InfoNCE: mean over i of f_ii - log mean_j exp f_ij, of scores (..., K, K); at most log K.

    Its expectation is a lower bound for every critic and every K; the best critic is the pointwise MI plus any
    function of x.
    """
    positive = scores.diagonal(dim1=-2, dim2=-1)
    return (positive - scores.logsumexp(-1)).mean(-1) + math.log(scores.shape[-1])


def donsker_varadhan(joint: Tensor, product: Tensor) -> Tensor:
    """Donsker-Varadhan: E_joint f - log E_product exp f, of (..., n) and (..., m).

    A lower bound for the true expectations, tight at the pointwise MI plus a constant. The mean of m terms makes it
    larger, as E log(mean) <= log E(mean).
    """
    return joint.mean(-1) - product.logsumexp(-1) + math.log(product.shape[-1])


def nwj(joint: Tensor, product: Tensor) -> Tensor:
    """Nguyen-Wainwright-Jordan: 1 + E_joint f - E_product exp f, of (..., n) and (..., m).

    A lower bound in expectation, tight at the pointwise MI only.
    """
    return 1 + joint.mean(-1) - product.exp().mean(-1)
