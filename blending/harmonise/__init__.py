"""Harmonisation: what colours a place has, and an object moved towards them."""
