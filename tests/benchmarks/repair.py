"""Twelve simulated repaints put back: by `stitch`, by a feather of ComfyUI's core, by a peer.

Three pictures times four changes. Shift (exposure and colour) and gradient (light across the crop)
are what a VAE and a sampler do to a scene that they should have kept: the original is the truth.
Blur (softer) and texture (the picture's fine structure mirrored, on its broad colours) are
what the user asked for: the repaint is the truth, 16 pixels and more inside the mask's edge.

    python tests/benchmarks/repair.py PHOTOGRAPH PHOTOGRAPH PAINTING --out sheet.png \\
        --comfyui COMFYUI --peer inpaint_cropandstitch.py

`--comfyui` names a checkout and is run by its interpreter, for core's nodes and for the peer: the
file of that name from the pack ComfyUI-Inpaint-CropAndStitch, with its own defaults.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from blending.image.filters import gaussian_blur
from blending.image.mask import adjust_mask
from blending.pictures.read import read_picture
from blending.pictures.write import write_picture
from blending.placement.box import crop
from blending.poisson.guidance import guidance_field
from blending.quality.metrics import seam_error
from blending.repair.crop import crop_for_repair
from blending.repair.stitch import stitch

INSIDE = 16  # pixels from the mask's edge
Method = Callable[[Tensor, Tensor, Tensor], Tensor]  # picture, repainted picture, mask


def shift(picture: Tensor) -> Tensor:
    return picture * 1.06 + picture.new_tensor([0.03, -0.02, -0.03])[:, None, None]


def gradient(picture: Tensor) -> Tensor:
    height, width = picture.shape[2:]
    rows, columns = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    return picture + 0.08 * rows - picture.new_tensor([0.08, 0.04, 0])[:, None, None] * columns


def blur(picture: Tensor) -> Tensor:
    return gaussian_blur(picture, 1.5, 6)


def texture(picture: Tensor) -> Tensor:
    broad = gaussian_blur(picture, 6, 18)
    return broad + (picture - broad).flip(3)


CHANGES = {"shift": shift, "gradient": gradient, "blur": blur, "texture": texture}
DRIFTS = ("shift", "gradient")  # of the whole crop: the original is the truth


def strokes(picture: Tensor) -> Tensor:
    """A mask as one paints it: two overlapping discs, (1, 1, H, W)."""
    height, width = picture.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    radius = min(height, width) / 5
    discs = ((0.5, 0.42, 1.0), (0.58, 0.58, 0.8))
    inside = [
        (rows - r * height) ** 2 + (columns - c * width) ** 2 < (share * radius) ** 2
        for r, c, share in discs
    ]
    return torch.stack(inside).any(0).to(picture)[None, None]


def repainted(picture: Tensor, change: str, mask: Tensor) -> Tensor:
    """The whole picture as the sampler would show it; blur and texture: under the mask alone."""
    changed = CHANGES[change](picture).clamp(0, 1)
    return changed if change in DRIFTS else torch.where(mask > 0, changed, picture)


def ours(picture: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
    crops = crop_for_repair(picture, mask)
    (region,) = crops.place.regions
    return stitch(crop(changed, region.box), crops.place).image


def by_core(picture: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
    """ImageCompositeMasked with the mask feathered by ImageBlur, over about 32 pixels."""
    from comfy_extras.nodes_mask import ImageCompositeMasked
    from comfy_extras.nodes_post_processing import Blur

    soft = Blur.execute(mask.expand(-1, 3, -1, -1).movedim(1, -1), 16, 8.0)[0][..., 0]
    target, source = picture.movedim(1, -1), changed.movedim(1, -1)
    return ImageCompositeMasked.execute(target, source, 0, 0, False, soft)[0].movedim(-1, 1)


def by_peer(file: Path) -> Method:
    spec = importlib.util.spec_from_file_location("peer", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cutter, stitcher = module.InpaintCropImproved(), module.InpaintStitchImproved()
    kinds = cutter.INPUT_TYPES()["required"]
    defaults = {name: said[1]["default"] for name, said in kinds.items() if len(said) > 1}
    defaults |= {"downscale_algorithm": "bilinear", "upscale_algorithm": "bicubic"}
    defaults |= {"preresize_mode": "ensure minimum resolution", "output_padding": "32"}
    defaults |= {"device_mode": "cpu (compatible)", "output_resize_to_target_size": False}

    def run(picture: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
        place, *_ = cutter.inpaint_crop(picture.movedim(1, -1), mask=mask[:, 0], **defaults)
        _, cut, *_ = cutter.inpaint_crop(changed.movedim(1, -1), mask=mask[:, 0], **defaults)
        return stitcher.inpaint_stitch(place, cut)[0].movedim(-1, 1)

    return run


def figures(
    result: Tensor, picture: Tensor, changed: Tensor, mask: Tensor, truth: Tensor
) -> dict[str, float]:
    """In levels: mean errors to the original in the crop and to the repaint deep inside the mask.

    And the root of the seam error, Laplacians compared with the truth's, and the largest difference
    outside the grown mask.
    """
    deep = adjust_mask(mask, grow=-INSIDE) > 0
    (taken,) = crop_for_repair(picture, mask).place.regions
    support = torch.zeros_like(mask)
    crop(support, taken.box).copy_(taken.mask)
    guidance = guidance_field(truth, torch.ones_like(mask), picture, support > 0, "import")
    beyond = (result - picture).abs() * (support == 0)
    return {
        "original": 255 * crop((result - picture).abs(), taken.box).mean().item(),
        "repaint": 255 * (result - changed).abs()[deep.expand_as(picture)].mean().item(),
        "seam": seam_error(result, guidance, support) ** 0.5,
        "outside": 255 * beyond.max().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--comfyui", type=Path, help="a checkout, for core's nodes and the peer")
    parser.add_argument("--peer", type=Path, help="inpaint_cropandstitch.py")
    parser.add_argument("--out", type=Path, help="a sheet of the results, PNG")
    wanted = parser.parse_args()
    methods: dict[str, Method] = {"ours": ours}
    if wanted.comfyui:
        sys.path.insert(0, str(wanted.comfyui))
        from comfy.cli_args import args  # noqa: TID251 - a peer of this benchmark

        args.cpu = True
        methods["core"] = by_core
        if wanted.peer:
            methods["peer"] = by_peer(wanted.peer)
    rows = []
    for path in wanted.pictures:
        picture = read_picture(path).pixels[:, :3].float()
        mask = strokes(picture)
        box = crop_for_repair(picture, mask).place.regions[0].box
        for change in CHANGES:
            changed = repainted(picture, change, adjust_mask(mask, grow=8))
            results = {name: run(picture, changed, mask) for name, run in methods.items()}
            for name, result in results.items():
                truth = picture if change in DRIFTS else changed
                found = figures(result, picture, changed, mask, truth)
                words = "  ".join(f"{key} {value:7.3f}" for key, value in found.items())
                print(f"{path.stem:14} {change:9} {name:5} {words}")
            parts = [crop(one, box) for one in (picture, changed, *results.values())]
            rows.append(torch.cat(parts, 3))
    if wanted.out:
        width = max(row.shape[3] for row in rows)
        sheet = torch.cat([F.pad(row, (0, width - row.shape[3])) for row in rows], 2)
        write_picture(wanted.out, sheet, overwrite=True)


if __name__ == "__main__":
    main()
