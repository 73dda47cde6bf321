"""Dependence measures of Gaussian kernels: each estimates a quantity of its own, never mutual information."""
