"""Modules are loaded without the collector of cycles, which finds nothing among them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the collector of cycles still; afterwards it is as it was.

    While torch is loaded it would walk through hundreds of thousands of new objects again and
    again, a tenth of the time that loading takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
