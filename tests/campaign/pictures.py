"""Pictures and masks of every kind, described in words that JSON can hold, and made from them."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

DTYPES = ("float32", "float16", "bfloat16", "float64")
LAYOUTS = ("contiguous", "channels last", "strided", "transposed", "expanded")
SOUND = ("noise", "flat", "black", "white", "ramp", "overshoot", "levels")
WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes
UNSOUND = ("far", "nan", "inf", "-inf")
SHAPES = (
    *("full", "disc", "pixel", "line", "frame", "holes"),
    *("soft", "speckle", "corner", "two", "faint", "empty"),
)
# From a generator and a size to values.
FILLINGS = {
    "noise": lambda draw, size: draw.random(size),
    "flat": lambda draw, size: draw.random((*size[:2], 1, 1)) + np.zeros(size),
    "black": lambda draw, size: np.zeros(size),
    "white": lambda draw, size: np.ones(size),
    "ramp": lambda draw, size: np.linspace(0, 1, size[3]) + np.zeros(size),
    "overshoot": lambda draw, size: 1.4 * draw.random(size) - 0.2,  # as a resampled picture may
    "levels": lambda draw, size: np.rint(255 * draw.random(size)) / 255,
    "far": lambda draw, size: 255 * draw.random(size) + 3,
}
# From noise to a mask.
SPRINKLED = {
    "holes": lambda noise: (noise < 0.85).astype(float),
    "speckle": lambda noise: (noise < 0.1).astype(float),
    "faint": lambda noise: np.rint(6 * noise) / 255,
}
# From a frame and a pixel of it to the parts that are 1.
PAINTED = {
    "full": lambda height, width, row, column: [...],
    "empty": lambda height, width, row, column: [],
    "pixel": lambda height, width, row, column: [(row, column)],
    "line": lambda height, width, row, column: [(row, slice(column // 2, None))],
    "frame": lambda height, width, row, column: [[0, -1], (slice(None), [0, -1])],
    "corner": lambda height, width, row, column: [(slice(1 + row // 2), slice(1 + column // 2))],
    "two": lambda height, width, row, column: [
        (slice(1 + row // 2), slice(1 + column // 2)),
        (slice(-1 - row // 4, None), slice(-1 - column // 4, None)),
    ],
}
side = st.one_of(st.sampled_from((1, 2, 3, 7, 16, 33)), st.integers(1, 128))
# One picture in thirty is not sound.
values = st.sampled_from(SOUND * 16 + UNSOUND)


def pictures(channels: tuple[int, ...] = (3, 3, 4)) -> st.SearchStrategy[dict]:
    """What describes a picture but for its size and batch."""
    return st.fixed_dictionaries(
        {
            "values": values,
            "dtype": st.sampled_from(DTYPES),
            "layout": st.sampled_from(LAYOUTS),
            "channels": st.sampled_from(channels),
            "seed": st.integers(0, 999),
        }
    )


masks = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(SHAPES * 8 + ("nan", "above", "below")),
        "dtype": st.sampled_from(DTYPES),
        "layout": st.sampled_from(LAYOUTS),
        "seed": st.integers(0, 999),
    }
)


def make_picture(words: dict, batch: int, height: int, width: int) -> Tensor:
    """(B, C, H, W), in [0, 1] but for what the words say."""
    size = (batch, words["channels"], height, width)
    draw, kind = np.random.default_rng(words["seed"]), words["values"]
    plane = FILLINGS.get(kind, FILLINGS["noise"])(draw, size)
    if kind in UNSOUND[1:]:
        sample, channel, row, column = draw.integers(0, size)
        is_kept = words["layout"] != "expanded"  # else the first channel alone is
        plane[sample, channel if is_kept else 0, row, column] = float(kind)
    if kind == "overshoot":  # of an alpha it is refused
        colour = 0 if words["layout"] == "expanded" and size[1] == 4 else 3
        plane[:, colour:] = plane[:, colour:].clip(0, 1)
    return laid_out(plane, words)


def make_mask(words: dict, batch: int, height: int, width: int) -> Tensor:
    """(B, 1, H, W), in [0, 1] but for what the words say; no two of a batch are alike."""
    draw = np.random.default_rng(words["seed"])
    kind = words["shape"]
    plane = np.stack([_shape(kind, height, width, draw)[None] for _ in range(batch)])
    wrong = {"nan": float("nan"), "above": 1.5, "below": -0.25}.get(kind)
    if wrong is not None:
        plane[tuple(draw.integers(0, plane.shape))] = wrong
    return laid_out(plane, words)


def _shape(kind: str, height: int, width: int, draw: np.random.Generator) -> np.ndarray:
    """(H, W); of a kind that is a value out of range, the whole frame."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    row, column = draw.integers(0, height), draw.integers(0, width)
    away = np.hypot(rows - row, columns - column)
    if kind == "disc":
        return (away <= draw.uniform(0.1, 0.5) * max(height, width)).astype(float)
    if kind == "soft":
        return np.exp(-((away / (draw.uniform(0.1, 0.5) * max(height, width))) ** 2))
    if kind in SPRINKLED:
        return SPRINKLED[kind](draw.random((height, width)))
    mask = np.zeros((height, width))
    for part in PAINTED.get(kind, PAINTED["full"])(height, width, row, column):
        mask[part] = 1
    return mask


def laid_out(plane: np.ndarray, words: dict) -> Tensor:
    """The tensor in the dtype and memory layout that the words say."""
    tensor = torch.from_numpy(plane).to(getattr(torch, words["dtype"]))
    layout = words["layout"]
    if layout == "channels last":
        return tensor.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return tensor.transpose(2, 3).contiguous().transpose(2, 3)
    if layout == "strided":
        batch, channels, height, width = tensor.shape
        wide = torch.full((batch, channels + 1, 2 * height, 3 * width), 0.5, dtype=tensor.dtype)
        view = wide[:, 1:, ::2, 1::3]
        view.copy_(tensor)
        return view
    if layout == "expanded":  # every channel is the first
        return tensor[:, :1].expand_as(tensor)
    return tensor


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal, −0 and NaN included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    one, other = (part.contiguous().view(WHOLE[part.dtype.itemsize]) for part in (one, other))
    return torch.equal(one, other)
