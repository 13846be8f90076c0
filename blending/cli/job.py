"""What one command does: read its pictures, blend them, write what was made."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..presets import PRESETS
from ..settings import BlendSettings, Compute

if TYPE_CHECKING:  # torch, which --help does without
    from torch import Tensor

    from ..network.vgg16 import Features
    from ..pictures.read import Picture
    from ..pipeline import BlendResult
    from ..stages.batch import OnEvaluation

MEGABYTE = 2**20
PICTURES = ("source", "mask", "target")  # what a command reads beside its weights


@dataclass(frozen=True)
class Inputs:
    """The pictures of a command.

    Attributes:
        source: in the colours of the target's profile.
        target: what is blended into; its bits and profile are the result's.
        mask: (1, 1, h, w), in [0, 1], 1 = source; None: the source's alpha is it.
        doubt: words about a mask that seems to take all but the object; empty: it does not.
    """

    source: Picture
    target: Picture
    mask: Tensor | None
    doubt: str


def output_paths(options: argparse.Namespace) -> list[str]:
    """The files that a command is to write.

    Args:
        options: from `parse_options`.

    Returns:
        Their paths, the blend's first.
    """
    return [path for path in (options.out, options.save_cutout, options.report) if path]


def read_inputs(options: argparse.Namespace, target: Picture | None = None) -> Inputs:
    """Read a command's pictures and check that the results' formats can hold them.

    Args:
        options: from `parse_options`.
        target: the picture of `options.target`, where it has been read already.

    Returns:
        The pictures.

    Raises:
        OSError, ValueError: a file that is no picture, or a format that cannot hold the result.
    """
    from ..pictures.formats import check_format, check_suffix
    from ..pictures.icc import srgb_profile
    from ..pictures.read import read_picture
    from ..pictures.write import check_encoder

    for path in filter(None, (options.out, options.save_cutout)):
        check_suffix(path)  # before anything is read
    target = target or read_picture(options.target, in_levels=True)
    check_format(options.out, target.levels.shape[1], target.bits, target.icc)
    check_encoder(options.out, target.levels)
    if options.save_cutout:
        check_format(options.save_cutout, 4, target.bits, target.icc)
    source = read_picture(options.source, icc=target.icc or srgb_profile())
    mask, doubt = _mask(options)
    return Inputs(source, target, mask, doubt)


def blend_inputs(
    options: argparse.Namespace,
    inputs: Inputs,
    on_evaluation: OnEvaluation | None = None,
    network: Features | None = None,
) -> BlendResult:
    """Blend a command's pictures.

    Args:
        options: from `parse_options`.
        inputs: from `read_inputs`.
        on_evaluation: told of every evaluation, see `blend`.
        network: of the options' weights, where it is loaded already.

    Returns:
        The blend and its report.

    Raises:
        OSError, ValueError: as `blend`.
    """
    from ..pipeline import blend

    column, row = options.at
    return blend(
        inputs.source.pixels,
        inputs.target.levels,
        inputs.mask,
        row=row,
        column=column,
        scale=options.scale,
        settings=settings_of(options),
        on_evaluation=on_evaluation,
        network=network,
    )


def write_outputs(options: argparse.Namespace, result: BlendResult, target: Picture) -> None:
    """Write the blend and, if they are asked for, the cut-out and the report.

    Args:
        options: from `parse_options`.
        result: from `blend_inputs`.
        target: whose bits and profile the files have.

    Raises:
        OSError, ValueError: as `write_picture`.
    """
    from ..pictures.write import write_picture, write_text

    how = {"bits": target.bits, "icc": target.icc, "overwrite": options.overwrite}
    write_picture(options.out, result.image, **how)
    if options.save_cutout:
        write_picture(options.save_cutout, result.cutout, **how)
    if options.report:
        report = {"files": files_of(options), **result.report}
        text = json.dumps(report, indent=2) + "\n"
        write_text(options.report, text, overwrite=options.overwrite)


def files_of(options: argparse.Namespace) -> dict[str, str | None]:
    """The names of a command's files, for its report.

    Args:
        options: from `parse_options`.

    Returns:
        The paths of source, mask, target and out; None: none was given.
    """
    return {
        name: str(path) if (path := getattr(options, name)) else None for name in (*PICTURES, "out")
    }


def settings_of(options: argparse.Namespace) -> BlendSettings:
    """The preset with the options that were given.

    Args:
        options: from `parse_options`.

    Returns:
        The settings of both stages and of what computes them.

    Raises:
        ValueError, TypeError: a number that is out of its range.
    """
    preset = PRESETS[options.preset]
    steps = {"max_evaluations": options.evaluations}
    poisson = {"method": options.method, "gradients": options.gradients, "bleed": options.bleed}
    poisson |= {"clean": options.clean, "harmonise": options.harmonise}
    refine = {"region": options.region, "strength": options.strength}
    return BlendSettings(
        poisson=_changed(preset.poisson, {**poisson, **steps}),
        refine=_changed(preset.refine, {**refine, **steps})
        if preset.refine and options.stage == "refine"
        else None,
        weights_file=options.weights,
        input_scale=options.input_scale,
        compute=Compute(
            options.device,
            options.arithmetic,
            None if options.memory is None else MEGABYTE * options.memory,
        ),
    )


def _mask(options: argparse.Namespace) -> tuple[Tensor | None, str]:
    """The mask, and words about one that seems to take all but the object."""
    from ..image.mask import adjust_mask
    from ..image.polarity import WRONG, find_polarity
    from ..pictures.read import read_mask

    if options.mask is None:
        return None, ""
    mask = read_mask(options.mask, options.mask_channel or "luminance")
    mask = adjust_mask(mask, invert=options.invert_mask)
    is_odd = find_polarity(mask)[0].verdict == WRONG
    return mask, "mask looks inverted (see --invert-mask)" if is_odd else ""


def _changed(settings, options: dict):
    """The settings with the options that were given."""
    return replace(
        settings, **{name: value for name, value in options.items() if value is not None}
    )
