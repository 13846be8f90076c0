"""16-bit PNG files: what is written read by other programs, what they wrote read here."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from blending.pictures import png16
from blending.pictures.png16 import decode_png16, encode_png16, is_png16, png_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(height, width, channels, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 65536, (height, width, channels), dtype=np.uint16)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def unfiltered(array, colour_type):
    """A 16-bit file without filters; W3C, Portable Network Graphics."""
    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return SIGNATURE + b"".join(parts)


def chunks(data):
    """Kind and content of each chunk, its checksum proved."""
    assert data.startswith(SIGNATURE)
    at, found = 8, []
    while at < len(data):
        length = struct.unpack_from(">I", data, at)[0]
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + content)
        found.append((kind, content))
        at += 12 + length
    return found


def saved(mode, **options):
    stream = io.BytesIO()
    Image.new(mode, (3, 2)).save(stream, **({"format": "PNG"} | options))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (unfiltered(noise(2, 3, 3), 2), True),
        (unfiltered(noise(2, 3, 1), 0), True),
        (saved("RGB"), False),
        (saved("L"), False),
        (saved("1"), False),
        (saved("RGB", format="TIFF"), False),
        (b"", False),
        (SIGNATURE, False),
        (SIGNATURE + b"\x10" * 40, True),  # as far as it is looked at
        (b"\x10" * 60, False),
    ],
    ids=["RGB 16", "grey 16", "RGB 8", "grey 8", "1 bit", "TIFF", "none", "cut", "depth", "no PNG"],
)
def test_a_16_bit_png_is_told_by_its_signature_and_depth(data, expected):
    assert is_png16(data) is expected


@pytest.mark.parametrize(("channels", "kind"), [(1, 0), (2, 4), (3, 2), (4, 6)])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (2, 9), (7, 1), (1, 7)])
def test_every_colour_type_is_decoded_exactly(channels, kind, size):
    array = noise(*size, channels)
    found = decode_png16(unfiltered(array, kind))
    assert found.dtype == np.uint16
    assert np.array_equal(found, array)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_filters_of_another_program_are_undone(channels):
    ramp = (np.arange(40 * 30 * channels).reshape(40, 30, channels) * 13).astype(np.uint16)
    swapped = ramp[..., [2, 1, 0, 3][:channels]] if channels > 1 else ramp
    whole, data = cv2.imencode(".png", swapped)  # BGR
    assert whole
    assert np.array_equal(decode_png16(data.tobytes()), ramp)


@pytest.mark.parametrize("kind", [0, 2, 4, 6])
def test_damage_raises(kind):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    data = unfiltered(noise(20, 20, channels), kind)
    with pytest.raises(Exception):  # noqa: B017, of any kind, as promised
        decode_png16(data[: len(data) // 2])


def header(width, height, depth=16, colour_type=2):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))


def pixels(count):
    return chunk(b"IDAT", bytes(count))


END = chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("chunks", "size"),
    [
        ((header(7, 5), pixels(40), END), (7, 5)),
        ((header(7, 5, 8), pixels(20), pixels(20), END), (7, 5)),
        ((header(7, 5), chunk(b"tEXt", b"IHDR"), pixels(40), END), (7, 5)),
        ((header(7, 5), pixels(40), END, header(9, 9)), (7, 5)),
        ((header(7, 5), pixels(40)), (7, 5)),  # the decoder misses the end, if it wants one
        ((header(7, 5), pixels(40)[:-9]), (7, 5)),
        ((header(1032, 1, 8, 0), pixels(1), END), (1032, 1)),  # as many as a byte can stand for
        ((header(8 * 1032, 1, 1, 0), pixels(1), END), (8 * 1032, 1)),
    ],
    ids=["16 bits", "8 bits", "text", "behind the end", "no end", "cut", "8 full", "1 full"],
)
def test_the_size_is_the_only_headers(chunks, size):
    assert png_size(SIGNATURE + b"".join(chunks)) == size


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (header(7, 5)[:20],),
        (header(7, 5)[:-4],),
        (header(7, 5), header(7, 5), pixels(40), END),
        (header(7, 5), pixels(40), header(7, 5), END),
        (chunk(b"tEXt", b""), header(7, 5), pixels(40), END),
        (pixels(40), header(7, 5), END),
        (chunk(b"IHDR", header(7, 5)[8:20]), pixels(40), END),
        (chunk(b"IHDR", header(7, 5)[8:21] + b"0"), pixels(40), END),
        (header(0, 5), pixels(40), END),
        (header(7, 0), pixels(40), END),
        (header(7, 5, 16, 5), pixels(40), END),
        (header(7, 5), END),
        (header(7, 5), END, pixels(40)),
        (header(1033, 1, 8, 0), pixels(1), END),
        (header(2**32 - 1, 2**32 - 1, 16, 6), pixels(40), END),
    ],
    ids=str,
)
def test_a_file_without_one_size_that_its_bytes_can_hold_is_refused(chunks):
    data = SIGNATURE + b"".join(chunks)
    with pytest.raises(ValueError, match="PNG"):
        png_size(data)
    with pytest.raises(ValueError, match="PNG"):
        decode_png16(data)


def test_a_panic_of_the_decoder_is_damage_and_an_interruption_is_none(monkeypatch):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    for raised, seen in (
        (panic("range end index 9 out of range"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(), SystemExit),
        (GeneratorExit(), GeneratorExit),
        (MemoryError(), MemoryError),
    ):
        monkeypatch.setattr(png16, "_decode", raising(raised))
        with pytest.raises(seen):
            decode_png16(unfiltered(noise(2, 3, 3), 2))


def raising(error):
    def decode(*_):
        raise error

    return decode


def encoded(array, icc=None):
    return b"".join(encode_png16(array, icc))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (6, 5), (33, 2), (9, 1), (1, 9)])
def test_what_is_encoded_is_read_exactly_by_another_program(channels, size):
    array = noise(*size, channels)
    data = np.frombuffer(encoded(array), np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    assert np.array_equal(found[..., [2, 1, 0, 3][:channels]], array)


@pytest.mark.parametrize(("channels", "kind"), [(3, 2), (4, 6)])
def test_the_file_is_a_header_its_pixels_and_an_end(channels, kind):
    (first, header), (second, pixels), last = chunks(encoded(noise(4, 7, channels)))
    assert (first, second, last) == (b"IHDR", b"IDAT", (b"IEND", b""))
    assert struct.unpack(">IIBBBBB", header) == (7, 4, 16, kind, 0, 0, 0)
    assert len(zlib.decompress(pixels)) == 4 * (1 + 7 * channels * 2)


def test_a_profile_is_embedded_before_the_pixels():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(noise(4, 7, 3), profile)
    assert [kind for kind, _ in chunks(data)] == [b"IHDR", b"iCCP", b"IDAT", b"IEND"]
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile


def test_an_array_with_other_strides_is_encoded_as_it_is_seen():
    array = noise(6, 8, 4)[::-1, ::2, 2::-1]
    assert np.array_equal(decode_png16(encoded(array)), array)


def test_smooth_rows_are_packed_smaller_than_they_are():
    # Each row less the one above: of rows that are alike hardly anything remains.
    array = np.repeat(noise(1, 200, 3), 100, 0)
    assert len(encoded(array)) < array.nbytes / 50


@pytest.mark.parametrize("band", [1, 2200, 10**6])
def test_bands_and_chunks_of_any_size_hold_the_same_pixels(band, monkeypatch):
    monkeypatch.setattr(png16, "BAND", band)
    monkeypatch.setattr(png16, "LARGEST_CHUNK", 5000)
    array = noise(190, 70, 3)  # 80 000 bytes, which cannot be packed
    data = encoded(array)
    kinds = [kind for kind, _ in chunks(data)]
    assert kinds.count(b"IDAT") > 1 or band == 10**6
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found[..., ::-1], array)
