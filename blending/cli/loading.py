"""Libraries are loaded without the collector of cycles and without interrupts."""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def while_loading() -> Iterator[None]:
    """Keep the collector of cycles still and interrupts back; afterwards both are as they were.

    While torch is loaded the collector would walk through hundreds of thousands of new objects
    again and again, a tenth of the time that loading takes. And what is loaded there catches now
    and then an interrupt that was not meant for it, and fails when it is loaded once more.

    Raises:
        KeyboardInterrupt: it came meanwhile.
    """
    was_enabled = gc.isenabled()
    usual = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    is_kept = is_main and usual is signal.default_int_handler
    came = threading.Event()
    gc.disable()
    if is_kept:
        signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield
    finally:
        if is_kept:
            signal.signal(signal.SIGINT, usual)
        if was_enabled:
            gc.enable()
        if came.is_set():
            raise KeyboardInterrupt
