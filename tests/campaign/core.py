"""Calls of the core on pictures and masks of every kind: a clear error, or all that is promised."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from blending import (
    BlendSettings,
    Compute,
    CropSettings,
    PoissonSettings,
    RefineSettings,
    ShadowSettings,
    blend,
    contact_shadow,
    crop_for_repair,
    load_features,
    place,
    poisson_stage,
    refine_stage,
    stitch,
)
from blending.cutout.clean import clean_cutout
from blending.harmonise.placed import harmonise_batch, placed_colours
from blending.image.mask import adjust_mask
from blending.placement.layout import Layout
from blending.placement.place_object import place_object

from .core_cases import cases
from .pictures import UNSOUND, make_mask, make_picture, same_bits
from .search import FaultError, Part

LEAST = 1 / 256  # what a mask must reach
FORMAT = torch.contiguous_format
SOURCE_SIDES = 500  # pixels: a source is not enlarged beyond
# What a sound call may be refused for: where it lies, how large it becomes, what is left of it.
MAY_BE_REFUSED = re.compile(
    r"mask must be above 0|source of .* must overlap the target|^scale|mask must take something|"
    r"connected parts with split|at most 32768|100 million"
)
ARGUMENTS = re.compile(
    r"\b(source|target|mask|image|style|reference|row|column|scale|batch sizes|crop|grow|feather|"
    r"width|height)\b"
)


@dataclass
class Done:
    """What a call handed back: its tensors, and where the image must have the base's bits."""

    tensors: dict[str, Tensor]
    image: Tensor | None = None
    base: Tensor | None = None
    mask: Tensor | None = None
    unit: tuple[str, ...] = field(default=())  # names of tensors that are in [0, 1] whatever came


@cache
def network():
    return load_features()


def _placed(arguments: dict, case: dict):
    return place(
        arguments["source"],
        arguments["target"],
        arguments["mask"],
        case["row"],
        case["column"],
        case["scale"],
    )


def _place(arguments: dict, case: dict) -> Done:
    placed = _placed(arguments, case)
    tensors = {"paste": placed.paste, "mask": placed.full_mask}
    return Done(tensors, placed.paste, arguments["target"], placed.full_mask, ("mask",))


def _blend(arguments: dict, case: dict) -> Done:
    refine = RefineSettings(**{**case["refine"], "region": "object"}) if case["refined"] else None
    poisson, compute = PoissonSettings(**case["poisson"]), Compute(precision=case["precision"])
    settings = BlendSettings(poisson, refine, compute=compute)
    result = blend(
        arguments["source"],
        arguments["target"],
        arguments["mask"],
        row=case["row"],
        column=case["column"],
        scale=case["scale"],
        settings=settings,
    )
    tensors = {"image": result.image, "mask": result.mask, "cutout": result.cutout}
    given = result.given.full_mask
    return Done(tensors, result.image, arguments["target"], given, ("mask",))


def _poisson(arguments: dict, case: dict) -> Done:
    placed = _placed(arguments, case)
    compute = Compute(precision=case["precision"])
    result = poisson_stage(placed, PoissonSettings(**case["poisson"]), network(), compute)
    tensors = {"image": result.image, "mask": result.mask, "source": result.source}
    return Done(tensors, result.image, arguments["target"], placed.full_mask, ("mask",))


def _refined(arguments: dict, case: dict) -> Done:
    settings = RefineSettings(**case["refine"])
    image, target, mask = (arguments[name] for name in ("image", "target", "mask"))
    compute, style = Compute(precision=case["precision"]), arguments.get("style")
    result = refine_stage(image, target, mask, settings, network(), compute, style=style)
    tensors = {"image": result.image, "mask": result.mask}
    return Done(tensors, result.image, image, result.mask, ("mask",))


def _shadow(arguments: dict, case: dict) -> Done:
    settings = ShadowSettings(**case["shadow"])
    found = contact_shadow(arguments["target"], arguments["mask"], settings)
    tensors = {"image": found.image, "shadow": found.shadow}
    return Done(tensors, found.image, arguments["target"], found.shadow, ("shadow",))


def _repair(arguments: dict, case: dict) -> Done:
    crops = crop_for_repair(arguments["image"], arguments["mask"], CropSettings(**case["crop"]))
    repainted = (0.8 * crops.image + 0.1 * crops.image.flip(3)).clamp(0, 1)
    for dim in (2, 3):  # as a sampler hands it back, in views and enlarged
        repainted = repainted.repeat_interleave(case["enlarged"], dim)
    repainted = repainted.repeat(case["views"], 1, 1, 1)
    found = stitch(repainted, crops.place, case["finish"], case["bleed"], network())
    tensors = {"image": found.image, "mask": found.mask, "crop mask": crops.mask}
    unit = ("mask", "crop mask")
    base = arguments["image"].repeat(len(found.image) // len(arguments["image"]), 1, 1, 1)
    return Done(tensors, found.image, base, found.mask, unit)


def _cleaned(arguments: dict, case: dict) -> Done:
    source, mask = arguments["source"], arguments["mask"]
    cut = clean_cutout(source, mask, case["width"])
    if not bool((cut.alpha <= mask).all()):
        raise FaultError("clean: alpha is more than the mask was")
    tensors = {"source": cut.source, "alpha": cut.alpha, "removed": cut.removed}
    return Done(tensors, cut.source, source, mask.expand_as(cut.alpha), ("alpha", "removed"))


def _harmonised(arguments: dict, case: dict) -> Done:
    colours = placed_colours(_placed(arguments, case), network(), arguments.get("reference"))
    source, strength = arguments["source"], case["strength"]
    moved, _ = harmonise_batch(source, arguments["mask"], colours, strength)
    if strength == 0 and not same_bits(moved, source.expand_as(moved)):
        raise FaultError("harmonise: of strength 0 it changes bits")
    everywhere = torch.ones_like(moved[:, :1])
    return Done({"source": moved}, moved, source, everywhere)


def _adjusted(arguments: dict, case: dict) -> Done:
    return Done({"mask": adjust_mask(arguments["mask"], **case["adjust"])}, unit=("mask",))


def _object(arguments: dict, case: dict) -> Done:
    source, target, mask = (arguments[name] for name in ("source", "target", "mask"))
    found = place_object(source, target, mask, Layout(**case["layout"]), case["trim"])
    tensors = {"paste": found.paste, "source": found.source, "mask": found.mask}
    return Done(tensors, found.paste, target, found.mask, ("source", "mask"))


CALLS: dict[str, tuple[Callable[[dict, dict], Done], tuple[str, ...]]] = {
    "adjust": (_adjusted, ("mask",)),
    "place": (_place, ("source", "target", "mask")),
    "object": (_object, ("source", "target", "mask")),
    "shadow": (_shadow, ("target", "mask")),
    "repair": (_repair, ("image", "mask")),
    "clean": (_cleaned, ("source", "mask")),
    "harmonise": (_harmonised, ("source", "target", "mask", "reference")),
    "poisson": (_poisson, ("source", "target", "mask")),
    "blend": (_blend, ("source", "target", "mask")),
    "refine": (_refined, ("image", "target", "mask", "style")),
}


def make_arguments(case: dict) -> dict[str, Tensor]:
    """The tensors that the case's call takes."""
    _, names = CALLS[case["call"]]
    frame = tuple(case["target_size"])
    own = tuple(case.get("source_size", frame))
    sizes = {"source": own, "mask": own, "style": frame[::-1], "reference": frame[::-1]}
    made = {}
    for name in (name for name in names if case[name] is not None):
        size = sizes.get(name, frame)
        batch = 1 if name in case["single"] else case["batch"]
        if case["wrong"] == "batch" and name == "mask":
            batch = case["batch"] + 4
        if case["wrong"] == "size" and name == "mask":
            size = (size[0] + 1, size[1])
        make = make_mask if name == "mask" else make_picture
        made[name] = make(case[name], batch, *size)
    return made


def must_be_refused(case: dict, arguments: dict[str, Tensor]) -> str | None:
    """Why the call must end with an error; None: nothing is wrong with its arguments."""
    for name, tensor in arguments.items():
        is_far = name != "mask" and case[name]["values"] in UNSOUND
        if is_far or not bool(torch.isfinite(tensor).all()):
            return f"{name} is not sound"
    mask = arguments["mask"]
    if not 0 <= mask.min() <= mask.max() <= 1:
        return "mask is out of range"
    return _mismatch(case, arguments) if len(arguments) > 1 else None


def _mismatch(case: dict, arguments: dict[str, Tensor]) -> str | None:
    """What of sound arguments does not go together."""
    if len({len(tensor) for tensor in arguments.values()} | {1}) > 2:
        return "batches differ"
    if case["wrong"] == "size":
        return "sizes differ"
    if arguments["mask"].max() < LEAST and not _may_be_empty(case):
        return "mask is empty"
    if max(abs(case.get("row", 0)), abs(case.get("column", 0))) > 32768:
        return "too far out"
    return None


def _may_be_empty(case: dict) -> bool:
    is_whole = case["call"] == "refine" and case["refine"]["region"] == "picture"
    return is_whole or case["call"] == "clean"


def _is_film(case: dict) -> bool:
    return any(case.get(stage, {}).get("sequence") for stage in ("poisson", "refine"))


def _with_overlap(case: dict) -> dict:
    """The case with a place at which most sources meet their target, and no huge source."""
    case = dict(case)
    for name, axis in (("row", 0), ("column", 1)):  # unless it is far out: so that they meet
        if abs(case.get(name, 0)) < 100 and name in case:
            own, frame = case["source_size"][axis], case["target_size"][axis]
            case[name] = case[name] % (own + frame - 1) - own + 1
    if case.get("scale", 1) > 1 and max(case["source_size"]) * case["scale"] < 10**5:
        case["scale"] = min(case["scale"], SOURCE_SIDES / max(case["source_size"]))
    return case


def check(case: dict) -> str:
    """Run the call of a case and hold the result against every promise."""
    case = _with_overlap(case)
    call = CALLS[case["call"]][0]
    arguments = make_arguments(case)
    before = {name: tensor.clone() for name, tensor in arguments.items()}
    why = must_be_refused(case, arguments)
    try:
        done = call(arguments, case)
    except (ValueError, TypeError) as error:
        _check_untouched(arguments, before, case)
        return _refusal(error, why, case)
    if why:
        raise FaultError(f"{case['call']}: accepted though {why}")
    _check_untouched(arguments, before, case)
    _check_result(done, case)
    plain = {name: tensor.clone(memory_format=FORMAT) for name, tensor in arguments.items()}
    for other, words in ((arguments, "it is run again"), (plain, "memory is laid out plainly")):
        again = call(other, case)
        for name, tensor in done.tensors.items():
            if not same_bits(tensor, again.tensors[name]):
                raise FaultError(f"{case['call']}: {name} differs when {words}")
    _check_rows(done, arguments, case)
    return "done"


def _refusal(error: Exception, why: str | None, case: dict) -> str:
    words = str(error)
    if not ARGUMENTS.search(words):
        raise FaultError(f"{case['call']}: names no argument: {words}") from error
    if why is None and not MAY_BE_REFUSED.search(words):
        raise error
    return "refused"


def _check_untouched(arguments: dict, before: dict, case: dict) -> None:
    for name, tensor in arguments.items():
        if not same_bits(tensor, before[name]):
            raise FaultError(f"{case['call']}: {name} was changed")


def _check_result(done: Done, case: dict) -> None:
    call = case["call"]
    for name, tensor in done.tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise FaultError(f"{call}: {name} is not finite")
        if name in done.unit and not 0 <= tensor.min() <= tensor.max() <= 1:
            raise FaultError(f"{call}: {name} leaves [0, 1]")
    if done.image is None:
        return
    assert done.base is not None
    assert done.mask is not None
    image, base = done.image, done.base.expand_as(done.image)
    if image.dtype != base.dtype:
        raise FaultError(f"{call}: dtype is {image.dtype}, not {base.dtype}")
    outside = (done.mask == 0).expand_as(image)
    if not same_bits(image[outside], base[outside]):
        raise FaultError(f"{call}: bits outside the mask are changed")
    low, high = min(0.0, base.min().item()), max(1.0, base.max().item())
    if not low <= image.min() <= image.max() <= high and call not in ("place", "object"):
        raise FaultError(f"{call}: image leaves [0, 1]")


def _check_rows(done: Done, arguments: dict, case: dict) -> None:
    """Each picture of a batch is what it is alone."""
    batch = max(map(len, arguments.values()))
    # Crops of one size for all; trimmed to the box of all; a frame starts from the one before.
    if batch == 1 or case["call"] == "repair" or case.get("trim") or _is_film(case):
        return
    call = CALLS[case["call"]][0]
    for row in range(batch):
        alone = {name: one[min(row, len(one) - 1)][None] for name, one in arguments.items()}
        try:
            single = call(alone, case)
        except ValueError as error:
            _check_left_alone(done, row, error, case)
            continue
        if done.image is not None and not same_bits(done.image[row], single.image[0]):
            raise FaultError(f"{case['call']}: a picture of a batch is not what it is alone")


def _check_left_alone(done: Done, row: int, error: ValueError, case: dict) -> None:
    """What is refused alone for its empty mask is left as it is in a batch."""
    if not MAY_BE_REFUSED.search(str(error)):
        raise error
    if done.image is not None and done.base is not None:
        base = done.base[min(row, len(done.base) - 1)]
        if not same_bits(done.image[row], base):
            raise FaultError(f"{case['call']}: an empty mask in a batch changes its picture")


CORE = Part("core", cases, check)
