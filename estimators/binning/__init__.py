"""Plug-in estimators over cells."""
