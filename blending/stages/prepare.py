"""What the Poisson stage does to a window before it solves: match, guidance, what is held."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..image.filters import laplacian
from ..placement.window import Scene, composite
from ..poisson.boundary_match import match_boundary, matched_source
from ..poisson.guidance import guidance_field, without_contours
from ..poisson.solver import solve_poisson
from ..settings import LARGEST_WEIGHT, PoissonSettings, Weights

LEAST_BLEED = 1 / 64  # what a bleed of 0 still lets in, so that its seam stays soft
SEEP = 16.0  # pixels that the target's colours seep into an exact blend at a bleed of 0.5
CONTOUR = 0.25  # how far a step of the source across the mask's edge may leave the target's


@dataclass(frozen=True)
class Prepared:
    """A window ready to be solved.

    Attributes:
        scene: its source matched, if that was asked for.
        guidance: (1, 3, h, w), as the settings' gradients say; unchanged at the mask's edge.
        hold: factor of the luminance's and chroma's weights, >= 0; 1 at a bleed of 0.5.
        sameness: from 0 to 1, how surely the source continues the target; 0 without a match.
        figures: for the report.
    """

    scene: Scene
    guidance: Tensor
    hold: float
    sameness: float
    figures: dict

    @cached_property
    def exact(self) -> Tensor:
        """The Poisson equation's solution under the mask, screened by the hold; not clipped."""
        scene = self.scene
        boundary = torch.where(scene.support, scene.source, scene.target)
        screen = scene.support.to(scene.source) * (self.hold / SEEP**2)
        return solve_poisson(
            self.guidance, scene.support, boundary, screen=screen, anchor=scene.source
        )

    def joint_guidance(self) -> Tensor:
        """The guidance for the joint objective, which takes no contours from the mask's edge.

        Outside the mask it is the target's Laplacian, which looks at what the object hides. The
        exact blend's is better where the source continues the target, and what was there is gone.
        """
        scene = self.scene
        guidance = without_contours(
            self.guidance,
            scene.source,
            scene.known,
            scene.target,
            scene.support,
            contrast=CONTOUR,
        )
        if not self.sameness:
            return guidance
        blend = composite(scene.target, self.exact, scene.mask)
        seen = torch.lerp(guidance, laplacian(blend), self.sameness)
        return torch.where(scene.support, guidance, seen)

    def joint_weights(self, weights: Weights) -> Weights:
        """The weights with the colours held as the bleed says.

        What continues the target has its style already, and its features would hold the colours
        that are to go: content and style count for what is new.
        """
        new = 1 - self.sameness
        return replace(
            weights,
            content=new * weights.content,
            style=new * weights.style,
            luminance=min(self.hold * weights.luminance, LARGEST_WEIGHT),
            chroma=min(self.hold * weights.chroma, LARGEST_WEIGHT),
        )


def prepare(scene: Scene, settings: PoissonSettings) -> Prepared:
    """Match the source if asked for, make the guidance, turn the bleed into weights."""
    bleed, sameness, figures = settings.own_bleed, 0.0, {}
    if settings.match:
        match = match_boundary(scene)
        scene = replace(scene, source=matched_source(scene, match))
        sameness = match.confidence
        bleed = bleed + sameness * (1 - bleed)
        figures["match"] = {
            "gain": match.gain.flatten().tolist(),
            "offset": match.offset.flatten().tolist(),
            "confidence": match.confidence,
        }
    guidance = guidance_field(
        scene.source, scene.known, scene.target, scene.support, settings.gradients
    )
    figures["bleed"] = bleed
    return Prepared(scene, guidance, hold_factor(bleed), sameness, figures)


def hold_factor(bleed: float) -> float:
    """How hard colours are held at a bleed in [0, 1]: 0 at 1, 1 at 0.5, about 66 at 0."""
    return (1 - bleed) / (bleed + LEAST_BLEED) * (0.5 + LEAST_BLEED) / 0.5
