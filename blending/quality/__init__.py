"""Figures that judge a blend."""
