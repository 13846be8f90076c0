"""What the quality benchmark makes of the figures, on numbers chosen by hand."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # as where the benchmark runs as a script

from network_figures import style_error
from quality_figures import (
    HELD_OUT,
    LOOKS,
    RELATIVE,
    geometric_mean,
    held_out_gains,
    measure,
    relative,
    remembering,
    summary,
)
from quality_methods import Result

from blending import place


def styles(value):
    return dict.fromkeys(RELATIVE, value)


def test_the_geometric_mean_of_2_and_8_is_4_and_a_zero_makes_it_0():
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4)
    assert geometric_mean([2.0, 0.0]) == 0


def test_style_errors_become_multiples_of_the_first_row():
    rows = {"copy-paste": styles(4.0) | {"seam ratio": 1.0}, "other": styles(1.0)}
    found = relative(rows)
    assert found["copy-paste"] == styles(1.0) | {"seam ratio": 1.0}
    assert found["other"] == styles(0.25)


def test_a_paste_without_style_error_gives_none():
    assert relative({"copy-paste": styles(0.0)})["copy-paste"] == styles(None)


def test_a_summary_leaves_out_what_a_case_lacks():
    cases = [{"a": {"x": 1.0}, "b": {"x": 3.0}}, {"a": {"x": 2.0}}, {"a": {"x": None}}]
    assert summary(cases, ["x"], max) == {"a": {"x": 2.0}, "b": {"x": 3.0}}
    assert summary([{"a": {"x": None}}], ["x"], max) == {"a": {"x": None}}


def test_the_gain_is_the_median_over_layers_and_cases():
    cases = [
        {"p: poisson": dict.fromkeys(HELD_OUT, 6.0), "p: refine": dict.fromkeys(HELD_OUT, after)}
        for after in (1.0, 2.0, 3.0)
    ]
    assert held_out_gains(cases) == {"p": 3.0}
    assert held_out_gains([{"copy-paste": styles(1.0), "q: poisson": styles(1.0)}]) == {}


def test_a_remembered_picture_is_not_computed_again():
    calls = []

    def network(image, layers):
        calls.append(layers)
        return dict.fromkeys(layers, image.sum())

    picture, other = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    remembered = remembering(network, picture)
    assert remembered(picture, ("relu1_2",)) == {"relu1_2": 12}
    assert len(calls) == 1
    assert remembered(other, ("relu1_2",)) == {"relu1_2": 0}
    assert calls[1:] == [("relu1_2",)]


def test_the_plain_paste_has_its_own_colours_and_seam_and_keeps_the_background(
    photo, disc, network
):
    placed = place(photo(24, 28), photo(50, 60, 250, 20), disc(24, 28, 9), 11, 17)
    paste, target = placed.paste, placed.target
    found = measure(Result("copy-paste", paste), placed, network)
    assert (found["seam ratio"], found["ΔE"], found["background"]) == (1, 0, 0)
    assert (found["clipped"], found["seconds"]) == (None, None)
    assert found["content"] == 0  # the mask is hard
    assert found["style"] == pytest.approx(style_error(paste, target, network))
    for layer in HELD_OUT:
        assert found[layer] == pytest.approx(style_error(paste, target, network, (layer,)))


def test_what_an_eye_sees_stands_in_columns_of_its_own(photo, disc, network):
    placed = place(photo(140, 150), photo(160, 170, 250, 20), disc(140, 150, 45), 10, 10)
    ghost = 0.7 * placed.paste + 0.3 * placed.target
    paste, found = (
        measure(Result("a", picture), placed, network) for picture in (placed.paste, ghost)
    )
    assert set(LOOKS.values()) < set(found)
    assert (paste["see-through rim"], paste["contour"]) == pytest.approx((0, 1), abs=1e-3)
    assert found["see-through rim"] == pytest.approx(0.3, abs=0.05)
    assert found["inside"] == pytest.approx(0.3, abs=0.05)
    assert found["contour"] < paste["contour"]
    assert found["tone"] < paste["tone"]
    assert found["foreign"] < paste["foreign"]
    assert found["strokes"] > 0
    small = place(photo(24, 28), photo(50, 60, 250, 20), disc(24, 28, 3), 11, 17)
    without = measure(Result("a", small.paste), small, network)
    assert {without[column] for column in LOOKS.values()} == {None}


def test_content_is_measured_on_the_sources_frame_and_the_background_as_published(
    photo, disc, network
):
    placed = place(photo(24, 28), photo(50, 60, 250, 20), disc(24, 28, 9), 11, 17)
    outside, inside = placed.paste, placed.paste
    outside[..., 0, 0] += 3 / 255
    inside[..., 11 + 12, 17 + 14] += 0.25
    assert measure(Result("a", outside), placed, network)["content"] == 0
    assert measure(Result("a", inside), placed, network)["content"] > 0
    as_published = Result("a", placed.paste, as_published=outside)
    assert measure(as_published, placed, network)["background"] == pytest.approx(3, rel=1e-3)
