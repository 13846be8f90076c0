"""Harmonising with a place: what is learnt from, what is not, figures, sequences."""

import json

import pytest
import torch

from blending.harmonise.matched_places import matched_weight
from blending.harmonise.palette import palette
from blending.harmonise.place_colours import (
    harmonised,
    place_colours,
    shared_colours,
)
from blending.image.colour import to_lab, to_oklab, turned_hues


@pytest.fixture
def pictures(photo, noise):
    """A photograph's part as the source, a cold grey noise as the target, a mask in the middle."""
    source = photo(48, 64)
    target = (0.3 + 0.3 * noise(1, 1, 48, 64)) * torch.tensor([0.6, 1.0, 1.4]).view(1, 3, 1, 1)
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 16:32, 20:40] = 1
    mask[..., 15, 20:40] = 0.2
    return source, mask, target


def test_the_object_comes_nearer_to_its_place(pictures):
    source, mask, target = pictures
    found = harmonised(source, mask, target, 0.5)
    before, after = (
        (to_oklab(p)[0, 1:] * mask[0]).flatten(1).sum(1) / mask.sum()
        for p in (source, found.source)
    )
    place = found.colours.wanted.chroma[0].float()
    assert (after - place).norm() < 0.9 * (before - place).norm()
    figures = found.figures
    assert figures["chroma_gap_before"] == pytest.approx((before - place).norm().item(), abs=1e-5)
    assert figures["chroma_gap_after"] == pytest.approx((after - place).norm().item(), abs=1e-5)
    assert abs(figures["lightness_gap_after"]) < abs(figures["lightness_gap_before"])
    assert figures["place_pixels"] == (mask == 0).sum()  # all of them lie within 80 px
    coloured, turned = turned_hues(to_lab(found.source), to_lab(source))
    inside = coloured & (mask >= 0.5)
    assert figures["hue_flip_share"] == pytest.approx((inside & turned).sum() / inside.sum())
    assert json.loads(json.dumps(figures)) == figures


def test_the_target_under_the_mask_teaches_nothing(pictures, network):
    source, mask, target = pictures
    other = torch.where(mask > 0, 1 - target, target)
    first, second = (harmonised(source, mask, t, 0.5).source for t in (target, other))
    assert torch.equal(first, second)
    # Features see some pixels around their own place: what is gathered is still never the mask's.
    colours = place_colours(source, mask, other, network=network)
    plain = place_colours(source, mask, target)
    assert (colours.wanted.chroma - plain.wanted.chroma).norm() < 0.02


def test_matches_are_a_third_and_highlights_those_nearby(pictures, network):
    source, mask, target = pictures
    near = place_colours(source, mask, target).wanted
    both = place_colours(source, mask, target, network=network).wanted
    weight = matched_weight(source, mask, target, (mask == 0).float(), network)
    alike = palette(target, weight)
    torch.testing.assert_close(both.lightness, (2 * near.lightness + alike.lightness) / 3)
    torch.testing.assert_close(both.chroma, (2 * near.chroma + alike.chroma) / 3)
    torch.testing.assert_close(both.highlights, near.highlights)
    assert both.pixels == near.pixels + alike.pixels


def test_an_area_is_learnt_from_but_not_under_the_mask(pictures):
    source, mask, target = pictures
    area = torch.zeros_like(mask)
    area[..., :20, :] = 1
    found = place_colours(source, mask, target, area=area).wanted
    expected = palette(target, area * (mask == 0))
    torch.testing.assert_close(found.chroma, expected.chroma)
    assert found.pixels == (area * (mask == 0)).sum()


def test_another_picture_of_another_size_may_be_the_reference(pictures, noise, network):
    source, mask, target = pictures
    reference = noise(1, 4, 9, 31)  # its alpha does not matter
    found = place_colours(source, mask, target, reference=reference).wanted
    expected = palette(reference[:, :3], torch.ones(1, 1, 9, 31))
    torch.testing.assert_close(found.lightness, expected.lightness)
    area = torch.zeros(1, 1, 9, 31)
    area[..., :5] = 1
    found = place_colours(source, mask, target, reference=reference, area=area, network=network)
    assert found.wanted.pixels <= 2 * 9 * 5


def test_strength_0_returns_the_bits(pictures):
    found = harmonised(*pictures, 0)
    assert torch.equal(found.source, pictures[0])
    assert found.figures["chroma_gap_after"] == found.figures["chroma_gap_before"]


@pytest.mark.parametrize("case", ["no object", "no place"])
def test_without_object_or_place_nothing_changes(pictures, network, case):
    source, mask, target = pictures
    mask = torch.full_like(mask, 0.0 if case == "no object" else 1.0)
    found = harmonised(source, mask, target, 1.0, network=network)
    assert torch.equal(found.source, source)
    assert found.figures["chroma_gap_before"] is None
    assert found.figures["hue_flip_share"] == 0
    json.dumps(found.figures)


def test_a_sequence_shares_its_colours(pictures, noise):
    source, mask, target = pictures
    frames = [(source * level, mask, target) for level in (0.8, 1.0)]
    shared = shared_colours([place_colours(*frame) for frame in frames])
    together = palette(torch.cat([frame[0] for frame in frames], 3), torch.cat((mask, mask), 3))
    torch.testing.assert_close(shared.own.lightness, together.lightness)
    # A pixel that has one colour in both frames has it afterwards, whatever changes elsewhere.
    moving = source.clone()
    moving[..., 40:] = noise(1, 3, 48, 24)
    first, second = (harmonised(s, mask, target, 0.5, colours=shared) for s in (source, moving))
    assert torch.equal(first.source[..., :28], second.source[..., :28])  # the filter reaches 12 px
    assert first.colours is shared


def test_it_is_the_same_each_time_and_inputs_stay(pictures, network):
    before = [picture.clone() for picture in pictures]
    first, second = (harmonised(*pictures, 0.7, network=network) for _ in range(2))
    assert torch.equal(first.source, second.source)
    assert first.figures == second.figures
    assert all(torch.equal(a, b) for a, b in zip(pictures, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(pictures, network, dtype):
    source, mask, target = (picture.to(dtype) for picture in pictures)
    found = harmonised(source, mask, target, 0.5, network=network)
    assert found.source.dtype == dtype
    assert torch.isfinite(found.source).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2)])
def test_any_size(noise, network, size):
    source, target, mask = noise(1, 3, *size), noise(1, 3, *size), torch.zeros(1, 1, *size)
    mask[..., 0] = 1
    found = harmonised(source, mask, target, 1.0, network=network)
    assert found.source.shape == source.shape
    assert torch.isfinite(found.source).all()


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("source", torch.zeros(2, 3, 48, 64), r"source must be \(1, 3, H, W\), got \(2, 3"),
        ("source", torch.zeros(1, 4, 48, 64), r"source must be \(1, 3, H, W\), got \(1, 4"),
        ("target", torch.zeros(1, 3, 48, 60), "target must have the size of mask, 64 x 48"),
        ("mask", torch.full((1, 1, 48, 64), 2.0), r"mask must be in \[0, 1\]"),
        ("mask", torch.zeros(2, 1, 48, 64), r"mask must be \(1, 1, H, W\), got \(2"),
        ("area", torch.zeros(1, 1, 48, 60), "area must have the size of target"),
        ("area", torch.full((1, 1, 48, 64), -1.0), r"area must be in \[0, 1\]"),
        ("reference", torch.full((1, 3, 4, 4), 255.0), "reference must be in"),
    ],
)
def test_mistakes_are_named(pictures, name, tensor, words):
    arguments = dict(zip(("source", "mask", "target"), pictures, strict=True)) | {name: tensor}
    with pytest.raises(ValueError, match=words):
        place_colours(**arguments)
    if name not in ("area", "reference"):
        with pytest.raises(ValueError, match=words):
            harmonised(**arguments, strength=0.5)


@pytest.mark.weights
def test_a_cold_object_warms_in_a_warm_place(bundled, photo, disc):
    """A photograph's greys under blue light, on the same ones under orange light."""
    grey = photo(96, 96).mean(1, keepdim=True)
    tint = torch.tensor([0.8, 0.95, 1.15]).view(1, 3, 1, 1)
    source, target = 0.8 * grey * tint, 0.8 * grey.flip(3) * tint.flip(1)
    mask = disc(96, 96, 25)
    found = harmonised(source, mask, target, 0.5, network=bundled)
    before, after = (to_oklab(p)[:, 2:][mask > 0].mean() for p in (source, found.source))
    assert before < -0.02
    assert after > 0.5 * before  # half of its blue is gone
    assert found.figures["hue_flip_share"] < 0.05
