"""The parts of the campaign by their names."""

from .batches import BATCHES
from .core import CORE
from .ends import DISKS, KILLS, MEMORY, WRITERS
from .exact import EXACT
from .files import FILES
from .graphs import GRAPHS
from .injected import INJECTED
from .weights import WEIGHTS

PARTS = {
    part.name: part
    for part in (
        CORE,
        EXACT,
        FILES,
        WEIGHTS,
        KILLS,
        MEMORY,
        DISKS,
        WRITERS,
        BATCHES,
        INJECTED,
        GRAPHS,
    )
}
