"""The parts of the campaign by their names."""

from .batches import BATCHES
from .core import CORE
from .ends import ENDS
from .exact import EXACT
from .files import FILES

PARTS = {part.name: part for part in (CORE, EXACT, FILES, ENDS, BATCHES)}
