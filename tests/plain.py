"""Poisson settings with every kind of term and the source as it is, for what a solver does."""

from blending.settings import Weights

PLAIN = {
    "weights": Weights(content=1.0, style=4.0),
    "clean": 0,
    "harmonise": 0.0,
    "contours": False,
}
