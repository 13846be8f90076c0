"""Minimisation: L-BFGS with a line search."""
