"""Reading picture files: what other programs wrote, decoded by hand."""

import functools
import io
import math
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import EpsImagePlugin, Image, ImageCms

from blending.pictures import opening, read
from blending.pictures.read import pick_channel, read_mask, read_picture, read_raw

REPOSITORY = Path(__file__).parents[3]
ORIENTATION = 0x0112  # EXIF's tag

# EXIF 2.32, 4.6.4: how the stored rows and columns are to be turned for display.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


def pixels(array, largest=255):
    """(H, W, C) whole numbers as (1, C, H, W) in [0, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(array).astype(np.float32))
    return (values / largest).permute(2, 0, 1)[None]


def rgb(height=4, width=6, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def rgb16(height=4, width=6, channels=3):
    generator = np.random.default_rng(1)
    return generator.integers(0, 65536, (height, width, channels), dtype=np.uint16)


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(array, colour_type, *extra):
    """A 16-bit PNG file without filters; W3C, Portable Network Graphics."""
    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    body = [
        chunk(b"IHDR", header),
        *extra,
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@functools.cache  # a profile carries the second in which it was made
def swapped_profile():
    """sRGB with red and blue primaries exchanged: converting to it exchanges the channels."""
    profile = srgb_profile()
    count = struct.unpack(">I", profile[128:132])[0]
    table = profile[132 : 132 + 12 * count]
    entries = [table[start : start + 12] for start in range(0, len(table), 12)]
    names = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    swapped = b"".join(names.get(entry[:4], entry[:4]) + entry[4:] for entry in entries)
    return profile[:132] + swapped + profile[132 + 12 * count :]


def colour_space(profile):
    return profile[16:20]


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_eight_bit_colours_are_levels_over_255(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = read_picture(str(path))
    assert torch.equal(picture.pixels, pixels(rgb()))
    assert picture.pixels.dtype == torch.float32
    assert picture.pixels.is_contiguous()
    assert (picture.bits, picture.icc) == (8, None)


def test_a_jpeg_is_read_within_its_loss(tmp_path):
    flat = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    # rounding to YCbCr and back moves a colour by two levels at most
    found = read_picture(tmp_path / "a.jpg").pixels
    assert (found - pixels(flat)).abs().max() <= 2 / 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_every_exif_orientation_is_turned_upright(suffix, orientation, tmp_path):
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(rgb()).save(path, exif=exif(orientation), **options)
    assert torch.equal(read_picture(path).pixels, pixels(UPRIGHT[orientation](rgb())))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_of_a_jpeg_is_turned_upright(orientation, tmp_path):
    blocks = np.repeat(np.repeat(rgb(2, 3), 16, 0), 16, 1)
    Image.fromarray(blocks).save(
        tmp_path / "a.jpg", exif=exif(orientation), quality=95, subsampling=0
    )
    found = read_picture(tmp_path / "a.jpg").pixels
    # loss at hard edges stays below a fifth of the range; wrong corners differ by more
    assert found.shape == pixels(UPRIGHT[orientation](blocks)).shape
    assert (found - pixels(UPRIGHT[orientation](blocks))).abs().mean() < 0.02


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_of_a_16_bit_png_is_turned_upright(orientation, tmp_path):
    data = exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(png16(rgb16(), 2, chunk(b"eXIf", data)))
    expected = pixels(UPRIGHT[orientation](rgb16()), 65535)
    assert torch.equal(read_picture(tmp_path / "a.png").pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_of_a_16_bit_tiff_is_turned_upright(orientation, tmp_path):
    grey = rgb16(channels=1)
    tag = [(ORIENTATION, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", grey[..., 0], extratags=tag)
    expected = pixels(UPRIGHT[orientation](grey), 65535).expand(-1, 3, -1, -1)
    assert torch.equal(read_picture(tmp_path / "a.tif").pixels, expected)


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L")
    image = Image.frombytes("P", (2, 2), image.tobytes())
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    image.save(tmp_path / "a.png")
    expected = [[[10, 20, 30], [200, 100, 50]], [[0, 0, 255], [200, 100, 50]]]
    assert torch.equal(read_picture(tmp_path / "a.png").pixels, pixels(np.array(expected)))


@pytest.mark.parametrize(
    ("transparency", "alpha"), [(1, (255, 0, 255)), (bytes([0, 128, 255]), (0, 128, 255))]
)
def test_a_palette_with_transparency_has_alpha(transparency, alpha, tmp_path):
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=transparency)
    colours = [[10, 20, 30], [200, 100, 50], [0, 0, 255]]
    expected = [[[*colour, a] for colour, a in zip(colours, alpha, strict=True)]]
    assert torch.equal(read_picture(tmp_path / "a.png").pixels, pixels(np.array(expected)))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_becomes_three_equal_channels(suffix, tmp_path):
    Image.fromarray(rgb()[..., 0]).save(tmp_path / f"a.{suffix}")
    expected = pixels(np.repeat(rgb()[..., :1], 3, 2))
    assert torch.equal(read_picture(tmp_path / f"a.{suffix}").pixels, expected)


def test_black_and_white_becomes_0_and_1(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").pixels[0, :, 0].tolist() == [[1, 0]] * 3


def test_grey_with_alpha_becomes_rgba(tmp_path):
    grey, alpha = rgb()[..., 0], rgb()[..., 1]
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "a.png")
    expected = pixels(np.dstack((grey, grey, grey, alpha)))
    assert torch.equal(read_picture(tmp_path / "a.png").pixels, expected)


def test_alpha_is_kept_with_the_colours_below_it(tmp_path):
    array = rgb(channels=4)
    array[0, :, 3] = 0
    Image.fromarray(array).save(tmp_path / "a.png")
    assert torch.equal(read_picture(tmp_path / "a.png").pixels, pixels(array))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_pngs_of_another_program_are_read_exactly(channels, tmp_path):
    array = rgb16(9, 7, channels)
    written = array[..., [2, 1, 0, 3][:channels]] if channels > 1 else array
    assert cv2.imwrite(str(tmp_path / "a.png"), written)  # BGR
    picture = read_picture(tmp_path / "a.png")
    expected = pixels(np.repeat(array, 3, 2) if channels == 1 else array, 65535)
    assert torch.equal(picture.pixels, expected)
    assert picture.bits == 16


def test_16_bit_grey_with_alpha_becomes_rgba(tmp_path):
    array = rgb16(channels=2)
    (tmp_path / "a.png").write_bytes(png16(array, 4))
    picture = read_picture(tmp_path / "a.png")
    assert torch.equal(picture.pixels, pixels(array[..., [0, 0, 0, 1]], 65535))
    assert picture.bits == 16


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bit_grey_tiffs_are_read_exactly(byteorder, tmp_path):
    array = rgb16(9, 7, 1)
    tifffile.imwrite(tmp_path / "a.tif", array[..., 0], byteorder=byteorder)
    picture = read_picture(tmp_path / "a.tif")
    assert torch.equal(picture.pixels, pixels(np.repeat(array, 3, 2), 65535))
    assert picture.bits == 16


def test_16_bit_colour_tiffs_keep_their_lower_bytes_or_are_refused(tmp_path):
    array = rgb16(9, 7)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    try:
        picture = read_picture(tmp_path / "a.tif")
    except ValueError:
        return
    assert picture.bits == 16
    assert torch.equal(picture.pixels, pixels(array, 65535))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_depths_are_refused(dtype, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((4, 4), dtype))
    with pytest.raises(ValueError, match=r"a\.tif must have 8 or 16 bits a channel"):
        read_picture(path)


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_a_cmyk_jpeg_becomes_rgb(ink, colour, tmp_path):
    Image.new("CMYK", (16, 16), ink).save(tmp_path / "a.jpg", quality=95)
    found = read_picture(tmp_path / "a.jpg").pixels
    assert found.shape == (1, 3, 16, 16)
    assert (found - torch.tensor(colour).view(1, 3, 1, 1) / 255).abs().max() <= 2 / 255


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_colour_profile_is_returned_and_the_levels_left_alone(suffix, tmp_path):
    path, profile = tmp_path / f"a.{suffix}", swapped_profile()
    flat = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    Image.fromarray(flat).save(path, icc_profile=profile, lossless=True, quality=95)
    picture = read_picture(path)
    assert picture.icc == profile
    assert (picture.pixels - pixels(flat)).abs().max() <= 3 / 255


def test_colours_are_converted_to_the_profile_asked_for(tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "a.png", icc_profile=srgb_profile())
    picture = read_picture(tmp_path / "a.png", icc=swapped_profile())
    assert picture.icc == swapped_profile()
    assert (picture.pixels - pixels(rgb()[..., ::-1])).abs().max() <= 1.01 / 255


def test_a_picture_without_a_profile_counts_as_srgb(tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", icc=swapped_profile())
    assert (picture.pixels - pixels(rgb()[..., ::-1])).abs().max() <= 1.01 / 255


def test_conversion_leaves_alpha_alone(tmp_path):
    array = rgb(channels=4)
    Image.fromarray(array).save(tmp_path / "a.png", icc_profile=srgb_profile())
    found = read_picture(tmp_path / "a.png", icc=swapped_profile()).pixels
    assert torch.equal(found[:, 3:], pixels(array[..., 3:]))
    assert (found[:, :3] - pixels(array[..., 2::-1])).abs().max() <= 1.01 / 255


def test_a_picture_that_has_the_profile_asked_for_keeps_its_bits(tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "a.png", icc_profile=swapped_profile())
    found = read_picture(tmp_path / "a.png", icc=swapped_profile())
    assert torch.equal(found.pixels, pixels(rgb()))


def test_16_bit_colours_are_converted_to_the_profile_asked_for(tmp_path):
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(srgb_profile()))
    (tmp_path / "a.png").write_bytes(png16(rgb16(), 2, profile))
    picture = read_picture(tmp_path / "a.png", icc=swapped_profile())
    assert picture.icc == swapped_profile()
    assert (picture.pixels - pixels(rgb16()[..., ::-1], 65535)).abs().max() <= 1.01 / 255


def test_the_profile_of_a_grey_picture_is_not_handed_on_for_its_rgb_pixels(tmp_path, grey_profile):
    Image.fromarray(rgb()[..., 0]).save(tmp_path / "a.png", icc_profile=grey_profile)
    icc = read_picture(tmp_path / "a.png").icc
    assert icc is None or colour_space(icc) == b"RGB "


def test_a_broken_cmyk_profile_is_refused_not_handed_on_for_rgb_pixels(tmp_path):
    profile = srgb_profile()[:16] + b"CMYK" + srgb_profile()[20:]
    Image.new("CMYK", (16, 16)).save(tmp_path / "a.jpg", icc_profile=profile)
    with pytest.raises(ValueError, match=r"a\.jpg must have a usable ICC profile"):
        read_picture(tmp_path / "a.jpg")


def test_a_grey_picture_with_a_grey_profile_can_be_converted(tmp_path, grey_profile):
    assert ImageCms.getProfileDescription(io.BytesIO(grey_profile)).strip() == "grey"
    Image.fromarray(rgb()[..., 0]).save(tmp_path / "a.png", icc_profile=grey_profile)
    picture = read_picture(tmp_path / "a.png", icc=srgb_profile())
    # gamma 2.2 and sRGB's curve differ by less than 8 levels; black point aside
    assert (picture.pixels - pixels(np.repeat(rgb()[..., :1], 3, 2))).abs().max() < 10 / 255


def test_a_profile_that_cannot_be_used_is_named_with_the_file(tmp_path):
    Image.fromarray(rgb()).save(tmp_path / "a.png", icc_profile=b"not a profile")
    with pytest.raises(ValueError, match=r"a\.png must have a usable ICC profile"):
        read_picture(tmp_path / "a.png", icc=srgb_profile())


@pytest.mark.parametrize("depth", [8, 16])
def test_a_profile_that_is_handed_on_must_be_one_that_others_can_be_converted_to(depth, tmp_path):
    broken = srgb_profile().replace(b"rXYZ", b"none")  # a primary lacks
    if depth == 8:
        Image.fromarray(rgb()).save(tmp_path / "a.png", icc_profile=broken)
    else:
        profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(broken))
        (tmp_path / "a.png").write_bytes(png16(rgb16(), 2, profile))
    with pytest.raises(ValueError, match=r"a\.png must have a usable ICC profile"):
        read_picture(tmp_path / "a.png")
    assert read_raw(tmp_path / "a.png").shape == (1, 3, 4, 6)  # a mask's is not looked at


def test_cielab_is_refused_as_what_it_is(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rgb(), photometric="cielab")
    for call in (read_picture, read_mask):
        with pytest.raises(ValueError, match=r"a\.tif must be grey, RGB, .*, got CIELAB$"):
            call(tmp_path / "a.tif")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", [None, 6])
def test_the_one_transparent_value_of_a_16_bit_png_becomes_alpha(orientation, channels, tmp_path):
    array = rgb16(channels=channels)
    array[:2, 1:3] = 0x1234
    array[3, 0] = 0x1235  # the same in its upper byte
    extra = [chunk(b"tRNS", struct.pack(">H", 0x1234) * channels)]
    if orientation:
        extra.append(chunk(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0")))
    (tmp_path / "a.png").write_bytes(png16(array, {1: 0, 3: 2}[channels], *extra))
    alpha = np.full((4, 6, 1), 65535)
    alpha[:2, 1:3] = 0
    wanted = np.dstack((array[..., [0] * 3] if channels == 1 else array, alpha))
    found = read_picture(tmp_path / "a.png").pixels
    assert torch.equal(found, pixels(UPRIGHT[orientation or 1](wanted), 65535))


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(rgb(seed=seed)) for seed in (0, 1, 2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"a\.gif must be one picture, got 3 frames"):
        read_picture(tmp_path / "a.gif")


def test_a_gif_of_one_frame_is_a_picture(tmp_path):
    Image.new("RGB", (5, 4), (0, 255, 0)).save(tmp_path / "a.gif")
    assert read_picture(tmp_path / "a.gif").pixels[0, :3, 0, 0].tolist() == [0, 1, 0]


def test_a_phones_picture_is_read_without_the_previews_behind_it(tmp_path):
    first, second = (Image.new("RGB", (16, 8), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second], quality=95)
    with Image.open(tmp_path / "a.mpo") as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    found = read_picture(tmp_path / "a.mpo").pixels
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 8, 16)
    assert (found - red).abs().max() <= 2 / 255


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(FileNotFoundError, match=re.escape(f"picture file not found: {path}")):
        read_picture(path)
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        read_picture(tmp_path)


def truncations():
    """Name and content of one whole file of each kind."""
    for name, image, options in (
        ("png", Image.fromarray(rgb(40, 40)), {}),
        ("jpg", Image.fromarray(rgb(40, 40)), {"format": "JPEG"}),
        ("webp", Image.fromarray(rgb(40, 40)), {"format": "WEBP"}),
        ("tif", Image.fromarray(rgb(40, 40)), {"format": "TIFF"}),
    ):
        stream = io.BytesIO()
        image.save(stream, **({"format": "PNG"} | options))
        yield name, stream.getvalue()
    yield "16.png", png16(rgb16(40, 40), 2)


@pytest.mark.parametrize(
    ("name", "data"), list(truncations()), ids=lambda v: v if isinstance(v, str) else ""
)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's; test_cli counts lines
def test_a_truncated_file_is_refused_by_name(name, data, share, tmp_path):
    path = tmp_path / f"a.{name}"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} must be a whole picture file"):
        read_picture(path)


def test_a_text_file_is_refused_by_name(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("This is not a picture.\n")
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} must be a whole picture file"):
        read_picture(path)


def test_a_tiff_whose_second_page_is_damaged_is_refused_by_name(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(rgb()).save(path)
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    next_page = first + 2 + 12 * struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, next_page, len(data))
    data += struct.pack("<HHHIII", 1, 259, 3, 1, 1, 0)  # a page with a compression and no size
    path.write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_picture(path)


def test_a_damaged_16_bit_png_is_refused_and_the_process_survives(tmp_path):
    data = bytearray(png16(rgb16(40, 40), 2))
    data[data.index(b"IDAT") + 1000] ^= 0xFF
    path = tmp_path / "a.png"
    path.write_bytes(data)
    code = (
        "import sys\nfrom blending.pictures.read import read_picture\n"
        "try:\n    read_picture(sys.argv[1])\n"
        "except ValueError as error:\n    sys.exit(3 if sys.argv[1] in str(error) else 4)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, path], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert run.returncode == 3  # -11 is a crash
    assert run.stderr == b""  # no decoder talks past Python


@pytest.fixture
def painted(tmp_path):
    """One pixel, RGBA = 200, 100, 50, 128."""
    path = tmp_path / "painted.png"
    Image.new("RGBA", (1, 1), (200, 100, 50, 128)).save(path)
    return path


@pytest.mark.parametrize(
    ("channel", "level"),
    [
        ("alpha", 128),
        ("red", 200),
        ("green", 100),
        ("blue", 50),
        ("luminance", 0.299 * 200 + 0.587 * 100 + 0.114 * 50),
    ],
)
def test_a_mask_is_one_channel_of_a_picture(channel, level, painted):
    mask = read_mask(painted, channel)
    assert mask.shape == (1, 1, 1, 1)
    assert 255 * mask.item() == pytest.approx(level, rel=1e-6)


def test_the_luminance_of_white_is_one_at_most(tmp_path):
    Image.new("RGB", (4, 3), (255, 255, 255)).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.shape == (1, 1, 3, 4)
    assert mask.max() <= 1
    torch.testing.assert_close(mask, torch.ones_like(mask), rtol=0, atol=1e-6)


def test_masks_are_turned_upright_too(tmp_path):
    grey = rgb()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png", exif=exif(6))
    expected = np.rot90(grey, -1).astype(np.float32) / 255
    assert np.allclose(read_mask(tmp_path / "a.png")[0, 0], expected, rtol=0, atol=1e-6)


def test_alpha_of_a_picture_without_alpha_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(
        ValueError, match=r"a\.png must have alpha, got none; use channel luminance"
    ):
        read_mask(tmp_path / "a.png", "alpha")


def test_an_unknown_channel_is_refused(painted):
    with pytest.raises(ValueError, match=r"channel must be one of alpha, .* got 'hue'"):
        read_mask(painted, "hue")


def test_raw_pixels_are_the_levels_whatever_the_profile(tmp_path, grey_profile):
    grey = rgb()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png", icc_profile=grey_profile)
    assert torch.equal(read_raw(tmp_path / "grey.png"), pixels(np.dstack((grey, grey, grey))))
    converted = read_picture(tmp_path / "grey.png").pixels
    assert not torch.equal(converted, pixels(np.dstack((grey, grey, grey))))
    Image.fromarray(rgb(channels=4)).save(tmp_path / "a.png", icc_profile=b"not a profile")
    assert torch.equal(read_raw(tmp_path / "a.png"), pixels(rgb(channels=4)))


def test_a_channel_of_pixels_is_picked_without_a_file(noise):
    pixels = noise(1, 4, 3, 5)
    for place, channel in enumerate(("red", "green", "blue", "alpha")):
        assert torch.equal(pick_channel(pixels, channel, "a.png"), pixels[:, place : place + 1])
    with pytest.raises(ValueError, match=r"^a\.png must have alpha, got none"):
        pick_channel(pixels[:, :3], "alpha", "a.png")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_picture_beyond_pillows_limit_is_read_where_the_memory_holds_it(
    suffix, tmp_path, monkeypatch
):
    path = tmp_path / f"large.{suffix}"
    Image.fromarray(rgb(10, 11)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 54)  # refuses what has more than twice as many
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    assert torch.equal(read_picture(path).pixels, pixels(rgb(10, 11)))


def test_where_a_decoder_keeps_to_pillows_limit_that_is_said(tmp_path, monkeypatch):
    def refused(*_):
        raise Image.DecompressionBombError("Image size (110 pixels) exceeds limit of 108 pixels")

    Image.fromarray(rgb(10, 11)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 54)
    monkeypatch.setattr(read, "open_image", refused)
    with pytest.raises(ValueError, match=r"a\.png must have at most 108 pixels .*, got 110: save"):
        read_picture(tmp_path / "a.png")


# Of each pixel: what the decoder takes, the levels, and where they are asked for the floats.
ROOM = {
    "grey, in floats": (np.uint8, 1, {}, 1 + 3 * (1 + 4)),
    "grey, in levels": (np.uint8, 1, {"in_levels": True}, 1 + 3),
    "RGB, in floats": (np.uint8, 3, {}, 4 + 3 * (1 + 4)),
    "RGB, in levels": (np.uint8, 3, {"in_levels": True}, 4 + 3),
    "RGBA, in levels": (np.uint8, 4, {"in_levels": True}, 4 + 4),
    "16 bits, in levels": (np.uint16, 3, {"in_levels": True}, 2 * 8),  # as much with alpha
}


@pytest.mark.parametrize("name", ROOM)
def test_a_picture_is_refused_by_a_byte_that_it_has_not_room_for(name, tmp_path, monkeypatch):
    dtype, channels, given, bytes_each = ROOM[name]
    array = np.zeros((1000, 1100, channels), dtype).squeeze()
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), array)
    needed = 1000 * 1100 * bytes_each
    monkeypatch.setattr(opening, "free_main_memory", lambda: needed)
    read_picture(path, **given)
    monkeypatch.setattr(opening, "free_main_memory", lambda: needed - 1)
    with pytest.raises(ValueError) as said:
        read_picture(path, **given)
    assert str(said.value) == (
        f"{path} must fit into the free memory, got 1100 x 1000 pixels, which take "
        f"{math.ceil(needed / 2**20)} MB, with {(needed - 1) // 2**20} MB free"
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "png16", "tif"])
def test_a_picture_that_is_converted_in_bands_is_the_same(kind, orientation, tmp_path, monkeypatch):
    path, array = tmp_path / f"a.{kind[:3]}", rgb(7, 5)
    if kind == "png16":
        path.write_bytes(png16(rgb16(7, 5), 2))
    else:
        Image.fromarray(array).save(path, exif=exif(orientation))
    whole = read_picture(path, icc=swapped_profile())
    monkeypatch.setattr(read, "BAND", 11)  # two rows of five, one of seven
    found = read_picture(path, icc=swapped_profile())
    assert torch.equal(found.levels, whole.levels)


def test_a_picture_that_the_memory_does_not_hold_is_called_that_and_not_damaged(
    tmp_path, monkeypatch
):
    path = tmp_path / "sound.png"
    Image.fromarray(np.zeros((10, 11), np.uint8)).save(path)

    def short(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", short)
    with pytest.raises(ValueError, match=r"fit into the free memory, got 11 x 10"):
        read_picture(path)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")


def header(width, height, depth=16, colour_type=2, interlace=0):
    values = width, height, depth, colour_type, 0, 0, interlace
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *values))


def packed(width, height, samples=3, depth=16):
    return chunk(b"IDAT", zlib.compress((b"\0" + bytes(width * samples * depth // 8)) * height))


def png(*chunks):
    return SIGNATURE + b"".join(chunks) + END


def peak(path):
    """What the reader says of a file and the most bytes that numpy and Python held meanwhile."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))} must ") as said:
            read_raw(path)
        return str(said.value).removeprefix(str(path)), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


FORGED = struct.pack(">IIBBBBB", 60000, 60000, 16, 2, 0, 0, 0)  # of IHDR, in a comment's place
DAMAGED = {
    "large, then small": png(header(60000, 60000), header(2, 2), packed(2, 2)),
    "13000, then small": png(header(13000, 13000), header(2, 2), packed(2, 2)),
    "small, then 13000": png(header(2, 2), header(13000, 13000), packed(2, 2)),
    "the same twice": png(header(2, 2, 8), header(2, 2, 8), packed(2, 2, depth=8)),
    "8 bits, then 16": png(header(2, 2, 8), header(2, 2), packed(2, 2)),
    "16 bits, then 8": png(header(2, 2), header(2, 2, 8), packed(2, 2)),
    "behind the pixels": png(header(2, 2), packed(2, 2), header(60000, 60000)),
    "behind the pixels, 8 bits": png(header(2, 2, 8), packed(2, 2, depth=8), header(9, 9, 8)),
    "not the first": png(chunk(b"tEXt", b"a\0b"), header(2, 2), packed(2, 2)),
    "not the first, 8 bits": png(chunk(b"tEXt", b"a\0b"), header(2, 2, 8), packed(2, 2, depth=8)),
    "another first in its place": png(chunk(b"tEXt", FORGED), header(2, 2), packed(2, 2)),
    "too long": png(chunk(b"IHDR", header(2, 2)[8:21] + b"more"), packed(2, 2)),
    "no width": png(header(0, 2), packed(2, 2)),
    "no height": png(header(2, 0), packed(2, 2)),
    "no pixels": png(header(2, 2)),
    "lying grey": png(header(13000, 13000, colour_type=0), packed(2, 2)),
    "lying grey with alpha": png(header(13000, 13000, colour_type=4), packed(2, 2)),
    "lying RGB": png(header(13000, 13000), packed(2, 2)),
    "lying RGB, interlaced": png(header(13000, 13000, interlace=1), packed(2, 2)),
    "lying RGBA": png(header(13000, 13000, colour_type=6), packed(2, 2)),
    "lying RGBA in many pieces": png(header(13000, 13000, colour_type=6), packed(2, 2) * 100),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_png_of_two_sizes_or_too_few_bytes_is_damaged_and_takes_no_memory(name, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(DAMAGED[name])
    said, held = peak(path)
    assert said.startswith(" must be a whole picture file, got ")
    assert held < 8e6  # 13000 x 13000 grey pixels of 16 bits are 338 MB


def tiff16(width, height):
    """A grey TIFF of 16 bits that has 64 bytes of pixels; Adobe, TIFF 6.0."""
    count = min(2 * width * height, 2**32 - 1)
    longs = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: 200, 277: 1, 278: height}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items())
    tags += struct.pack("<HHII", 279, 4, 1, count)
    return (b"II*\0" + struct.pack("<IH", 8, 9) + tags).ljust(200, b"\0") + bytes(64)


def test_the_tiff_that_the_next_tests_vary_is_sound(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff16(4, 8))
    assert read_raw(tmp_path / "a.tif").shape == (1, 3, 8, 4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(header(60000, 60000), packed(2, 2)), "a whole picture file, got a damaged one$"),
        (
            png(header(2, 2), header(60000, 60000), packed(2, 2)),
            "a whole picture file, got a damaged one$",
        ),
        (png(header(2**31 - 1, 1), packed(2, 2)), "a whole picture file, got a damaged one$"),
        (tiff16(60000, 60000), "free memory, got 60000 x 60000 pixels, which take 68665 MB, "),
        (tiff16(2**32 - 1, 2**32 - 1), "free memory, got 4294967295 x 4294967295 pixels, "),
        (tiff16(0, 4), "a whole picture file, got no picture"),
        (tiff16(13000, 13000), "a whole picture file, got a damaged one$"),
    ],
    ids=["png", "second header", "one row", "tiff", "largest tiff", "empty tiff", "lying tiff"],
)
def test_a_claimed_size_takes_no_memory_before_it_is_judged(data, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "free_main_memory", lambda: 2**36)
    (tmp_path / "a.png").write_bytes(data)
    said, held = peak(tmp_path / "a.png")
    assert re.search(f"^ must (be|have|fit into the) {expected}", said)
    assert held < 8e6


@pytest.mark.parametrize("depth", [8, 16])
def test_the_smallest_file_that_can_hold_its_size_is_read(depth, tmp_path):
    # deflate shrinks zeros 1032 times at most, so that its own overhead tips no sound file over
    (tmp_path / "a.png").write_bytes(png(header(3000, 1000, depth), packed(3000, 1000, 3, depth)))
    found = read_raw(tmp_path / "a.png")
    assert found.shape == (1, 3, 1000, 3000)
    assert not found.any()


@pytest.mark.parametrize("depth", [8, 16])
def test_what_lies_behind_the_end_of_a_png_is_not_looked_at(depth, tmp_path):
    data = png(header(3, 2, depth), packed(3, 2, 3, depth)) + header(60000, 60000)
    (tmp_path / "a.png").write_bytes(data)
    assert read_raw(tmp_path / "a.png").shape == (1, 3, 2, 3)


def test_an_interlaced_png_of_16_bits_is_read(tmp_path):
    # one pixel: the first of the seven passes is all of it
    row = b"\0" + struct.pack(">HHH", 1, 2, 65535)
    data = png(header(1, 1, interlace=1), chunk(b"IDAT", zlib.compress(row)))
    (tmp_path / "a.png").write_bytes(data)
    assert (65535 * read_raw(tmp_path / "a.png")).flatten().tolist() == [1, 2, 65535]


def test_a_16_bit_png_beyond_the_free_memory_is_called_that_and_the_process_survives(tmp_path):
    pytest.importorskip("resource")  # of POSIX
    (tmp_path / "a.png").write_bytes(png(header(6000, 6000), packed(6000, 6000)))  # 216 MB
    code = (
        "import re, resource, sys\n"
        "from pathlib import Path\n"
        "from blending.pictures.read import read_picture\n"
        "status = Path('/proc/self/status')\n"
        "if not status.exists():\n    sys.exit(5)\n"
        "used = 1024 * int(re.search(r'VmSize:\\s+(\\d+)', status.read_text())[1])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)\n"
        "try:\n    read_picture(sys.argv[1])\n"
        "except ValueError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.png"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
    )
    if run.returncode == 5:
        pytest.skip("no /proc")
    assert "must fit into the free memory, got 6000 x 6000 that does not" in run.stdout
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 8 bytes"),  # numpy's own kind is one of these
        OSError("out of memory error when reading image file"),  # Pillow before 11
        OSError("decoder error -9"),  # Pillow's name of the same
        OSError(12, "Cannot allocate memory"),
        zlib.error("Error -4 while decompressing data"),  # Z_MEM_ERROR
        Exception("cannot allocate a buffer of 8 bytes"),  # kornia_rs
    ],
    ids=repr,
)
def test_every_codecs_word_for_short_memory_is_called_that(error, tmp_path, monkeypatch):
    Image.new("RGB", (11, 10)).save(tmp_path / "a.png")

    def short(*_):
        raise error

    monkeypatch.setattr(Image.Image, "convert", short)
    with pytest.raises(ValueError, match=r"a\.png must fit into the free memory, got 11 x 10"):
        read_raw(tmp_path / "a.png")


def test_pillows_bound_on_profiles_and_text_is_told_as_that(tmp_path):
    profile = b"icc\0\0" + zlib.compress(bytes(2_000_000))  # twice what Pillow unpacks
    data = png(header(2, 2, 8), chunk(b"iCCP", profile), packed(2, 2, depth=8))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png must have a colour profile and texts of at most"):
        read_raw(tmp_path / "a.png")


EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"0 0 moveto 9 9 lineto stroke\nshowpage\n%%EOF\n"
)


@pytest.mark.parametrize("call", [read_picture, read_raw, read_mask])
@pytest.mark.parametrize("name", ["a.png", "a.eps"])
def test_postscript_starts_no_program(call, name, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: started.append(1))
    (tmp_path / name).write_bytes(EPS)
    with Image.open(tmp_path / name) as image:
        assert image.format == "EPS"  # unless it is told what to read
    with pytest.raises(ValueError, match="must be a whole picture file, got no picture"):
        call(tmp_path / name)
    assert not started


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4\n1 0 obj\n",
        struct.pack("<IHHHHHHI", 0x9AC6CDD7, 0, 0, 0, 9, 9, 72, 0) + b"\0\0\1\0\x09\0" + bytes(40),
        b"\1\0\0\0".ljust(40, b"\0") + b" EMF" + bytes(60),
        b"\0\0\1\xb3\x10\0\x10\x13\xff\xff\xe0\x18",
        b"\x89HDF\r\n\x1a\n" + bytes(64),
        b"GRIB\0\0\0\1" + bytes(64),
        b"BUFR\0\0\0\1" + bytes(64),
    ],
    ids=["PDF", "WMF", "EMF", "MPEG", "HDF5", "GRIB", "BUFR"],
)
def test_what_is_no_still_picture_is_none(data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match="got no picture") as said:
        read_raw(tmp_path / "a.png")
    assert "PNG, JPEG" in str(said.value)  # what would be one


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("BMP", {}),
        ("DIB", {}),
        ("PPM", {}),
        ("TGA", {}),
        ("JPEG2000", {}),
        ("ICO", {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
        ("ICO", {"sizes": [(16, 16)]}),
        ("JPEG", {"quality": 95}),
        ("AVIF", {"quality": 95}),
        ("GIF", {}),
        ("QOI", {}),
    ],
)
def test_every_usual_kind_of_still_picture_is_read(kind, options, tmp_path):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    try:
        flat.save(tmp_path / "a", format=kind, **options)
    except OSError:
        pytest.skip(f"this Pillow is built without {kind}")
    found = read_raw(tmp_path / "a")[:, :3]
    expected = torch.tensor([200, 100, 50]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert (255 * found - expected).abs().max() <= 2.01  # of loss


def test_a_format_that_this_pillow_lacks_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "FORMATS", ("NEXT", *read.FORMATS))
    Image.fromarray(rgb()).save(tmp_path / "a.png")
    assert torch.equal(read_raw(tmp_path / "a.png"), pixels(rgb()))
    (tmp_path / "b.png").write_bytes(EPS)
    with pytest.raises(ValueError, match="got no picture") as said:
        read_raw(tmp_path / "b.png")
    assert "NEXT" not in str(said.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_passes(error, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png16(rgb16(), 2))

    def interrupted(*_):
        raise error

    monkeypatch.setattr("blending.pictures.png16._decode", interrupted)
    with pytest.raises(error):
        read_raw(tmp_path / "a.png")
