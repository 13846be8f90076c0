"""Strokes: which parts of a target an object's parts resemble, and what these would look like."""
