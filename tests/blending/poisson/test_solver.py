"""The Poisson solve against SciPy's sparse direct solver, for masks of every kind."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve
from skimage import data

from blending.poisson import stencil
from blending.poisson.multigrid import Multigrid, multigrid
from blending.poisson.solver import (
    ROUNDING,
    LinearSystem,
    conjugate_gradients,
    inner_product,
    needs_float64,
    pixel_sum,
    solve_poisson,
    stiffness,
)

LEVEL = 1 / 255
TOLERANCE = 0.1  # grey levels; the function's default and its promise


def laplacian(image):
    """Σ (p − q) over the neighbours inside the frame, of (C, H, W); repeated edges drop out."""
    return np.stack([-ndimage.laplace(channel, mode="nearest") for channel in image])


def direct_solution(guidance, support, boundary, screen=None, anchor=None):
    """The definition, assembled edge by edge and solved in float64."""
    if screen is not None:
        guidance = guidance + screen * anchor
    height, width = support.shape
    number = np.full(support.shape, -1)
    number[support] = np.arange(support.sum())
    entries, right = [], guidance[:, support].T.copy()
    for row, column in zip(*np.nonzero(support), strict=True):
        here = number[row, column]
        if screen is not None:
            entries.append((here, here, screen[row, column]))
        for down, along in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            r, c = row + down, column + along
            if not (0 <= r < height and 0 <= c < width):
                continue
            entries.append((here, here, 1.0))
            if support[r, c]:
                entries.append((here, number[r, c], -1.0))
            else:
                right[here] += boundary[:, r, c]
    rows, columns, values = zip(*entries, strict=True)
    matrix = sparse.csc_matrix((values, (rows, columns)), shape=(len(right), len(right)))
    solution = boundary.copy()
    solution[:, support] = spsolve(matrix, right).reshape(right.shape).T
    return solution


def pictures(height, width):
    """Source and target, (3, H, W): two parts of a photograph with edges, texture and skin."""
    photograph = data.astronaut().transpose(2, 0, 1) / 255
    return (
        photograph[:, 60 : 60 + height, 150 : 150 + width],
        photograph[:, 250 : 250 + height, 20 : 20 + width],
    )


def solve(guidance, support, boundary, dtype=torch.float32, tolerance=TOLERANCE, **held):
    """`held`: screen, (H, W), and anchor, (C, H, W)."""
    held = {name: torch.from_numpy(np.atleast_3d(array.T).T) for name, array in held.items()}
    return solve_poisson(
        torch.from_numpy(guidance)[None].to(dtype),
        torch.from_numpy(support)[None, None],
        torch.from_numpy(boundary)[None].to(dtype),
        tolerance,
        **{name: tensor[None].to(dtype) for name, tensor in held.items()},
    )


def error_in_levels(support, dtype=torch.float32, start="target"):
    """Largest distance to the direct solution, from the target or from copy and paste."""
    source, target = pictures(*support.shape)
    boundary = np.where(support, source, target) if start == "paste" else target
    guidance = laplacian(source)
    solved = solve(guidance, support, boundary, dtype)[0].double().numpy()
    return np.abs(solved - direct_solution(guidance, support, boundary)).max() / LEVEL


def blank(height, width):
    return np.zeros((height, width), bool)


def disc(height, width, row, column, radius):
    rows, columns = np.mgrid[:height, :width]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def blobs():
    one, two = disc(61, 83, 15, 20, 12), disc(61, 83, 40, 60, 17)
    return one | two | disc(61, 83, 50, 8, 1)


def but_one_pixel(height, width, row, column):
    support = ~blank(height, width)
    support[row, column] = False
    return support


def at_edge(edge):
    support = blank(45, 52)
    support[{"top": np.s_[:20, 9:40], "bottom": np.s_[25:, 9:40]}.get(edge, np.s_[9:30, :])] = True
    if edge in ("left", "right"):
        support[:, np.s_[30:] if edge == "left" else np.s_[:22]] = False
    return support


def lines():
    support = blank(33, 47)
    support[5, 3:44] = support[9:30, 20] = True
    np.fill_diagonal(support[12:, 25:], True)
    return support


def snake():
    """One pixel wide, folded: a single path over half of the frame, along its edges."""
    support = blank(41, 37)
    support[::2] = True
    support[1::4, -1] = support[3::4, 0] = True
    return support


MASKS = {
    "disc": disc(63, 71, 30, 33, 25),
    "blobs": blobs(),
    "ring": disc(64, 64, 31, 32, 26) & ~disc(64, 64, 28, 34, 11),
    "hole of one pixel": disc(50, 50, 25, 25, 20) & but_one_pixel(50, 50, 22, 27),
    "top edge": at_edge("top"),
    "bottom edge": at_edge("bottom"),
    "left edge": at_edge("left"),
    "right edge": at_edge("right"),
    "rows from edge to edge": at_edge("both"),
    "one pixel": disc(9, 11, 4, 5, 0),
    "a corner pixel": disc(9, 11, 0, 10, 0),
    "thin lines": lines(),
    "snake": snake(),
    "all but one pixel": but_one_pixel(24, 31, 11, 9),
    "all but a corner": but_one_pixel(31, 24, 0, 0),
    "a column, all but its end": but_one_pixel(40, 1, 0, 0),
    "odd rectangle": disc(17, 23, 8, 11, 40) & (np.arange(23) > 2) & (np.arange(17) < 12)[:, None],
}


@pytest.mark.parametrize("start", ["target", "paste"])
@pytest.mark.parametrize("name", MASKS)
def test_the_solution_is_the_direct_one_within_the_tolerance(name, start):
    assert error_in_levels(MASKS[name], start=start) < TOLERANCE


@pytest.mark.parametrize("name", ["disc", "ring", "all but one pixel"])
def test_the_solution_in_float64_is_the_direct_one_within_the_tolerance(name):
    assert error_in_levels(MASKS[name], torch.float64) < TOLERANCE


def test_noise_is_solved_within_the_tolerance():
    rng = np.random.default_rng(0)
    guidance, boundary = rng.normal(size=(3, 61, 83)), rng.random((3, 61, 83))
    wanted = direct_solution(guidance, blobs(), boundary)
    solved = solve(guidance, blobs(), boundary)[0].double().numpy()
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


LITTLE_BOUNDARY = {
    "all but one pixel": (but_one_pixel(96, 96, 48, 32), "target"),
    "all but a corner": (but_one_pixel(96, 96, 0, 0), "paste"),
    "all but a column": (np.ones((127, 127), bool) & (np.arange(127) >= 1), "paste"),
    "two thirds, at three frame edges": (
        np.ones((127, 127), bool) & (np.arange(127) >= 42),
        "paste",
    ),
}


@pytest.mark.parametrize("name", LITTLE_BOUNDARY)
def test_masks_with_little_boundary_stay_within_the_tolerance_too(name):
    support, start = LITTLE_BOUNDARY[name]
    assert error_in_levels(support, torch.float64, start) < TOLERANCE


def test_a_small_tolerance_gives_the_direct_solution():
    source, target = pictures(50, 50)
    wanted = direct_solution(laplacian(source), MASKS["hole of one pixel"], target)
    solved = solve(
        laplacian(source), MASKS["hole of one pixel"], target, torch.float64, tolerance=1e-6
    )
    np.testing.assert_allclose(solved[0].numpy(), wanted, atol=1e-6 * LEVEL)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [((1, 1), (0.4 + 0.2 + 0.4 + 0.6 + 0.8) / 4), ((0, 0), (0.4 + 0.2 + 0.4) / 2)],
)
def test_one_pixel_is_guidance_plus_its_neighbours_over_their_number(place, wanted):
    # Around the middle: 0.2, 0.4, 0.6, 0.8; around the corner: 0.2 and 0.4.
    boundary = np.array([[[9.0, 0.2, 9.0], [0.4, 9.0, 0.6], [9.0, 0.8, 9.0]]])
    support = blank(3, 3)
    support[place] = True
    solved = solve(np.full((1, 3, 3), 0.4), support, boundary, torch.float64, tolerance=1e-9)
    assert solved[0, 0][place].item() == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("name", ["disc", "ring", "top edge", "all but one pixel", "snake"])
def test_a_constant_offset_vanishes(name):
    support = MASKS[name]
    _, target = pictures(*support.shape)
    source = target + np.array([0.3, -0.2, 0.1])[:, None, None]
    boundary = np.where(support, source, target)
    solved = solve(laplacian(source), support, boundary)[0].double().numpy()
    assert np.abs(solved - target).max() < TOLERANCE * LEVEL


def test_without_guidance_a_strip_is_filled_linearly():
    boundary = np.array([[[0.0, 9.0, 9.0, 9.0, 1.0]]])
    support = np.array([[False, True, True, True, False]])
    solved = solve(np.zeros((1, 1, 5)), support, boundary, torch.float64, tolerance=1e-9)
    np.testing.assert_allclose(solved[0, 0, 0].numpy(), [0, 0.25, 0.5, 0.75, 1], atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(16, 17), (33, 64), (1, 40), (1, 1)])
def test_the_whole_frame_keeps_the_mean_of_the_boundary(shape, dtype):
    source, target = pictures(*shape)
    solved = solve(laplacian(source), ~blank(*shape), target, dtype)[0].double().numpy()
    wanted = source + (target - source).mean((1, 2), keepdims=True)
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL
    np.testing.assert_allclose(solved.mean((1, 2)), target.mean((1, 2)), atol=1e-6)


def test_the_whole_frame_of_the_source_itself_is_the_source():
    source, _ = pictures(20, 31)
    solved = solve(laplacian(source), ~blank(20, 31), source, torch.float64)
    np.testing.assert_allclose(solved[0].numpy(), source, atol=1e-9)


def test_over_the_whole_frame_the_part_of_the_guidance_that_no_picture_has_is_ignored():
    # A Laplacian sums to 0 over the frame, each difference being counted from both sides.
    source, _ = pictures(20, 31)
    solved = solve(laplacian(source) + 0.01, ~blank(20, 31), source, torch.float64)
    np.testing.assert_allclose(solved[0].numpy(), source, atol=TOLERANCE * LEVEL)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_are_solved_apart_and_the_type_kept(channels, dtype):
    support = disc(13, 10, 6, 4, 3)
    boundary = np.random.default_rng(0).random((channels, 13, 10))
    guidance = np.zeros_like(boundary)
    guidance[-1] = 1
    solved = solve(guidance, support, boundary, dtype, tolerance=1e-3)
    assert solved.dtype == dtype
    assert solved.shape == (1, channels, 13, 10)
    wanted = direct_solution(guidance, support, boundary)
    np.testing.assert_allclose(solved[0].double().numpy(), wanted, atol=1e-3 * LEVEL)


def test_outside_the_support_the_boundary_stays_bit_for_bit():
    support = blobs()
    source, target = pictures(*support.shape)
    target = np.where(target > 0.9, -0.0, target)  # a sign is lost by adding 0
    solved = solve(laplacian(source), support, target)[0].numpy()
    wanted = target.astype(np.float32)[:, ~support]
    assert np.array_equal(solved[:, ~support].view(np.int32), wanted.view(np.int32))


def test_the_inputs_are_not_modified():
    source, target = pictures(17, 23)
    tensors = [
        torch.from_numpy(laplacian(source))[None],
        torch.from_numpy(MASKS["odd rectangle"])[None, None],
        torch.from_numpy(target.copy())[None],
    ]
    before = [tensor.clone() for tensor in tensors]
    solve_poisson(*tensors)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_an_empty_support_is_refused():
    words = "support must have at least one pixel, got none"
    with pytest.raises(ValueError, match=words):
        solve(np.zeros((3, 4, 5)), blank(4, 5), np.zeros((3, 4, 5)))


def across(height, width):
    """0 at the left edge, 1 at the right, (H, W)."""
    return np.broadcast_to(np.linspace(0, 1, width), (height, width)).copy()


SCREENS = {
    "1e-6": lambda shape: np.full(shape, 1e-6),
    "1e-3": lambda shape: np.full(shape, 1e-3),
    "0.1": lambda shape: np.full(shape, 0.1),
    "10": lambda shape: np.full(shape, 10.0),
    "0 to 1": lambda shape: across(*shape),
    "half 0, half 10": lambda shape: 10.0 * (across(*shape) > 0.5),
    "1e-6 to 10": lambda shape: 10 ** (7 * across(*shape) - 6),
    "noise of 1e-6 to 10": lambda shape: 10 ** np.random.default_rng(0).uniform(-6, 1, shape),
    "spots of 10": lambda shape: 10.0 * (np.random.default_rng(0).random(shape) < 0.02),
    "one corner": lambda shape: np.pad([[10.0]], ((0, shape[0] - 1), (0, shape[1] - 1))),
}
WHOLE = {"whole frame": ~blank(64, 71), "one row": ~blank(1, 40)}


def screened_error_in_levels(support, screen, dtype):
    """Largest distance to the direct solution, held to the source over the target."""
    source, target = pictures(*support.shape)
    screen, guidance = SCREENS[screen](support.shape), laplacian(source)
    solved = solve(guidance, support, target, dtype, screen=screen, anchor=source[:, ::-1].copy())
    wanted = direct_solution(guidance, support, target, screen, source[:, ::-1])
    return np.abs(solved[0].double().numpy() - wanted).max() / LEVEL


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", MASKS)
def test_a_screened_solution_is_the_direct_one_within_the_tolerance(name, screen):
    assert screened_error_in_levels(MASKS[name], screen, torch.float32) < TOLERANCE


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_screened_solution_of_the_whole_frame_is_the_direct_one(name, screen):
    # In float32 the rounding of the guidance alone moves the mean by more, where 1e-6 holds it.
    dtype = torch.float64 if screen == "1e-6" else torch.float32
    assert screened_error_in_levels(WHOLE[name], screen, dtype) < TOLERANCE


def test_a_whole_frame_without_a_screen_keeps_its_mean_beside_one_that_has_a_screen():
    source, target = pictures(16, 19)
    planes = [np.stack([plane, plane]) for plane in (laplacian(source), target)]
    screen = np.zeros((2, 1, 16, 19))
    screen[1, 0, 5, 7] = 1
    guidance, boundary = (torch.from_numpy(plane).float() for plane in planes)
    held, support = torch.from_numpy(screen).float(), torch.ones(2, 1, 16, 19, dtype=torch.bool)
    solved = solve_poisson(guidance, support, boundary, screen=held, anchor=1 - boundary).double()
    assert (solved[0] - boundary[0]).mean((1, 2)).abs().max() < TOLERANCE * LEVEL
    wanted = direct_solution(planes[0][1], ~blank(16, 19), target, screen[1, 0], 1 - target)
    assert np.abs(solved[1].numpy() - wanted).max() < TOLERANCE * LEVEL


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_that_is_solved_at_once_waits_for_the_others_of_its_batch(seed):
    """A single pixel is solved to the last bit; what went on from there ended in NaN."""
    draw = np.random.default_rng(seed)
    source, target = draw.random((2, 2, 3, 1, 16))
    supports = np.zeros((2, 1, 16), bool)
    supports[0, 0, [1, 2, 10, 12]] = supports[1, 0, 3] = True
    guidance = np.stack([laplacian(picture) for picture in source])
    planes = (torch.from_numpy(plane) for plane in (guidance, supports[:, None], target))
    guides, inside, boundary = planes
    solved = solve_poisson(guides.float(), inside, boundary.float()).double().numpy()
    for row in range(2):
        wanted = direct_solution(guidance[row], supports[row], target[row])
        assert np.abs(solved[row] - wanted).max() < TOLERANCE * LEVEL


def test_a_screen_that_is_weak_on_one_side_and_very_strong_on_the_other_is_solved_in_float32():
    source, target = pictures(96, 96)
    screen, guidance = 1e6 * (across(96, 96) > 0.5), laplacian(source)
    support = ~blank(96, 96)
    solved = solve(guidance, support, target, screen=screen, anchor=target)[0].double().numpy()
    wanted = direct_solution(guidance, support, target, screen, target)
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


def test_where_a_strong_screen_ends_the_error_is_not_underestimated():
    # The coarse grids took a screen as a hold on pixels beside it: 0.17 level off in the end.
    anchor = np.random.default_rng(8438).random((3, 88, 46))
    screen, black = 10.0 * (across(88, 46) > 0.5), np.zeros((3, 88, 46))
    support = ~blank(88, 46)
    solved = solve(black, support, black, screen=screen, anchor=anchor)[0].double().numpy()
    wanted = direct_solution(black, support, black, screen, anchor)
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["disc", "ring", "top edge", "snake", "whole frame"])
def test_a_screen_of_zero_changes_no_bit(name, dtype):
    support = (MASKS | WHOLE)[name]
    source, target = pictures(*support.shape)
    plain = solve(laplacian(source), support, target, dtype)
    for screen in (0.0 * support, 1.0 * ~support):  # nowhere, and outside the support alone
        held = solve(laplacian(source), support, target, dtype, screen=screen, anchor=source)
        assert plain.numpy().tobytes() == held.numpy().tobytes()


@pytest.mark.parametrize("name", ["disc", "top edge", "whole frame"])
def test_a_huge_screen_gives_the_anchor(name):
    # The anchor is missed by (its Laplacian's distance to the guidance) / screen: at most 16 / 1e6.
    support = (MASKS | WHOLE)[name]
    source, target = pictures(*support.shape)
    anchor = source[:, ::-1].copy()
    screen = np.full(support.shape, 1e6)
    solved = solve(laplacian(source), support, target, screen=screen, anchor=anchor)[0].numpy()
    np.testing.assert_allclose(solved[:, support], anchor[:, support], atol=TOLERANCE * LEVEL)
    np.testing.assert_array_equal(solved[:, ~support], target.astype(np.float32)[:, ~support])


@pytest.mark.parametrize("screen", [1e-6, 0.01, 0.5, 10.0])
def test_an_anchor_that_solves_the_equation_is_the_solution(screen):
    # Δ anchor = guidance and anchor = boundary: both parts of the energy are at their least.
    support = MASKS["ring"]
    _, target = pictures(*support.shape)
    boundary = np.where(support, 0, target)
    held = {"screen": np.full(support.shape, screen), "anchor": target}
    solved = solve(laplacian(target), support, boundary, **held)[0].double().numpy()
    assert np.abs(solved - target).max() < TOLERANCE * LEVEL


@pytest.mark.parametrize("screen", [1e-3, 0.05, 1.0, 10.0])
@pytest.mark.parametrize("rows", [1, 3])
def test_across_a_strip_the_boundary_decays_exponentially(rows, screen):
    # u = exp(−rate·d) solves −u(d−1) + (2 + screen)·u(d) − u(d+1) = 0 where 2·cosh(rate) =
    # 2 + screen; with 0 at the far end, L: sinh(rate·(L − d)) / sinh(rate·L). Rows are alike.
    length = 100
    rate = np.arccosh(1 + screen / 2)
    boundary = np.zeros((1, rows, length + 1))
    boundary[..., 0] = 1
    support = ~blank(rows, length + 1)
    support[:, [0, -1]] = False
    held = {"screen": np.full(support.shape, screen), "anchor": np.zeros_like(boundary)}
    zero = np.zeros_like(boundary)
    solved = solve(zero, support, boundary, torch.float64, 1e-6, **held)[0, 0].numpy()
    distance = np.arange(length + 1)
    wanted = np.sinh(rate * (length - distance)) / np.sinh(rate * length)
    np.testing.assert_allclose(solved, np.tile(wanted, (rows, 1)), atol=1e-6 * LEVEL)
    if rate * length > 40:
        np.testing.assert_allclose(solved[0, :30], np.exp(-rate * distance[:30]), atol=1e-8)


@pytest.mark.parametrize(("place", "degree"), [((1, 1), 4), ((0, 0), 2)])
def test_one_screened_pixel_by_hand(place, degree):
    # (neighbours + guidance + screen·anchor) / (degree + screen)
    boundary = np.array([[[9.0, 0.2, 9.0], [0.4, 9.0, 0.6], [9.0, 0.8, 9.0]]])
    neighbours = {4: 0.2 + 0.4 + 0.6 + 0.8, 2: 0.2 + 0.4}[degree]
    support = blank(3, 3)
    support[place] = True
    held = {"screen": np.full((3, 3), 0.5), "anchor": np.full((1, 3, 3), 0.7)}
    solved = solve(np.full((1, 3, 3), 0.4), support, boundary, torch.float64, 1e-9, **held)
    wanted = (neighbours + 0.4 + 0.5 * 0.7) / (degree + 0.5)
    assert solved[0, 0][place].item() == pytest.approx(wanted, abs=1e-10)


def test_a_screened_whole_frame_does_not_keep_the_boundarys_mean():
    # The sum over all equations: Σ screen·u = Σ screen·anchor, the Laplacian's own sum being 0.
    source, target = pictures(33, 40)
    screen = SCREENS["noise of 1e-6 to 10"]((33, 40))
    support = ~blank(33, 40)
    solved = solve(laplacian(source), support, target, torch.float64, screen=screen, anchor=source)
    # The source solves the equations: its Laplacian is the guidance, and it is the anchor.
    np.testing.assert_allclose(solved[0].numpy(), source, atol=TOLERANCE * LEVEL)


def test_on_a_screened_whole_frame_a_constant_guidance_moves_the_mean():
    # u = anchor + 0.001 / 0.01 everywhere: no difference, and the screen's pull is the guidance.
    _, anchor = pictures(33, 40)
    screen = np.full((33, 40), 0.01)
    guidance = laplacian(anchor) + 0.001
    solved = solve(guidance, ~blank(33, 40), 0 * anchor, screen=screen, anchor=anchor)[0].numpy()
    np.testing.assert_allclose(solved, anchor + 0.1, atol=TOLERANCE * LEVEL)


def cycles(monkeypatch, solving):
    """How many multigrid cycles something takes."""
    counted, cycle = [], Multigrid.cycle

    def counting(self, depth=0):
        counted.append(depth)
        return cycle(self, depth)

    monkeypatch.setattr(Multigrid, "cycle", counting)
    solving()
    return counted.count(0)


@pytest.mark.parametrize("screen", ["10", "0.1", "half 0, half 10", "1e-6 to 10"])
def test_a_screen_does_not_slow_the_solve(monkeypatch, screen):
    def solving():
        assert screened_error_in_levels(MASKS["ring"], screen, torch.float32) < TOLERANCE

    assert cycles(monkeypatch, solving) <= 9  # without a screen the ring takes 6


def cycles_from(monkeypatch, distance):
    """From a first guess that many levels from the solution at most; None: from the target."""
    support = MASKS["disc"]
    source, guess = pictures(*support.shape)
    guidance = laplacian(source)
    if distance is not None:
        wave = np.sin(np.arange(support.shape[1]) / 5)
        guess = direct_solution(guidance, support, guess) + distance * LEVEL * wave * support
    return cycles(monkeypatch, partial(solve, guidance, support, guess))


def test_a_first_guess_near_the_solution_saves_cycles(monkeypatch):
    # The target is about 100 levels away; a cycle that leaves a tenth needs two more than from 1.
    cold = cycles_from(monkeypatch, None)
    assert cycles_from(monkeypatch, 1) <= cold - 2
    assert cycles_from(monkeypatch, TOLERANCE / 4) == 1  # the correction is within the tolerance


@pytest.mark.parametrize("shape", ["disc", "sieve"])
def test_the_cycles_do_not_grow_with_the_mask(monkeypatch, shape):
    # Plain conjugate gradients take about the side in pixels, and so do sieves by sine transforms.
    counts = []
    for side in (40, 160, 480):
        rows, columns = np.mgrid[:side, :side] - side / 2
        is_disc = shape == "disc"
        support = rows**2 + columns**2 < side**2 / 5 if is_disc else (rows + 2 * columns) % 5 > 0
        # A bump of the same height at each size.
        guidance = np.full((1, side, side), 10 / side**2)
        boundary = np.full((1, side, side), 0.5)
        solving = partial(solve, guidance, support, boundary)
        counts.append(cycles(monkeypatch, solving))
    assert max(counts) <= 8


def test_a_batch_is_solved_as_each_of_it():
    source, target = pictures(60, 70)
    supports = torch.from_numpy(np.stack([across(60, 70) < 0.4, across(60, 70) > 0.7])[:, None])
    guidance = torch.from_numpy(np.stack([laplacian(source), laplacian(target)]))
    boundary = torch.from_numpy(np.stack([target, source]))
    both = solve_poisson(guidance, supports, boundary)
    for sample in range(2):
        one = slice(sample, sample + 1)
        alone = solve_poisson(guidance[one], supports[one], boundary[one])
        assert (both[one] - alone).abs().max() < TOLERANCE * LEVEL


def test_a_batch_with_an_empty_support_names_the_picture():
    support = torch.ones(3, 1, 5, 5, dtype=torch.bool)
    support[1] = False
    with pytest.raises(ValueError, match="at least one pixel, got none in picture 1"):
        solve_poisson(torch.zeros(3, 1, 5, 5), support, torch.zeros(3, 1, 5, 5))


def test_the_channels_of_a_screened_solve_have_their_own_anchors():
    support = MASKS["disc"]
    anchor = np.stack([np.full(support.shape, value) for value in (0.1, 0.5, 0.9, 1.3)])
    held = {"screen": np.full(support.shape, 1e6), "anchor": anchor}
    solved = solve(np.zeros_like(anchor), support, np.zeros_like(anchor), **held)[0].numpy()
    np.testing.assert_allclose(solved[:, support], anchor[:, support], atol=TOLERANCE * LEVEL)


def test_the_screens_inputs_are_not_modified():
    generator = torch.Generator().manual_seed(0)
    guidance, boundary, anchor = torch.rand(3, 1, 3, 9, 8, generator=generator)
    screen = torch.rand(1, 1, 9, 8, generator=generator)
    support = torch.ones_like(screen) > 0
    tensors = [guidance, support, boundary, screen, anchor]
    before = [tensor.clone() for tensor in tensors]
    solve_poisson(guidance, support, boundary, screen=screen, anchor=anchor)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


@pytest.mark.parametrize(("value", "words"), [(-0.5, "-0.5"), (np.nan, "nan")])
def test_a_screen_below_zero_is_refused(value, words):
    picture, screen = np.zeros((3, 4, 5)), np.ones((4, 5))
    screen[2, 3] = value
    with pytest.raises(ValueError, match=f"screen must be >= 0, got {words}"):
        solve(picture, ~blank(4, 5), picture, screen=screen, anchor=picture)


def test_a_screen_without_an_anchor_is_refused():
    picture = np.zeros((3, 4, 5))
    with pytest.raises(ValueError, match="anchor must be given with a screen, got None"):
        solve(picture, ~blank(4, 5), picture, screen=np.ones((4, 5)))


@pytest.mark.parametrize("screen", [None, "0 to 1"])
def test_a_solve_in_many_bands_of_rows_is_the_direct_one(monkeypatch, screen):
    monkeypatch.setattr(stencil, "BAND", 500)  # two rows of three channels
    support = MASKS["ring"]
    source, target = pictures(*support.shape)
    held = {"screen": SCREENS[screen](support.shape), "anchor": source} if screen else {}
    wanted = direct_solution(laplacian(source), support, target, *held.values())
    solved = solve(laplacian(source), support, target, **held)[0].double().numpy()
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


# --- the linear system


def linear_system(free, rhs, screen=None, floating=None, dtype=torch.float64):
    """Of a (H, W) support whose frame is its own; plane by plane."""
    ones = np.pad(np.ones(free.shape), 1)
    degree = ones[:-2, 1:-1] + ones[2:, 1:-1] + ones[1:-1, :-2] + ones[1:-1, 2:]
    free, degree, rhs = (wide(plane, dtype) for plane in (free, degree, rhs))
    screen = None if screen is None else wide(screen, dtype)
    of_support = stencil.mask_laplacian(free, degree)
    extent = free.shape[2] - 2, free.shape[3] - 2
    return LinearSystem(
        rhs=rhs,
        laplacian=of_support,
        grids=multigrid(of_support, free, screen, rhs.shape[1], extent=extent),
        screen=screen,
        floating=None if floating is None else torch.full((1, 1, 1, 1), float(floating)).double(),
    )


def wide(plane, dtype=torch.float64):
    """(H, W) or (C, H, W) as one framed picture."""
    plane = torch.as_tensor(plane).to(dtype)
    plane = plane.view(1, -1, *plane.shape[-2:])
    return stencil.framed(plane, *plane.shape[2:])


def system_matrix(free, screen=None):
    """The left-hand side's matrix over the pixels of (H, W), 0 off the support; edge by edge."""
    height, width = free.shape
    matrix = np.zeros((free.size, free.size))
    for row, column in zip(*np.nonzero(free), strict=True):
        here = row * width + column
        matrix[here, here] += 0 if screen is None else screen[row, column]
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < height and 0 <= c < width:
                matrix[here, here] += 1
                if free[r, c]:
                    matrix[here, r * width + c] = -1
    return matrix


SPOTTED = np.random.default_rng(3).random((9, 7)) < 0.7
WEAK = 0.3 * SPOTTED * np.random.default_rng(4).random((9, 7))


@pytest.mark.parametrize("band", [10, 10_000])
@pytest.mark.parametrize("screen", [None, WEAK], ids=["no screen", "screen"])
def test_the_operator_is_the_matrix_and_returns_the_inner_product(monkeypatch, screen, band):
    monkeypatch.setattr(stencil, "BAND", band)
    w, rhs = SPOTTED * np.random.default_rng(5).random((2, 2, 9, 7))
    system = linear_system(SPOTTED, rhs, screen)
    expected = (w.reshape(2, -1) @ system_matrix(SPOTTED, screen).T).reshape(w.shape)
    out = torch.zeros_like(wide(w))
    products = system.operator(wide(w), out)()
    found = stencil.unframed(out)[0].numpy()
    np.testing.assert_allclose(SPOTTED * found, expected, atol=1e-14)
    assert products.shape == (1, 2, 1, 1)
    np.testing.assert_allclose(products.flatten(), (w * expected).sum((1, 2)))


@pytest.mark.parametrize("screen", [None, WEAK], ids=["no screen", "screen"])
def test_conjugate_gradients_come_within_the_limit_of_the_matrixs_solution(screen):
    rhs = SPOTTED * np.random.default_rng(6).normal(size=(3, 9, 7))
    matrix = system_matrix(SPOTTED, screen)[SPOTTED.ravel()][:, SPOTTED.ravel()]
    wanted = np.zeros_like(rhs)
    wanted[:, SPOTTED] = np.linalg.solve(matrix, rhs[:, SPOTTED].T).T
    found = conjugate_gradients(linear_system(SPOTTED, rhs, screen), 1e-10)
    solved = stencil.unframed(found)[0].numpy()
    np.testing.assert_allclose(solved, wanted, atol=1e-9)
    assert not solved[:, ~SPOTTED].any()


def test_a_mean_that_the_boundary_fixes_is_left_alone():
    system = linear_system(SPOTTED, np.zeros((1, 9, 7)), WEAK)
    w = torch.ones(1, 1, 11, 9).double()
    assert system.without_free_mean(w) is w
    assert (w == 1).all()


def test_a_free_mean_is_taken_out_in_place_and_a_screened_one_is_not():
    rhs, whole = np.zeros((1, 5, 6)), np.ones((5, 6), bool)
    values = np.arange(30.0).reshape(5, 6)
    w = wide(values)
    held = linear_system(whole, rhs, np.full((5, 6), 0.1), floating=0)
    assert held.without_free_mean(w.clone()).sum() == 435
    freed = linear_system(whole, rhs, None, floating=1).without_free_mean(w)
    assert freed is w
    torch.testing.assert_close(w, wide(values - 14.5))


def test_sums_and_products_are_over_the_pixels_of_each_channel_and_picture():
    a = torch.tensor([[[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]], [[[0, 1], [0, 0]], [[2, 0], [0, 2]]]])
    b = torch.tensor([[[[1.0, 0], [0, 1]], [[1, 1], [1, 1]]], [[[9, 3], [9, 9]], [[1, 9], [9, 2]]]])
    assert pixel_sum(a).tolist() == [[[[10]], [[26]]], [[[1]], [[4]]]]
    assert inner_product(a, b).tolist() == [[[[5]], [[26]]], [[[3]], [[6]]]]


# --- what float32 alone does not reach


def weakly_held(height, width, side):
    """A frame of which one column or row, or none, is the boundary."""
    support = np.ones((height, width), bool)
    if side:
        support[{"left": np.s_[:, 0], "top": np.s_[0], "corner": np.s_[0, 0]}[side]] = False
    return support


def single(values):
    """As float32 has them, in float64: what rounding does to the question is not the solver's."""
    return np.float32(values).astype(float)


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [
        (2, 512, "left"),
        (8, 512, "left"),
        (3, 700, "left"),
        (600, 2, "top"),
        (5, 900, "corner"),
        (40, 60, "corner"),
        (1, 1000, "left"),
    ],
)
def test_strips_that_are_held_at_one_end_are_solved_to_the_tolerance(height, width, side):
    support = weakly_held(height, width, side)
    source, target = np.random.default_rng(height).random((2, 3, height, width))
    guidance, target = (single(plane) for plane in (laplacian(source), target))
    wanted = direct_solution(guidance, support, target)
    solved = solve(guidance, support, target)[0].double().numpy()
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


@pytest.mark.parametrize("held", [1, 5])
@pytest.mark.parametrize("size", [(70, 200), (200, 40), (200, 200), (100, 300), (129, 161)])
def test_a_picture_held_at_its_last_corner_alone_is_solved_to_the_tolerance(size, held):
    """The grids' last pixels stand for a few columns; with edges as elsewhere some sizes blew up.

    The target is the source plus a constant, so the solution is known.
    """
    support = np.ones(size, bool)
    support[-held:, -held:] = False
    source = single(np.random.default_rng(1).random((3, *size)))
    target = np.where(support, 0, source + 0.25)
    solved = solve(laplacian(source), support, target)[0].double().numpy()
    assert np.abs(solved - (source + 0.25)).max() < TOLERANCE * LEVEL


@pytest.mark.parametrize("size", [(100, 100), (2, 300), (31, 77)])
@pytest.mark.parametrize("screen", [1e-3, 4e-5, 4e-6, 4e-7, 1e-9])
def test_a_whole_frame_under_a_weak_screen_is_solved_to_the_tolerance(size, screen):
    support, (source, target) = np.ones(size, bool), map(single, pictures(*size))
    screens, guidance = single(np.full(size, screen)), single(laplacian(source))
    wanted = direct_solution(guidance, support, target, screens, source)
    solved = solve(guidance, support, target, screen=screens, anchor=source)[0].double().numpy()
    assert np.isfinite(solved).all()
    assert np.abs(solved - wanted).max() < TOLERANCE * LEVEL


def test_conjugate_gradients_end_where_the_precision_does():
    """No limit is met: what is left is rounding, and no step may be made of it."""
    rhs = SPOTTED * np.random.default_rng(6).normal(size=(3, 9, 7))
    system = linear_system(SPOTTED, rhs)
    exact = conjugate_gradients(system, 1e-12)
    single = linear_system(SPOTTED, rhs, dtype=torch.float32)
    for limit in (0.0, 1e-30):
        found = conjugate_gradients(single, limit)
        torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)


def test_a_channel_without_anything_to_solve_stays_at_zero_beside_others():
    rhs = SPOTTED * np.random.default_rng(6).normal(size=(3, 9, 7))
    rhs[1] = 0
    solved = conjugate_gradients(linear_system(SPOTTED, rhs, dtype=torch.float32), 0.0)
    assert torch.isfinite(solved).all()
    assert not solved[:, 1].any()
    assert solved[:, 0].any()


def test_stiffness_is_the_squared_way_to_what_holds_over_the_root_of_the_pixels():
    support = torch.from_numpy(weakly_held(2, 51, "left"))[None, None]
    assert stiffness(support, None) == pytest.approx(50**2 / 100**0.5)  # 100 pixels, 2 edges
    screen = torch.full((1, 1, 2, 51), 0.48)
    assert stiffness(support, screen) == pytest.approx((100 / 50) ** 2 / 10)  # 2 + 48
    assert stiffness(torch.ones_like(support), None) == 0  # nothing holds it: its mean is given
    both = torch.cat((support, torch.ones_like(support)))
    assert stiffness(both, None) == stiffness(support, None)
    for share, needs in ((0.99, True), (1.01, False)):
        assert needs_float64(support, None, share * ROUNDING * 50**2 / 100**0.5) is needs
