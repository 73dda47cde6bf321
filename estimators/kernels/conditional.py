"""Conditional Cauchy-Schwarz divergence: how far a prediction's distribution given x is from that of its target."""

from __future__ import annotations

import numpy as np

from mibench.estimators.kernels.gram import TILE, Bandwidth, bandwidth_of, gaussian_kernel
from mibench.interface import Array, InputError


def conditional_cs_divergence(
    x: Array, y: Array, predicted: Array, bandwidth_x: Bandwidth = "median", bandwidth_y: Bandwidth = "median"
) -> float:
    r"""D = log A(y, y) + log A(z, z) - 2 log A(y, z), in nats, of targets y and predictions z given the same x.

    A(u, v) = sum_j [sum_i K_ji L(u_j, v_i)] / [sum_i K_ji]^2 with K_ij = exp(-|x_i - x_j|^2 / (2 bandwidth_x^2)) and L
    the same of bandwidth_y; the cross term takes the mean of A(y, z) and A(z, y), which estimate the same. The arrays
    are x (n, dim_x) and y and predicted, both (n, dim_y); the median distance for L is that of y and z together.

    Why the sum over i is squared. The Cauchy-Schwarz divergence of p(y|x) and q(z|x) as functions of (x, y) is made of

    integral p(y|x) q(y|x) dx dy = integral p(x,y) q(x,y) / p(x)^2 dx dy = E_p [q(x,y) / p(x)^2]

    and the same with p, p and q, q. The mean over j stands for E_p, sum_i K_ji L(y_j, z_i) for q(x_j, y_j) and
    sum_i K_ji for p(x_j), but for factors that cancel in D. So all x where p(x) > 0 weigh alike, however likely. The
    implementation that came with the measure as a training objective divides by sum_i K_ji^2, which stands for p(x_j),
    not its square: it weighs x by p(x). The values agree where D does not depend on p(x), as for uniform x.

    D = 0 for y = z. The kernels smooth p and q. Where x has few neighbours the terms i = j, which keep all sums
    positive, make D a plain distance of y_j and z_j; with unbounded x most of the weight is out there, and D depends on
    how far the sample reaches. It is infinite if no y_j is within reach of a z_i with x alike. Time n^2, memory n.

    Source: Yu, Li, Loekse, Jenssen and Principe, Conditional Cauchy-Schwarz divergence with applications to time-series
    data and sequential decision making, 2025.
    """
    n = len(x)
    if not (x.ndim == y.ndim == predicted.ndim == 2 and n == len(y) and y.shape == predicted.shape):
        shapes = f"x {x.shape}, y {y.shape}, predicted {predicted.shape}"
        raise InputError(f"conditional_cs_divergence: got {shapes}; give (n, dim_x), (n, dim_y) and (n, dim_y)")
    sigma_x, sigma_y = bandwidth_of(x, bandwidth_x), bandwidth_of(np.vstack([y, predicted]), bandwidth_y)
    in_x, in_y, in_z, across = np.zeros((4, n))
    tiles = [slice(start, start + TILE) for start in range(0, n, TILE)]
    for rows in tiles:
        for columns in tiles:
            k = gaussian_kernel(x[rows], x[columns], sigma_x)
            in_x[rows] += k.sum(axis=1)
            in_y[rows] += np.vecdot(k, gaussian_kernel(y[rows], y[columns], sigma_y))
            in_z[rows] += np.vecdot(k, gaussian_kernel(predicted[rows], predicted[columns], sigma_y))
            k *= gaussian_kernel(y[rows], predicted[columns], sigma_y)
            across[rows] += k.sum(axis=1) / 2
            across[columns] += k.sum(axis=0) / 2
    weights = in_x**-2
    with np.errstate(divide="ignore"):  # log 0: out of reach
        return float(np.log(weights @ in_y) + np.log(weights @ in_z) - 2 * np.log(weights @ across))
