"""Nodes for the tests alone: tensors that no file gives, and a look at what a socket carries.

The test server has a copy of this file among its custom nodes. It also takes network, other
programs and pickle from the pack, so that every test here fails where a node wants one of them.
"""

import gc
import importlib.util
import json
import uuid
from contextlib import ExitStack
from pathlib import Path

import folder_paths  # noqa: TID251 - this file runs inside ComfyUI
import numpy as np
import torch
from comfy import model_management  # noqa: TID251

PACK = Path(__file__).with_name("deep-image-blending")


def _beside(name):
    """A file of tests/, which the server has in its base folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_beside("guard").guard(f"{PACK}")
_faults = _beside("faults")


def _noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


TENSORS = {
    "half target": lambda: _noise(1, 80, 96, 3).half(),
    "bfloat16 target": lambda: _noise(1, 80, 96, 3).bfloat16(),
    "integer target": lambda: (_noise(1, 80, 96, 3) * 255).byte(),
    "wide target": lambda: _noise(1, 80, 96, 3) * 1.6 - 0.3,
    "0..255 target": lambda: _noise(1, 80, 96, 3) * 255,
    "nan target": lambda: _noise(1, 80, 96, 3).index_fill(1, torch.tensor([5]), torch.nan),
    "alpha target": lambda: _noise(1, 80, 96, 4),
    "grey target": lambda: _noise(1, 80, 96, 1),
    "two-channel target": lambda: _noise(1, 80, 96, 2),
    "flat target": lambda: _noise(80, 96, 3),
    "alpha source": lambda: torch.cat((_noise(1, 40, 48, 3), _opaque_middle()[..., None]), 3),
    "half mask": lambda: _opaque_middle().half(),
    "flat mask": lambda: _opaque_middle()[0],
    "deep mask": lambda: _opaque_middle()[:, None],
    "overshooting mask": lambda: _opaque_middle() * 1.04 - 0.02,
    "0..255 mask": lambda: _opaque_middle() * 255,
    "nan mask": lambda: _opaque_middle().index_fill(1, torch.tensor([5]), torch.nan),
    "mask batch": lambda: _opaque_middle().repeat(3, 1, 1),
    "empty mask": lambda: _opaque_middle()[:0],
    "no mask": lambda: None,
    "target-sized mask": lambda: torch.nn.functional.pad(_opaque_middle(), (24, 24, 20, 20)),
    "one pixel": lambda: _noise(1, 1, 1, 3),
    "one pixel's mask": lambda: torch.ones(1, 1, 1),
    "empty batch": lambda: torch.zeros(0, 80, 96, 3),
    "empty masks": lambda: torch.zeros(0, 40, 48),
    "nothing": lambda: None,
    "big target": lambda: _noise(1, 2048, 2048, 3),
}


def _opaque_middle():
    mask = torch.zeros(1, 40, 48)
    mask[:, 8:-8, 8:-8] = 1
    return mask


class ProbeTensor:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"kind": (list(TENSORS),)}}

    def make(self, kind):
        return (TENSORS[kind](),) * 2


class ProbeAgain:
    """A picture that is handed on, so that what hangs on it runs again."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "hand_on", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "nonce": ("STRING",)}}

    def hand_on(self, image, nonce):
        return (image,)


class AnyType(str):
    """A type that may be linked to every socket."""

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


class ProbeName:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", (AnyType("*"),)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING",)}}

    def make(self, name):
        return (name,)


class ProbeLook:
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "look", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"anything": ("IMAGE,MASK,STRING,DIB_BLEND_SETTINGS,DIB_PLACE",)}}

    def look(self, anything):
        if not isinstance(anything, torch.Tensor):
            return {"ui": {"text": [anything if isinstance(anything, str) else repr(anything)]}}
        path = Path(folder_paths.get_temp_directory(), f"{uuid.uuid4().hex}.npy")
        path.parent.mkdir(exist_ok=True)
        array = anything.float() if anything.dtype == torch.bfloat16 else anything
        np.save(path, array.cpu().numpy())
        about = {"shape": list(anything.shape), "dtype": str(anything.dtype)}
        return {"ui": {"file": [str(path)], "text": [json.dumps(about)]}}


class ProbeModels:
    """The models that ComfyUI thinks are loaded, and our networks that still hold weights."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "count", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"nonce": ("STRING",)}}

    def count(self, nonce):
        known = [
            type(model.model.model).__name__ for model in model_management.current_loaded_models
        ]
        alive = [
            thing
            for thing in gc.get_objects()
            if type(thing).__name__ == "Features" and next(thing.parameters()).device.type != "meta"
        ]
        return {"ui": {"text": [json.dumps({"known": known, "alive": len(alive)})]}}


class ProbeArm:
    """From here on a fault is about to happen in the pack's code, on this thread."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "arm", ("IMAGE",)
    armed = ExitStack()
    fault = None

    @classmethod
    def INPUT_TYPES(cls):
        numbers = ("INT", {"min": -1, "max": 10**6})
        words = dict.fromkeys(("kind", "error", "nonce"), ("STRING",))
        return {"required": {"image": ("IMAGE",), "number": numbers, **words}}

    def arm(self, image, number, kind, error, nonce):
        ProbeArm.armed.close()
        ProbeArm.fault = _faults.Fault(kind, number, error, f"{PACK}")
        ProbeArm.armed.enter_context(ProbeArm.fault.injected())
        return (image,)


class ProbeDisarm:
    """No fault any more; tells how many places there were, and which has failed."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "disarm", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"nonce": ("STRING",)}}

    def disarm(self, nonce):
        ProbeArm.armed.close()
        fault = ProbeArm.fault
        found = {"places": len(fault.passed), "failed": fault.place}
        fault.raised = None  # with the tensors of its trace
        return {"ui": {"text": [json.dumps(found)]}}


class ProbeGuard:
    """Do what is forbidden as if it were written in one of the pack's files."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "do", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"code": ("STRING",)}}

    def do(self, code):
        exec(compile(code, str(PACK / "nodes" / "any.py"), "exec"), {})
        return {"ui": {"text": ["done"]}}


NODE_CLASS_MAPPINGS = {
    "PROBE_Tensor": ProbeTensor,
    "PROBE_Again": ProbeAgain,
    "PROBE_Arm": ProbeArm,
    "PROBE_Disarm": ProbeDisarm,
    "PROBE_Name": ProbeName,
    "PROBE_Look": ProbeLook,
    "PROBE_Models": ProbeModels,
    "PROBE_Guard": ProbeGuard,
}
