"""Gestures on the placing view: what stays where it was, whole pixels, what is left on screen."""

from dataclasses import asdict

import pytest

from tests.javascript import call
from tests.nodes.test_placing_geometry import around_the_middle, layouts

PICTURES = {"target": [700, 700], "source": [110, 90], "part": [20, 15, 40, 36]}


@pytest.fixture
def tried(tmp_path):
    """Forty layouts, some of them trimmed, and what a function of placing_changes makes of each."""
    found = [
        asdict(layout) | {"trim": bool(number % 2)}
        for number, layout in enumerate(map(around_the_middle, layouts(3, 40)))
    ]

    def outlines(made: list[dict]) -> list[dict]:
        calls = [["outline", layout, PICTURES] for layout in made]
        return call(tmp_path, "placing_geometry.js", calls)

    def change(name: str, *given) -> list[tuple[dict, dict, dict, dict]]:
        calls = [[name, layout, PICTURES, *given] for layout in found]
        made = call(tmp_path, "placing_changes.js", calls)
        return list(zip(found, outlines(found), made, outlines(made), strict=True))

    return change


def step(layout: dict) -> float:
    """Pixels that a place may be off by: the server's rounding before and after, half a step."""
    return 1.01 + (0.5 if layout["unit"] == "pixels" else 0.035)


@pytest.mark.parametrize("corner", range(4))
def test_scaled_by_a_corner_the_corner_across_stays(tried, corner):
    for before, was, after, now in tried("scaled", 1.5, corner):
        assert after["scale"] == pytest.approx(before["scale"] * 1.5, abs=0.0051)
        assert now["corners"][corner] == pytest.approx(was["corners"][corner], abs=step(before))


def test_scaled_by_the_wheel_only_the_scale_changes(tried):
    for before, _, after, _ in tried("scaled", 0.8):
        assert after == before | {"scale": after["scale"]}
        assert after["scale"] == pytest.approx(before["scale"] * 0.8, abs=0.0051)


def test_turned_the_middle_stays(tried):
    for before, was, after, now in tried("turned", 222.3):
        assert after["rotation"] == -137.5  # half degrees, the shorter way round
        assert now["middle"] == pytest.approx(was["middle"], abs=step(before))


def test_a_nudge_is_a_pixel_of_the_target(tried):
    for by in ([1, 0], [0, -1], [-10, 10]):
        for _, was, _, now in tried("nudged", by):
            moved = [now["middle"][axis] - was["middle"][axis] for axis in (0, 1)]
            assert moved == pytest.approx(by, abs=1e-6)


def test_pulled_far_away_twelve_pixels_stay_on_the_target(tried):
    for before, was, _, now in tried("moved", [-5000, 9000]):
        left, top, right, bottom = was["box"]
        assert now["box"][2] == pytest.approx(min(12, right - left), abs=step(before))
        assert now["box"][1] == pytest.approx(700 - min(12, bottom - top), abs=step(before))
