"""A part of a picture cut out to be repainted, and put back without a seam."""
