"""Exact solves of random supports, with and without a screen, against SciPy's direct solution."""

import numpy as np
import torch
from hypothesis import strategies as st
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from blending.poisson.solver import solve_poisson

from .pictures import make_mask, make_picture, same_bits, side
from .search import FaultError, Part

TOLERANCE = 0.1  # levels: the solver's default and its promise
# Below, float32's rounding of the guidance moves the mean that such a screen holds, as
# `solve_poisson` says of itself: a whole frame is compared in float64 there.
WEAK = 1e-5
SUPPORTS = ("full", "disc", "pixel", "line", "frame", "holes", "speckle", "corner", "two", "blobs")
FILLINGS = ("noise", "flat", "black", "white", "ramp", "levels")
SCREENS = ("none", "constant", "ramp", "noise", "spots", "half")
GUIDANCES = ("source", "field")

cases = st.fixed_dictionaries(
    {
        "size": st.tuples(side, side),
        "batch": st.integers(1, 3),
        "dtype": st.sampled_from(("float32", "float32", "float64")),
        "support": st.sampled_from(SUPPORTS),
        "source": st.sampled_from(FILLINGS),
        "target": st.sampled_from(FILLINGS),
        "guidance": st.sampled_from(GUIDANCES),
        "screen": st.sampled_from(SCREENS),
        "power": st.integers(-6, 4),  # of ten: the screen
        "seed": st.integers(0, 9999),
    }
)


def _planes(case: dict, kind: str, number: int, channels: int = 3) -> torch.Tensor:
    words = {"values": kind, "channels": channels, "dtype": "float64", "layout": "contiguous"}
    return make_picture({**words, "seed": case["seed"] + number}, case["batch"], *case["size"])


def _support(case: dict) -> np.ndarray:
    """(B, 1, H, W), bool, at least a pixel in each."""
    if case["support"] == "blobs":
        noise = _planes(case, "noise", 3, 1).numpy()
        found = ndimage.gaussian_filter(noise, (0, 0, 2, 2))
        found = found > np.median(found, axis=(2, 3), keepdims=True)
    else:
        words = {"shape": case["support"], "dtype": "float64", "layout": "contiguous"}
        found = make_mask({**words, "seed": case["seed"]}, case["batch"], *case["size"]).numpy() > 0
    found[:, :, 0, 0] |= ~found.any((2, 3))
    return found


def _screen(case: dict) -> np.ndarray | None:
    """(B, 1, H, W), >= 0."""
    shape = (case["batch"], 1, *case["size"])
    noise = _planes(case, "noise", 4, 1).numpy()
    strong, across = 10.0 ** case["power"], np.linspace(0, 1, shape[3]) + np.zeros(shape)
    return {
        "none": None,
        "constant": np.full(shape, strong),
        "ramp": strong * across,
        "noise": strong * 10 ** (4 * noise - 2),
        "spots": strong * (noise < 0.05),
        "half": strong * (across > 0.5),
    }[case["screen"]]


def frame_laplacian(height: int, width: int) -> sparse.csr_matrix:
    """Σ (p − q) over the neighbours inside the frame, for all its pixels, row by row."""

    def along(count: int) -> sparse.csr_matrix:
        if count == 1:
            return sparse.csr_matrix((1, 1))
        steps = sparse.diags([-np.ones(count - 1), np.ones(count - 1)], [0, 1], (count - 1, count))
        return steps.T @ steps

    rows, columns = along(height), along(width)
    return (
        sparse.kron(rows, sparse.identity(width)) + sparse.kron(sparse.identity(height), columns)
    ).tocsr()


def reference(
    laplacian: sparse.csr_matrix,
    support: np.ndarray,
    guidance: np.ndarray,
    boundary: np.ndarray,
    screen: np.ndarray | None,
    anchor: np.ndarray,
) -> np.ndarray:
    """The direct solution of one picture: (C, n) planes and (n,) support and screen, float64."""
    inside = np.flatnonzero(support)
    outside = np.flatnonzero(~support)
    own = laplacian[inside]
    matrix, right = own[:, inside].tocsc(), guidance[:, inside]
    if len(outside):
        right = right - (own[:, outside] @ boundary[:, outside].T).T
    if screen is not None and screen[inside].any():
        matrix = matrix + sparse.diags(screen[inside]).tocsc()
        right = right + screen[inside] * anchor[:, inside]
    elif not len(outside):  # nothing fixes the mean: that of the boundary is kept
        right = right - right.mean(1, keepdims=True)
        matrix = matrix + sparse.csc_matrix(([1.0], ([0], [0])), matrix.shape)
    solution = boundary.copy()
    solution[:, inside] = splu(matrix).solve(np.ascontiguousarray(right.T)).T
    if not len(outside) and (screen is None or not screen.any()):
        solution += (boundary - solution).mean(1, keepdims=True)
    return solution


def check(case: dict) -> str:
    """Solve a batch and compare every picture of it."""
    support, screen = _support(case), _screen(case)
    source, target, anchor = (_planes(case, kind, n) for n, kind in enumerate(_kinds(case)))
    laplacian = frame_laplacian(*case["size"])
    shape = source.shape
    guidance = (source.numpy().reshape(-1, laplacian.shape[0]) @ laplacian).reshape(shape)
    if case["guidance"] == "field":  # of no picture
        guidance = guidance + 0.1 * (anchor.numpy() - 0.5)
    dtype = getattr(torch, case["dtype"])
    is_whole = bool(support.all((1, 2, 3)).any())
    if is_whole and screen is not None and screen.min() < WEAK:
        dtype = torch.float64
    # What float32 has is what is solved: rounded before both solve it.
    rounded = [torch.as_tensor(p).to(dtype) for p in (guidance, target, anchor)]
    held = {} if screen is None else {"screen": torch.as_tensor(screen).to(dtype)}
    held |= {} if screen is None else {"anchor": rounded[2]}
    given = [rounded[0], torch.as_tensor(support), rounded[1], *held.values()]
    before = [tensor.clone() for tensor in given]
    solved = solve_poisson(*given[:3], TOLERANCE, **held)
    if not all(map(same_bits, given, before)):
        raise FaultError("exact: an input was changed")
    if not same_bits(solved, solve_poisson(*given[:3], TOLERANCE, **held)):
        raise FaultError("exact: differs when it is run again")
    return _compared(solved, given[1], rounded, held.get("screen"), laplacian)


def _kinds(case: dict) -> tuple[str, str, str]:
    return case["source"], case["target"], "noise"


def _compared(solved, support, planes, screen, laplacian) -> str:
    guidance, target, anchor = (plane.double().flatten(2).numpy() for plane in planes)
    inside = support.flatten(1).numpy()
    screens = None if screen is None else screen.double().flatten(1).numpy()
    for row, found in enumerate(solved.double().flatten(2).numpy()):
        own = None if screens is None else screens[row]
        wanted = reference(laplacian, inside[row], guidance[row], target[row], own, anchor[row])
        if not (found[:, ~inside[row]] == target[row][:, ~inside[row]]).all():
            raise FaultError("exact: the boundary is changed")
        error = 255 * np.abs(found - wanted).max()
        if not error <= TOLERANCE:
            raise FaultError(f"exact: off by more than {TOLERANCE} level: {_size(error)}")
    return "solved"


def _size(error: float) -> str:
    return "by more than 1" if not error <= 1 else "by less than 1"


EXACT = Part("exact", cases, check)
