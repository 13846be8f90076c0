"""ICC profiles: told apart by their colour space, and colours converted between them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from blending.pictures.icc import check_profile, convert_profile, is_rgb, srgb_profile


def rgb(seed=0):
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (4, 6, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def swapped():
    """sRGB with red and blue primaries exchanged: converting to it exchanges the channels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack(">I", profile[128:132])[0]
    table = profile[132 : 132 + 12 * count]
    entries = [table[start : start + 12] for start in range(0, len(table), 12)]
    names = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    changed = b"".join(names.get(entry[:4], entry[:4]) + entry[4:] for entry in entries)
    return profile[:132] + changed + profile[132 + 12 * count :]


def distance(image, array):
    """In levels, the largest."""
    return np.abs(np.asarray(image).astype(int) - array).max()


def test_the_srgb_profile_is_one_and_the_same_each_time():
    profile = srgb_profile()
    assert profile is srgb_profile()  # it carries the second in which it was made
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(profile))


def test_profiles_are_told_apart_by_their_colour_space(grey_profile, swapped):
    assert is_rgb(srgb_profile())
    assert is_rgb(swapped)
    assert not is_rgb(grey_profile)
    assert not is_rgb(srgb_profile()[:16] + b"CMYK" + srgb_profile()[20:])
    assert not is_rgb(b"")
    assert not is_rgb(b"not a profile")


def test_an_image_that_has_the_profile_comes_back_itself(swapped):
    image = rgb()
    assert convert_profile(image, swapped, swapped) is image
    assert convert_profile(image, None, srgb_profile()) is image  # without one it is sRGB


@pytest.mark.parametrize("own", [None, "sRGB"])
def test_srgb_colours_are_converted(own, swapped):
    image = rgb()
    converted = convert_profile(image, own and srgb_profile(), swapped)
    assert converted.mode == "RGB"
    assert distance(converted, np.asarray(image)[..., ::-1]) <= 1
    back = convert_profile(converted, swapped, srgb_profile())
    assert distance(back, np.asarray(image)) <= 2


def test_the_given_image_is_left_as_it_is(swapped):
    image = rgb()
    before = np.asarray(image).copy()
    convert_profile(image, None, swapped)
    assert np.array_equal(np.asarray(image), before)


def test_grey_becomes_rgb_along_its_own_curve(grey_profile):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    converted = convert_profile(Image.fromarray(levels), grey_profile, srgb_profile())
    assert converted.mode == "RGB"
    linear = (levels / 255) ** 2.2  # the profile's gamma; IEC 61966-2-1 the other way
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert distance(converted, 255 * curve[..., None]) <= 2


@pytest.mark.parametrize(("own", "wanted"), [(b"nonsense", None), (None, b"nonsense")])
def test_a_profile_that_is_none_is_refused(own, wanted):
    with pytest.raises(ValueError, match=r"^must have a usable ICC profile, got: "):
        convert_profile(rgb(), own, wanted or srgb_profile())


def test_a_profile_that_colours_can_be_converted_to_is_told_from_one_that_is_damaged(swapped):
    check_profile(swapped)
    for damaged in (b"nonsense", swapped[:400], swapped.replace(b"gTRC", b"none")):
        with pytest.raises(ValueError, match=r"^must have a usable ICC profile, got: "):
            check_profile(damaged)


def test_a_profile_of_another_kind_than_the_image_is_refused(grey_profile):
    with pytest.raises(ValueError, match=r"^must have a usable ICC profile, got: "):
        convert_profile(rgb(), grey_profile, srgb_profile())


def test_no_image_from_the_conversion_is_refused(monkeypatch, swapped):
    monkeypatch.setattr(ImageCms, "profileToProfile", lambda *_, **__: None)
    with pytest.raises(ValueError, match=r"^must have a usable ICC profile$"):
        convert_profile(rgb(), None, swapped)
