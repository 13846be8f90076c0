"""Calls of the core on pictures and masks of every kind: a clear error, or all that is promised."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from hypothesis import strategies as st
from torch import Tensor

from blending import (
    BlendSettings,
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
from blending.image.mask import adjust_mask
from blending.placement.layout import ANCHORS, FITS, FLIPS, Layout
from blending.placement.place_object import place_object
from blending.settings import GRADIENTS, REGIONS, SHADOW_KINDS

from .pictures import UNSOUND, make_mask, make_picture, masks, pictures, same_bits, side
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
    r"\b(source|target|mask|image|row|column|scale|batch sizes|crop|grow|feather|width|height)\b"
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
    settings = BlendSettings(PoissonSettings(**case["poisson"]), None)
    if case["refined"]:
        settings = BlendSettings(settings.poisson, RefineSettings(**_refine(case), region="object"))
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


def _refine(case: dict) -> dict:
    return {name: value for name, value in case["refine"].items() if name != "region"}


def _poisson(arguments: dict, case: dict) -> Done:
    placed = _placed(arguments, case)
    result = poisson_stage(placed, PoissonSettings(**case["poisson"]), network())
    tensors = {"image": result.image, "mask": result.mask, "source": result.source}
    return Done(tensors, result.image, arguments["target"], placed.full_mask, ("mask",))


def _refined(arguments: dict, case: dict) -> Done:
    settings = RefineSettings(**case["refine"])
    image, target, mask = (arguments[name] for name in ("image", "target", "mask"))
    result = refine_stage(image, target, mask, settings, network())
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
    found = stitch(repainted, crops.place, case["finish"], network=network())
    tensors = {"image": found.image, "mask": found.mask, "crop mask": crops.mask}
    unit = ("mask", "crop mask")
    base = arguments["image"].repeat(len(found.image) // len(arguments["image"]), 1, 1, 1)
    return Done(tensors, found.image, base, found.mask, unit)


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
    "poisson": (_poisson, ("source", "target", "mask")),
    "blend": (_blend, ("source", "target", "mask")),
    "refine": (_refined, ("image", "target", "mask")),
}

share = st.sampled_from((0.0, 0.3, 1.0))
margin = st.sampled_from((16, 64, None))
EVERY = {
    "target": pictures(),
    "mask": masks,
    "target_size": st.tuples(side, side),
    "batch": st.integers(1, 3),
    # Which arguments have one picture for all, and whether one has too many, or another size.
    "single": st.lists(st.sampled_from(("source", "image", "target", "mask")), max_size=2),
    "wrong": st.sampled_from((None,) * 14 + ("batch", "size")),
}
OBJECT = {**EVERY, "source": pictures(), "source_size": st.tuples(side, side)}
PLACED = {
    **OBJECT,
    "row": st.one_of(st.integers(-40, 60), st.sampled_from((0, 0, 0, 0, -(10**5), 32768, 2**40))),
    "column": st.one_of(st.integers(-40, 60), st.sampled_from((0, 0, 0, -1, 32768))),
    "scale": st.sampled_from((1.0, 1.0, 1.0, 0.5, 0.37, 1.7, 3.0, 1e-3, 1e3)),
}
POISSON = st.fixed_dictionaries(
    {
        "method": st.sampled_from(("exact", "exact", "deep")),
        "gradients": st.sampled_from(GRADIENTS),
        "bleed": st.sampled_from((None, 0.0, 0.5, 1.0)),
        "match": st.booleans(),
        "start": st.sampled_from(("paste", "exact")),
        "max_evaluations": st.integers(1, 3),
        "rim": st.sampled_from((0, 4, 32, 256)),
        "margin": margin,
        "clean": st.sampled_from((None, 0, 3, 12, 128)),
        "harmonise": st.sampled_from((None, 0.0, 0.5, 1.0)),
        "contours": st.sampled_from((None, False, True)),
        "grain": share,
    }
)
REFINE = st.fixed_dictionaries(
    {
        "region": st.sampled_from(REGIONS),
        "band": st.sampled_from((1, 8, 256)),
        "strength": share,
        "max_evaluations": st.integers(1, 3),
        "margin": margin,
        "contours": st.booleans(),
        "style_form": st.sampled_from(("matched", "gram")),
        "grain": share,
    }
)
SHADOW = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(SHADOW_KINDS),
        "direction": st.sampled_from((-60.0, 0.0, 90.0, 180.0, -360.0, 17.3)),
        "length": st.sampled_from((0.0, 60.0, 300.0)),
        "softness": st.sampled_from((0.0, 30.0, 100.0)),
        "strength": share,
        "contact": share,
        "lift": st.sampled_from((0.0, 0.0, 10.0, 300.0)),
    }
)
CROP = st.fixed_dictionaries(
    {
        "context": st.sampled_from((0.0, 0.5, 8.0)),
        "context_pixels": st.sampled_from((0, 5, 32, 200)),
        "multiple": st.sampled_from((1, 8)),
        "width": st.sampled_from((0, 0, 64, 8)),
        "height": st.sampled_from((0, 0, 40, 8)),
        "grow": st.sampled_from((0, 8, -3, 256)),
        "fill_holes": st.sampled_from((0, 9)),
        "feather": st.sampled_from((0, 7, 256)),
        "split": st.booleans(),
    }
)
ADJUST = st.fixed_dictionaries(
    {
        "invert": st.booleans(),
        "threshold": share,
        "fill_holes": st.sampled_from((0, 1, 50, 10**8)),
        "drop_specks": st.sampled_from((0, 2, 50, 10**8)),
        "grow": st.sampled_from((0, 1, 9, 256, -1, -9, -256)),
        "feather": st.sampled_from((0, 1, 2, 9, 256)),
    }
)
LAYOUT = st.fixed_dictionaries(
    {
        "column": st.sampled_from((50.0, 0.0, 99.0, -20.0, 16384.0)),
        "row": st.sampled_from((50.0, 0.0, 101.5, -3.3)),
        "unit": st.sampled_from(("percent", "pixels")),
        "anchor": st.sampled_from(ANCHORS),
        "scale": st.sampled_from((1.0, 0.01, 0.4, 2.5, 16.0)),
        "fit": st.sampled_from(FITS),
        "fit_width": st.sampled_from((100.0, 1.0, 33.3)),
        "fit_height": st.sampled_from((100.0, 1.0, 50.0)),
        "rotation": st.sampled_from((0.0, 90.0, -180.0, 33.0, 359.9)),
        "flip": st.sampled_from(FLIPS),
    }
)
ITS_OWN = {
    "adjust": {**EVERY, "adjust": ADJUST},
    "place": PLACED,
    "object": {**OBJECT, "layout": LAYOUT, "trim": st.booleans()},
    "shadow": {**EVERY, "shadow": SHADOW},
    "repair": {
        **EVERY,
        "image": pictures(),
        "crop": CROP,
        "finish": st.sampled_from(("none", "none", "photograph", "painting")),
    },
    "poisson": {**PLACED, "poisson": POISSON},
    "blend": {**PLACED, "poisson": POISSON, "refined": st.booleans(), "refine": REFINE},
    "refine": {**EVERY, "image": pictures(), "refine": REFINE},
}
cases = st.sampled_from((*CALLS, "poisson", "blend")).flatmap(
    lambda call: st.fixed_dictionaries({"call": st.just(call), **ITS_OWN[call]})
)


def make_arguments(case: dict) -> dict[str, Tensor]:
    """The tensors that the case's call takes."""
    _, names = CALLS[case["call"]]
    own = tuple(case["source_size" if "source" in names else "target_size"])
    made = {}
    for name in names:
        size = own if name in ("source", "mask") else tuple(case["target_size"])
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
    if arguments["mask"].max() < LEAST and not _is_grown(case):
        return "mask is empty"
    if max(abs(case.get("row", 0)), abs(case.get("column", 0))) > 32768:
        return "too far out"
    return None


def _is_grown(case: dict) -> bool:
    return case["call"] == "refine" and case["refine"]["region"] == "picture"


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
    # Crops of one size for all; trimmed to the box of all.
    if batch == 1 or case["call"] == "repair" or case.get("trim"):
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
