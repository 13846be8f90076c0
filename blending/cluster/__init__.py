"""Thousands of blends by a list: on one machine, or unchanged on a Ray cluster.

`run` blends the rows of a manifest, see `blending.cluster.run`. Nothing of torch is loaded by it in
the caller's process: workers do the blending.
"""

from .run import BatchSettings, Summary, run

__all__ = ["BatchSettings", "Summary", "run"]
