"""A placed source harmonised: what is looked at, batches, films, any size and dtype."""

import json
from dataclasses import replace

import pytest
import torch

from blending.harmonise.palette import palette
from blending.harmonise.place_colours import harmonised, place_colours, shared_colours
from blending.harmonise.place_gamut import joined, place_gamut
from blending.harmonise.placed import harmonise_batch, placed_colours
from blending.harmonise.transfer import harmonise
from blending.placement.place import place


def harmonise_placed(placed, strength, network=None, **more):
    """Both steps: read the palettes, move the colours where the network is."""
    colours = placed_colours(placed, network, **more)
    device = None if network is None else network.mean.device
    source, figures = harmonise_batch(placed.source, placed.mask, colours, strength, device)
    return replace(placed, source=source), figures


@pytest.fixture
def scene(photo, noise):
    """A photograph's part as the source, a cold grey noise around it, a mask in the middle."""
    source = photo(40, 48)
    tint = torch.tensor([0.6, 1.0, 1.4]).view(1, 3, 1, 1)
    target = (0.3 + 0.3 * noise(1, 1, 260, 300)) * tint
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., 8:32, 10:38] = 1
    return source, target, mask


def moved_by(source, colours, strength):
    return harmonise(source, colours.own, colours.wanted, strength, colours.gamut)


def two(*pictures):
    return [torch.cat((picture, picture.flip(3) * 0.9)) for picture in pictures]


def test_it_is_harmonised_with_the_window_of_its_place(scene, network):
    source, target, mask = scene
    placed = place(source, target, mask, 100, 120)
    found, figures = harmonise_placed(placed, 0.5, network)
    rows, columns = slice(108 - 80, 132 + 80), slice(130 - 80, 158 + 80)
    here = target[..., rows, columns]
    own, area = torch.zeros_like(here), torch.zeros_like(here[:, :1])
    own[..., 72:112, 70:118], area[..., 72:112, 70:118] = source, mask
    colours = place_colours(own, area, here, network=network)
    whole = place_gamut(target, (placed.full_mask == 0).float())
    colours = replace(colours, gamut=joined((colours.gamut, whole)))
    assert torch.equal(found.source, moved_by(source, colours, 0.5))
    expected = harmonised(own, area, here, 0.5, colours=colours).figures
    assert figures == [pytest.approx(expected, abs=2e-3)]  # the filter sees the window's black
    assert figures[0]["chroma_gap_after"] < 0.8 * figures[0]["chroma_gap_before"]
    assert found.mask is placed.mask
    assert (found.row, found.column, found.notes) == (placed.row, placed.column, placed.notes)


def test_light_is_of_what_is_near_and_colours_of_all_that_can_be_seen(scene):
    source, target, mask = scene
    placed = place(source, target, mask, 100, 120)
    covered, far, near = target.clone(), target.clone(), target.clone()
    covered[..., 108:132, 130:158] = 0.5
    far[..., :20, :] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    near[..., 60:90, 130:158] = 1
    first, same, more, other = (
        placed_colours(replace(placed, target=one))[0] for one in (target, covered, far, near)
    )
    assert first and same and more and other and first.gamut and same.gamut and more.gamut
    assert torch.equal(first.wanted.chroma, same.wanted.chroma)
    assert torch.equal(first.gamut.colours, same.gamut.colours)
    assert torch.equal(first.wanted.chroma, more.wanted.chroma)
    assert not torch.equal(first.wanted.chroma, other.wanted.chroma)
    assert first.gamut.colours[:, 1].max() < 0.1 < more.gamut.colours[:, 1].max()  # a red


def test_the_sources_size_does_not_matter_to_the_move(scene):
    """The palettes are read at the place, the move is the same for the source as it was given."""
    source, target, mask = scene
    placed = place(source, target, mask, 100, 120, scale=0.5)
    colours = placed_colours(placed)
    assert colours[0] is not None
    moved, figures = harmonise_batch(source, mask, colours, 0.5)
    assert moved.shape == source.shape
    assert torch.equal(moved, moved_by(source, colours[0], 0.5))
    assert len(figures) == 1


def test_an_area_far_away_is_reached(scene, network):
    source, target, mask = scene
    placed = place(source, target, mask, 200, 240)
    area = torch.zeros_like(target[:, :1])
    area[..., 3:9, 2:12] = 0.5
    colours = placed_colours(placed, area=area)
    assert colours[0] is not None
    expected = palette(target[..., 3:9, 2:12], torch.ones(1, 1, 6, 10))
    torch.testing.assert_close(colours[0].wanted.chroma, expected.chroma)
    assert colours[0].wanted.pixels == 60
    assert placed_colours(placed, network, area=area)[0] is not None


def test_an_empty_area_teaches_nothing(scene):
    source, target, mask = scene
    placed = place(source, target, mask, 100, 120)
    found, figures = harmonise_placed(placed, 1.0, area=torch.zeros_like(target[:, :1]))
    assert torch.equal(found.source, source)
    assert figures[0]["place_pixels"] == 0
    assert figures[0]["chroma_gap_before"] is None


def test_a_reference_counts_where_it_is_not_transparent(scene, noise):
    source, target, mask = scene
    placed = place(source, target, mask, 100, 120)
    alpha = torch.zeros(1, 1, 11, 17)
    alpha[..., 2:7, 3:9] = 1
    reference = torch.cat((noise(1, 3, 11, 17), alpha), 1)
    expected = palette(reference[:, :3], alpha)
    colours = placed_colours(placed, reference=reference)[0]
    assert colours is not None
    torch.testing.assert_close(colours.wanted.chroma, expected.chroma)
    area = torch.zeros_like(alpha)
    area[..., :4, :] = 1
    colours = placed_colours(placed, reference=reference, area=area)[0]
    assert colours is not None
    assert colours.wanted.pixels == 2 * 6


@pytest.mark.parametrize("sources", [1, 2])
def test_rows_equal_single_runs(scene, network, sources):
    source, target, mask = two(*scene)
    placed = place(source[:sources], target, mask, 100, 120)
    found, figures = harmonise_placed(placed, 0.6, network)
    assert found.source.shape == source.shape
    for row in range(2):
        one = slice(row, row + 1)
        alone = place(source[one] if sources > 1 else source[:1], target[one], mask[one], 100, 120)
        single, own = harmonise_placed(alone, 0.6, network)
        assert torch.equal(found.source[one], single.source)
        assert figures[row] == own[0]


def test_references_and_areas_may_be_a_batch(scene, noise):
    placed = place(scene[0], scene[1], scene[2], 100, 120)
    reference = noise(2, 3, 9, 9) * torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    found, figures = harmonise_placed(placed, 0.6, reference=reference)
    assert found.source.shape == (2, 3, 40, 48)
    assert found.batch == len(figures) == 2
    for row in range(2):
        single, _ = harmonise_placed(placed, 0.6, reference=reference[row : row + 1])
        assert torch.equal(found.source[row : row + 1], single.source)


def test_how_memory_is_laid_out_changes_no_bit(noise):
    source, target, mask = noise(1, 3, 9, 16), noise(1, 3, 20, 22, seed=1), torch.ones(1, 1, 9, 16)
    reference, area = 0.5 * noise(1, 4, 37, 53) + 0.2, noise(1, 1, 37, 53)
    found = []
    for laid_out in (torch.clone, lambda plane: plane.mT.contiguous().mT):
        own = [laid_out(plane) for plane in (source, target, mask)]
        placed = place(*own, 4, 3)
        more = {"reference": laid_out(reference), "area": laid_out(area)}
        colours = placed_colours(placed), placed_colours(placed, **more)
        found.append([harmonise_batch(own[0], own[2], one, 0.7)[0] for one in colours])
    for plain, other in zip(*found, strict=True):
        assert torch.equal(plain, other)


def test_a_film_has_one_palette(scene):
    source, target, mask = two(*scene)
    placed = place(source, target, mask, 100, 120)
    alone, shared = placed_colours(placed), placed_colours(placed, sequence=True)
    expected = shared_colours([colours for colours in alone if colours is not None])
    assert shared[0] is shared[1]
    assert shared[0] is not None
    torch.testing.assert_close(shared[0].wanted.chroma, expected.wanted.chroma)
    found, _ = harmonise_placed(placed, 0.5, sequence=True)
    moved = moved_by(source, expected, 0.5)
    assert torch.equal(found.source, moved)
    mask[1, :, :20] = 0
    still, figures = harmonise_batch(source[:1], mask, shared, 0.5)
    assert torch.equal(still, moved[:1].expand(2, -1, -1, -1))
    assert figures[0] != figures[1]  # their masks differ


@pytest.mark.parametrize("sequence", [False, True])
def test_a_picture_with_nothing_under_its_mask_is_left(scene, sequence):
    source, target, mask = two(*scene)
    mask[0] = 0
    found, figures = harmonise_placed(place(source, target, mask, 100, 120), 1, sequence=sequence)
    assert torch.equal(found.source[0], source[0])
    assert not torch.equal(found.source[1], source[1])
    assert figures[0] == {}
    json.dumps(figures)


def test_strength_0_returns_the_bits(scene):
    placed = place(*scene, 100, 120)
    found, figures = harmonise_placed(placed, 0)
    assert torch.equal(found.source, placed.source)
    assert figures[0]["chroma_gap_after"] == figures[0]["chroma_gap_before"]


def test_it_is_the_same_each_time_inputs_stay_and_so_does_the_network(scene, network):
    placed = place(*scene, 100, 120)
    before = [picture.clone() for picture in scene]
    weights = [parameter.clone() for parameter in network.parameters()]
    first, second = (harmonise_placed(placed, 0.7, network) for _ in range(2))
    assert torch.equal(first[0].source, second[0].source)
    assert first[1] == second[1]
    assert all(torch.equal(a, b) for a, b in zip(scene, before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), weights, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(scene, network, dtype):
    source, target, mask = (picture.to(dtype) for picture in scene)
    reference = target[..., :30, :30]
    for more in ({}, {"reference": reference}, {"area": mask.new_ones(1, 1, 260, 300)}):
        found, figures = harmonise_placed(place(source, target, mask, 9, 9), 0.5, network, **more)
        assert found.source.dtype == dtype
        assert torch.isfinite(found.source).all()
        json.dumps(figures)


@pytest.mark.parametrize("at", [(-20, -30), (240, 280)])
def test_a_source_may_overhang(scene, network, at):
    placed = place(*scene, *at)
    found, figures = harmonise_placed(placed, 0.5, network)
    assert found.source.shape == placed.source.shape
    assert figures[0]["place_pixels"] > 0


def test_an_object_over_the_whole_target_has_no_place(scene):
    source, target, _ = scene
    placed = place(source, target[..., :40, :48], torch.ones(1, 1, 40, 48))
    found, figures = harmonise_placed(placed, 1)
    assert torch.equal(found.source, source)
    assert figures[0]["place_pixels"] == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2)])
def test_any_size(noise, network, size):
    source, target, mask = noise(1, 3, *size), noise(1, 3, 7, 6), torch.ones(1, 1, *size)
    found, _ = harmonise_placed(place(source, target, mask, 1, 0), 1.0, network)
    assert found.source.shape == source.shape
    assert torch.isfinite(found.source).all()


def test_each_picture_is_told_before_and_may_end_the_work(scene):
    placed = place(*two(*scene), 100, 120)
    told = []
    colours = placed_colours(placed, on_picture=lambda *numbers: told.append(numbers))
    harmonise_batch(
        placed.source, placed.mask, colours, 0.5, on_picture=lambda *numbers: told.append(numbers)
    )
    assert told == [(0, 2), (1, 2)] * 2

    def end(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        placed_colours(placed, on_picture=end)
    with pytest.raises(KeyboardInterrupt):
        harmonise_batch(placed.source, placed.mask, colours, 0.5, on_picture=end)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"area": torch.ones(1, 1, 9, 9)}, "area must have the size of target, 300 x 260"),
        (
            {"area": torch.ones(1, 1, 9, 9), "reference": torch.rand(1, 3, 9, 8)},
            "area must have the size of reference, 8 x 9",
        ),
        ({"area": torch.full((1, 1, 260, 300), 2.0)}, r"area must be in \[0, 1\]"),
        ({"reference": torch.full((1, 3, 9, 8), 255.0)}, "reference must be in"),
        ({"reference": torch.rand(1, 2, 9, 8)}, "reference must be"),
        ({"reference": torch.rand(3, 3, 9, 8)}, "source 2, mask 2, target 2, reference 3"),
        (
            {"reference": torch.rand(3, 4, 9, 8), "area": torch.ones(2, 1, 9, 8)},
            "reference 3, area 2",
        ),
        ({"area": torch.ones(3, 1, 260, 300)}, "area 3"),
        ({"strength": 1.5}, r"strength must be in \[0, 1\], got 1.5"),
    ],
)
def test_mistakes_are_named(scene, more, words):
    placed = place(*two(*scene), 100, 120)
    with pytest.raises(ValueError, match=words):
        harmonise_placed(placed, **({"strength": 0.5} | more))


def test_as_many_sources_as_colours(scene):
    colours = placed_colours(place(*two(*scene), 100, 120))
    with pytest.raises(ValueError, match="1 or 2 pictures, as many as colours, got 3 and 1"):
        harmonise_batch(torch.rand(3, 3, 40, 48), scene[2], colours, 0.5)
    with pytest.raises(ValueError, match="mask must have the size of source"):
        harmonise_batch(scene[0], torch.ones(1, 1, 9, 9), colours, 0.5)
