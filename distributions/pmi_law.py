"""Distributions whose pointwise mutual information has a known law, as mixtures with independence need it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mibench.interface import JointDistribution

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class KnownPMILaw(JointDistribution, ABC):
    """A joint distribution with a cumulant generating function of S = pmi(X, Y), (X, Y) drawn from it."""

    @abstractmethod
    def pmi_cumulants(self, z: Complex) -> Complex | None:
        """Return log E[exp(z S)] up to multiples of 2 pi i, for -1 <= Re z <= 0; None where it is not known.

        exp(S) is the density ratio of the joint law to the product of its margins, so that E[exp(-S)] = 1, and
        z = -1/2 + it gives the characteristic function of S midway between the two laws.
        """
