"""Objects on targets: the same bytes as the stage's own place, clipping, alpha, batches."""

from dataclasses import replace

import pytest
import torch

from blending import PoissonSettings, Weights, place, poisson_stage
from blending.placement.box import Box, crop
from blending.placement.layout import Layout
from blending.placement.place_object import place_object

EXACT = PoissonSettings(method="exact")


def at(column, row, **wish):
    return Layout(column=column, row=row, unit="pixels", anchor="top left", **wish)


def blended(source, target, mask, *where, settings=EXACT, network=None):
    placed = place(source, target, mask, *where)
    return poisson_stage(placed, settings, network)


def same_blend(source, target, mask, layout, scale, settings=EXACT, network=None):
    """Whether Place Object and the stage's own place end in the same bytes."""
    found = place_object(source, target, mask, layout)
    by_node = blended(found.source, target, found.mask, settings=settings, network=network)
    where = int(layout.row), int(layout.column), scale
    by_stage = blended(source, target, mask, *where, settings=settings, network=network)
    own_paste = place(source, target, mask, *where).paste
    node_paste = place(found.source, target, found.mask).paste
    return (
        torch.equal(by_node.image, by_stage.image)
        and torch.equal(by_node.mask, by_stage.mask)
        and torch.equal(node_paste, own_paste)
    )


@pytest.mark.parametrize(("column", "row"), [(20, 15), (-9, -6), (60, 41), (0, 0)])
@pytest.mark.parametrize("scale", [1.0, 0.6, 1.7])
def test_the_stage_makes_the_same_bytes_as_with_its_own_place(photo, disc, column, row, scale):
    source, target, mask = photo(30, 36), photo(70, 90, 250, 20), 0.9 * disc(30, 36, 11)
    assert same_blend(source, target, mask, at(column, row, scale=scale), scale)


def test_the_same_bytes_of_a_source_with_alpha(photo, disc, noise):
    alpha = (disc(30, 36, 12) * noise(1, 1, 30, 36)).clamp(0, 1)
    source, target = torch.cat((photo(30, 36), alpha), 1), photo(70, 90, 250, 20)
    for mask in (None, disc(30, 36, 9)):
        for scale in (1.0, 0.7):
            assert same_blend(source, target, mask, at(25, -4, scale=scale), scale)


def test_the_same_bytes_of_the_deep_method(photo, disc, network):
    source, target, mask = photo(30, 36), photo(64, 80, 250, 20), disc(30, 36, 11)
    settings = PoissonSettings(max_evaluations=3, weights=Weights(style=0.5))
    layout = at(22, 17, scale=0.8)
    assert same_blend(source, target, mask, layout, 0.8, settings, network)


def test_paste_source_and_mask_by_hand():
    source = torch.full((1, 3, 2, 2), 0.75)
    mask = torch.tensor([[1.0, 0.5], [0.25, 0.0]])[None, None]
    found = place_object(source, torch.zeros(1, 3, 3, 4), mask, at(1, 0))
    assert found.mask[0, 0].tolist() == [[0, 1, 0.5, 0], [0, 0.25, 0, 0], [0, 0, 0, 0]]
    paste = [[0, 0.75, 0.375, 0], [0, 0.1875, 0, 0], [0, 0, 0, 0]]
    assert found.paste[0, 1].tolist() == paste  # soft edges are blended, those below 0.5, too
    assert found.source[0, 0].tolist() == [[0, 0.75, 0.75, 0], [0, 0.75, 0.75, 0], [0, 0, 0, 0]]
    assert found.source[0, 3].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_what_is_below_a_level_of_the_mask_is_not_pasted(photo):
    source, target = photo(30, 36), photo(70, 90, 250, 20)
    mask = torch.full((1, 1, 30, 36), 0.9 / 256)
    mask[..., :8] = 1
    found = place_object(source, target, mask, at(20, 15))
    own = place(source, target, mask, 15, 20)
    assert torch.equal(found.paste, own.paste)
    assert torch.equal(found.mask, own.full_mask)


@pytest.mark.parametrize(
    ("column", "row", "part"),
    [(-1, -1, (1, 3, 1, 4)), (3, 2, (0, 2, 0, 2)), (-2, 1, (0, 3, 2, 4)), (2, -2, (2, 3, 0, 3))],
)
def test_what_overhangs_is_clipped(noise, column, row, part):
    source, target = noise(1, 3, 3, 4), noise(1, 3, 4, 5, seed=1)
    found = place_object(source, target, torch.ones(1, 1, 3, 4), at(column, row))
    top, bottom, left, right = part
    expected = target.clone()
    rows = slice(max(row, 0), max(row, 0) + bottom - top)
    columns = slice(max(column, 0), max(column, 0) + right - left)
    expected[..., rows, columns] = source[..., top:bottom, left:right]
    assert torch.equal(found.paste, expected)
    assert found.mask.sum() == (bottom - top) * (right - left)


def test_turned_and_flipped_pixels_land_where_they_should():
    source = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]).expand(1, 3, 2, 3)
    layout = at(1, 1, rotation=90, flip="horizontal")
    found = place_object(source, torch.zeros(1, 3, 5, 5), torch.ones(1, 1, 2, 3), layout).paste
    # Flipped: [.3 .2 .1 / .6 .5 .4]; turned clockwise: [.6 .3 / .5 .2 / .4 .1].
    block = torch.tensor([[0.6, 0.3], [0.5, 0.2], [0.4, 0.1]])
    assert torch.equal(found[0, 0, 1:4, 1:3], block)
    assert found.sum() == pytest.approx(3 * block.sum().item())


def test_percent_and_pixels_give_the_same_bytes(photo, disc):
    source, target, mask = photo(30, 36), photo(80, 120, 250, 20), disc(30, 36, 11)
    percent = Layout(column=25, row=60, fit="inside", fit_width=50, fit_height=40, rotation=15)
    pixels = Layout(30, 48, "pixels", fit="inside", fit_width=60, fit_height=32, rotation=15)
    found = [place_object(source, target, mask, layout) for layout in (percent, pixels)]
    assert torch.equal(found[0].paste, found[1].paste)
    assert torch.equal(found[0].source, found[1].source)


@pytest.mark.parametrize("rotation", [0, 20])
def test_batches_are_n_with_n_or_1_with_n(photo, disc, rotation):
    sources = torch.cat((photo(20, 24), photo(20, 24, 200, 100)))
    target, mask = photo(50, 60, 250, 20), disc(20, 24, 8)
    layout = Layout(rotation=rotation, scale=0.8)
    found = place_object(sources, target, mask, layout)
    assert found.paste.shape == (2, 3, 50, 60)
    for sample in (0, 1):
        alone = place_object(sources[sample : sample + 1], target, mask, layout)
        assert torch.equal(found.paste[sample : sample + 1], alone.paste)
    assert place_object(sources[:1], target.expand(3, -1, -1, -1), mask, layout).paste.shape[0] == 3
    masks = mask.expand(2, -1, -1, -1)
    assert torch.equal(place_object(sources, target, masks, layout).source, found.source)
    assert place_object(sources[:1], target, masks, layout).source.shape[0] == 2
    with pytest.raises(ValueError, match="batch sizes must be N with N or 1 with N"):
        place_object(sources, target.expand(3, -1, -1, -1), mask, layout)


def test_the_targets_alpha_dtype_and_bits_are_kept(photo, disc, noise):
    target = torch.cat((photo(50, 60), noise(1, 1, 50, 60)), 1).half()
    found = place_object(photo(20, 24), target, disc(20, 24, 8), at(5, 6))
    assert found.paste.dtype == torch.float16
    assert torch.equal(found.paste[:, 3], target[:, 3])
    outside = (found.mask == 0).expand(-1, 3, -1, -1)
    assert torch.equal(found.paste[:, :3][outside], target[:, :3][outside])


def test_inputs_are_not_changed(photo, disc):
    given = photo(20, 24), photo(50, 60), disc(20, 24, 8)
    before = [tensor.clone() for tensor in given]
    place_object(*given, Layout(rotation=30, flip="both", scale=2))
    assert all(torch.equal(*pair) for pair in zip(given, before, strict=True))


def test_words_say_where_it_lies_and_what_is_cut_off():
    source, target = torch.ones(1, 4, 10, 20), torch.ones(1, 3, 100, 100)
    assert place_object(source, target, None, at(5, 7)).words.splitlines() == [
        "20 x 10 pixels at column 5, row 7",
        "the source's alpha is the mask",
    ]
    assert (
        "overhangs: 75 % of that are cut off"
        in place_object(source, target, None, at(-10, 95)).words
    )


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (at(500, 0), "source of 24 x 20 pixels must overlap the target of 60 x 50 pixels"),
        (at(-24, 0), "must overlap the target"),
        (at(57, 0), "mask must be above 0 inside the target of 60 x 50 pixels, got nothing there"),
        (
            Layout(fit="stretch", fit_width=16384, fit_height=16384, unit="pixels", scale=4),
            "scale and fit must keep the source within 32768 pixels a side and 100 million in all, "
            "got 65536 x 65536 pixels",
        ),
    ],
)
def test_places_without_a_result_are_refused(layout, message, photo, disc):
    with pytest.raises(ValueError, match=message):
        place_object(photo(20, 24), photo(50, 60), disc(20, 24, 8), layout)


@pytest.mark.parametrize(
    ("source", "mask", "message"),
    [
        (torch.ones(1, 3, 4, 4), None, "mask must be given for a source without alpha"),
        (torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 4, 4), "mask must be above 0 somewhere"),
        (torch.ones(1, 3, 4, 4), torch.ones(1, 1, 5, 4), "mask must have the size of source"),
        (255 * torch.ones(1, 3, 4, 4), torch.ones(1, 1, 4, 4), r"source must be in \[0, 1\]"),
    ],
)
def test_sources_and_masks_that_cannot_be_placed_are_refused(source, mask, message):
    with pytest.raises(ValueError, match=message):
        place_object(source, torch.zeros(1, 3, 9, 9), mask, Layout())


@pytest.mark.parametrize("trim", [False, True])
def test_a_size_at_which_the_mask_vanishes_is_refused(trim, photo):
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 20, 20] = 1
    with pytest.raises(ValueError, match="scale and fit must leave something of the mask, got"):
        place_object(photo(40, 40), photo(30, 30), mask, Layout(scale=0.03), trim)


ANCHORED = Layout(column=60, row=50, unit="pixels", anchor="bottom right")


@pytest.mark.parametrize(
    ("changes", "box"),
    [
        ({}, Box(20, 20, 30, 40)),  # 40 x 30 whose bottom right corner is at 60, 50
        ({"flip": "both"}, Box(20, 20, 30, 40)),
        ({"rotation": 90}, Box(10, 30, 40, 30)),
        ({"rotation": -90, "flip": "vertical"}, Box(10, 30, 40, 30)),
        ({"fit": "inside", "fit_width": 20, "fit_height": 99}, Box(35, 40, 15, 20)),
        ({"fit": "stretch", "fit_width": 20, "fit_height": 45}, Box(5, 40, 45, 20)),
    ],
)
def test_trimmed_fit_and_anchor_mean_the_object(changes, box):
    """The mask lies far from the middle of a source with room around it."""
    mask = torch.zeros(1, 1, 120, 160)
    mask[..., 70:100, 4:44] = 1
    source, target = torch.full((1, 3, 120, 160), 0.25), torch.full((1, 3, 80, 90), 0.75)
    layout = replace(ANCHORED, **changes)
    placed = place_object(source, target, mask, layout, trim=True)
    inside = torch.zeros(1, 1, 80, 90)
    crop(inside, box).fill_(1)
    assert ((placed.mask >= 0.5) == (inside > 0)).all()
    size = f"{box.width} x {box.height} pixels at column {box.left}, row {box.top}"
    if layout.fit == "off":
        assert torch.equal(placed.mask, inside)
        assert placed.words == size


def test_trimmed_the_objects_surroundings_are_kept(photo):
    """What cleans an edge learns from them; far ones would make a small object's source huge."""
    source, mask = photo(300, 280), torch.zeros(1, 1, 300, 280)
    mask[..., 140:160, 140:150] = 1
    target = torch.zeros(1, 3, 300, 280)
    layout = Layout(column=140, row=140, unit="pixels", anchor="top left")
    placed = place_object(source, target, mask, layout, trim=True)
    kept = Box(140, 140, 20, 10).grown(10 + 64)
    assert torch.equal(crop(placed.source[:, :3], kept), crop(source, kept))
    assert placed.source[:, 3].sum() == kept.height * kept.width


def test_a_trimmed_object_lies_with_its_middle_where_it_is_turned_to():
    mask = torch.zeros(1, 1, 100, 120)
    mask[..., 10:30, 80:110] = 1
    layout = Layout(column=45, row=40, unit="pixels", rotation=33)
    source, target = torch.full((1, 3, 100, 120), 0.5), torch.zeros(1, 3, 80, 90)
    found = place_object(source, target, mask, layout, trim=True).mask[0, 0]
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(90.0), indexing="ij")
    middle = [float((plane * found).sum() / found.sum()) + 0.5 for plane in (rows, columns)]
    assert middle == pytest.approx([40, 45], abs=1)
    assert found.sum() == pytest.approx(600, rel=0.02)


def test_the_placed_source_stays_in_range_where_resampling_overshoots():
    source = torch.zeros(1, 3, 40, 40)
    source[..., 20:] = 1
    layout = Layout(scale=1.7)
    placed = place_object(source, torch.zeros(1, 3, 90, 90), torch.ones(1, 1, 40, 40), layout)
    assert placed.source.min() == 0
    assert placed.source.max() == 1
