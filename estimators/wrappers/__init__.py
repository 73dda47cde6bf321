"""Estimators over other estimators, which they give projections or codes of the data."""
