"""Variational bounds on mutual information as functions of critic scores, in nats; differentiable, for any critic f.

Two shapes of scores, both with any leading dimensions (replicas):

- all pairs (..., K, K): scores[i, j] = f(x_i, y_j), the diagonal is joint pairs;
- `joint` (..., n) of pairs drawn together, and `product` (..., m) of pairs drawn apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


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


def pairs_of(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Joint (..., K) and product scores (..., K (K-1)) of all pairs (..., K, K): the diagonal, and the rest by rows."""
    K = scores.shape[-1]
    # Without its last element, the matrix laid out in rows of K + 1 has the diagonal as its first column.
    others = scores.flatten(-2)[..., :-1].reshape(*scores.shape[:-2], K - 1, K + 1)[..., 1:]
    return scores.diagonal(dim1=-2, dim2=-1), others.flatten(-2)


def tuba(scores: Tensor, log_baseline: Tensor) -> Tensor:
    """TUBA: 1 + E_joint log(exp f / a(x)) - E_product exp f / a(x), of scores (..., K, K) and log a(x_i) (..., K).

    NWJ with f - log a in place of f: a lower bound in expectation for every positive a. For a given critic the best
    a(x) is the mean of exp f(x, y) over y. As in `infonce`, x is the variable that is held while y varies.
    """
    return nwj(*pairs_of(scores - log_baseline[..., None]))


def interpolated(scores: Tensor, log_baseline: Tensor, alpha: float) -> Tensor:
    """I_alpha: NWJ of log(exp f / (alpha m + (1 - alpha) a)), of scores (..., K, K) and log a(x_i) (..., K).

    m is the mean of exp f(x, y_j) over K - 1 values of y. A lower bound in expectation for every f, a and alpha in
    [0, 1]; TUBA at 0, InfoNCE of K - 1 pairs at 1. Less than 1 + log((K - 1) / alpha), and at most log(K - 1) at 1.
    """
    return nwj(*interpolated_scores(scores - log_baseline[..., None], alpha))


def interpolated_scores(scores: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Joint and product scores (..., r), whose NWJ bound is I_alpha, of f - log a for r points against K, (..., r, K).

    The i-th point's partner is in column i. The bound needs the mean m to be the same function of independent y in
    both expectations, so it is one of K - 1 terms: y_1, the point's partner or not, and K - 2 more. In the joint score
    one of the others sits out, the next. In the product score the partner does, and each of the others takes the place
    of y_1 in turn; their mean is (m / a) / (alpha m / a + 1 - alpha).
    """
    rows, K = scores.shape[-2:]
    partner = torch.eye(rows, K, dtype=torch.bool, device=scores.device)

    def log_blend(log_mean: Tensor) -> Tensor:
        if alpha in (0, 1):
            return alpha * log_mean
        return torch.logaddexp(log_mean + math.log(alpha), log_mean.new_tensor(math.log1p(-alpha)))

    log_joint, log_product = (
        scores.masked_fill(left_out, -math.inf).logsumexp(-1) - math.log(K - 1)
        for left_out in (partner.roll(1, -1), partner)
    )
    return scores.diagonal(dim1=-2, dim2=-1) - log_blend(log_joint), log_product - log_blend(log_product)


def jensen_shannon(joint: Tensor, product: Tensor) -> Tensor:
    """Jensen-Shannon: log 2 + 1/2 E_joint log s(f) + 1/2 E_product log s(-f), of (..., n) and (..., m).

    s(t) = 1 / (1 + exp(-t)), so that f is the log-odds of a classifier. A lower bound, in expectation, on the
    Jensen-Shannon divergence of joint and product, which is at most log 2; tight at the pointwise MI only. It says how
    well f tells joint from product pairs, not how large the MI is.
    """
    told = logsigmoid(joint).mean(-1) + logsigmoid(-product).mean(-1)
    return math.log(2) + told / 2


def smile(joint: Tensor, product: Tensor, tau: float) -> Tensor:
    """SMILE: E_joint f - log E_product clip(exp f, exp(-tau), exp(tau)), of (..., n) and (..., m).

    No bound: at f = pointwise MI it is MI - log E_product clip(...), above MI where the clipping takes more than
    it adds, with a variance that it keeps small; without limit for large f. Donsker-Varadhan at tau = inf.
    """
    return donsker_varadhan(joint, product.clamp(-tau, tau))


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


def flo(scores: Tensor, dual: Tensor) -> Tensor:
    """FLO: 1 - mean over i of u_i + exp(-u_i) mean_{j != i} exp(f_ij - f_ii), of scores (..., r, K) and u_i (..., r).

    r points against K; the i-th point's partner is in column i. A lower bound in expectation for every f and every
    u(x, y), by u + t exp(-u) >= 1 + log t; tight at f = pointwise MI plus any function of x and u = log t, the
    logarithm of E exp(f(x, y') - f(x, y)) over y'. With u = log a(x) - f it is TUBA.
    """
    return 1 - (dual + (log_contrast(scores) - dual).exp()).mean(-1)


def log_contrast(scores: Tensor) -> Tensor:
    """Logarithm (..., r) of mean_{j != i} exp(f_ij - f_ii), of scores (..., r, K): the others against the partner."""
    partner = torch.eye(*scores.shape[-2:], dtype=torch.bool, device=scores.device)
    others = scores.masked_fill(partner, -math.inf).logsumexp(-1) - math.log(scores.shape[-1] - 1)
    return others - scores.diagonal(dim1=-2, dim2=-1)
