"""Devices without 64-bit floats, played by fake tensors: nothing of that kind is made on them."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from blending.float64 import float64_device
from blending.optimize.lbfgs import History
from blending.placement.layout import Layout
from blending.placement.warp import pose

# Any device that this torch was built for; fake tensors need none to be there.
DEVICE = torch.device("cuda")


class WithoutFloat64(TorchDispatchMode):
    """As Apple's MPS and some of Intel's GPUs do it: a tensor of float64 there is an error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            is_there = isinstance(tensor, torch.Tensor) and tensor.device.type == DEVICE.type
            if is_there and tensor.dtype == torch.float64:
                raise self.error("the device has no float64")
        return made


@pytest.fixture(params=[TypeError, RuntimeError])
def without_float64(request):
    if not torch.backends.cuda.is_built():
        pytest.skip(
            "this torch was built for no other device: NO DEVICE WITHOUT FLOAT64 WAS PLAYED"
        )
    with FakeTensorMode(allow_non_fake_inputs=True), WithoutFloat64(request.param):
        yield


def test_the_processor_has_float64():
    assert float64_device(torch.device("cpu")) == torch.device("cpu")


def test_a_device_that_has_it_computes_itself():
    if not torch.backends.cuda.is_built():
        pytest.skip("this torch was built for no other device")
    with FakeTensorMode():
        assert float64_device(DEVICE) == DEVICE


def test_the_processor_stands_in_for_a_device_without(without_float64):
    assert float64_device(DEVICE) == torch.device("cpu")


def test_the_curvature_history_needs_no_float64_there(without_float64):
    vectors, rows = (
        torch.zeros(2, 50, device=DEVICE),
        torch.ones(2, dtype=torch.bool, device=DEVICE),
    )
    history = History(vectors, 4)
    history.add(rows, vectors, vectors, vectors)
    found = history.apply(vectors, vectors)
    history.forget(rows)
    assert found.device.type == history.is_filled.device.type == DEVICE.type
    assert found.dtype == torch.float32
    assert history.step_change.dtype == torch.float64  # on the processor


def test_an_affine_map_needs_no_float64_there(without_float64):
    spot = Layout(rotation=30.0, scale=2.0).spot((20, 30), (200, 200))
    colour, plane = (torch.zeros(1, n, 20, 30, device=DEVICE) for n in (3, 1))
    for made in pose(colour, plane, plane, "off", spot):
        assert made.device.type == DEVICE.type
        assert made.dtype == torch.float32
