"""3 x 3 convolutions by Winograd's minimal filtering: four times fewer multiplications.

A 4 x 4 tile of the output comes of 36 products instead of 144 for each pair of channels: tiles of
6 x 6 of the input are transformed, multiplied with the kernel transformed alike, one product of
matrices for each of 36 places, and transformed back. With many channels these products are nearly
all of the work, and a processor takes half the time of a direct convolution, with AVX2 as with
AVX-512; with few the transforms outweigh them. Rows of tiles are worked on in bands that stay in
the cache.

Source: Winograd 1980; Lavin and Gray 2016, F(4 x 4, 3 x 3), their matrices. Errors in float32 are
four times those of direct sums, 5e-5 of the largest value.
"""

import torch
from torch import Tensor

TILE, SEEN = 4, 6  # pixels a side of a tile of the output, and of the input that it depends on
LEAST_CHANNELS, MOST_PAIRS = 128, 256 * 512  # a transformed kernel is four times as large
LEAST_TILES = 64  # of a map; smaller ones are quick anyway
BAND = 96  # tiles of a band, at least: 3 MB of 256 channels

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
CONSTANT = SEEN + 1  # the place that adds as much to every pixel of a tile


def pays(weight: Tensor, height: int, width: int) -> bool:
    """Whether a convolution is quicker this way: on a processor, in float32, with many channels.

    Args:
        weight: (K, C, 3, 3), of the convolution.
        height: of its output, pixels.
        width: of its output, pixels.

    Returns:
        It depends on sizes, dtype and device alone, so that a picture's last bits do.
    """
    outputs, inputs = weight.shape[:2]
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and min(outputs, inputs) >= LEAST_CHANNELS
        and outputs * inputs <= MOST_PAIRS
        and _count(height) * _count(width) >= LEAST_TILES
    )


def transformed_kernel(weight: Tensor) -> Tensor:
    """A kernel as `convolve` takes it.

    Args:
        weight: (K, C, 3, 3), float32.

    Returns:
        (36, C, K).
    """
    along = torch.tensor(_KERNEL, dtype=torch.float64).to(weight.dtype)
    kernel = torch.einsum("ai,bj,kcij->abck", along, along, weight)
    return kernel.flatten(0, 1).contiguous()


def convolve(padded: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """The valid part of a cross-correlation with a 3 x 3 kernel, as `torch.conv2d` defines it.

    Args:
        padded: (N, C, H + 2, W + 2), float32.
        kernel: (36, C, K), from `transformed_kernel`.
        bias: (K,), added to every pixel; None: nothing is.

    Returns:
        (N, K, H, W), in channels-last layout.
    """
    height, width = padded.shape[2] - 2, padded.shape[3] - 2
    high, wide = _count(height), _count(width)
    missing = (0, 0, 0, TILE * wide - width, 0, TILE * high - height)
    seen = torch.nn.functional.pad(padded.permute(0, 2, 3, 1), missing).contiguous()
    size = len(seen), kernel.shape[2], TILE * high, TILE * wide
    found = torch.empty(size, dtype=seen.dtype, memory_format=torch.channels_last)
    rows = -(-BAND // wide)
    into, back = (torch.kron(m, m) for m in map(seen.new_tensor, (_INPUT, _OUTPUT)))
    for picture, result in zip(seen, found.permute(0, 2, 3, 1), strict=True):
        for first in range(0, high, rows):
            count = min(rows, high - first)
            band = picture.narrow(0, TILE * first, TILE * count + SEEN - TILE)
            own = result.narrow(0, TILE * first, TILE * count)
            own.unflatten(0, (count, TILE)).unflatten(2, (wide, TILE)).copy_(
                _band(band, into, kernel, bias, back)
            )
    if found.shape[2:] == (height, width):
        return found
    return found[..., :height, :width].clone(memory_format=torch.channels_last)


def _band(band: Tensor, into: Tensor, kernel: Tensor, bias: Tensor | None, back: Tensor) -> Tensor:
    """Rows of tiles, (n, 4, m, 4, K), of the rows that they depend on, (4 n + 2, 4 m + 2, C)."""
    tiles = band.unfold(0, SEEN, TILE).unfold(1, SEEN, TILE)  # (n, m, C, 6, 6)
    high, wide, channels = tiles.shape[:3]
    columns = tiles.permute(3, 4, 0, 1, 2).reshape(SEEN * SEEN, -1)
    products = torch.bmm((into @ columns).view(SEEN * SEEN, high * wide, channels), kernel)
    if bias is not None:
        products[CONSTANT] += bias
    results = (back @ products.flatten(1)).view(TILE, TILE, high, wide, -1)
    return results.permute(2, 0, 3, 1, 4)


def _count(length: int) -> int:
    return -(-length // TILE)
