"""ICC colour profiles."""

import functools
import io

from PIL import Image, ImageCms

COLOUR_SPACE = slice(16, 20)  # bytes of a profile


@functools.cache
def srgb_profile() -> bytes:
    """An sRGB profile, which is assumed for pictures without one."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def is_rgb(profile: bytes) -> bool:
    """Whether a profile describes RGB values."""
    return profile[COLOUR_SPACE] == b"RGB "


def check_profile(profile: bytes) -> None:
    """Raise unless colours can be converted to a profile.

    Args:
        profile: that describes RGB values.

    Raises:
        ValueError: it is damaged, or made for the other direction alone, as a scanner's may be.
    """
    convert_profile(Image.new("RGB", (1, 1)), None, profile)


def convert_profile(image: Image.Image, own: bytes | None, wanted: bytes) -> Image.Image:
    """Convert an image's colours to another RGB profile.

    Args:
        image: RGB, or L or CMYK with a profile of that kind; no alpha.
        own: the image's profile; None: sRGB.
        wanted: the RGB profile to convert to.

    Returns:
        An RGB image.

    Raises:
        ValueError: a profile that cannot be used.
    """
    if (own or srgb_profile()) == wanted:
        return image
    profiles = io.BytesIO(own or srgb_profile()), io.BytesIO(wanted)
    try:
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"must have a usable ICC profile, got: {error}") from error
    if converted is None:  # only in place
        raise ValueError("must have a usable ICC profile")
    return converted
