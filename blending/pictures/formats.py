"""Formats of pictures that are written, by suffix; free of torch."""

from pathlib import Path

# By suffix: Pillow's name of the format, whether it has alpha, and how it is saved.
FORMATS = {
    ".png": ("PNG", True, {}),
    ".jpg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", True, {"lossless": True, "exact": True}),
    ".tif": ("TIFF", True, {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", True, {"compression": "tiff_lzw"}),
}
# Bytes of a colour profile that can be read again: Pillow's bound on a text, a JPEG's 255 segments.
LARGEST_PROFILES = {"PNG": 2**20, "JPEG": 255 * 65519}


def check_suffix(path: str | Path) -> str:
    """The suffix of a file's name, if it is one of a known format.

    Args:
        path: of the file to write.

    Returns:
        The suffix, in small letters.

    Raises:
        ValueError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path} must end in one of {known}, got {suffix or 'no suffix'}")
    return suffix


def check_format(path: str | Path, channels: int, bits: int, icc: bytes | None = None) -> None:
    """Raise unless the format of a path's suffix can hold a picture.

    Args:
        path: of the file to write.
        channels: 3, or 4 with alpha.
        bits: 8 or 16 a channel.
        icc: colour profile to embed; None: none.

    Raises:
        ValueError: an unknown suffix, 16 bits in another format than PNG, alpha in one without, or
            a profile that is too large for the format to be read again.
    """
    suffix = check_suffix(path)
    if bits == 16 and suffix != ".png":
        raise ValueError(f"{path} must end in .png for a 16-bit target, got {suffix}")
    if channels == 4 and not FORMATS[suffix][1]:
        able = ", ".join(name for name, (_, has_alpha, _) in FORMATS.items() if has_alpha)
        raise ValueError(
            f"{path} must be a format with alpha ({able}), as the picture has, got {suffix}"
        )
    most = LARGEST_PROFILES.get(FORMATS[suffix][0])
    if icc and most is not None and len(icc) > most:
        raise ValueError(
            f"{path} must be .tif or .webp (8 bits) for a target whose colour profile has "
            f"{len(icc)} bytes, got {suffix}, which holds {most}; or give the target a smaller one"
        )
