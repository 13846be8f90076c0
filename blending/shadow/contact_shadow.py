"""A shadow cast on a target before an object is blended onto it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_type
from ..image.colour import to_linear, to_srgb
from ..placement.box import Box, bounding_box, crop
from ..placement.place import check_taken, solved_mask
from ..placement.window import pick
from ..report import OnPicture
from ..settings import ShadowSettings
from ..validation import check_image, check_mask, check_same_size, common_batch
from .canvas import Canvas, object_size
from .cast import DEPTH, EDGE, cast_on_ground, cast_on_wall, shadow_offset, wall_height
from .colour import shadow_colour
from .contact import WIDE, contact_on_ground, contact_on_wall
from .ground import TILT, Ground, ground_of

DRAWN_SIZE = 256  # pixels: shadows of larger objects are drawn at that size and enlarged
SURROUNDINGS = 1.0  # of the object's size: how far around it the target's shadows are looked at
CONTACT = 1.8  # times as dense as the cast shadow is the contact
LEAST = 1 / 1024  # less shadow than that is none
CUT_OFF = 0.05  # of the object's width: as much of it on the target's last row is cut off
NO_CONTACT = (
    "the target's lower edge cuts the object off: where it touches the ground is not seen, so that "
    "no shadow is cast; move it up, or choose kind drop for a wall behind it"
)


@dataclass(frozen=True)
class Shadowed:
    """What `contact_shadow` returns.

    Attributes:
        image: (N, 3 or 4, H, W), the target with the shadow, in its dtype, with its alpha; its own
            bits where there is no shadow.
        shadow: (N, 1, H, W), in [0, 1], the share by which the shadow lowers a grey sRGB value: a
            target multiplied by 1 − shadow has it without its colour.
        figures: JSON-ready, for each picture `colour`, the light that is left in the target's own
            shadows, linear red, green and blue, and `confidence`, 0 where that is the fallback, to
            1; none where nothing is cast.
        notes: what was done that the caller may not expect.
    """

    image: Tensor
    shadow: Tensor
    figures: list[dict]
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """Of how many pictures a shadow was cast, and in what colour, for people."""
        cast = [one for one in self.figures if one]
        if not cast:
            return "no shadow: the target as it came"
        light = [[round(100 * part) for part in one["colour"]] for one in cast]
        spans = [_span(channel) for channel in zip(*light, strict=True)]
        sure = _span([one["confidence"] for one in cast], "{:.2f}")
        count = f"{len(cast)} shadows" if len(self.figures) > 1 else "shadow"
        left = "{} % of the red light, {} of the green, {} of the blue".format(*spans)
        return f"{count}: the target's own leave {left}; confidence {sure}"


@torch.no_grad()
def contact_shadow(
    target: Tensor,
    mask: Tensor,
    settings: ShadowSettings | None = None,
    on_picture: OnPicture | None = None,
) -> Shadowed:
    """Cast the shadow of an object on its target, from its placed mask alone.

    Two parts: the cast shadow, which falls away from the light and softens and fades with its
    distance, and the contact, a dark crack and seam where the object touches. Densities add up and
    light is multiplied, in linear light, by the ratio that the target's own shadows have. Lengths
    go by the object's size, so they do not depend on the resolution.

    Args:
        target: (N, 3 or 4, H, W), in [0, 1].
        mask: (N, 1, H, W), in [0, 1], 1 = the object, at its place on the target.
        settings: None: the defaults.
        on_picture: called before each picture; an exception that it raises, to cancel, is passed
            on.

    Returns:
        The target with the shadow, also under the object. N is 1 or the batch size for both.

    Raises:
        ValueError, TypeError: shapes, ranges, sizes or batches; a mask that is 0 in every picture.

    Source: the shadow compositing equation, Chuang et al. 2003, "Shadow matting and compositing",
    with a density instead of its linear matte, so that parts multiply.
    """
    settings = settings or ShadowSettings()
    check_type("settings", settings, ShadowSettings)
    check_image("target", target)
    check_mask("mask", mask)
    check_same_size("mask", mask, "target", target)
    check_taken(mask, "the object")
    batch = common_batch(target=target, mask=mask)
    image = target.expand(batch, -1, -1, -1).clone()
    shadow = image.new_zeros(batch, 1, *image.shape[2:])
    figures, cut_off = [], []
    for sample in range(batch):
        if on_picture:
            on_picture(sample, batch)
        own, seen = slice(sample, sample + 1), solved_mask(pick(mask, sample))
        if not settings.strength or not bool(seen.any()):
            figures.append({})
        elif _is_cut_off(seen, settings):
            cut_off.append(sample)
            figures.append({})
        else:
            figures.append(_shade(image[own], shadow[own], seen, settings))
    which = f" (pictures {', '.join(str(one + 1) for one in cut_off)})" if batch > 1 else ""
    return Shadowed(image, shadow, figures, (NO_CONTACT + which,) if cut_off else ())


def _span(values: Sequence[float], form: str = "{}") -> str:
    """The values' range, such as "30 to 35", or the one value that all show."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _is_cut_off(mask: Tensor, settings: ShadowSettings) -> bool:
    """Whether the ground of an upright object lies below the target's frame."""
    if settings.kind != "ground" or settings.lift:
        return False
    width = bounding_box(mask > 0).width
    return (mask[0, 0, -1] >= 0.5).sum().item() > CUT_OFF * width


def _shade(image: Tensor, shadow: Tensor, mask: Tensor, settings: ShadowSettings) -> dict:
    """Write one picture's shadow into its image and its plane, (1, C, H, W)."""
    box = bounding_box(mask > 0)
    density, covered = _density(mask, box, settings)
    around = box.grown(round(SURROUNDINGS * object_size(*box.size))).clipped(image.shape)
    free = (crop(mask, around) == 0).to(density)
    colour, confidence = shadow_colour(crop(image[:, :3], around), free)
    rows, columns = (density[0, 0] > LEAST).nonzero(as_tuple=True)
    dense, colour_left = density[0, 0, rows, columns], colour.to(density)
    part = crop(image, covered)[0, :3]
    lit = to_linear(part[:, rows, columns].to(density)[None, :, None])
    part[:, rows, columns] = to_srgb(lit * colour_left.view(1, 3, 1, 1) ** dense)[0, :, 0].to(part)
    grey = to_srgb(colour_left.mean() ** dense)
    crop(shadow, covered)[0, 0, rows, columns] = (1 - grey).clamp(0, 1).to(shadow)
    return {
        "colour": [round(one, 4) for one in colour.tolist()],
        "confidence": round(confidence, 4),
    }


def _density(mask: Tensor, box: Box, settings: ShadowSettings) -> tuple[Tensor, Box]:
    """How dense the shadow is, (1, 1, h, w), >= 0, and the part of the picture that it covers."""
    silhouette = crop(mask, box).to(torch.promote_types(mask.dtype, torch.float32))
    zoom = min(1.0, DRAWN_SIZE / object_size(*box.size))
    drawn = [max(1, round(side * zoom)) for side in box.size]
    if zoom < 1:
        silhouette = F.interpolate(silhouette, drawn, mode="bilinear", antialias=True).clamp(0, 1)
    canvas, dense = _drawn(silhouette, settings)
    down, across = (side / own for side, own in zip(drawn, box.size, strict=True))
    above, beside = math.ceil(canvas.top / down), math.ceil(canvas.left / across)
    height, width = canvas.shape
    whole = Box(
        box.top - above,
        box.left - beside,
        above + math.ceil((height - canvas.top) / down),
        beside + math.ceil((width - canvas.left) / across),
    )
    covered = whole.clipped(mask.shape)
    rows = torch.arange(covered.top, covered.bottom).to(dense) + 0.5 - box.top
    columns = torch.arange(covered.left, covered.right).to(dense) + 0.5 - box.left
    return canvas.sampled(dense, down * rows[:, None], across * columns[None]), covered


def _drawn(silhouette: Tensor, settings: ShadowSettings) -> tuple[Canvas, Tensor]:
    """The shadow's density around a silhouette, and the canvas that it is drawn on."""
    ground = ground_of(silhouette) if settings.kind == "ground" else None
    canvas = _canvas(silhouette, ground, settings)
    if ground is None:
        dense = cast_on_wall(canvas, settings)
    elif settings.length:
        dense = cast_on_ground(canvas, ground, settings)
    else:
        dense = torch.zeros_like(canvas.plane)
    if settings.contact and not settings.lift:
        touch = contact_on_ground(canvas, ground) if ground else contact_on_wall(canvas)
        dense = dense + CONTACT * settings.contact * touch
    return canvas, settings.strength * dense


def _canvas(silhouette: Tensor, ground: Ground | None, settings: ShadowSettings) -> Canvas:
    """The silhouette with room for its shadow's ends and three standard deviations of blur."""
    height, width = silhouette.shape[2:]
    size = object_size(height, width)
    if ground is None:
        highest, tilt = wall_height(size, settings), 1.0
        lifted = depth = lower = 0.0
    else:
        lifted = settings.lift / 100 * ground.height
        lower = ground.foot.max().item()
        highest, tilt = lower + lifted, TILT
        depth, lower = TILT * DEPTH * ground.height, max(0.0, lower - height)
    down, across = shadow_offset(settings, highest, tilt)
    blur = 3 / EDGE * settings.softness / 100 * math.hypot(settings.length / 100, 1) * highest
    blur += 3 * WIDE * size + 2
    return Canvas(
        silhouette,
        top=math.ceil(max(0.0, -down) + depth + blur),
        bottom=math.ceil(max(0.0, down) + lower + lifted + blur),
        left=math.ceil(max(0.0, -across) + blur),
        right=math.ceil(max(0.0, across) + blur),
    )
