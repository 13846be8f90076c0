"""The shadow of an object on its target: its ground, what it casts and touches, its colour."""
