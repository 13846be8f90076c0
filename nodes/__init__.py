"""ComfyUI nodes: forms over `blending`, which does the work."""
