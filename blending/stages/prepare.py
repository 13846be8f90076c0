"""What each stage asks for in a window before it is solved: match, guidance, weights, the start."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..deep.fidelity import edge_emphasis, edge_ramp
from ..deep.objective import Problem
from ..image.filters import laplacian
from ..placement.window import Window, composite
from ..poisson.boundary_match import match_boundary, matched_source
from ..poisson.guidance import guidance_field, without_contours
from ..poisson.solver import solve_poisson
from ..settings import LARGEST_WEIGHT, PoissonSettings, RefineSettings, Weights

LEAST_BLEED = 1 / 64  # what a bleed of 0 still lets in, so that its seam stays soft
SEEP = 16.0  # pixels that the target's colours seep into an exact blend at a bleed of 0.5
CONTOUR = 0.25  # how far a step of the source across the mask's edge may leave the target's


@dataclass(frozen=True)
class Prepared:
    """A window ready to be solved by the Poisson stage.

    Attributes:
        window: its source matched, if that was asked for.
        guidance: (1, 3, h, w), as the settings' gradients say; unchanged at the mask's edge.
        fidelity_scale: factor of the luminance's and chroma's weights, >= 0; 1 at a bleed of 0.5.
        match_confidence: from 0 to 1, how surely the source continues the target; 0 without a
            match.
        figures: for the report.
    """

    window: Window
    guidance: Tensor
    fidelity_scale: float
    match_confidence: float
    figures: dict

    @cached_property
    def exact(self) -> Tensor:
        """The Poisson equation's solution under the mask, (1, 3, h, w), screened; not clipped."""
        window = self.window
        boundary = torch.where(window.support, window.source, window.target)
        screen = window.support.to(window.source) * (self.fidelity_scale / SEEP**2)
        return solve_poisson(
            self.guidance, window.support, boundary, screen=screen, anchor=window.source
        )

    def joint_guidance(self) -> Tensor:
        """The guidance for the joint objective, which takes no contours from the mask's edge.

        Outside the mask it is the target's Laplacian, which looks at what the object hides. The
        exact blend's is better where the source continues the target, and what was there is gone.

        Returns:
            (1, 3, h, w).
        """
        window = self.window
        guidance = without_contours(
            self.guidance,
            window.source,
            window.source_valid,
            window.target,
            window.support,
            contrast=CONTOUR,
        )
        if not self.match_confidence:
            return guidance
        blend = composite(window.target, self.exact, window.mask)
        seen = torch.lerp(guidance, laplacian(blend), self.match_confidence)
        return torch.where(window.support, guidance, seen)

    def joint_weights(self, weights: Weights) -> Weights:
        """The weights with the colours held as the bleed says.

        What continues the target has its style already, and its features would hold the colours
        that are to go: content and style count for what is new.
        """
        new = 1 - self.match_confidence
        return replace(
            weights,
            content=new * weights.content,
            style=new * weights.style,
            luminance=min(self.fidelity_scale * weights.luminance, LARGEST_WEIGHT),
            chroma=min(self.fidelity_scale * weights.chroma, LARGEST_WEIGHT),
        )


def prepare(window: Window, settings: PoissonSettings) -> Prepared:
    """Match the source if asked for, make the guidance, turn the bleed into weights."""
    bleed, confidence, figures = settings.resolved_bleed, 0.0, {}
    if settings.match:
        match = match_boundary(window)
        window = replace(window, source=matched_source(window, match))
        confidence = match.confidence
        bleed = bleed + confidence * (1 - bleed)
        figures["match"] = {
            "gain": match.gain.flatten().tolist(),
            "offset": match.offset.flatten().tolist(),
            "confidence": match.confidence,
        }
    guidance = guidance_field(
        window.source, window.source_valid, window.target, window.support, settings.gradients
    )
    figures["bleed"] = bleed
    return Prepared(window, guidance, fidelity_scale(bleed), confidence, figures)


def fidelity_scale(bleed: float) -> float:
    """How much colours count at a bleed in [0, 1]: 0 at 1, 1 at 0.5, about 66 at 0."""
    return (1 - bleed) / (bleed + LEAST_BLEED) * (0.5 + LEAST_BLEED) / 0.5


@dataclass(frozen=True)
class Start:
    """A problem and where its minimisation starts.

    Attributes:
        problem: of one window.
        x0: (1, 3, h, w).
    """

    problem: Problem
    x0: Tensor


def poisson_start(prepared: Prepared, settings: PoissonSettings) -> Start:
    """The joint objective with the target as background.

    Where other gradients than the source's are wanted, the pasted source is no reference: the
    Poisson equation's solution is.
    """
    window, guidance = prepared.window, prepared.guidance
    if settings.gradients == "import":
        guidance = prepared.joint_guidance()
        is_new = settings.start == "paste" and prepared.match_confidence < 0.5
        x0 = window.source if is_new else prepared.exact
    else:
        x0 = prepared.exact
        valid = torch.ones_like(window.source_valid)
        window = replace(window, source=x0.clamp(0, 1), source_valid=valid)
    weights = prepared.joint_weights(settings.weights)
    fidelity = edge_ramp(window, settings.rim)
    return Start(Problem(window, window.target, guidance, fidelity, weights), x0)


def refine_start(
    window: Window, settings: RefineSettings, style: dict[str, Tensor] | None
) -> Start:
    """The joint objective with the blend as source and background.

    Args:
        window: the blend as source on its own target.
        settings: of the stage.
        style: Gram matrices to match instead of the target's, (1, C, C) of each layer.
    """
    guidance = torch.where(window.support, laplacian(window.source), laplacian(window.target))
    fidelity = edge_emphasis(window)
    problem = Problem(window, window.source, guidance, fidelity, settings.weights, style)
    return Start(problem, window.source)
