"""Measures of a blend's quality, and of what can go wrong."""
