"""Thousands of blends by a list: on one machine, or unchanged on a Ray cluster.

`run` blends the rows of a manifest, see `blending.cluster.run`. Nothing of torch is loaded by it in
the caller's process: workers do the blending. `make_gallery` shows what came of it on a page.
"""

from .gallery import Gallery, make_gallery
from .run import Summary, run

__all__ = ["Gallery", "Summary", "make_gallery", "run"]
