"""Wiring that goes wrong in ComfyUI: named together with its remedy, or made harmless.

No ComfyUI here: shapes and values alone. What is wrong raises ValueError, what only looks wrong
becomes a line for the node and its report.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .planes import cut_alpha, image_planes, mask_planes

PLACEHOLDER = (1, 1, 64, 64)  # what Load Image emits for a picture without alpha: zeros
OWN_MASK = (  # the remedy for a mask of another size
    "link the mask that was painted on this source; or let Load Mask resize it (resize, with the "
    "source as reference)"
)

# The remedies for pictures and masks of another size than a stage's or a shadow's.
BLENDS_TARGET = (
    "link the Poisson Stage's target; for another picture's style link that picture to style"
)
BLENDS_MASK = "link the Poisson Stage's placed mask, not the source's own mask"
PLACED_MASK = "link Place Object's placed mask, not the source's own mask"
PLACED_SOURCE = "link Place Object's placed source, or nothing"


@dataclass(frozen=True)
class CutOut:
    """Source, mask and target as planes, checked; and what the user should know of them.

    Attributes:
        source: (N, 3 or 4, h, w).
        target: (N, 3 or 4, H, W).
        mask: (N, 1, h, w), in [0, 1].
        warnings: one line each.
    """

    source: Tensor
    target: Tensor
    mask: Tensor
    warnings: tuple[str, ...]


def checked_cut_out(
    source: Tensor, target: Tensor, mask: Tensor, remedy: str = "", result: Tensor | None = None
) -> CutOut:
    """What a node that places a source is given.

    Args:
        source: IMAGE (N, h, w, C).
        target: IMAGE (N, H, W, C).
        mask: MASK (N, h, w), at times (h, w) or (N, 1, h, w); 1 = take the source.
        remedy: what to do about a mask of another size; "": what helps a stage.
        result: IMAGE (N, H, W, C), a blend of these to look at; None: there is none yet.

    Raises:
        ValueError: shapes, sizes, batches or values that cannot be meant; says what to do.
    """
    pictures = {"target": image_planes("target", target), "source": image_planes("source", source)}
    pictures["source"], alpha_said = cut_alpha(pictures["source"])
    planes, said = mask_planes("mask", mask)
    _check_source_mask(planes, remedy, **pictures)
    looked_at = {} if result is None else {"result": image_planes("result", result)}
    _check_result(pictures["target"], **looked_at)
    _check_batches(mask=planes, **pictures, **looked_at)
    warnings = (*said, *alpha_said, *_looks_inverted(planes), *_beyond_range(pictures))
    warnings += _beyond_range(looked_at, "looked at as they are")
    return CutOut(pictures["source"], pictures["target"], planes, warnings)


def checked_source(source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A source and its mask as planes, where there is no target yet, and warnings.

    Args:
        source: IMAGE (N, h, w, C).
        mask: MASK (N, h, w), at times (h, w) or (N, 1, h, w); 1 = take the source.

    Raises:
        ValueError: as `checked_cut_out`.
    """
    picture, alpha_said = cut_alpha(image_planes("source", source))
    planes, said = mask_planes("mask", mask)
    _check_source_mask(planes, OWN_MASK, picture)
    _check_batches(source=picture, mask=planes)
    beyond = _beyond_range({"source": picture}, "kept as they are")
    return picture, planes, (*said, *alpha_said, *_looks_inverted(planes), *beyond)


def checked_repair(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A picture and the mask of what is to be repaired in it as planes, and warnings.

    Args:
        image: IMAGE (N, h, w, C).
        mask: MASK (M, h, w), at times (h, w) or (M, 1, h, w); 1 = repair.

    Raises:
        ValueError: as `checked_cut_out`.
    """
    picture, alpha_said = cut_alpha(image_planes("image", image), "image")
    planes, said = mask_planes("mask", mask)
    size = picture.shape[2:]
    if planes.shape == PLACEHOLDER and size != planes.shape[2:] and not bool(planes.any()):
        raise ValueError(
            "mask must be a mask, got Load Image's 64 x 64 stand-in for a picture without alpha "
            "(all 0): paint one with Open in MaskEditor on Load Image, or link Load Mask"
        )
    _check_size("mask", planes, "image", size, _painted_on("image", "this"))
    _check_batches(image=picture, mask=planes)
    beyond = _beyond_range({"image": picture}, "cut out as they are")
    return picture, planes, (*said, *alpha_said, *_looks_inverted(planes), *beyond)


def checked_reference(
    cut: CutOut, reference: Tensor | None, area: Tensor | None
) -> tuple[Tensor | None, Tensor | None, tuple[str, ...]]:
    """Another picture to learn from and where to look, as planes, and warnings.

    Args:
        cut: source, target and mask.
        reference: IMAGE (N, H, W, C); None: the target is learnt from.
        area: MASK (N, H, W) of the reference's or else the target's size; None: none.

    Raises:
        ValueError: as `checked_cut_out`.
    """
    said: tuple[str, ...] = ()
    more, owner, picture = {}, "target", cut.target
    if reference is not None:
        owner = "reference"
        picture, said = cut_alpha(image_planes(owner, reference), owner)
        more = {owner: picture}
        said += _beyond_range(more, "looked at as they are")
    planes = None
    if area is not None:
        planes, area_said = mask_planes("area", area)
        _check_placeholder(planes, picture.shape[2:], "area")
        _check_area(planes, owner, picture)
        more["area"], said = planes, said + area_said
    _check_batches(mask=cut.mask, target=cut.target, source=cut.source, **more)
    return more.get("reference"), planes, said


def checked_own_alpha(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A source whose alpha is its mask and a target as planes, and warnings.

    Args:
        source: IMAGE (N, h, w, 4).
        target: IMAGE (N, H, W, C).

    Raises:
        ValueError: as `checked_cut_out`; a source without alpha.
    """
    pictures = {"target": image_planes("target", target), "source": image_planes("source", source)}
    if pictures["source"].shape[1] == 3:
        raise ValueError(
            "mask must be linked for a source without alpha, got none: link Load Mask with the "
            "source's file (Load Image keeps a file's alpha out of its IMAGE)"
        )
    pictures["source"], said = cut_alpha(pictures["source"])
    _check_batches(**pictures)
    return pictures["source"], pictures["target"], (*said, *_beyond_range(pictures))


def checked_blend(
    blend: Tensor, target: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    """What the refine stage is given: blend, target and mask as planes, and warnings.

    Args:
        blend: IMAGE (N, H, W, C).
        target: IMAGE (N, H, W, C), of the same size.
        mask: MASK (N, H, W), of the same size.

    Raises:
        ValueError: as `checked_cut_out`.
    """
    pictures = {"blend": image_planes("blend", blend), "target": image_planes("target", target)}
    planes, said = mask_planes("mask", mask)
    size = pictures["blend"].shape[2:]
    _check_size("target", pictures["target"], "blend", size, BLENDS_TARGET)
    _check_placeholder(planes, size)
    _check_size("mask", planes, "blend", size, BLENDS_MASK)
    _check_batches(mask=planes, **pictures)
    warnings = (*said, *_looks_inverted(planes), *_beyond_range(pictures))
    return pictures["blend"], pictures["target"], planes, warnings


def checked_shadow(
    target: Tensor, mask: Tensor, source: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, tuple[str, ...]]:
    """A target, the mask of an object placed on it and perhaps its source as planes, and warnings.

    Args:
        target: IMAGE (N, H, W, C).
        mask: MASK (N, H, W), of the same size, 1 = the object.
        source: IMAGE (N, H, W, C), of the same size, the object to look at; None: none.

    Raises:
        ValueError: as `checked_cut_out`.
    """
    pictures = {"target": image_planes("target", target)}
    if source is not None:
        pictures["source"] = image_planes("source", source)
    planes, said = mask_planes("mask", mask)
    size = pictures["target"].shape[2:]
    _check_placeholder(planes, size)
    _check_size("mask", planes, "target", size, PLACED_MASK)
    if source is not None:
        _check_size("source", pictures["source"], "target", size, PLACED_SOURCE)
    _check_batches(mask=planes, **pictures)
    beyond = _beyond_range({"target": pictures["target"]}, "kept as they are")
    warnings = (*said, *_looks_inverted(planes), *beyond)
    return pictures["target"], planes, pictures.get("source"), warnings


def _check_result(target: Tensor, result: Tensor | None = None) -> None:
    if result is not None:
        remedy = "link the blend that a stage made of this target"
        _check_size("result", result, "target", target.shape[2:], remedy)


def _check_area(area: Tensor, owner: str, picture: Tensor) -> None:
    _check_size("area", area, owner, picture.shape[2:], _painted_on(owner))


def _check_size(name: str, planes: Tensor, owner: str, wanted: torch.Size, remedy: str) -> None:
    """Raise unless planes have the height and width of those of another input."""
    size = planes.shape[2:]
    if size != wanted:
        raise ValueError(
            f"{name} must have the {owner}'s size, {_words(wanted)}, got {_words(size)}: {remedy}"
        )


def _painted_on(owner: str, which: str = "the") -> str:
    """The remedy for a mask that was not painted on a picture."""
    return (
        f"paint it on {which} {owner}; or let Load Mask resize it (resize, with the {owner} as "
        "reference)"
    )


def _check_source_mask(
    mask: Tensor, remedy: str, source: Tensor, target: Tensor | None = None
) -> None:
    size, wanted = mask.shape[2:], source.shape[2:]
    _check_placeholder(mask, wanted)
    if size == wanted:
        return
    if target is not None and size == target.shape[2:]:
        remedy = remedy or (
            "link the source's Load Mask; or link Place Object's placed source and placed mask "
            "together, column 0, row 0"
        )
        raise ValueError(
            f"mask must be the source's own, {_words(wanted)}, got one of the target's size, "
            f"{_words(size)}, as a placed mask is: {remedy}"
        )
    remedy = remedy or f"{OWN_MASK}; or place source and mask with Place Object"
    _check_size("mask", mask, "source", wanted, remedy)


def _check_placeholder(mask: Tensor, wanted: torch.Size, name: str = "mask") -> None:
    """Load Image's stand-in for a mask."""
    is_placeholder = mask.shape == PLACEHOLDER and wanted != mask.shape[2:]
    if is_placeholder and not bool(mask.any()):
        raise ValueError(
            f"{name} must be a mask, got Load Image's 64 x 64 stand-in for a picture without alpha "
            "(all 0): load the mask's file with Load Mask (a cut-out's own: its channel alpha)"
        )


def _check_batches(**tensors: Tensor) -> None:
    sizes = {name: tensor.shape[0] for name, tensor in tensors.items()}
    if any(size not in (1, max(sizes.values())) for size in sizes.values()):
        got = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(
            f"batch sizes must be N with N or 1 with N, got {got}: cut the longer with "
            "ImageFromBatch, or link a single picture"
        )


def _looks_inverted(mask: Tensor) -> tuple[str, ...]:
    """A mask that takes the surroundings and leaves an object out: Load Image's 1 - alpha."""
    from ..blending.image.polarity import WRONG, find_polarity

    if all(one.verdict != WRONG for one in find_polarity(mask)):
        return ()
    return (
        "mask looks inverted: put Prepare Mask before it (polarity, invert), or use Load Mask (it "
        "takes the border and leaves the middle; Load Image's MASK is 1 - alpha)",
    )


def _beyond_range(
    pictures: dict[str, Tensor],
    done: str = "kept as they are outside the mask, cut to 0..1 under it",
) -> tuple[str, ...]:
    """Pictures whose values leave [0, 1], and what is done: the core takes -1 to 2."""
    lines = []
    for name, picture in pictures.items():
        low, high = (value.item() for value in picture[:, :3].aminmax())
        if low < 0 or high > 1:
            lines.append(f"{name} has values from {low:.3g} to {high:.3g}: {done}")
    return tuple(lines)


def _words(size: torch.Size) -> str:
    return f"{size[1]} x {size[0]} pixels"
