"""Estimators from kernel densities."""
