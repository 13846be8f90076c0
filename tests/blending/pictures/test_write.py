"""Writing picture files, read back by other programs; whole or not at all."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from blending.pictures import opening, write
from blending.pictures.formats import FORMATS, LARGEST_PROFILES
from blending.pictures.read import read_picture
from blending.pictures.write import check_encoder, write_picture, write_text
from blending.placement.levels import as_kept

LOSSLESS = (".png", ".tif", ".tiff", ".webp")
EVERY = (*LOSSLESS, ".jpg", ".jpeg")


def levels(channels=3, bits=8, height=7, width=9):
    generator = np.random.default_rng(5)
    kind = np.uint8 if bits == 8 else np.uint16
    return generator.integers(0, 2**bits, (height, width, channels), dtype=kind)


def planes(array):
    """(H, W, C) whole numbers as (1, C, H, W), float64 in [0, 1]."""
    return torch.from_numpy(array / np.iinfo(array.dtype).max).permute(2, 0, 1)[None]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".PNG"])
@pytest.mark.parametrize("channels", [3, 4])
def test_8_bits_are_written_exactly(suffix, channels, tmp_path):
    path, array = tmp_path / f"a{suffix}", levels(channels)
    if channels == 4:
        array[..., 3] |= 1  # no pixel quite transparent; those have their own test
    write_picture(path, planes(array), overwrite=False)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), array)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colours_below_transparent_pixels_are_written_exactly(suffix, tmp_path):
    path, array = tmp_path / f"a{suffix}", levels(4)
    array[:4, :, 3] = 0
    write_picture(path, planes(array), overwrite=False)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), array)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_a_jpeg_is_near_and_has_full_colour_resolution(suffix, tmp_path):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)  # red and black: halved colour would smear them
    write_picture(tmp_path / f"a{suffix}", planes(stripes), overwrite=False)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.format == "JPEG"
        found = np.asarray(image).astype(int)
    assert np.abs(found - stripes).mean() < 10


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (64, 33)])
def test_16_bits_are_written_exactly(channels, size, tmp_path):
    array = levels(channels, 16, *size)
    write_picture(tmp_path / "a.png", planes(array), bits=16, overwrite=False)
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    assert np.array_equal(found[..., [2, 1, 0, 3][:channels]], array)


def test_16_bits_survive_writing_and_reading(tmp_path):
    pixels = planes(levels(4, 16)).float()
    write_picture(tmp_path / "a.png", pixels, bits=16, overwrite=False)
    picture = read_picture(tmp_path / "a.png")
    assert torch.equal(picture.pixels, pixels)
    assert picture.bits == 16


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_clipped_and_rounded_to_the_nearest_level(bits, tmp_path):
    top = 2**bits - 1
    values = torch.tensor([-0.5, 0.4 / top, 0.6 / top, 100.49 / top, 100.51 / top, 1.0, 1.5])
    pixels = values.double().view(1, 1, 1, 7).expand(1, 3, 1, 7)
    write_picture(tmp_path / "a.png", pixels, bits=bits, overwrite=False)
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found[0, :, 0].tolist() == [0, 0, 1, 100, 101, top, top]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_levels_survive_narrow_dtypes(dtype, tmp_path):
    array = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    write_picture(tmp_path / "a.png", planes(array).to(dtype), overwrite=False)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), array)


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), *((suffix, 8) for suffix in EVERY)])
def test_the_colour_profile_is_embedded(suffix, bits, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / f"a{suffix}"
    write_picture(path, planes(levels()), bits=bits, icc=profile, overwrite=False)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("suffix", EVERY)
def test_without_a_profile_none_is_embedded(suffix, tmp_path):
    write_picture(tmp_path / f"a{suffix}", planes(levels()), overwrite=False)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert "icc_profile" not in image.info


def test_an_existing_file_is_left_alone(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=re.escape(f"{path} exists")):
        write_picture(path, planes(levels()), overwrite=False)
    assert path.read_bytes() == b"precious"
    assert names(tmp_path) == ["a.png"]


def test_an_existing_file_is_replaced_when_told_to(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    write_picture(path, planes(levels()), overwrite=True)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), levels())
    assert names(tmp_path) == ["a.png"]


def break_encoders(monkeypatch, error):
    def save(self, file, *_, **__):
        file.write(b"half a pict")
        raise error

    def png16(*_):
        raise error

    monkeypatch.setattr(Image.Image, "save", save)
    monkeypatch.setattr(write, "encode_png16", png16)


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk", "key"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_leaves_the_folder_as_it_was(error, bits, before, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    if before:
        path.write_bytes(before)
    break_encoders(monkeypatch, error)
    with pytest.raises(type(error)):
        write_picture(path, planes(levels()), bits=bits, overwrite=True)
    assert names(tmp_path) == (["a.png"] if before else [])
    assert not before or path.read_bytes() == before


def test_a_file_that_came_meanwhile_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.png"

    def save(self, file, *_, **__):
        file.write(b"new")
        path.write_bytes(b"meanwhile")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(FileExistsError):
        write_picture(path, planes(levels()), overwrite=False)
    assert path.read_bytes() == b"meanwhile"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_picture(tmp_path / "a.png", planes(levels()), overwrite=False)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a.png")]
    assert modes[0] == modes[1]


def test_a_format_that_cannot_hold_the_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jpg must be a format with alpha"):
        write_picture(tmp_path / "a.jpg", planes(levels(4)), overwrite=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_profile_is_written_as_long_as_it_can_be_read_again(suffix, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    most = LARGEST_PROFILES[FORMATS[suffix][0]]
    wide = profile + bytes(most - len(profile))
    write_picture(tmp_path / f"a{suffix}", planes(levels()), icc=wide, overwrite=False)
    with Image.open(tmp_path / f"a{suffix}") as image:
        image.load()
        assert image.info["icc_profile"] == wide
    with pytest.raises(ValueError, match=r"b\.\w+ must be \.tif or \.webp .* smaller one"):
        write_picture(tmp_path / f"b{suffix}", planes(levels()), icc=wide + b"0", overwrite=False)
    write_picture(tmp_path / "b.tif", planes(levels()), icc=wide + b"0", overwrite=False)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.info["icc_profile"] == wide + b"0"


def test_a_missing_folder_is_refused_and_not_made(tmp_path):
    with pytest.raises(NotADirectoryError, match="must lie in an existing folder"):
        write_picture(tmp_path / "none" / "a.png", planes(levels()), overwrite=True)
    assert names(tmp_path) == []


def test_a_folder_is_not_written_over(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError, match="must be a file to write, got a folder"):
        write_picture(tmp_path / "a.png", planes(levels()), overwrite=True)
    assert (tmp_path / "a.png").is_dir()


def test_text_is_written_as_utf_8_and_not_over_a_file(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "Größe µ\n", overwrite=False)
    assert path.read_bytes() == b"Gr\xc3\xb6\xc3\x9fe \xc2\xb5\n"
    with pytest.raises(FileExistsError):
        write_text(path, "other", overwrite=False)
    write_text(path, "other", overwrite=True)
    assert path.read_bytes() == b"other"
    assert names(tmp_path) == ["a.json"]


def test_a_picture_may_have_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 251 + ".png")  # 255 bytes, the limit of ext4, NTFS and APFS
    write_picture(path, planes(levels()), overwrite=False)
    assert names(tmp_path) == [path.name]


def test_two_writers_in_one_folder_do_not_meet(tmp_path, monkeypatch):
    """The second begins and ends while the first is at work."""
    encode, others = write.encode_png16, iter([tmp_path / "other.png"])

    def interrupted(array, icc):
        for other in others:
            write_picture(other, torch.zeros(1, 3, 4, 5), bits=16, overwrite=False)
        return encode(array, icc)

    monkeypatch.setattr(write, "encode_png16", interrupted)
    write_picture(tmp_path / "own.png", torch.ones(1, 3, 6, 7), bits=16, overwrite=False)
    assert {path.name for path in tmp_path.iterdir()} == {"own.png", "other.png"}
    assert read_picture(tmp_path / "own.png").pixels.min() == 1
    assert read_picture(tmp_path / "other.png").pixels.max() == 0


def test_many_threads_write_into_one_folder_and_lose_nothing(tmp_path):
    def work(number):
        level = torch.full((1, 3, 3, 4), number / 255)
        write_picture(tmp_path / f"{number}.png", level, overwrite=False)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(64)))  # raises what a thread raised
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.png" for n in range(64)}
    for number in range(64):
        with Image.open(tmp_path / f"{number}.png") as image:
            assert image.getpixel((0, 0)) == (number,) * 3


def test_a_write_that_fails_leaves_no_part_behind(tmp_path, monkeypatch):
    def full(array, icc):
        raise OSError("no space left on device")

    monkeypatch.setattr(write, "encode_png16", full)
    with pytest.raises(OSError, match="no space"):
        write_picture(tmp_path / "a.png", torch.zeros(1, 3, 2, 2), bits=16, overwrite=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".tif", 8), (".webp", 8), (".png", 16)])
@pytest.mark.parametrize("channels", [3, 4])
def test_levels_are_written_as_they_are(suffix, bits, channels, tmp_path, noise):
    dtype = {8: torch.uint8, 16: torch.uint16}[bits]
    values = noise(1, channels, 7, 9)
    pixels = as_kept(values, torch.empty(0, dtype=dtype))
    for name, given in (
        ("levels", pixels),
        ("interleaved", interleaved(pixels)),
        ("floats", values),
    ):
        write_picture(tmp_path / f"{name}{suffix}", given, bits=bits, overwrite=False)
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(files) == 3
    assert len(set(files)) == 1
    assert torch.equal(read_picture(tmp_path / f"levels{suffix}").levels, pixels)


def interleaved(pixels):
    """The same in the memory's order of a file."""
    return pixels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def test_levels_of_other_bits_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"pixels must be levels of 16 bits, got torch\.uint8"):
        write_picture(tmp_path / "a.png", planes(levels()).byte(), bits=16, overwrite=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("dtype", "channels", "bytes_each"),
    [(torch.uint8, 3, 3 + 4), (torch.uint8, 4, 4 + 4), (torch.uint16, 3, 6)],
)
def test_a_picture_that_could_not_be_encoded_is_refused_by_a_byte(
    dtype, channels, bytes_each, monkeypatch
):
    like, needed = torch.zeros(1, channels, 1000, 1100, dtype=dtype), 1000 * 1100 * bytes_each
    monkeypatch.setattr(opening, "free_main_memory", lambda: needed)
    check_encoder("a.png", like)
    monkeypatch.setattr(opening, "free_main_memory", lambda: needed - 1)
    words = r"^a\.png must fit into the free memory, got 1100 x 1000 pixels, which take \d MB, with"
    with pytest.raises(ValueError, match=words):
        check_encoder("a.png", like)
