"""The parts of the campaign by their names."""

from .core import CORE
from .exact import EXACT

PARTS = {part.name: part for part in (CORE, EXACT)}
