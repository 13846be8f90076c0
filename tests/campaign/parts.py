"""The parts of the campaign by their names."""

from .core import CORE

PARTS = {part.name: part for part in (CORE,)}
