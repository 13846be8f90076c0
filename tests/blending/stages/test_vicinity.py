"""What a blend makes of a part of its target is what it makes of the whole."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from blending.pipeline import blend
from blending.placement.box import Box, crop
from blending.placement.levels import as_kept, as_values
from blending.placement.place import place
from blending.quality.guardrails import guard_rails
from blending.settings import BlendSettings, PoissonSettings, RefineSettings
from blending.stages.poisson import poisson_stage
from blending.stages.refine import refine_stage
from blending.stages.vicinity import on_whole_target, stages_reach, tell_of_whole

SIZE = 500, 560  # of the target, of which next to nothing is near an object of 24 x 26
EXACT = BlendSettings(PoissonSettings(method="exact", harmonise=0.5, clean=4), None)
CORNERS = {"inside": (230, 250), "at the top": (0, 300), "overhanging": (490, -9)}


@pytest.fixture
def scenery(photo, disc):
    target = F.interpolate(photo(200, 220, 250, 20), SIZE, mode="bicubic").clamp(0, 1)
    return photo(24, 26), target, disc(24, 26, 9)


@pytest.fixture
def deep(random_weights):
    """Both stages, four evaluations each, random weights."""

    return BlendSettings(
        PoissonSettings(max_evaluations=3, harmonise=0.5, clean=4, grain=0.5, margin=24),
        RefineSettings(max_evaluations=2, region="band", band=8, margin=24),
        weights_file=str(random_weights),
        input_scale="standardised",
    )


@pytest.fixture
def network(wide_network):
    """As wide as VGG16, whose bits the promise is about."""
    return wide_network


def by_stages(placed, settings, network):
    """The stages on the whole target, as they stand alone: image, reports, guard rails."""
    first = poisson_stage(placed, settings.poisson, network)
    image, reports = first.image, [first.report]
    if settings.refine:
        second = refine_stage(
            image, placed.target, first.mask, settings.refine, network, source=first.held_source
        )
        image, reports = second.image, [first.report, second.report]
    return image, reports, guard_rails(image, first.placed, settings.poisson.gradients)


def windows(reports):
    return [picture.get("window") for stage in reports for picture in stage["pictures"]]


@pytest.mark.parametrize("at", CORNERS)
@pytest.mark.parametrize("method", ["exact", "deep"])
def test_a_blend_near_its_object_is_that_of_the_whole_target(method, at, scenery, deep, network):
    row, column = CORNERS[at]
    settings = EXACT if method == "exact" else deep
    source, target, mask = scenery
    made = blend(source, target, mask, row=row, column=column, settings=settings)
    placed = place(source, target, mask, row, column)
    image, reports, rails = by_stages(placed, settings, network)
    assert torch.equal(made.image, image)
    assert made.image.data_ptr() != target.data_ptr()
    assert windows(made.report["stages"]) == windows(reports)
    assert made.report["guard_rails"] == rails
    assert (made.placed.row, made.placed.column) == (placed.row, placed.column)
    assert made.placed.target.data_ptr() == target.data_ptr()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_levels_are_blended_as_their_values_and_stay_where_the_mask_is_0(
    dtype, channels, scenery, noise
):
    source, target, mask = scenery
    target = torch.cat((target, noise(1, 1, *SIZE)), 1)[:, :channels]
    levels = as_kept(target, torch.empty(0, dtype=dtype)).permute(0, 2, 3, 1).contiguous()
    levels = levels.permute(0, 3, 1, 2)  # interleaved, as files have them
    given = levels.clone()
    made = blend(source, levels, mask, row=230, column=250, settings=EXACT)
    wanted = blend(source, as_values(levels), mask, row=230, column=250, settings=EXACT)
    assert made.image.dtype == dtype
    assert torch.equal(made.image, as_kept(wanted.image, levels))
    assert torch.equal(levels, given)
    kept = made.mask.expand_as(levels) == 0
    assert torch.equal(as_values(made.image)[kept], as_values(levels)[kept])
    assert made.report["guard_rails"] == wanted.report["guard_rails"]
    assert torch.equal(made.paste, as_kept(wanted.paste, levels))
    assert torch.equal(made.cutout, wanted.cutout)


def test_a_stage_alone_makes_floats_of_levels(scenery):
    source, target, mask = scenery
    levels = as_kept(target, torch.empty(0, dtype=torch.uint8))
    found = poisson_stage(place(source, levels, mask, 3, 5), EXACT.poisson).image
    wanted = poisson_stage(place(source, as_values(levels), mask, 3, 5), EXACT.poisson).image
    assert torch.equal(found, wanted)


def test_an_observer_sees_the_whole_picture_or_any_part_of_it(scenery, deep, network):
    boxes = None, Box(100, 120, 200, 230), Box(228, 249, 9, 5), Box(0, 0, 20, 30)
    poisson, told = deep.poisson, {"near": [], "whole": []}

    def observer(name):
        def observe(event):
            pictures = [event.picture(step, box) for step in (1, 3, 7) for box in boxes]
            told[name].append((event.number, pictures))

        return observe

    settings = replace(deep, refine=None)
    blend(*scenery, row=230, column=250, settings=settings, on_evaluation=observer("near"))
    source, target, mask = scenery
    placed = place(source, target, mask, 230, 250)
    poisson_stage(placed, poisson, network, on_evaluation=observer("whole"))
    assert len(told["near"]) == len(told["whole"]) > 2
    for (number, near), (other, whole) in zip(*told.values(), strict=True):
        assert number == other
        assert all(torch.equal(a, b) for a, b in zip(near, whole, strict=True))


def test_nobody_is_told_where_nobody_listens(scenery):
    source, target, mask = scenery
    assert tell_of_whole(place(source, target, mask), None) is None


def test_a_vicinity_is_a_view_and_its_whole_comes_back(scenery):
    source, target, mask = scenery
    placed = place(source, target, mask, 230, 250)
    near = placed.vicinity(40)
    assert near.target.shape == (1, 3, 24 + 80, 26 + 80)
    assert near.target.data_ptr() == crop(target, Box(190, 210, 1, 1)).data_ptr()
    assert (near.row, near.column, near.corner) == (40, 40, (190, 210))
    nearer = near.vicinity(3)
    assert (nearer.part, nearer.picture.shape) == (Box(227, 247, 30, 32), target.shape)
    back = nearer.on_whole()
    assert (back.row, back.column, back.whole, back.corner) == (230, 250, None, (0, 0))
    assert back.target.data_ptr() == target.data_ptr()
    assert placed.vicinity(None).target.shape == target.shape


def test_a_result_of_all_of_a_float_target_is_not_copied(scenery):
    source, target, mask = scenery
    near = place(source, target, mask, 230, 250).vicinity(None)
    image = target + 1
    assert on_whole_target(image, near) is image
    part = place(source, target, mask, 230, 250).vicinity(0)
    found = on_whole_target(part.target / 2, part)
    assert torch.equal(crop(found, part.part), part.target / 2)
    assert torch.equal(found[..., :230, :], target[..., :230, :])


@pytest.mark.parametrize(
    ("poisson", "refine", "reach"),
    [
        ({"method": "exact"}, None, 80),  # harmonising looks 80 pixels around
        ({"margin": 200}, None, 200),
        ({"margin": None}, None, None),
        ({"margin": None, "method": "exact"}, None, 80),
        ({"margin": None, "method": "exact", "grain": 0.5}, None, None),
        ({}, {"margin": 90}, 90),
        ({}, {"margin": 90, "region": "band", "band": 30}, 120),
        ({}, {"region": "picture"}, None),
        ({}, {"margin": None}, None),
    ],
)
def test_the_stages_reach_as_far_as_the_farthest_looks(poisson, refine, reach):
    own = refine if refine is None else RefineSettings(**refine)
    assert stages_reach(BlendSettings(PoissonSettings(**poisson), own)) == reach
