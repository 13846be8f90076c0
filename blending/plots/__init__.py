"""Measures and panels drawn as pictures."""
