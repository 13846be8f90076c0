"""Clean cut-outs: an alpha and an object's own colours, from a rough mask and its source."""
