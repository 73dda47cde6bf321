"""Parametric estimators: exact where the model holds."""
