"""A device as Apple's GPUs are, played on the processor: no float64 there, and nothing else's data.

Its tensors hold an ordinary one each and pass every operation on to it; a mode of torch's dispatch
makes those that are asked for by the device's name. torch lets its name be chosen once a process
and never taken back, so this belongs into a process of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "apple"
aten = torch.ops.aten
# What may take tensors of both: copies, and an index, whose places torch takes from the processor.
MIXED = {
    *(aten._to_copy.default, aten.copy_.default, aten._local_scalar_dense.default),
    *(aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default),
}


class There(torch.Tensor):
    """A tensor that says it is on the device; what it holds is on the processor."""

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=f"{NAME}:0",
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    def tolist(self):
        return self.held.tolist()

    def new_tensor(self, data, *, dtype=None, device=None):
        """torch's own makes it below all dispatch."""
        made = torch.tensor(data, dtype=dtype or self.dtype)
        return made.to(self.device if device is None else device)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return passed_on(function, args, kwargs or {})


def passed_on(function, args, kwargs):
    """An operation done by what the tensors hold; what it makes is there again."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, There)]
    elsewhere = [one for one in tensors if not isinstance(one, There) and one.dim()]
    if there and elsewhere and function not in MIXED:
        raise RuntimeError(f"{function}: all tensors must be on one device, got {NAME} and cpu")
    is_there = bool(there)
    if function is aten.copy_.default:
        is_there = isinstance(args[0], There)
    elif kwargs.get("device") is not None:
        is_there = torch.device(kwargs["device"]).type == NAME
        kwargs = kwargs | {"device": "cpu"} if is_there else kwargs
    kwargs.pop("pin_memory", None)
    made = function(*tree_map(_held, args), **tree_map(_held, kwargs))
    if not is_there:
        return made
    wrappers = {id(tensor.held): tensor for tensor in there}
    return tree_map(lambda leaf: _wrapped(leaf, wrappers, function), made)


def _held(leaf):
    return leaf.held if isinstance(leaf, There) else leaf


def _wrapped(leaf, wrappers, function):
    """What was made, there; a tensor that was changed in its place stays the same one."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if leaf.dtype in (torch.float64, torch.complex128):
        raise TypeError(f"{function}: the device has no {leaf.dtype}")
    return wrappers[id(leaf)] if id(leaf) in wrappers else There(leaf)


class Made(TorchDispatchMode):
    """While it is entered, torch can make tensors on the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return passed_on(function, args, dict(kwargs or {}))


class Told(TorchFunctionMode):
    """`torch.tensor(numbers, device=...)`, which torch makes below all dispatch."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function not in (torch.tensor, torch.as_tensor) or kwargs.get("device") is None:
            return function(*args, **kwargs)
        return function(*args, **kwargs | {"device": "cpu"}).to(kwargs["device"])


def register() -> None:
    """Tell torch the device's name, before its first backward pass: then it counts the devices."""
    _setup_privateuseone_for_python_backend(NAME)


@contextmanager
def device() -> Iterator[None]:
    """Inside the device can be used by its name, if it is registered."""
    with Made(), Told():
        yield
