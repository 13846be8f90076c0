"""Figures and panels drawn as pictures."""
