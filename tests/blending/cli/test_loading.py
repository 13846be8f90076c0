"""The collector of cycles and interrupts while libraries are loaded."""

import gc
import signal

import pytest

from blending.cli.loading import while_loading


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_rests_and_is_as_it_was_afterwards(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), while_loading():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [None, ImportError])
def test_an_interrupt_is_raised_once_all_is_loaded(error):
    reached = []
    with pytest.raises(KeyboardInterrupt), while_loading():
        signal.raise_signal(signal.SIGINT)
        reached.append(True)
        if error:
            raise error
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_listens_to_interrupts_goes_on_to_hear_them():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        with while_loading():
            signal.raise_signal(signal.SIGINT)
            assert heard
    finally:
        signal.signal(signal.SIGINT, before)
