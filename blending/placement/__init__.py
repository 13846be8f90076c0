"""Where a source lies on a target: boxes, windows, layouts, warps, alpha."""
