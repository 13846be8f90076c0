"""CIELAB, CIEDE2000, OKLab against scikit-image and published pairs, opponent channels; by hand."""

import numpy as np
import pytest
import torch
from skimage import color

from blending.image.colour import (
    delta_e_2000,
    from_oklab,
    from_opponent,
    to_lab,
    to_linear,
    to_oklab,
    to_opponent,
    to_srgb,
    turned_hues,
)

# Sharma, Wu, Dalal 2005, table 1: L*, a*, b* of two colours, and ΔE₀₀ to four decimals, as the
# tests of scikit-image, of ArgyllCMS and of a third project quote it alike.
PUBLISHED = """
50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
 6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
 2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""
TABLE = np.array([line.split() for line in PUBLISHED.strip().splitlines()], dtype=np.float64)
EPSILON = {torch.float32: 3e-4, torch.float64: 1e-10}  # float32's 1e-7 of 100, a few times over


def as_picture(colours, dtype=torch.float64):
    """(n, 3) colours as a picture one pixel high, (1, 3, 1, n)."""
    return torch.tensor(np.asarray(colours), dtype=dtype).T[None, :, None]


def difference(first, second):
    return delta_e_2000(as_picture([first]), as_picture([second])).item()


@pytest.fixture
def colours():
    """Random sRGB colours, greys, and the corners of the cube, (n, 3)."""
    generator = np.random.default_rng(5)
    greys = np.repeat(generator.random((200, 1)), 3, 1)
    corners = np.indices((2, 2, 2)).reshape(3, 8).T
    near_greys = greys + generator.normal(0, 1e-3, greys.shape)
    return np.concatenate((generator.random((2000, 3)), greys, near_greys.clip(0, 1), corners))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lab_is_scikit_images(dtype, colours):
    found = to_lab(as_picture(colours, dtype))
    assert found.dtype == dtype
    expected = as_picture(color.rgb2lab(colours, illuminant="D65", observer="2"))
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=EPSILON[dtype])


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        # Linear 0.2140 of sRGB 0.5: 116 · 0.2140^(1/3) − 16.
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
        # Red has X, Y, Z of 0.4125, 0.2127, 0.0193: f of 0.7572, 0.5969, 0.2609 under D65.
        ((1, 0, 0), (53.24, 80.1, 67.2)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    found = to_lab(as_picture([rgb])).flatten()
    torch.testing.assert_close(found, torch.tensor(lab).double(), rtol=0, atol=0.1)


def test_lab_keeps_batch_and_place(noise):
    pictures = noise(2, 3, 5, 7)
    whole = to_lab(pictures)
    assert whole.shape == pictures.shape
    torch.testing.assert_close(to_lab(pictures[1:, :, 2:3, 4:5]), whole[1:, :, 2:3, 4:5])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_computed_in_float32(dtype, noise):
    pictures = noise(2, 3, 5, 7).to(dtype)
    lab = to_lab(pictures)
    assert lab.dtype == torch.float32
    assert torch.equal(lab, to_lab(pictures.float()))
    half = lab.to(dtype)
    found = delta_e_2000(half[:1], half[1:])
    assert found.dtype == torch.float32
    assert torch.equal(found, delta_e_2000(half[:1].float(), half[1:].float()))


def test_overshoot_gives_no_nan():
    lab = to_lab(as_picture([(-0.3, 0.5, 1.2), (-1, -1, -1), (2, 2, 2)]))
    assert lab.isfinite().all()
    assert delta_e_2000(lab, lab.flip(3)).isfinite().all()


def test_the_published_pairs_have_their_differences():
    first, second = as_picture(TABLE[:, :3]), as_picture(TABLE[:, 3:6])
    expected = torch.from_numpy(TABLE[:, 6])[None, None, None]
    assert expected.numel() == 34
    for found in (delta_e_2000(first, second), delta_e_2000(second, first)):
        torch.testing.assert_close(found, expected, rtol=0, atol=5.1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_differences_are_scikit_images(dtype, colours):
    generator = np.random.default_rng(6)
    lab = color.rgb2lab(colours)
    others = generator.permutation(lab)
    vivid = generator.uniform((0, -120, -120), (100, 120, 120), lab.shape)
    for first, second in ((lab, others), (lab, vivid), (lab, lab + 0.1 * generator.random(3))):
        found = delta_e_2000(as_picture(first, dtype), as_picture(second, dtype))
        expected = color.deltaE_ciede2000(first, second)
        assert found.dtype == dtype
        np.testing.assert_allclose(found[0, 0, 0], expected, rtol=0, atol=EPSILON[dtype])


def test_a_colour_does_not_differ_from_itself(colours):
    lab = to_lab(as_picture(colours, torch.float32))
    neutral = as_picture([(level, 0.0, 0.0) for level in (0, 20, 50, 100)])
    assert (delta_e_2000(lab, lab) == 0).all()
    assert (delta_e_2000(neutral, neutral) == 0).all()


def test_neutral_colours_differ_by_lightness_alone():
    # At a mean L* of 50 the scale S_L is 1; at 60 it is 1 + 0.015 · 100 / √120.
    assert difference((45, 0, 0), (55, 0, 0)) == pytest.approx(10)
    assert difference((100, 0, 0), (0, 0, 0)) == pytest.approx(100)
    scale = 1 + 0.015 * 100 / 120**0.5
    assert difference((58, -0.0, 0), (62, 0, -0.0)) == pytest.approx(4 / scale)


def test_one_hue_differs_by_chroma_alone():
    # Along b* nothing is stretched: ΔC' = 10 at a mean of 15.
    assert difference((50, 0, 10), (50, 0, 20)) == pytest.approx(10 / (1 + 0.045 * 15))


def test_hues_are_taken_the_shorter_way_over_zero():
    # Both turn by 11.4 degrees at a chroma of 30.
    across = difference((50, 30, -3), (50, 30, 3))
    beside = difference((50, 30, 0), (50, 29.4, 5.94))
    assert across == pytest.approx(beside, rel=0.1)


def test_the_difference_keeps_batch_and_place(noise):
    lab, other = to_lab(noise(2, 3, 4, 6)), to_lab(noise(2, 3, 4, 6, seed=1))
    whole = delta_e_2000(lab, other)
    assert whole.shape == (2, 1, 4, 6)
    single = delta_e_2000(lab[1:, :, 3:, 2:3], other[1:, :, 3:, 2:3])
    torch.testing.assert_close(single, whole[1:, :, 3:, 2:3])


def test_no_gradient_is_followed(noise):
    picture = noise(1, 3, 4, 4).requires_grad_()
    assert not to_lab(picture).requires_grad
    assert not delta_e_2000(picture, picture).requires_grad


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4, 4), (1, 1, 4, 4)])
def test_wrong_shapes_are_refused(shape):
    wrong, right = torch.zeros(shape), torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"image must be \(B, 3, H, W\), got"):
        to_lab(wrong)
    for pair in ((wrong, wrong), (wrong, right), (right, wrong)):
        with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\) of one shape, got"):
            delta_e_2000(*pair)


@pytest.mark.parametrize(
    ("rgb", "opponent"),
    [
        ((0.5, 0.5, 0.5), (0.5 * 3**0.5, 0, 0)),  # greys have no chroma
        ((1, 0, 0), (1 / 3**0.5, 1 / 2**0.5, 1 / 6**0.5)),
        ((0, 1, 0), (1 / 3**0.5, -1 / 2**0.5, 1 / 6**0.5)),
        ((0, 0, 1), (1 / 3**0.5, 0, -2 / 6**0.5)),
        ((1, 1, 0), (2 / 3**0.5, 0, 2 / 6**0.5)),  # yellow is blue's opposite
    ],
)
def test_opponent_channels_of_known_colours(rgb, opponent):
    found = to_opponent(as_picture([rgb])).flatten()
    assert found.tolist() == pytest.approx(opponent, abs=1e-12)
    assert from_opponent(as_picture([opponent])).flatten().tolist() == pytest.approx(rgb, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opponent_channels_are_a_rotation(dtype, noise):
    picture = noise(2, 3, 5, 7).to(dtype) - 0.5
    opponent = to_opponent(picture)
    assert opponent.shape == picture.shape
    assert opponent.dtype == dtype
    torch.testing.assert_close(from_opponent(opponent), picture)
    torch.testing.assert_close(to_opponent(from_opponent(picture)), picture)
    torch.testing.assert_close(opponent.square().sum(1), picture.square().sum(1))
    torch.testing.assert_close(to_opponent(2 * picture[:1]), 2 * opponent[:1])


# Ottosson 2020, the table of XYZ (D65) and OKLab, three decimals; XYZ to linear sRGB by IEC 61966.
XYZ_AND_OKLAB = """
0.950 1.000 1.089  1.000  0.000  0.000
1.000 0.000 0.000  0.450  1.236 -0.019
0.000 1.000 0.000  0.922 -0.671  0.263
0.000 0.000 1.000  0.153 -1.415 -0.449
"""


@pytest.mark.parametrize("line", XYZ_AND_OKLAB.strip().splitlines())
def test_oklab_is_the_published_table(line):
    values = np.array(line.split(), dtype=np.float64)
    to_rgb = np.linalg.inv(color.colorconv.xyz_from_rgb)
    picture = to_srgb(as_picture([to_rgb @ values[:3]]))
    found = to_oklab(picture).flatten().numpy()
    np.testing.assert_allclose(found, values[3:], rtol=0, atol=1e-3)  # three decimals are given


def test_oklab_of_greys_has_their_cube_root_and_no_chroma(colours):
    greys = as_picture([(0.0,) * 3, (0.5,) * 3, (1.0,) * 3])
    found = to_oklab(greys)
    expected = np.cbrt([0.0, ((0.5 + 0.055) / 1.055) ** 2.4, 1.0])
    np.testing.assert_allclose(found[0, 0, 0].numpy(), expected, atol=1e-6)
    assert found[:, 1:].abs().max() < 1e-6  # ten digits of the matrices are given


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_oklab_and_back(dtype, colours):
    picture = as_picture(colours * 1.2 - 0.1, dtype)  # overshoot as well
    found = to_srgb(from_oklab(to_oklab(picture)))
    assert found.dtype == dtype
    # Near black sRGB rises 12.92 times as fast as light does.
    atol = {torch.float32: 5e-5, torch.float64: 1e-8}[dtype]
    torch.testing.assert_close(found, picture, rtol=0, atol=atol)


def test_half_pictures_become_float32_in_oklab():
    assert to_oklab(torch.rand(2, 3, 4, 5, dtype=torch.float16)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 4, 5)])
def test_oklab_needs_three_channels(shape):
    for convert, name in ((to_oklab, "image"), (from_oklab, "oklab")):
        with pytest.raises(ValueError, match=rf"{name} must be \(B, 3, H, W\), got"):
            convert(torch.zeros(shape))


def test_the_curve_of_srgb_and_its_inverse():
    picture = as_picture([(0.0, 0.04045, 0.5), (1.0, -0.5, 1.5)])
    linear = to_linear(picture)
    middle = (0.555 / 1.055) ** 2.4
    expected = as_picture([(0, 0.04045 / 12.92, middle), (1, -middle, (1.555 / 1.055) ** 2.4)])
    torch.testing.assert_close(linear, expected)
    # The two branches of the standard's rounded constants meet within 1e-7 only.
    torch.testing.assert_close(to_srgb(linear), picture, rtol=0, atol=1e-6)


def test_turned_hues_are_those_over_60_degrees_of_coloured_pixels():
    def at(degrees, chroma):
        hue = np.radians(degrees)
        return color.lab2rgb((60, chroma * np.cos(hue), chroma * np.sin(hue)))

    first = as_picture([at(350, 25), at(350, 25), at(10, 25), at(10, 8)])
    second = as_picture([at(48, 25), at(52, 25), at(190, 12), at(190, 25)])
    coloured, turned = turned_hues(to_lab(first), to_lab(second))
    assert coloured.flatten().tolist() == [True, True, True, False]
    assert turned.flatten().tolist()[:3] == [False, True, True]
