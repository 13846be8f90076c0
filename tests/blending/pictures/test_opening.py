"""Headers of any size are read; whether the pixels may follow, the free memory decides."""

import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from blending.pictures import opening
from blending.pictures.opening import (
    beyond_pillows_limit,
    check_room,
    decoder_bytes,
    known_formats,
    open_image,
)


def saved(kind, mode="RGB", size=(6, 4), **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("limit", [1, None])
def test_a_picture_is_opened_and_decoded_whatever_pillows_limit_which_stays(
    kind, limit, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    formats = known_formats(["TGA", "PNG", "JPEG", "TIFF", "BMP"])
    with open_image(saved(kind), formats) as image:
        assert (image.format, image.size) == (kind, (6, 4))
        assert limit == Image.MAX_IMAGE_PIXELS
        with beyond_pillows_limit(image.size):
            assert np.asarray(image).shape == (4, 6, 3)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_the_limit_comes_back_after_an_error_and_stays_for_pictures_within(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12)
    with pytest.raises(KeyError), beyond_pillows_limit((5, 5)):
        assert Image.MAX_IMAGE_PIXELS is None
        raise KeyError
    with beyond_pillows_limit((6, 4)):
        assert Image.MAX_IMAGE_PIXELS == 12


def test_only_the_formats_that_are_named_are_opened():
    with pytest.raises(UnidentifiedImageError):
        open_image(saved("PNG"), ["JPEG", "TIFF"])
    with pytest.raises(UnidentifiedImageError):
        open_image(io.BytesIO(b"no picture"), known_formats(["PNG", "JPEG", "TIFF", "TGA"]))


def test_formats_that_pillow_does_not_know_are_left_out():
    assert known_formats(["PNG", "none of Pillow's", "JPEG"]) == ["PNG", "JPEG"]


def test_a_picture_that_just_fits_has_room_and_with_a_byte_less_the_need_is_said(monkeypatch):
    monkeypatch.setattr(opening, "free_main_memory", lambda: 12e6)
    check_room((2000, 1000), 6)
    monkeypatch.setattr(opening, "free_main_memory", lambda: 12e6 - 1)
    words = "^2000 x 1000 pixels, which take 12 MB, with 11 MB free$"  # of 2^20 bytes
    with pytest.raises(MemoryError, match=words):
        check_room((2000, 1000), 6)


@pytest.mark.parametrize(
    ("kind", "mode", "bytes_each"),
    [
        *(("PNG", "RGB", 4), ("PNG", "L", 1), ("PNG", "P", 1)),
        *(("TIFF", "I;16", 2), ("TIFF", "CMYK", 4), ("WEBP", "RGB", 8)),
    ],
)
def test_decoders_are_known_by_what_they_take(kind, mode, bytes_each):
    with open_image(saved(kind, mode), known_formats([kind])) as image:
        assert decoder_bytes(image) == bytes_each
