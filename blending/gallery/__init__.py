"""Batches as pages: what came of each row, before and after, faults first."""

from .make import Gallery, make_gallery

__all__ = ["Gallery", "make_gallery"]
