"""Deep Image Blending for ComfyUI: the entry point and the page's folder, and nothing else."""

WEB_DIRECTORY = "./nodes/web"


async def comfy_entrypoint():
    """What ComfyUI asks a V3 pack for; imported here, so that this file can be read without it."""
    from .nodes.example_pictures import copy_missing
    from .nodes.extension import DeepImageBlending

    copy_missing()
    return DeepImageBlending()
