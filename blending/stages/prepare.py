"""A window prepared for each stage: match, guidance, weights and the start."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..deep.contours import contour_share
from ..deep.fidelity import edge_emphasis, edge_ramp, raised
from ..deep.problem import Painted, Problem
from ..float64 import float64_device
from ..harmonise.place_colours import PlaceColours, harmonised
from ..image.filters import laplacian
from ..placement.window import Window, composite
from ..poisson.boundary_match import match_boundary, matched_source
from ..poisson.guidance import guidance_field, without_contours
from ..poisson.solver import needs_float64, solve_poisson
from ..settings import LARGEST_WEIGHT, PoissonSettings, RefineSettings, Weights
from .continuity import Relation, relation

NARROW = 4  # pixels of margin: an exact solve needs the mask's neighbours, `match_boundary` 3
LEAST_BLEED = 1 / 64  # added to every bleed, so that at 0 the seam stays soft
SEEP = 16.0  # pixels that the target's colours seep into an exact blend at a bleed of 0.5
HELD_RIM = 32  # pixels over which the refine stage comes to hold the source, as in the first stage
CONTOUR = 0.25  # image units by which a source's step at the mask's edge may exceed the target's


@dataclass(frozen=True)
class Prepared:
    """A window ready to be solved by the Poisson stage.

    Attributes:
        window: with its source matched, if the settings ask for that.
        guidance: (1, 3, h, w), in image units per pixel², as the settings' gradients say; contours
            at the mask's edge included.
        fidelity_scale: factor of the luminance and chroma weights, >= 0; 1 at a bleed of 0.5.
        match_confidence: from 0 to 1, how surely the source continues the target; 0 without a
            match.
        figures: for the report.
        pasted: from 0 to 1, how surely the source is an object that was pasted there before.
        gradients: the guidance's rule, see `guidance_field`.
    """

    window: Window
    guidance: Tensor
    fidelity_scale: float
    match_confidence: float
    figures: dict
    pasted: float = 0.0
    gradients: str = "import"

    @cached_property
    def exact(self) -> Tensor:
        """The screened Poisson equation's solution under the mask, (1, 3, h, w); not clipped."""
        window = self.window
        boundary = torch.where(window.support, window.source, window.target)
        screen = window.support.to(window.source) * (self.fidelity_scale / SEEP**2)
        guidance = self.guidance
        if needs_float64(window.support, screen if self.fidelity_scale else None):
            guidance = self._guidance_in_float64()
        return solve_poisson(
            guidance, window.support, boundary, screen=screen, anchor=window.source
        )

    def _guidance_in_float64(self) -> Tensor:
        """The guidance without float32's rounding, which a solve on a long strip would enlarge."""
        window, device = self.window, float64_device(self.guidance.device)
        source, valid, target = (
            plane.to(device).double()
            for plane in (window.source, window.source_valid, window.target)
        )
        return guidance_field(source, valid, target, window.support.to(device), self.gradients)

    def joint_guidance(self) -> Tensor:
        """The guidance for the joint objective, without contours on the mask's edge.

        On the ring outside the mask this is the target's Laplacian, computed with the pixels that
        the object hides. Where the source continues the target, these pixels are gone, and the
        Laplacian of the exact blend takes its place, in proportion to the match's confidence.

        Returns:
            (1, 3, h, w), in image units per pixel².
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
        # Under a soft edge the composite is part source, part target, and so is its Laplacian.
        soft = torch.lerp(laplacian(window.target), guidance, window.mask)
        guidance = torch.where(window.support, soft, guidance)
        if not self.match_confidence:
            return guidance
        blend = composite(window.target, self.exact, window.mask)
        seen = torch.lerp(guidance, laplacian(blend), self.match_confidence)
        return torch.where(window.support, guidance, seen)

    def joint_weights(self, weights: Weights) -> Weights:
        """The joint objective's weights, adjusted to bleed and match.

        Luminance and chroma weigh more the lower the bleed. A source that continues the target has
        its style already, and its features would keep the colours that are to change: content and
        style are scaled by one minus the match's confidence.

        Args:
            weights: those of the settings.

        Returns:
            New weights.
        """
        new = 1 - self.match_confidence
        return replace(
            weights,
            content=new * weights.content,
            style=new * weights.style,
            luminance=min(self.fidelity_scale * weights.luminance, LARGEST_WEIGHT),
            chroma=min(self.fidelity_scale * weights.chroma, LARGEST_WEIGHT),
        )


def prepare(
    window: Window,
    settings: PoissonSettings,
    colours: Callable[[], PlaceColours | None] | None = None,
) -> Prepared:
    """Match and harmonise the source if asked for, compute guidance and the fidelity's scale.

    Args:
        window: (1, C, h, w) planes, with 3 pixels or more around the mask where the frame has them.
        settings: of the Poisson stage.
        colours: called if it is to be harmonised, for the palettes of the source and its place;
            None: it is not.

    Returns:
        The window, ready to be solved.
    """
    bleed, confidence, figures = settings.resolved_bleed, 0.0, {}
    strength = settings.resolved_harmonise
    match = match_boundary(window) if settings.match else None
    needed = settings.method == "deep" or strength
    known = relation(window, match) if needed else Relation(0.0, 0.0)
    if match and settings.method == "deep":
        match = replace(match, confidence=known.continues)
    if strength:
        strength *= 1 - (match.confidence if match else known.continues)
    if match:
        window = replace(window, source=matched_source(window.source, match))
        confidence = match.confidence
        bleed = bleed + confidence * (1 - bleed)
        figures["match"] = match.figures
    palettes = colours() if strength and colours else None
    if palettes:
        given = window.source, window.mask, window.target
        moved = harmonised(*given, strength, colours=palettes)
        window = replace(window, source=moved.source)
        figures["harmonise"] = {"strength": strength} | moved.figures
    guidance = guidance_field(
        window.source, window.source_valid, window.target, window.support, settings.gradients
    )
    figures["bleed"] = bleed
    scale = fidelity_scale(bleed)
    return Prepared(window, guidance, scale, confidence, figures, known.pasted, settings.gradients)


def fidelity_scale(bleed: float) -> float:
    """The factor of the luminance and chroma weights by the bleed: 66 at 0, 1 at 0.5, 0 at 1."""
    return (1 - bleed) / (bleed + LEAST_BLEED) * (0.5 + LEAST_BLEED) / 0.5


@dataclass(frozen=True)
class Start:
    """A problem and the point at which its minimisation starts.

    Attributes:
        problem: of one window.
        x0: (1, 3, h, w), in image units; may exceed [0, 1].
    """

    problem: Problem
    x0: Tensor


def poisson_start(prepared: Prepared, settings: PoissonSettings) -> Start:
    """The Poisson stage's problem, the target being the background, and its start.

    With mixed or monochrome gradients the pasted source cannot be the reference; there the Poisson
    equation's solution is.

    Args:
        prepared: from `prepare`.
        settings: of the Poisson stage.

    Returns:
        Problem and start, (1, 3, h, w).
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
    problem = Problem(window, window.target, guidance, edge_ramp(window, settings.rim), weights)
    if settings.keeps_contours:
        share = contour_share(problem.window).clamp_min(prepared.pasted)
        problem = kept_at_contours(problem, share)
    return Start(problem, x0)


def refine_reference(window: Window, source: Tensor | None) -> Tensor:
    """What the refine stage holds: the blend, and behind its border the source.

    Along a loosely cut border the source has another ground, which the blend has melted; it is held
    from where the Poisson stage holds it, and from a contour of the blend on.

    Args:
        window: the blend as source, on its own target.
        source: (1, 3, h, w), in [0, 1], as the Poisson stage held it; None: the blend alone.

    Returns:
        (1, 3, h, w).
    """
    if source is None:
        return window.source
    inside = window.support.to(source)
    own = replace(window, source=torch.where(window.support, source, 0), source_valid=inside)
    held = edge_ramp(own, HELD_RIM, contour_share(window)).luminance
    return torch.where(window.support, torch.lerp(window.source, source, held), window.source)


def refine_start(
    window: Window,
    settings: RefineSettings,
    style: dict[str, Tensor] | None = None,
    source: Tensor | None = None,
    painted: Painted | None = None,
) -> Start:
    """The refine stage's problem, the blend being the background, and its start, the blend.

    Args:
        window: the blend as source, on its own target.
        settings: of the refine stage.
        style: Gram matrices to match instead of the target's, (1, C, C) by layer; None: the
            target's.
        source: (1, 3, h, w), from `refine_reference`, what is held; None: the blend.
        painted: what matched style wants; None: Gram matrices are matched.

    Returns:
        Problem and start, (1, 3, h, w).
    """
    blend = window.source
    share = contour_share(window) if settings.contours else None
    held = window if source is None else replace(window, source=source)
    guidance = torch.where(window.support, laplacian(held.source), laplacian(window.target))
    weights, wanted, detail, own = settings.weights, None, None, {}
    if painted is not None:
        wanted, detail, own = painted.features or {}, painted.detail, painted.own
        weights = replace(weights, style=painted.strength * weights.style)
        if not weights.style:  # nothing to paint: no need to ask the network what it is
            weights = replace(weights, content=0.0)
    fidelity = edge_emphasis(window, is_painted=painted is None or bool(weights.style))
    problem = Problem(
        held, blend, guidance, fidelity, weights, style, wanted, detail=detail, own=own
    )
    return Start(problem if share is None else kept_at_contours(problem, share), blend)


def kept_at_contours(problem: Problem, share: Tensor) -> Problem:
    """The problem without the wish to flatten the object's contour at the mask's edge.

    There the gradient term counts less, and the object's own colours from the first pixel on.

    Args:
        problem: of a stage.
        share: (1, 1, h, w), from `contour_share`.

    Returns:
        A new one.
    """
    fidelity = raised(problem.fidelity, share * problem.window.support)
    return replace(problem, seam=1 - share, fidelity=fidelity)


def without_network(start: Start) -> Start:
    """The start of a problem without the terms that read the network."""
    weights = replace(start.problem.weights, content=0.0, style=0.0, histogram=0.0)
    return replace(start, problem=replace(start.problem, weights=weights))
