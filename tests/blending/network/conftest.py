"""The network itself is tested at its own width."""

import pytest


@pytest.fixture
def network(wide_network):
    """A fresh network with random weights; a test may change its dtype."""
    return wide_network
