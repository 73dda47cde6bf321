"""Variational bounds on mutual information as functions of critic scores, in nats; differentiable, for any critic f.

Two shapes of scores, both with any leading dimensions (replicas):

- all pairs (..., K, K): scores[i, j] = f(x_i, y_j), the diagonal is joint pairs;
- `joint` (..., n) of pairs drawn together, and `product` (..., m) of pairs drawn apart.
"""

from __future__ import annotations

import math

import torch
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


def barber_agakov(conditional: Tensor, marginal: Tensor) -> Tensor:
    """Barber-Agakov: mean of log q(y | x) - log p(y) over joint pairs, of (..., n) and (..., n).

    A lower bound in expectation for every density q(y | x), tight at p(y | x), if p(y) is the density of Y. With
    another q(y) in its place it is larger by KL(p(y) || q(y)) and no bound: the difference of two cross-entropies.
    """
    return (conditional - marginal).mean(-1)


def club(joint: Tensor, product: Tensor) -> Tensor:
    """CLUB: mean of log p(y | x) over joint pairs, (..., n), minus the mean over product pairs, (..., m).

    An upper bound in expectation for the true p(y | x), by E_product log p(y | x) <= E log p(y); a function of y may be
    added if both sets of pairs hold every y equally often. For another q(y | x) it is no bound.
    """
    return joint.mean(-1) - product.mean(-1)


def leave_one_out(scores: Tensor) -> Tensor:
    """Leave-one-out: mean over j of s_jj - log mean_{i != j} exp s_ij, of scores (..., K, K) s_ij = log p(y_j | x_i).

    An upper bound in expectation for the true p(y | x) and every K, by E log mean_i p(y | x_i) <= log p(y); a function
    of y may be added. For another q(y | x) it is no bound.
    """
    others = scores.masked_fill(torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device), -math.inf)
    gains = scores.diagonal(dim1=-2, dim2=-1) - others.logsumexp(-2)
    return gains.mean(-1) + math.log(scores.shape[-1] - 1)
