"""The collector of cycles while modules are loaded."""

import gc

import pytest

from blending.cli.loading import without_collector


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_rests_and_is_as_it_was_afterwards(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), without_collector():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
