"""Variational bounds with trained critics."""
