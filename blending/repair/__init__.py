"""A part of a picture cut out to be repainted, and put back without a seam.

Two calls, with any sampler between them:

`crop_for_repair(image, mask, settings)` takes a picture, (N, 3 or 4, H, W), in [0, 1], and the mask
of what to repaint, (N, 1, H, W), 1 = repair. It gives `Crops`: `image`, (R, 3, h, w), one for each
region; `mask`, (R, 1, h, w), grown and softened; `place`, all that is needed to put them back.
`CropSettings` says how much of the surroundings is shown, and the crops' size.

`stitch(crops, place, finish, bleed)` takes the repainted crops, (R, 3 or 4, h, w), or enlarged or
shrunk as a whole, and gives `Stitched`: `image`, (N, 3 or 4, H, W), the repaired pictures; `mask`,
(N, 1, H, W), where they may have changed: elsewhere they keep their bits; a `report`.

>>> import torch
>>> from blending import CropSettings, crop_for_repair, stitch
>>> picture, mask = torch.rand(1, 3, 192, 256), torch.zeros(1, 1, 192, 256)
>>> mask[..., 90:110, 120:150] = 1
>>> crops = crop_for_repair(picture, mask, CropSettings(context=0.5, grow=8))
>>> tuple(crops.image.shape), tuple(crops.mask.shape)
((1, 3, 136, 160), (1, 1, 136, 160))
>>> repainted = 0.9 * crops.image + 0.05  # a sampler's work
>>> repaired = stitch(repainted, crops.place)
>>> tuple(repaired.image.shape)
(1, 3, 192, 256)
>>> bool((repaired.image == picture)[:, :, repaired.mask[0, 0] == 0].all())
True
"""
