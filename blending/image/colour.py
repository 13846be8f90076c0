"""Colour spaces, CIELAB, OKLab and opponent axes; CIEDE2000 differences and turned hues."""

import math

import torch
from torch import Tensor

COLOURED_FROM = 10.0  # CIELAB chroma; below it a hue is hardly seen
FLIP_ANGLE = 60.0  # degrees; a sixth of the hue circle, as from red to yellow
_XYZ = (  # of linear sRGB, ITU-R BT.709
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = 0.95047, 1.0, 1.08883  # D65, 2° observer


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
    _check_channels("image", image)
    parts = _mix(_XYZ, to_linear(image.to(torch.promote_types(image.dtype, torch.float32))))
    share = parts / parts.new_tensor(_WHITE).view(1, 3, 1, 1)
    straight = 7.787 * share + 4 / 29
    x, y, z = torch.where(share > 0.008856, share.clamp_min(0).pow(1 / 3), straight).split(1, 1)
    return torch.cat((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


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


@torch.no_grad()
def turned_hues(lab: Tensor, other_lab: Tensor) -> tuple[Tensor, Tensor]:
    """Where two pictures are both coloured, and where their hues differ by more than 60°.

    Coloured is a CIELAB chroma over 10; the hue is the angle of (a*, b*).

    Args:
        lab: (B, 3, H, W), float, L*, a*, b* as from `to_lab`.
        other_lab: (B, 3, H, W), float, L*, a*, b*.

    Returns:
        Two planes (B, 1, H, W), bool: both are coloured; the hues differ, which means something
        where they are.
    """
    colour, other_colour = lab[:, 1:], other_lab[:, 1:]
    chroma, other_chroma = (torch.hypot(*axes.split(1, 1)) for axes in (colour, other_colour))
    coloured = (chroma > COLOURED_FROM) & (other_chroma > COLOURED_FROM)
    # Over 60° is a cosine below 1/2: no angles are needed, which would wrap around at 360°.
    least = math.cos(math.radians(FLIP_ANGLE)) * chroma * other_chroma
    return coloured, (colour * other_colour).sum(1, keepdim=True) < least


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


# Ottosson 2020: linear sRGB to cone responses, and their cube roots to lightness and chroma.
_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


@torch.no_grad()
def to_oklab(image: Tensor) -> Tensor:
    """OKLab: lightness, red against green, yellow against blue, in steps that look alike.

    Args:
        image: (B, 3, H, W), float, sRGB in [0, 1]; overshoot is converted as it is.

    Returns:
        (B, 3, H, W), at least float32, without gradient: L in [0, 1], 1 is white; a, b within ±0.4,
        0 is grey.

    Raises:
        ValueError: not three channels.

    Source: Ottosson 2020, "A perceptual color space for image processing"; IEC 61966-2-1.
    """
    _check_channels("image", image)
    linear = to_linear(image.to(torch.promote_types(image.dtype, torch.float32)))
    cones = _mix(_CONES, linear)
    return _mix(_OKLAB, cones.sign() * cones.abs().pow(1 / 3))


@torch.no_grad()
def from_oklab(oklab: Tensor) -> Tensor:
    """The inverse of `to_oklab`, to linear light.

    Args:
        oklab: (B, 3, H, W), float32 or float64.

    Returns:
        (B, 3, H, W), *linear* sRGB, without gradient, outside [0, 1] where a screen lacks the
        colour; `to_srgb` encodes it.

    Raises:
        ValueError: not three channels.
    """
    _check_channels("oklab", oklab)
    roots = _mix(_inverse(_OKLAB), oklab)
    return _mix(_inverse(_CONES), roots**3)


def to_linear(image: Tensor) -> Tensor:
    """Decode sRGB to linear light, each sign for itself.

    Args:
        image: (B, C, H, W), float, sRGB; 1 is white.

    Returns:
        (B, C, H, W), linear light; 1 is white.

    Source: IEC 61966-2-1.
    """
    size = image.abs()
    curve = ((size + 0.055) / 1.055).pow(2.4)
    return torch.where(size <= 0.04045, image / 12.92, curve.copysign(image))


def to_srgb(linear: Tensor) -> Tensor:
    """Encode linear light as sRGB, each sign for itself; the inverse of `to_linear`.

    Args:
        linear: (B, C, H, W), float; 1 is white.

    Returns:
        (B, C, H, W), sRGB; 1 is white.

    Source: IEC 61966-2-1.
    """
    size = linear.abs()
    curve = 1.055 * size.pow(1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, 12.92 * linear, curve.copysign(linear))


def _check_channels(name: str, picture: Tensor) -> None:
    if picture.ndim != 4 or picture.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W), got {tuple(picture.shape)}")


def _mix(matrix: tuple[tuple[float, ...], ...], picture: Tensor) -> Tensor:
    """A 3 x 3 matrix times each pixel of (B, 3, H, W)."""
    first, second, third = picture.split(1, 1)
    return torch.cat([first * a + second * b + third * c for a, b, c in matrix], 1)


def _inverse(matrix: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    inverse = torch.linalg.inv(torch.tensor(matrix, dtype=torch.float64))
    return tuple(tuple(row) for row in inverse.tolist())
