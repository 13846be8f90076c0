"""Laplacian panels under captions, and residual profiles as plots."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .canvas import DIM, Canvas
from .line_plot import COLOURS, STRONG, Axes, Curve, draw_plot

NARROWEST, LARGEST = 320, 2048  # pixels of a panel: small ones are enlarged, pixel by pixel
STRIP = 58  # pixels of the caption
GREYS = np.linspace(0, 1, 64)[:, None].repeat(3, 1)
HEAT = np.clip(3 * GREYS - (0, 1, 2), 0, 1)  # as a residual is coloured
PROFILE_AXES = Axes(
    "pixels from the mask's edge (outside < 0 < inside)",
    "mean residual (levels, 0 to 255)",
    mark=(0.0, "mask's edge"),
)


class Profile(Protocol):
    """The residual by distance from a mask's edge, as a plot reads it."""

    @property
    def distances(self) -> list[float]:
        """Pixels from the edge, negative outside."""
        ...

    @property
    def result(self) -> list[float]:
        """Mean magnitude of the blend's residual there, in levels."""
        ...

    @property
    def paste(self) -> list[float]:
        """Mean magnitude of the plain paste's residual there, in levels."""
        ...


def panel_sheets(panels: Mapping[str, Tensor], figures: Sequence[dict]) -> Tensor:
    """Every panel under its caption: name, and a bar with its scale in levels.

    Args:
        panels: name to (N, 3, h, w), in [0, 1]; "residual" is a heat map, the others are mid grey
            at 0.
        figures: for each picture its "full_scale_levels"; or "empty".

    Returns:
        (len(panels)·N, 3, H, W), in [0, 1]: all panels of the first picture, then of the next.
    """
    sheets = []
    for sample, own in enumerate(figures):
        for name, planes in panels.items():
            panel = _enlarged(planes[sample : sample + 1])
            strip = _caption(panel.shape[3], name, own).to(panel)
            sheets.append(torch.cat((strip, panel), 2))
    return torch.cat(sheets)


def profile_plots(profiles: Sequence[Profile]) -> Tensor:
    """Plot the residual by distance from the mask's edge, beside that of plain paste.

    Args:
        profiles: of N pictures.

    Returns:
        (N, 3, 600, 960), RGB in [0, 1].
    """
    plots = []
    for sample, profile in enumerate(profiles):
        which = f", picture {sample + 1} of {len(profiles)}" if sample else ""
        title = f"Residual across the mask's edge{which}"
        if not profile.distances:
            title += ": this mask has no edge, nothing to draw"
        curves = [
            _curve("plain paste", profile.distances, profile.paste, COLOURS[0], 2.5),
            _curve("result", profile.distances, profile.result, STRONG, 3.5),
        ]
        plots.append(draw_plot(title, curves, PROFILE_AXES))
    return torch.cat(plots)


def _curve(
    name: str, distances: list[float], values: list[float], colour: str, width: float
) -> Curve:
    near = [v for d, v in zip(distances, values, strict=True) if abs(d) < 1]
    note = f"{sum(near) / len(near):.3g} levels at the edge" if near else ""
    return Curve(name, list(zip(distances, values, strict=True)), colour, note, width)


def _caption(width: int, name: str, figures: dict) -> Tensor:
    """The strip above a panel, (1, 3, 58, width)."""
    canvas = Canvas(width, STRIP)
    if "empty" in figures:
        canvas.write((10, 7), f"{name}: nothing is taken")
        return canvas.picture()
    scale = f"{figures['full_scale_levels']:.3g} levels"
    heat = name == "residual"
    words = "|result - guidance|" if heat else "Laplacian"
    first, last = ("0", scale) if heat else (f"-{scale.split()[0]}", scale)
    canvas.write((10, 7), name)
    canvas.write((width - 10, 7), words, colour=DIM, anchor="ra")
    canvas.write((10, 41), first, colour=DIM, anchor="lm")
    canvas.write((width - 10, 41), last, colour=DIM, anchor="rm")
    left, right = 18 + canvas.length(first), width - 18 - canvas.length(last)
    canvas.bar((left, 35, right, 47), HEAT if heat else GREYS)
    return canvas.picture()


def _enlarged(panel: Tensor) -> Tensor:
    """Enlarge by a whole factor to a readable width; then pad, if it is still too narrow."""
    height, width = panel.shape[2:]
    wanted = math.ceil(NARROWEST / width)
    times = max(1, min(wanted, LARGEST // height))
    panel = panel.repeat_interleave(times, 2).repeat_interleave(times, 3)
    spare = max(0, NARROWEST - panel.shape[3])
    return F.pad(panel, (spare // 2, spare - spare // 2), value=0.1)
