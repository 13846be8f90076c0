"""Loss curves of reports: real ones, odd ones, and what is none."""

import json

import pytest
import torch

from blending import PoissonSettings, blend, place, poisson_stage
from blending.plots.line_plot import COLOURS, STRONG
from blending.plots.loss_curves import loss_curves

TRACE = [{"gradient": 8.0, "style": 2.0}, {"gradient": 1.0, "style": 1.5}]


def report(*traces, stage="poisson"):
    pictures = [{"trace": trace, "stop_reason": "converged"} for trace in traces]
    return json.dumps({"stage": stage, "pictures": pictures})


def drawn_in(plot, colour):
    wanted = torch.tensor([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return (plot - wanted[:, None, None]).abs().amax(0) < 0.02


def has(plot, colour):
    return bool(drawn_in(plot, colour).any())


def test_one_plot_for_every_picture_and_stage():
    assert len(loss_curves(report(TRACE))) == 1
    assert len(loss_curves(report(TRACE, TRACE, TRACE))) == 3
    whole = {"stages": [json.loads(report(TRACE)), json.loads(report(TRACE, stage="refine"))]}
    plots = loss_curves(json.dumps(whole))
    assert len(plots) == 2
    assert not torch.equal(plots[0], plots[1])  # the title


def test_every_term_has_its_own_colour_in_every_plot():
    # gradient is the first of the weights, style the third.
    both, style = loss_curves(report(TRACE, [{"style": 1.0}, {"style": 0.5}]))
    assert has(both, COLOURS[0])
    assert has(both, COLOURS[2])
    assert has(both, STRONG)  # the sum
    assert has(style, COLOURS[2])
    assert not has(style, COLOURS[0])


def test_a_term_of_another_name_is_drawn_too():
    assert has(loss_curves(report([{"new": 1.0}, {"new": 0.5}]))[0], COLOURS[0])


def test_missing_numbers_leave_gaps():
    gaps = [{"style": 1.0}, {"style": None}, {"gradient": 1.0}, {"style": 0.5}]
    assert torch.isfinite(loss_curves(report(gaps))).all()


@pytest.mark.parametrize("picture", [{"empty": True}, {"seconds": 1.0}, {"trace": []}])
def test_a_picture_without_evaluations_has_a_title_alone(picture):
    (plot,) = loss_curves(json.dumps({"stage": "poisson", "pictures": [picture]}))
    assert plot[:, 96:].std() < 0.05
    assert plot[:, :60].max() > 0.8


def test_reports_of_the_exact_and_the_deep_method_and_of_a_blend_are_read(photo, disc, network):
    placed = place(photo(20, 24), photo(50, 60, 250, 20), disc(20, 24, 8), 10, 12)
    exact = poisson_stage(placed, PoissonSettings(method="exact")).report
    assert len(loss_curves(json.dumps(exact))) == 1
    deep = poisson_stage(placed, PoissonSettings(max_evaluations=2), network).report
    assert has(loss_curves(json.dumps(deep))[0], COLOURS[0])


@pytest.mark.weights
def test_the_report_of_a_whole_blend_has_both_stages(photo, disc):
    whole = blend(photo(20, 24), photo(50, 60, 250, 20), disc(20, 24, 8)).report
    assert len(loss_curves(json.dumps(whole))) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        "null",
        '{"pictures": []}',
        '{"stage": "poisson", "pictures": []}',
        '{"stage": "poisson", "pictures": [1]}',
        '{"stage": "poisson", "pictures": [{"trace": 5}]}',
        '{"stage": "poisson", "pictures": [{"trace": [5]}]}',
        '{"stage": "poisson", "pictures": [{"trace": [{"style": "much"}]}]}',
        '{"stages": {}}',
        '{"stages": [[]]}',
        '{"pictures": [{"full_scale_levels": 3.0}]}',  # Laplacian Preview's
    ],
)
def test_what_is_no_stages_report_is_refused_with_the_remedy(content):
    with pytest.raises(ValueError, match=r"report must be a stage's.*; link the report output"):
        loss_curves(content)


def test_extreme_numbers_are_drawn():
    wild = [{"style": 10**400}, {"style": 1e299}, {"style": 1e-300}, {"style": -5.0}]
    assert torch.isfinite(loss_curves(report(wild))).all()
    assert torch.isfinite(loss_curves('{"stage": 1, "pictures": [{"trace": [{"a": NaN}]}]}')).all()


def test_a_film_has_one_plot_of_the_median_and_the_range():
    """Eleven pictures, of which one's style is a hundred times the others'."""
    steady, wild = [{"style": 10.0}] * 3, [{"style": 1000.0}] * 3
    assert len(loss_curves(report(*[steady] * 8))) == 8
    (film,) = loss_curves(report(*[steady] * 10, wild))
    assert has(film, COLOURS[2])

    def lines(plot):
        """How many stand above each other between two lines of the grid."""
        column = plot[:, 100:530, 250].amax(0) > 0.35
        return int((column[1:] & ~column[:-1]).sum())

    assert lines(loss_curves(report(*[steady] * 11))[0]) == 1
    assert lines(film) == 2


def test_a_films_picture_that_has_ended_keeps_its_last_values():
    """All but one end at once at 5: the median stays there, so that its line is level."""
    film = loss_curves(report(*[[{"style": 5.0}]] * 8, [{"style": 5.0}] * 3))
    rows = drawn_in(film[0][:, 96:536, 110:700], COLOURS[2]).any(1).nonzero()
    assert rows.max() - rows.min() <= 4  # as thick as the line
    columns = drawn_in(film[0][:, 96:536, 110:700], COLOURS[2]).any(0)
    assert columns.all()


def test_a_film_solved_exactly_has_a_title_alone():
    (plot,) = loss_curves(
        json.dumps({"stage": "poisson", "pictures": [{"seconds": 1.0}] * 8 + [{"trace": [{}]}]})
    )
    assert plot[:, 96:].std() < 0.05
    assert plot[:, :60].max() > 0.8
