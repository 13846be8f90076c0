"""The list of nodes."""

from comfy_api.latest import ComfyExtension, io

from .blend_settings import BlendSettingsNode
from .clean_cutout import CleanCutout
from .contact_shadow import ContactShadow
from .crop_for_repair import CropForRepair
from .harmonise_colours import HarmoniseColours
from .laplacian_preview import LaplacianPreview
from .load_mask import LoadMask
from .loss_curves import LossCurves
from .place_object import PlaceObject
from .poisson_stage import PoissonStage
from .prepare_mask import PrepareMask
from .stitch_without_seam import StitchWithoutSeam
from .style_refine_stage import StyleRefineStage


class DeepImageBlending(ComfyExtension):
    """What ComfyUI loads."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The nodes, in the order of their use."""
        return [
            LoadMask,
            PrepareMask,
            CleanCutout,
            PlaceObject,
            ContactShadow,
            HarmoniseColours,
            PoissonStage,
            StyleRefineStage,
            BlendSettingsNode,
            LaplacianPreview,
            LossCurves,
            CropForRepair,
            StitchWithoutSeam,
        ]
