"""Estimators from nearest-neighbour distances."""
