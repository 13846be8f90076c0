"""Where the refine stage's style comes from: the target, or another picture."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ..deep.context import FixedContext, known_context
from ..deep.problem import Painted
from ..network.vgg16 import Features
from ..placement.box import bounding_box, crop
from ..placement.window import Window, pick
from ..settings import RefineSettings
from ..strokes.film import MatchedFrame, carried
from ..strokes.strength import detail_share, newness, stroke_strength
from ..strokes.wanted import Wanted, wanted_features
from .film import Frame, frame_of, steadied
from .finish import PaintedPlace, as_painted
from .memory import is_matched
from .prepare import Start, refine_reference, refine_start
from .reduced import View

T = TypeVar("T")

LEAST_STRENGTH = 0.005  # below it nothing is painted: no eye finds it, and the network can rest


@dataclass(frozen=True)
class Begun:
    """What the minimisation of one picture starts with, and what comes after it.

    Attributes:
        start: problem and start.
        figures: for the report: what is held, "source" or "blend", and the strength of matched
            style.
        finish: from x, of the problem's size, to x with the grain of the place, (1, 3, h, w).
        shown: from x to x at the window's size, (1, 3, h, w), quickly.
    """

    start: Start
    figures: dict
    finish: Callable[[Tensor], Tensor]
    shown: Callable[[Tensor], Tensor]


class MapReader(Protocol):
    """What reads a picture's maps within a stage's memory: its `DeepSolver`.

    Attributes:
        context: of the window that is solved next, if it is known.
    """

    context: FixedContext | None

    def grams(self, style: Tensor) -> dict[str, Tensor]:
        """Gram matrices of a picture (1, 3, H, W) by layer."""
        ...

    def map_features(self, work: Callable[[Features, int | None], T], size: tuple[int, int]) -> T:
        """What `work` makes of the network and the side of its tiles."""
        ...


class Brush:
    """The style of each picture of a batch, in the form that the settings ask for."""

    def __init__(
        self,
        settings: RefineSettings,
        solver: MapReader,
        mask: Tensor,
        style: Tensor | None,
        source: Tensor | None,
    ) -> None:
        """Read a style picture, if there is one.

        Args:
            settings: of the refine stage.
            solver: of the stage, for its network and its memory.
            mask: (N or 1, 1, H, W), in [0, 1], of the objects, even if more may change.
            style: (N or 1, 3 or 4, h, w), in [0, 1]; None: the target's own style.
            source: (N or 1, 3 or 4, H, W), in [0, 1], what is held; None: the blend.
        """
        self.settings, self.solver = settings, solver
        self.mask, self.style, self.source = mask, style, source
        self.is_matched = is_matched(settings)
        rows = () if style is None or self.is_matched else style
        self.grams = [solver.grams(row[None, :3]) for row in rows]
        self.frame: MatchedFrame | None = None
        self.texture: Frame | None = None

    def begin(self, sample: int, window: Window, factor: float = 1.0) -> Begun:
        """Where the minimisation of one picture starts.

        Args:
            sample: which picture of the batch, from 0.
            window: the blend as source, on its own target.
            factor: >= 1, by which it is reduced for the network, see `View`.

        Returns:
            Problem and start, figures, and what is to be done to the result.
        """
        source = None
        if self.source is not None:
            source = crop(pick(self.source, sample)[:, :3], window.box)
            source = _plain(source, window.source)
        held = refine_reference(window, source)
        figures: dict = {"held": "blend" if source is None else "source"}
        view = View(window, factor)
        small = view.window
        if not self.is_matched:
            grams = self._grams(sample, view)
            start = refine_start(small, self.settings, grams, view.plane(held))
            return Begun(start, figures, partial(view.changed, window.source), view.shown)
        objects = _plain(crop(pick(self.mask, sample), window.box), window.mask)
        style = None
        if self.style is not None:
            style = _plain(pick(self.style, sample)[:, :3], window.target)
        painted, places = self._painted(
            replace(small, source=view.plane(held)),
            view.plane(objects),
            None if style is None else view.picture(style),
        )
        figures["strokes"] = round(painted.strength, 4)
        start = refine_start(small, self.settings, None, view.plane(held), painted)
        if places is not None:
            places = view.places(places, (window.target if style is None else style).shape)
        grain = self._grain(replace(window, source=held), objects, style, places)
        return Begun(start, figures, lambda x: grain(view.changed(window.source, x)), view.shown)

    def _grams(self, sample: int, view: View) -> dict[str, Tensor] | None:
        """The Gram matrices of another picture's style, at the scale that the window is seen at."""
        if self.style is None:
            return None
        if not self.grams or view.factor > 1:
            return self.solver.grams(view.picture(pick(self.style, sample)[:, :3]))
        return self.grams[sample % len(self.grams)]

    def _painted(
        self, window: Window, objects: Tensor, style: Tensor | None
    ) -> tuple[Painted, Tensor | None]:
        """What matched style wants of a window's source, and where its pixels have their like."""
        seen = _of_objects(window, objects)
        strength = stroke_strength(seen, style)
        if strength < LEAST_STRENGTH:
            return Painted(None, 0.0), None
        # What the object hides is not there to be learnt from: it stands in its own way.
        shown = window.paste
        covered = objects > 0 if style is None else torch.zeros_like(style[:, :1]).bool()
        target = shown if style is None else style
        found = self._wanted(window, shown, target, covered, objects > 0)
        if found is None:
            return Painted(None, 0.0), None
        detail = detail_share(seen, style)
        return Painted(found.features, strength, detail, found.own), found.places

    def _grain(
        self, window: Window, objects: Tensor, style: Tensor | None, places: Tensor | None
    ) -> Callable[[Tensor], Tensor]:
        """From what was found, (1, 3, h, w), to the same with the finest texture of the place."""
        seen = _of_objects(window, objects)
        target = window.paste if style is None else style
        free = objects == 0 if style is None else torch.ones_like(style[:, :1]).bool()
        return partial(
            as_painted,
            window=seen,
            brush=PaintedPlace(target, free, places, style is None),
            amount=self.settings.grain * newness(seen, style),
            film=partial(self._steadied, seen) if self.settings.sequence else None,
        )

    def _steadied(self, window: Window, texture: Tensor) -> Tensor:
        """The texture of a film's frame, remembered for the next."""
        texture = steadied(texture, window, self.texture)
        self.texture = frame_of(window, texture)
        return texture

    def _wanted(
        self, window: Window, shown: Tensor, target: Tensor, covered: Tensor, objects: Tensor
    ) -> Wanted | None:
        """What the window's object is to be made of; a film's begins from the frame before."""
        corner = (window.box.top, window.box.left) if target is shown else (0, 0)
        object_box = bounding_box(objects if bool(objects.any()) else window.support)
        centre = object_box.shifted(window.box.top, window.box.left).centre
        before = None
        if self.frame is not None:
            before = partial(carried, self.frame, window.box, corner, centre)
        found = self.solver.map_features(
            lambda network, tile: wanted_features(
                shown, window.support, target, covered, network, tile, before
            ),
            (target.shape[2], target.shape[3]),
        )
        if found is not None and found.cropped is not None:
            self.solver.context = known_context(window, found.cropped)
        if found is not None and self.settings.sequence:
            self.frame = MatchedFrame(found.matches, window.box, corner, centre)
        return found


def _plain(planes: Tensor, like: Tensor) -> Tensor:
    """Planes as another's, contiguous: in another layout sums are rounded otherwise."""
    return planes.to(like).contiguous()


def _of_objects(window: Window, objects: Tensor) -> Window:
    """The window of the objects alone, if there are any in what may change."""
    return replace(window, mask=objects) if bool((objects > 0).any()) else window
