"""Variational bounds on mutual information as losses in torch, to train encoders with.

Each function returns *minus* a lower bound on I(X; Y) in nats: minimising the loss maximises the information. The
argument is scores of a critic f, which trains along with the encoder:

>>> import torch
>>> from mibench import losses
>>> encoder = torch.nn.Linear(8, 4)
>>> x, y = torch.ones(16, 8), torch.ones(16, 4)  # a batch of 16 pairs
>>> scores = encoder(x) @ y.T  # scores[i, j] = f(x_i, y_j); joint pairs are on the diagonal
>>> loss = losses.infonce(scores)
>>> loss.backward()

`infonce`, `tuba` and `interpolated` take such all-pairs scores (..., K, K). `dv`, `nwj`, `jsd` and `smile` take scores
of joint pairs (..., n) and of product pairs (..., m), such as pairs shuffled within the batch; `pairs_of(scores)` gives
both from all pairs: `losses.nwj(*losses.pairs_of(scores))`. Leading dimensions are kept, a plain batch gives a scalar.

`ba`, `club` and `l1out` take log densities in place of scores: log q(y_j | x_i) in row i, column j. `club` and `l1out`
are upper bounds for the true p(y | x), to lower the information with: their loss is the bound itself. They do not train
q: fit it by its likelihood, as `ba` does.

The bounds themselves are in `mibench.estimators.variational.bounds`. Their values on batches that were trained on are
no estimates: the estimators of the same names evaluate on held-out points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mibench.estimators.variational import bounds
from mibench.interface import InputError

__all__ = ["ba", "club", "dv", "flo", "infonce", "interpolated", "jsd", "l1out", "nwj", "pairs_of", "smile", "tuba"]


def infonce(scores: Tensor) -> Tensor:
    """Minus InfoNCE of scores (..., K, K): cross-entropy of each x_i's partner among the K values of y, less log K.

    For the version that contrasts both ways, average it with `infonce(scores.mT)`.
    """
    return -bounds.infonce(_all_pairs(scores))


def tuba(scores: Tensor, log_baseline: Tensor) -> Tensor:
    """Minus TUBA of scores (..., K, K) and the log a(x_i) (..., K) of a baseline, which trains along."""
    return -bounds.tuba(_all_pairs(scores), _baseline(scores, log_baseline))


def interpolated(scores: Tensor, log_baseline: Tensor, alpha: float) -> Tensor:
    """Minus I_alpha of scores (..., K, K) and log a(x_i) (..., K): `tuba` at alpha = 0, InfoNCE of K - 1 pairs at 1."""
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha = {alpha!r} is out of range; give a number from 0 to 1")
    return -bounds.interpolated(_all_pairs(scores), _baseline(scores, log_baseline), alpha)


def flo(scores: Tensor, dual: Tensor) -> Tensor:
    """Minus FLO of scores (..., K, K) and u(x_i, y_i) (..., K) of a second critic, which trains along."""
    return -bounds.flo(_all_pairs(scores), _baseline(scores, dual, "dual"))


def dv(joint: Tensor, product: Tensor) -> Tensor:
    """Minus Donsker-Varadhan of joint scores (..., n) and product scores (..., m).

    The gradient of its logarithm is biased by the batch, the more the smaller the batch and the larger the MI.
    """
    return -bounds.donsker_varadhan(*_pairs(joint, product))


def nwj(joint: Tensor, product: Tensor) -> Tensor:
    """Minus NWJ of joint scores (..., n) and product scores (..., m): unbiased, with exp f in the gradient."""
    return -bounds.nwj(*_pairs(joint, product))


def jsd(joint: Tensor, product: Tensor) -> Tensor:
    """Minus the bound on the Jensen-Shannon divergence, of joint scores (..., n) and product scores (..., m).

    At most log 2 and steady at any MI; its value says nothing about MI in nats, its critic is the pointwise MI.
    """
    return -bounds.jensen_shannon(*_pairs(joint, product))


def smile(joint: Tensor, product: Tensor, tau: float = 5.0) -> Tensor:
    """Minus SMILE of joint scores (..., n) and product scores (..., m), with the gradient of `jsd`.

    SMILE's own gradient vanishes for product pairs beyond tau, and would drive f to infinity.
    """
    if tau < 0:
        raise InputError(f"tau = {tau!r} is out of range; give a number >= 0")
    trained = jsd(joint, product)
    return trained + (-bounds.smile(joint, product, tau) - trained).detach()


def ba(conditional: Tensor, marginal: Tensor | float) -> Tensor:
    """Minus Barber-Agakov of log q(y_i | x_i) (..., n) and log p(y_i), or any constant in its place."""
    constant = torch.as_tensor(marginal, dtype=conditional.dtype, device=conditional.device)
    if not conditional.dim() * conditional.numel() or constant.shape not in (torch.Size(), conditional.shape):
        shapes = f"{tuple(conditional.shape)} and {tuple(constant.shape)}"
        raise InputError(f"conditional and marginal have the shapes {shapes}; give (..., n) both, or one number")
    return -bounds.barber_agakov(conditional, constant)


def club(scores: Tensor) -> Tensor:
    """CLUB, an upper bound, of log q(y_j | x_i) (..., K, K)."""
    return bounds.club(*pairs_of(scores))


def l1out(scores: Tensor) -> Tensor:
    """Leave-one-out, an upper bound, of log q(y_j | x_i) (..., K, K)."""
    return bounds.leave_one_out(_all_pairs(scores))


def pairs_of(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Joint (..., K) and product scores (..., K (K-1)) of all pairs (..., K, K): the diagonal, and all others."""
    return bounds.pairs_of(_all_pairs(scores))


def _all_pairs(scores: Tensor) -> Tensor:
    if scores.dim() < 2 or scores.shape[-2] != scores.shape[-1] or scores.shape[-1] < 2:
        raise InputError(f"scores have the shape {tuple(scores.shape)}; give (..., K, K) of all pairs of K >= 2 points")
    return scores


def _baseline(scores: Tensor, values: Tensor, name: str = "log_baseline") -> Tensor:
    if values.shape != scores.shape[:-1]:
        shapes = f"{tuple(values.shape)} for scores {tuple(scores.shape)}"
        raise InputError(f"{name} has the shape {shapes}; give one number per row, {tuple(scores.shape[:-1])}")
    return values


def _pairs(joint: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    if (
        min(joint.dim(), product.dim()) < 1
        or joint.shape[:-1] != product.shape[:-1]
        or not joint.numel() * product.numel()
    ):
        shapes = f"{tuple(joint.shape)} and {tuple(product.shape)}"
        raise InputError(f"joint and product scores have the shapes {shapes}; give (..., n) and (..., m), not empty")
    return joint, product
