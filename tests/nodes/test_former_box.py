"""A graph that still has Place Object's box is told what to write instead."""

import pytest

from nodes.former_box import refuse_former_box


def graph(box) -> dict:
    return {"7": {"class_type": "DIB_PlaceObject", "inputs": {"box": box, "scale": 1}}}


@pytest.mark.parametrize("box", [{"width": 1, "height": 1}, {"width": 0, "height": 40}])
def test_a_box_that_was_not_drawn_is_let_pass(box):
    refuse_former_box(graph({"x": 3, "y": 4} | box), "7")


@pytest.mark.parametrize("prompt", [None, {}, {"7": {"inputs": {"scale": 1}}}])
def test_no_box_is_let_pass(prompt):
    refuse_former_box(prompt, "7")


def test_a_drawn_box_is_named_in_the_values_that_replace_it():
    words = r"column 40\.5, row 24, fit inside, fit_width 75, fit_height 40"
    with pytest.raises(ValueError, match=words):
        refuse_former_box(graph({"x": 3, "y": 4, "width": 75, "height": 40}), "7")


@pytest.mark.parametrize("box", [["5", 0], "here", {"x": 1}, {"x": 0, "y": 0, "width": "5"}])
def test_a_linked_box_and_what_is_none_are_named(box):
    with pytest.raises(ValueError, match="box is no input any more, got"):
        refuse_former_box(graph(box), "7")
