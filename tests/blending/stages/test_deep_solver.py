"""Pictures solved together, in what memory there is, and as a film: what single calls give."""

import weakref
from dataclasses import replace

import pytest
import torch

from blending.deep import context, feature_targets
from blending.placement.place import place
from blending.settings import Compute, PoissonSettings, RefineSettings
from blending.stages import deep_solver, memory, poisson, refine
from blending.stages import device as devices
from blending.stages.memory import Extent, Plan
from blending.stages.poisson import poisson_stage
from blending.stages.refine import refine_stage
from tests.plain import PLAIN

LEVEL = 1 / 255
SAME = 1e-6 * LEVEL  # float64: the same sums in another order
DEEP = PoissonSettings(max_evaluations=4, margin=16, **PLAIN)
REFINE = RefineSettings(max_evaluations=4, margin=16, style_form="gram")
SETTINGS = {"poisson": DEEP, "refine": REFINE}
BUDGET = 4
SHORT = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")


def run(name, placed, network, settings=None, **options):
    if name == "poisson":
        return poisson_stage(placed, settings or DEEP, network, **options)
    given = placed.paste, placed.target, placed.full_mask
    return refine_stage(*given, settings or REFINE, network, **options)


def figures(result):
    return [
        None if picture.get("empty") else (picture["evaluations"], picture["stop_reason"])
        for picture in result.report["pictures"]
    ]


def solve_together(monkeypatch, rows):
    for stage in (poisson, refine):
        monkeypatch.setattr(stage, "rows_at_once", lambda settings, device: rows)


@pytest.fixture
def together(monkeypatch):
    """As on a GPU: several rows at once."""
    solve_together(monkeypatch, 8)


@pytest.fixture
def groups(monkeypatch):
    """How many problems each objective was made for, and in what tiles."""
    made = []
    joint_objective = deep_solver.joint_objective

    def counted(problems, network, **options):
        made.append((len(problems), options["tile"]))
        return joint_objective(problems, network, **options)

    monkeypatch.setattr(deep_solver, "joint_objective", counted)
    return made


@pytest.fixture
def batch(photo, disc):
    """Four pictures, 18 x 20 on 26 x 28: the first two have their mask's box in common."""
    sources = torch.cat([photo(18, 20, 40 + 60 * n, 150 - 30 * n) for n in range(4)])
    targets = torch.cat([photo(26, 28, 250 - 50 * n, 20 + 90 * n) for n in range(4)])
    masks = torch.cat([disc(18, 20, radius) for radius in (6, 6, 6, 6)])
    return sources.double(), targets.double(), masks.double()


def parts(tensors, n):
    return [tensor[n : n + 1] if len(tensor) > 1 else tensor for tensor in tensors]


@pytest.mark.parametrize("name", ["poisson", "refine"])
@pytest.mark.parametrize("case", ["own targets", "one target", "own masks"])
def test_several_rows_at_once_give_what_single_calls_give(
    name, case, batch, disc, double, together, groups
):
    sources, targets, masks = batch
    if case == "one target":
        targets, masks = targets[:1], masks[:1]
    if case == "own masks":  # of one box
        masks = masks.clone()
        for n in range(1, 4):
            masks[n, :, 8 : 9 + n, 8:12] = 0
    settings = SETTINGS[name]
    result = run(name, place(sources, targets, masks, 3, 4), double, settings)
    assert groups == [(4, None)]
    for n in range(4):
        placed = place(*parts((sources, targets, masks), n), 3, 4)
        single = run(name, placed, double, settings)
        assert (result.image[n] - single.image[0]).abs().max() < SAME
        assert figures(result)[n] == figures(single)[0]
    assert len({tuple(picture["terms_end"].values()) for picture in result.report["pictures"]}) == 4


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_only_neighbours_of_one_window_go_together(name, batch, disc, double, together, groups):
    sources, targets, masks = batch
    targets = torch.cat((targets, targets.flip(3)), 3)  # wider than any window
    other, none = disc(18, 20, 4).double(), torch.zeros_like(masks[:1])
    order = [masks[:1], masks[:1], none, masks[:1], other, other]
    six = [0, 1, 2, 3, 1, 2]
    masks = torch.cat(order)
    result = run(name, place(sources[six], targets[six], masks, 3, 4), double)
    assert groups == [(2, None), (1, None), (2, None)]
    assert [told is None for told in figures(result)] == [n == 2 for n in range(6)]
    assert torch.equal(result.image[2], targets[2])
    for n in (0, 1, 3, 4, 5):
        placed = place(*parts((sources[six], targets[six], masks), n), 3, 4)
        single = run(name, placed, double)
        assert (result.image[n] - single.image[0]).abs().max() < SAME
        assert figures(result)[n] == figures(single)[0]


def progress(name, placed, network, settings=None):
    seen = []
    run(name, placed, network, settings, on_evaluation=lambda e: seen.append(e))
    return [evaluation for evaluation in seen if evaluation.number]


@pytest.mark.parametrize("name", ["poisson", "refine"])
@pytest.mark.parametrize("way", ["single", "together", "split", "anew"])
def test_progress_rises_to_at_most_the_stages_budget(name, way, batch, double, monkeypatch):
    if way != "single":
        solve_together(monkeypatch, 3)
    if way == "split":  # one group by its windows, but memory for one row at a time
        monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(1, None)])
    if way == "anew":  # memory is short in the third evaluation of the whole group
        monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(3, None), Plan(1, None)])
        fail_late(monkeypatch)
    sources, targets, masks = batch
    masks = torch.cat([masks[:2], torch.zeros_like(masks[:1]), masks[:1]])
    seen = progress(name, place(sources, targets, masks, 3, 4), double)
    done = [evaluation.done for evaluation in seen]
    assert done == sorted(done)
    assert done[0] > 0
    assert done[-1] <= 4 * BUDGET
    assert done[-1] > 3 * BUDGET  # the last picture is under way
    assert {evaluation.sample for evaluation in seen} == {0, 1, 3}
    for sample in {0, 1, 3} if way != "anew" else {3}:
        numbers = [e.number for e in seen if e.sample == sample]
        assert numbers == list(range(1, len(numbers) + 1))
    if way in ("single", "split"):
        for evaluation in seen:
            assert evaluation.done == BUDGET * evaluation.sample + evaluation.number
    if way == "together":
        first = [e.done for e in seen if e.sample < 2]
        assert first == [2 * e.number for e in seen if e.sample < 2]


def fail_late(monkeypatch):
    """The first objective works twice and then finds no memory."""
    joint_objective, made = deep_solver.joint_objective, []

    def short(problems, network, **options):
        objective, context = joint_objective(problems, network, **options)
        made.append(0)
        if len(made) > 1:
            return objective, context
        calls = []

        def failing(x):
            calls.append(x)
            if len(calls) > 2:
                raise SHORT
            return objective(x)

        return failing, context

    monkeypatch.setattr(deep_solver, "joint_objective", short)


def failing(monkeypatch, error, times):
    """Objectives that raise when they are made, the first so many; what was asked for."""
    joint_objective, asked = deep_solver.joint_objective, []

    def short(problems, network, **options):
        asked.append((len(problems), options["tile"], options["context"] is None))
        if len(asked) <= times:
            raise error
        return joint_objective(problems, network, **options)

    monkeypatch.setattr(deep_solver, "joint_objective", short)
    return asked


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_out_of_memory_leads_to_the_next_plan(name, batch, double, together, monkeypatch):
    sources, targets, masks = batch
    placed = place(sources[:2], targets[:2], masks[:2], 3, 4)
    expected = run(name, placed, double)
    ways = [Plan(2, None), Plan(1, None), Plan(1, 16)]
    monkeypatch.setattr(deep_solver, "plans", lambda *_: ways)
    asked = failing(monkeypatch, SHORT, 2)
    result = run(name, placed, double)
    # Whole rows, one row, then both rows in tiles; what was made before is let go.
    assert [told[:2] for told in asked] == [(2, None), (1, None), (1, 16), (1, 16)]
    assert [told[2] for told in asked[:3]] == [True] * 3
    assert [picture["tile"] for picture in result.report["pictures"]] == [16, 16]
    assert (result.image - expected.image).abs().max() < SAME
    assert figures(result) == figures(expected)


def test_out_of_memory_in_the_midst_begins_anew(batch, double, together, monkeypatch):
    placed = place(*(tensor[:2] for tensor in batch), 3, 4)
    expected = run("poisson", placed, double)
    monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(2, None), Plan(1, None)])
    fail_late(monkeypatch)
    result = run("poisson", placed, double)
    assert (result.image - expected.image).abs().max() < SAME
    assert figures(result) == figures(expected)


def test_another_error_is_handed_on_at_once(batch, double, monkeypatch):
    monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(1, None), Plan(1, 8)])
    asked = failing(monkeypatch, RuntimeError("expected scalar type"), 1)
    with pytest.raises(RuntimeError, match="expected scalar type"):
        run("poisson", place(*(tensor[:1] for tensor in batch), 3, 4), double)
    assert len(asked) == 1


def test_if_no_plan_fits_the_error_is_handed_on(batch, double, monkeypatch):
    monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(1, None), Plan(1, 16), Plan(1, 8)])
    asked = failing(monkeypatch, SHORT, 3)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        run("poisson", place(*(tensor[:1] for tensor in batch), 3, 4), double)
    assert [tile for _, tile, _ in asked] == [None, 16, 8]


def test_a_style_picture_falls_back_to_tiles_too(batch, double, photo, monkeypatch):
    monkeypatch.setattr(deep_solver, "pass_plans", lambda *_: [Plan(1, None), Plan(1, 16)])
    picture_grams, asked = deep_solver.picture_grams, []

    def short(network, image, tile):
        asked.append(tile)
        if tile is None:
            raise SHORT
        return picture_grams(network, image, tile)

    monkeypatch.setattr(deep_solver, "picture_grams", short)
    solver = deep_solver.DeepSolver(REFINE, double, 0)
    found = solver.grams(photo(24, 40).double())
    assert asked == [None, 16]
    for name, gram in picture_grams(double, photo(24, 40).double(), None).items():
        torch.testing.assert_close(found[name], gram, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_with_hardly_any_memory_the_picture_is_the_same(name, photo, double, monkeypatch):
    monkeypatch.setattr(memory, "TILES", (64,))
    monkeypatch.setattr(memory, "UNSHARED", 0)
    source, target = photo(12, 230, 60, 20).double(), photo(16, 260, 300, 40).double()
    placed = place(source, target, torch.ones_like(source[:, :1]), 2, 10)
    settings = replace(SETTINGS[name], max_evaluations=2)
    plain = run(name, placed, double, settings)
    tiled = run(name, placed, double, settings, compute=Compute(memory=1))
    assert plain.report["pictures"][0]["tile"] is None
    assert tiled.report["pictures"][0]["tile"] == 64
    assert (tiled.image - plain.image).abs().max() < SAME
    assert (plain.image - placed.paste).abs().max() > LEVEL
    assert figures(tiled) == figures(plain)


FILM = 3


@pytest.fixture
def film(photo, noise, disc):
    """Frames of 40 x 60 pixels: the same with a little noise; the object moves a pixel a frame."""

    def frames(shift=1, count=FILM):
        grain = [0.004 * (noise(1, 3, 40, 60, seed=80 + n) - 0.5) for n in range(count)]
        targets = torch.cat([photo(40, 60, 250, 20) + g for g in grain]).clamp(0, 1)
        sources = torch.cat([photo(40, 60, 60, 200)] * count).clamp(0, 1)
        masks = torch.zeros(count, 1, 40, 60)
        for n in range(count):
            masks[n, :, 12:28, 4 + shift * n : 20 + shift * n] = disc(16, 16, 7)[0]
        return place(sources, targets, masks)

    return frames


def settings_of(name, is_film, **changes):
    return replace(SETTINGS[name], max_evaluations=20, sequence=is_film, **changes)


FLOAT = Compute(precision="float32")


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_the_frames_of_a_film_take_fewer_evaluations_and_end_as_low(shift, name, film, network):
    placed = film(shift)
    apart, joined = (
        run(name, placed, network, settings_of(name, is_film), compute=FLOAT).report["pictures"]
        for is_film in (False, True)
    )
    assert joined[0]["trace"] == apart[0]["trace"]
    counts = [sum(picture["evaluations"] for picture in told) for told in (joined, apart)]
    assert counts[0] < counts[1]
    for own, alone in zip(joined[1:], apart[1:], strict=True):
        ends = [sum(told["terms_end"].values()) for told in (own, alone)]
        assert ends[0] <= 1.01 * ends[1]
        if not shift:  # already near at the start, but for the noise
            starts = [sum(told["terms_start"].values()) for told in (own, alone)]
            assert starts[0] < ends[0] + 0.5 * (starts[1] - ends[1])


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_a_single_picture_is_no_film(name, film, double):
    placed = film(count=1)
    settings = {"max_evaluations": 3}
    images = [
        run(name, placed, double, replace(settings_of(name, is_film), **settings)).image
        for is_film in (False, True)
    ]
    assert torch.equal(*images)


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_a_frame_far_from_the_one_before_starts_from_its_own(name, photo, disc, double):
    target = torch.cat([photo(16, 200, 250, 20), photo(16, 200, 250, 250)], 3)[..., :200]
    target = target.double()
    masks = torch.zeros(2, 1, 16, 200).double()
    masks[0, ..., :16], masks[1, ..., -16:] = disc(16, 16, 6), disc(16, 16, 6)
    placed = place(photo(16, 200, 60, 20).double(), target, masks)
    told = [
        run(name, placed, double, replace(settings_of(name, is_film), max_evaluations=3))
        for is_film in (False, True)
    ]
    assert torch.equal(told[0].image, told[1].image)
    assert told[0].report["pictures"][1]["trace"] == told[1].report["pictures"][1]["trace"]


@pytest.mark.parametrize("shift", [0, 1, 5])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_frame_starts_as_far_from_its_own_start_as_the_one_before_came(
    shift, strength, film, double
):
    # By hand: x of the second frame at its first evaluation, the change gone along with the object.
    placed = film(shift, count=2)
    placed = replace(placed, source=placed.source.double(), target=placed.target.double())
    shown = []
    settings = replace(settings_of("refine", True, strength=strength), max_evaluations=3)

    def look(evaluation):
        if evaluation.sample == 1 and evaluation.number == 1:
            shown.append(evaluation.picture()[0])

    given = placed.paste, placed.target, placed.full_mask
    result = refine_stage(*given, settings, double, on_evaluation=look)
    inside = placed.full_mask[1, 0] > 0
    change = (result.image - given[0])[0].roll(shift, 2)
    expected = given[0][1] + change
    # clipped samples have lost how far they went
    free = inside & (result.image[0].roll(shift, 2) % 1 > 0) & (expected > 0) & (expected < 1)
    assert free.sum() > inside.sum()  # of three channels
    assert (shown[0] - expected)[free].abs().max() < 1e-9
    assert change.abs().max() > LEVEL
    assert torch.equal(shown[0][:, ~inside], given[0][1][:, ~inside])


def test_empty_frames_do_not_break_a_film(film, network):
    placed = film(shift=0)
    mask = placed.mask.clone()
    mask[1] = 0
    told = run("poisson", replace(placed, mask=mask), network, settings_of("poisson", True))
    first, empty, last = told.report["pictures"]
    assert empty["empty"]
    assert last["evaluations"] < first["evaluations"]


@pytest.mark.parametrize("budget", [1, 2, 7])
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_the_budget_is_never_exceeded(budget, name, scenery, network):
    placed = place(*scenery)
    seen = []
    if name == "poisson":
        settings = PoissonSettings(max_evaluations=budget, margin=16, **PLAIN)
        result = poisson_stage(placed, settings, network, on_evaluation=seen.append)
    else:
        settings = RefineSettings(max_evaluations=budget, margin=16, style_form="gram")
        given = (placed.paste, placed.target, placed.full_mask)
        result = refine_stage(*given, settings, network, on_evaluation=seen.append)
    figures = result.report["pictures"][0]
    seen = seen[1:]  # the first tells of its preparation
    assert figures["evaluations"] == len(seen) <= budget
    assert (figures["stop_reason"] == "budget spent") == (len(seen) == budget)


# Matched style has little to paint here, and ends where little is gained.
@pytest.mark.parametrize(
    ("name", "share"), [("deep", 0.9), ("gram", 0.9), ("picture", 0.9), ("refine", 0.99)]
)
def test_the_objective_is_lowered(name, share, scenery, wide_stage):
    figures = wide_stage(name, *scenery).report["pictures"][0]
    start, end = (sum(figures[key].values()) for key in ("terms_start", "terms_end"))
    assert end < share * start
    assert figures["terms_start"]["content"] == 0
    assert figures["terms_start"]["luminance"] == figures["terms_start"]["chroma"] == 0


def test_a_network_that_fails_hands_on_the_start_and_says_so(scenery, network):
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    placed = place(*scenery)
    result = poisson_stage(placed, DEEP, network)
    assert torch.equal(result.image, placed.paste)
    assert result.report["pictures"][0]["stop_reason"] == "non-finite"


@pytest.fixture
def placed(photo, disc):
    return place(photo(24, 26), photo(32, 32, 250, 20), disc(24, 26, 8), 3, 5)


@pytest.mark.parametrize(
    ("precision", "told"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", "float32")]
)
def test_the_report_names_the_precision(precision, told, placed, network, monkeypatch):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device: False)
    result = poisson_stage(placed, DEEP, network, Compute(precision=precision))
    assert result.report["pictures"][0]["arithmetic"] == told


def test_a_stage_leaves_the_network_as_it_is(placed, network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    poisson_stage(placed, DEEP, network, Compute(precision="bfloat16"))
    wide = place(placed.source.double(), placed.target.double(), placed.mask.double())
    poisson_stage(wide, DEEP, network)
    after = network.state_dict()
    assert after.keys() == before.keys()
    for name, tensor in after.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_float32_after_bfloat16_is_exactly_float32(placed, network):
    single = Compute(precision="float32")
    expected = poisson_stage(placed, DEEP, network, single).image
    other = poisson_stage(placed, DEEP, network, Compute(precision="bfloat16")).image
    assert not torch.equal(other, expected)
    assert torch.equal(poisson_stage(placed, DEEP, network, single).image, expected)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_bfloat16_stays_within_a_level_of_float32(name, bundled):
    from blending.cli.options import DEMO
    from blending.pictures.read import read_mask, read_picture

    # The bundled rocket in part, at its place.
    part = (..., slice(40, 168), slice(20, 106))
    source = read_picture(DEMO / "rocket.png").pixels[part]
    mask = read_mask(DEMO / "rocket_mask.png", "luminance")[part]
    target = read_picture(DEMO / "starry_night.jpg").pixels
    placed = place(source, target, mask, 79, 549)
    images = []
    for precision in ("float32", "bfloat16"):
        how = Compute(precision=precision)
        if name == "poisson":
            result = poisson_stage(placed, replace(DEEP, max_evaluations=3), bundled, how)
        else:
            given = placed.paste, target, placed.full_mask
            settings = RefineSettings(margin=16, max_evaluations=3, style_form="gram")
            result = refine_stage(*given, settings, bundled, how)
        images.append(result.image)
    inside = (placed.full_mask > 0).expand_as(images[0])
    change = (images[0] - placed.paste)[inside].abs().mean()
    assert change > 2 * LEVEL
    assert 0 < (images[0] - images[1])[inside].abs().mean() < LEVEL


ONCE = {name: replace(each, max_evaluations=1) for name, each in SETTINGS.items()}


@pytest.fixture
def passes(monkeypatch):
    """Of each pass over the surroundings, how many contexts of before were still held."""
    made, held = [], []
    fixed_context = feature_targets.fixed_context

    def watched(*arguments, **options):
        found = fixed_context(*arguments, **options)
        made.append(weakref.ref(found))
        return found

    def watch(name):
        pass_over = getattr(context, name)

        def counted(*arguments):
            held.append(sum(former() is not None for former in made))
            return pass_over(*arguments)

        monkeypatch.setattr(context, name, counted)

    monkeypatch.setattr(feature_targets, "fixed_context", watched)
    watch("cropped_context")
    watch("tiled_context")
    return held


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_the_former_context_is_gone_before_the_next_ones_pass(
    name, tile, batch, network, passes, monkeypatch
):
    # It is as large as that pass: both together would be twice the memory that was planned.
    monkeypatch.setattr(deep_solver, "plans", lambda *_: [Plan(1, tile)])
    placed = place(*(tensor[:3].float() for tensor in batch), 3, 4)  # targets of their own
    run(name, placed, network, ONCE[name])
    assert passes == [0, 0, 0]


@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_pictures_of_one_target_share_one_pass(name, batch, network, passes):
    sources, targets, masks = (tensor[:3].float() for tensor in batch)
    run(name, place(sources, targets[:1], masks[:1], 3, 4), network, ONCE[name])
    assert passes == [0]
    passes.clear()
    masks[1, :, 9, 9] = 0  # of the same box; its surroundings are not the others'
    run(name, place(sources, targets[:1], masks, 3, 4), network, ONCE[name])
    assert passes == [0, 0, 0]


@pytest.mark.parametrize("histogram", [0.0, 1.0])
def test_memory_is_planned_for_the_windows_and_all_that_changes_in_them(
    histogram, photo, double, together, monkeypatch
):
    asked = []

    def watched(*arguments):
        asked.append(arguments)
        return [Plan(1, None)]

    monkeypatch.setattr(deep_solver, "plans", watched)
    masks = torch.zeros(2, 1, 30, 40).double()
    masks[0, :, 5:9, 12:15] = masks[1, :, 7:20, 30:31] = 1  # rows 5 to 20, columns 12 to 31
    source, target = photo(30, 40).double(), photo(30, 40, 250, 20).double()
    weights = replace(DEEP.weights, histogram=histogram)
    settings = replace(DEEP, max_evaluations=1, weights=weights, margin=None)
    placed = place(source, target, masks)
    run("poisson", placed, double, settings, compute=Compute(memory=12345))
    assert asked == [(Extent((30, 40), (15, 19), bool(histogram)), 2, 12345)]


def test_memory_is_what_was_named_or_else_the_same_at_every_moment(placed, network, monkeypatch):
    """On a processor; other devices are asked what is free."""
    monkeypatch.setattr(memory, "free_memory", lambda device: 4321.0)
    for device, unnamed in (("cpu", 8 * 2**30), ("meta", 4321.0)):
        for memory_, expected in ((None, unnamed), (0, 0), (99, 99)):
            how, where = Compute(memory=memory_), torch.device(device)
            solver = deep_solver.deep_solver(DEEP, network, placed, how, where)
            assert solver.memory == expected


@pytest.mark.parametrize(
    ("dtype", "computed"), [(torch.float16, torch.float32), (torch.float64, torch.float64)]
)
def test_the_network_comes_in_the_type_that_the_pictures_are_computed_in(
    dtype, computed, placed, network
):
    given = replace(placed, target=placed.target.to(dtype))
    how = Compute(precision="float32")
    own = deep_solver.deep_solver(DEEP, network, given, how, torch.device("cpu")).network
    assert {parameter.dtype for parameter in own.parameters()} == {computed}
