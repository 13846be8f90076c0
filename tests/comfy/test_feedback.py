"""What a user sees while a stage runs and when it ends, and that Cancel works."""

import time
from itertools import pairwise

import numpy as np
import pytest

from tests.comfy.graphs import (
    clean_cutout,
    crop_for_repair,
    graph,
    laplacian_preview,
    node,
    poisson,
    probe,
    refine,
    repeat,
    save,
    scene,
    square,
    stitch,
    wired,
)

pytestmark = pytest.mark.comfy


def progress(outcome, node: str = "4") -> list[tuple[int, int]]:
    return [(m["value"], m["max"]) for m in outcome.of("progress") if m["node"] == node]


def test_progress_counts_evaluations_to_the_end(server, pictures):
    outcome = server.run(graph(n4=poisson(max_evaluations=5, column=21)))
    assert not outcome.error
    values = progress(outcome)
    assert values[-1] == (5, 5)
    assert {most for _, most in values} == {5}
    assert [value for value, _ in values] == sorted(value for value, _ in values)
    assert len(values) >= 2


def test_progress_is_full_though_the_stage_converges_early(server, pictures):
    outcome = server.run(graph(n4=poisson(max_evaluations=60, column=22)))
    assert not outcome.error
    assert "ended: converged" in outcome.text("4")
    values = progress(outcome)
    assert values[-1] == (60, 60)
    assert values[-2][0] < 60


def test_progress_goes_over_the_whole_batch(server, pictures):
    batch = poisson(target=["5", 0], max_evaluations=3)
    outcome = server.run(graph(n5=repeat("1", 3), n4=batch))
    values = progress(outcome)
    assert values[-1] == (9, 9)
    assert [value for value, _ in values] == sorted(value for value, _ in values)


def test_live_pictures_come_at_most_twice_a_second(server, pictures):
    server.put("t.png", scene(2, 240, 280))
    outcome = server.run(graph(n4=poisson(max_evaluations=12, column=21, scale=4)))
    assert not outcome.error
    assert outcome.previews
    gaps = [b - a for a, b in zip(outcome.previews, outcome.previews[1:], strict=False)]
    assert all(gap > 0.4 for gap in gaps)  # they leave at least 0.5 s apart and travel


def test_a_line_says_how_each_stage_ended(server, pictures):
    outcome = server.run(graph(n5=refine(column=None), n9=save("5")))
    assert not outcome.error
    first, second = outcome.text("4"), outcome.text("5")
    assert first.startswith("3 evaluations, ")
    assert " s; seam good: " in first
    assert "of the plain paste's; ended: budget spent" in first
    assert second.startswith("3 evaluations, ")
    assert "ended: budget spent" in second


def test_a_line_says_that_nothing_had_to_be_minimised(server, pictures):
    outcome = server.run(graph(n4=poisson(preset="seam repair", column=23)))
    assert outcome.text("4").startswith("solved exactly, ")
    assert "seam good: 0.0" in outcome.text("4")


def test_cancel_stops_within_an_evaluation_and_the_queue_goes_on(server, pictures):
    server.put("t.png", scene(3, 300, 300))
    pressed = []

    def cancel(message):
        if message["type"] == "progress" and message["data"]["value"] >= 3 and not pressed:
            server.post("/interrupt", {})
            pressed.append((time.monotonic(), message["data"]["value"]))

    slow = graph(n4=poisson(max_evaluations=1000, scale=5, row=20))
    outcome = server.run(slow, on_message=cancel)
    assert outcome.of("execution_interrupted")
    when, value = pressed[0]
    assert progress(outcome)[-1][0] <= value + 1  # the evaluation under way, of 1000
    assert time.monotonic() - when < 5  # an evaluation takes a tenth of that on an idle machine
    server.put("t.png", scene(1, 80, 96))
    started = time.monotonic()
    assert not server.run(graph(n4=poisson(preset="seam repair", column=24))).error
    assert time.monotonic() - started < 3


def test_cancel_during_the_refine_stage_too(server, pictures):
    def cancel(message):
        if message["type"] == "progress" and message["data"]["node"] == "5":
            server.post("/interrupt", {})

    nodes = {"n5": refine(max_evaluations=1000), "n9": save("5")}
    outcome = server.run(graph(n4=poisson(preset="seam repair"), **nodes), on_message=cancel)
    assert outcome.of("execution_interrupted")
    assert not server.run(graph(n4=poisson(preset="seam repair", column=25))).error


def test_an_exact_batch_has_progress_and_can_be_cancelled_between_pictures(server, pictures):
    def cancel(message):
        if message["type"] == "progress" and message["data"]["node"] == "4":
            server.post("/interrupt", {})

    batch = poisson(target=["5", 0], preset="seam repair", scale=4, column=-60, row=-50)
    outcome = server.run(graph(n5=repeat("1", 200), n4=batch), on_message=cancel)
    assert outcome.of("execution_interrupted")
    value, most = progress(outcome)[-1]
    assert value < most / 2
    outcome = server.run(graph(n5=repeat("1", 3), n4=batch))
    assert not outcome.error
    values = progress(outcome)
    assert values[0][0] == 0
    assert values[-1][0] == values[-1][1] > 0
    assert outcome.text("4").startswith("3 pictures, solved exactly, ")


def test_live_pictures_of_a_large_target_come_at_most_twice_a_second(server, pictures):
    """What they may cost is the account's affair, tests/nodes/test_pace.py."""
    nodes = {"n1": probe("big target"), "n4": poisson(max_evaluations=12, scale=4)}
    outcome = server.run(graph(**nodes, n9=save("4")))
    assert not outcome.error
    assert outcome.previews
    # They are timed here when they arrive; a message may wait a little for its turn.
    assert all(later - earlier > 0.4 for earlier, later in pairwise(outcome.previews))


def test_a_live_picture_shows_the_object_with_context(server, pictures):
    target = np.repeat(np.arange(0, 250, 50, np.uint8), 200)  # five bands, 1000 pixels
    server.put("t.png", np.repeat(np.tile(target, (600, 1))[..., None], 3, 2))
    place = {"column": 450, "row": 150, "scale": 8, "preset": "paper", "max_evaluations": 40}
    outcome = server.run(graph(n4=poisson(**place, clean=0, harmonise=0)))
    assert not outcome.error
    # The mask takes 32 x 24 of the source from 8, 8: 256 x 192 at 514, 214, and 128 around it.
    for shown in outcome.live:
        assert shown.shape[1] == 512
        assert shown.shape[0] == pytest.approx(192 + 256, rel=0.03)  # the mask's edge is softened
        levels = shown[4].mean(1)  # a row of the target: columns 386 to 898
        for columns, level in (
            (slice(40, 200), 100),
            (slice(225, 395), 150),
            (slice(420, 512), 200),
        ):
            assert abs(levels[columns] - level).max() < 8
    assert outcome.live


def test_a_line_says_what_is_being_done_to_which_frame(server, pictures):
    outcome = server.run(graph(n5=repeat("1", 3), n4=poisson(target=["5", 0], column=27)))
    lines = [text for node, text in outcome.texts if node == "4"]
    assert lines[:2] == [" ", "preparing…"]
    for frame in (1, 2, 3):
        prepared = lines.index(f"frame {frame} of 3: preparing…")
        assert lines[prepared + 1].startswith((f"frame {frame} of 3: evaluation ", "frame", "3 "))
    assert lines[-1].startswith("3 pictures, ")
    single = server.run(graph(n4=poisson(max_evaluations=2, column=28)))
    assert single.texts[1] == ("4", "preparing…")


# Without an evaluation, or before the first: whatever is under way hears Cancel.
PHASES = {
    "cleaning": {"n4": poisson(scale=1, clean=128)},
    "an exact solve": {"n4": poisson(preset="seam repair", clean=0)},
    "a node without a stage": {"n4": clean_cutout(width=128), "n9": save("4")},
    "a diagnosis": {"n4": laplacian_preview(result=["1", 0])},
}


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_is_heard_between_two_callbacks_of_the_core(server, pictures, phase):
    server.put("t.png", scene(3, 1600, 1600))
    server.put("s.png", scene(4, 1500, 1500))
    server.put("m.png", square(1500, 1500, 100))
    pressed = []

    def cancel(message):
        if message["type"] == "text" and message["data"]["text"] == "preparing…":
            server.post("/interrupt", {})
            pressed.append(time.monotonic())

    outcome = server.run(graph(**PHASES[phase]), on_message=cancel)
    assert outcome.of("execution_interrupted")
    assert time.monotonic() - pressed[0] < 3  # a second on a quiet machine
    assert outcome.texts[-1] == ("4", " ")  # and nothing says that it still prepares


def test_a_painting_tells_which_crop_it_refines_and_shows_it(server):
    """A red square on grey, repainted as its negative, is seen with what lies around it."""
    picture = 120 + np.random.default_rng(6).normal(0, 12, (500, 700, 3))
    picture[200:264, 300:364] = 200, 40, 40
    mask = np.zeros((500, 700), np.uint8)
    mask[190:274, 290:374] = 255
    server.put("t.png", picture.astype(np.uint8))
    server.put("m.png", mask)
    repainted = {"n20": node("ImageInvert", image=["4", 0]), "n21": repeat("20", 2)}
    outcome = server.run(wired(**repainted, n5=stitch(crop=["21", 0], finish="painting")))
    assert not outcome.error
    lines = [text for name, text in outcome.texts if name == "5"]
    assert lines[:3] == [" ", "preparing…", "crop 1 of 2: preparing…"]
    second = lines.index("crop 2 of 2: preparing…")
    for count, part in (("1 of 2", lines[:second]), ("2 of 2", lines[second:])):
        assert any(line.startswith(f"crop {count}: evaluation ") for line in part)
    assert lines[-1].startswith("2 crops stitched exactly, and refined in ")
    done = progress(outcome, "5")
    assert [value for value, _ in done] == sorted(value for value, _ in done)
    assert done[-1] == (40, 40)
    # 84 pixels, half of them and 8 on every side: a crop of 184, with 128 around it, enlarged by
    # ComfyUI to its 512. Without the crop's box it would be 512 x 366.
    assert outcome.live
    for shown in outcome.live:
        assert shown.shape[:2] == (512, 512)
        around, square_ = (shown[part, part].mean((0, 1)) for part in (slice(80), slice(236, 276)))
        assert np.abs(around - 120).max() < 8
        assert square_[1] - square_[0] > 30


# What waits for Cancel: when the node's line begins so.
MOMENTS = {
    "a crop is cut out": ("4", "preparing…", "none"),
    "a seam is solved": ("5", "preparing…", "none"),
    "grain is looked for": ("5", "preparing…", "photograph"),
    "a painting is prepared": ("5", "preparing…", "painting"),
    "a painting is refined": ("5", "evaluation ", "painting"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancel_is_heard_while(server, moment):
    name, words, finish = MOMENTS[moment]
    server.put("t.png", scene(5, 1600, 1600))
    server.put("m.png", square(1600, 1600, 300))
    pressed = []

    def cancel(message):
        data = message["data"]
        is_there = message["type"] == "text" and data["node"] == name
        if is_there and data["text"].startswith(words) and not pressed:
            server.post("/interrupt", {})
            pressed.append(time.monotonic())

    grown = crop_for_repair(grow=64, feather=64, fill_holes=1000)
    outcome = server.run(wired(n4=grown, n5=stitch(finish=finish)), on_message=cancel)
    assert outcome.of("execution_interrupted")
    assert time.monotonic() - pressed[0] < 3  # a second on a quiet machine
    assert outcome.texts[-1] == (name, " ")  # nothing says that it is still at work


def test_a_line_does_not_outlive_an_error(server, pictures):
    good = server.run(graph(n4=poisson(preset="seam repair", column=26)))
    assert next(text for name, text in good.texts if name == "4") == " "  # wiped first
    assert "solved exactly" in good.text("4")
    wrong = server.run(graph(n4=poisson(preset="seam repair", column=500)))
    assert wrong.error


def test_a_line_has_no_line_feeds(server, pictures):
    outcome = server.run(graph(n1=probe("wide target"), n4=poisson(preset="seam repair")))
    assert outcome.text("4").startswith("target has values")
    assert "; solved exactly" in outcome.text("4")
    assert "\n" not in outcome.text("4")
