"""Colour spaces, CIELAB and opponent axes, and the CIEDE2000 colour difference."""

import torch
from kornia.color import rgb_to_lab
from torch import Tensor


@torch.no_grad()
def to_lab(image: Tensor) -> Tensor:
    """CIELAB under D65, 2° observer.

    Args:
        image: (B, 3, H, W), float, sRGB in [0, 1]; overshoot is converted as it is.

    Returns:
        (B, 3, H, W), at least float32, without gradient: L* in [0, 100]; a*, b* within ±110.

    Raises:
        ValueError: not three channels.

    Source: CIE 15:2004, IEC 61966-2-1.
    """
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"image must be (B, 3, H, W), got {tuple(image.shape)}")
    return rgb_to_lab(image.to(torch.promote_types(image.dtype, torch.float32)))


@torch.no_grad()
def delta_e_2000(lab: Tensor, other_lab: Tensor) -> Tensor:
    """The CIEDE2000 difference ΔE₀₀ of two pictures, pixel by pixel; kL = kC = kH = 1.

    ΔE₀₀² = (ΔL'/S_L)² + (ΔC'/S_C)² + (ΔH'/S_H)² + R_T (ΔC'/S_C) (ΔH'/S_H)

    Args:
        lab: (B, 3, H, W), float, L*, a*, b* as from `to_lab`.
        other_lab: (B, 3, H, W), float, L*, a*, b*; the order of the two does not matter.

    Returns:
        (B, 1, H, W), at least float32, >= 0, without gradient; about 1 is just noticeable, black to
        white is 100.

    Raises:
        ValueError: shapes differ, or are not of three channels.

    Source: Sharma, Wu, Dalal 2005. Differs: hues of neutral colours need no case of their own, as
    ΔH' is 0 there.
    """
    if lab.ndim != 4 or lab.shape[1] != 3 or lab.shape != other_lab.shape:
        raise ValueError(
            "lab and other_lab must be (B, 3, H, W) of one shape, "
            f"got {tuple(lab.shape)} and {tuple(other_lab.shape)}"
        )
    dtype = torch.promote_types(torch.promote_types(lab.dtype, other_lab.dtype), torch.float32)
    lightness, a, b = lab.to(dtype).split(1, 1)
    other_lightness, other_a, other_b = other_lab.to(dtype).split(1, 1)
    mean_chroma = (torch.hypot(a, b) + torch.hypot(other_a, other_b)) / 2
    stretch = 1.5 - 0.5 * _vividness(mean_chroma)  # 1 + G: tells near-greys apart better
    chroma, hue = _polar(stretch * a, b)
    other_chroma, other_hue = _polar(stretch * other_a, other_b)
    mean_chroma = (chroma + other_chroma) / 2
    turn, mean_hue = _turn_and_mean(hue, other_hue)

    from_middle = ((lightness + other_lightness) / 2 - 50).square()
    lightness_scale = 1 + 0.015 * from_middle / (20 + from_middle).sqrt()
    lightness_term = (other_lightness - lightness) / lightness_scale
    chroma_term = (other_chroma - chroma) / (1 + 0.045 * mean_chroma)
    hue_difference = 2 * (chroma * other_chroma).sqrt() * torch.sin(torch.deg2rad(turn / 2))
    hue_term = hue_difference / (1 + 0.015 * mean_chroma * _hue_weight(mean_hue))
    rotation = -2 * _vividness(mean_chroma) * _blue_rotation(mean_hue)
    # Never negative: |R_T| is at most 2 sin 60° < 2.
    squared = chroma_term.square() + hue_term.square() + rotation * chroma_term * hue_term
    return (lightness_term.square() + squared).sqrt()


def _vividness(chroma: Tensor) -> Tensor:
    """√(C⁷ / (C⁷ + 25⁷)): 0 for greys, towards 1 above a chroma of 25."""
    power = chroma**7
    return (power / (power + 25.0**7)).sqrt()


def _polar(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Chroma and hue of (a, b), the hue in degrees, 0 to 360."""
    return torch.hypot(a, b), torch.rad2deg(torch.atan2(b, a)).remainder(360)


def _turn_and_mean(hue: Tensor, other_hue: Tensor) -> tuple[Tensor, Tensor]:
    """The shorter turn from hue to hue, −180 to 180 degrees, and the hue midway, 0 to 360."""
    turn, middle = other_hue - hue, (hue + other_hue) / 2
    over_zero = turn.abs() > 180
    turn = torch.where(over_zero, turn - 360 * turn.sign(), turn)
    return turn, torch.where(over_zero, middle + 180, middle).remainder(360)


def _hue_weight(hue: Tensor) -> Tensor:
    """T of the paper, by the mean hue in degrees."""

    def wave(times: int, phase: float) -> Tensor:
        return torch.cos(torch.deg2rad(times * hue + phase))

    return 1 - 0.17 * wave(1, -30) + 0.24 * wave(2, 0) + 0.32 * wave(3, 6) - 0.20 * wave(4, -63)


def _blue_rotation(hue: Tensor) -> Tensor:
    """The paper's sin 2Δθ: chroma and hue trade off in the blues, around 275 degrees."""
    return torch.sin(torch.deg2rad(60 * torch.exp(-(((hue - 275) / 25) ** 2))))


def to_opponent(image: Tensor) -> Tensor:
    """Rotate RGB to lightness, red against green, and yellow against blue.

    Args:
        image: (B, 3, H, W), float; a difference of pictures, too.

    Returns:
        (B, 3, H, W), in the same units: lightness first, then two channels of chroma; the sum of
        squares at a pixel is the same.

    Source: Reinhard, Adhikhmin, Gooch, Shirley 2001 use these axes on log cone signals.
    """
    return torch.einsum("ij,bjhw->bihw", _axes(image), image)


def from_opponent(opponent: Tensor) -> Tensor:
    """The inverse of `to_opponent`: (B, 3, H, W), opponent channels, to (B, 3, H, W), RGB."""
    return torch.einsum("ji,bjhw->bihw", _axes(opponent), opponent)


def _axes(like: Tensor) -> Tensor:
    axes = like.new_tensor([[1, 1, 1], [1, -1, 0], [1, 1, -2]])
    return axes / axes.norm(dim=1, keepdim=True)
