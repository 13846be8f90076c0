"""Graphs as the API takes them, and the small pictures that they work on."""

import uuid

import numpy as np

CONTROL = "control_after_generate"  # the page's second widget of a seed, saved and not sent
MUTED = 2  # the mode of a node that is in the file and not run


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth coloured gradient with some noise, uint8."""
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack((rows * 2 + 40, columns * 2 + 20, rows + columns + 10 * seed), 2)
    return (ramp + noise).clip(0, 255).astype(np.uint8)


def square(height: int, width: int, border: int = 8) -> np.ndarray:
    """A mask that takes all but a border, uint8."""
    mask = np.zeros((height, width), np.uint8)
    mask[border:-border, border:-border] = 255
    return mask


def disc(height: int, width: int, radius: int = 12) -> np.ndarray:
    """A mask that takes a disc in the middle, uint8."""
    rows, columns = np.mgrid[0:height, 0:width]
    inside = (rows - height // 2) ** 2 + (columns - width // 2) ** 2 <= radius**2
    return 255 * inside.astype(np.uint8)


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def load(name: str) -> dict:
    return node("LoadImage", image=name)


def load_mask(name: str | list = "m.png", **inputs) -> dict:
    defaults = {"channel": "luminance", "invert": False, "threshold": 0, "grow": 0, "feather": 0}
    return node("DIB_LoadMask", **{"image": name, **defaults, **inputs})


def poisson(**inputs) -> dict:
    """A Poisson Stage on target 1, source 2, mask 3, as a prompt of 0.1.0 has it."""
    links = {"target": ["1", 0], "source": ["2", 0], "mask": ["3", 0]}
    defaults = {"column": 20, "row": 15, "scale": 1, "preset": "painting"}
    defaults |= {"gradients": "import", "bleed": 0, "max_evaluations": 3}
    return node("DIB_PoissonStage", **{**links, **defaults, **inputs})


def refine(**inputs) -> dict:
    """A Style Refine Stage after the Poisson Stage 4, as a prompt of 0.1.0 has it."""
    links = {"blend": ["4", 0], "target": ["1", 0], "mask": ["4", 1]}
    defaults = {"preset": "painting", "region": "object", "strength": 1, "max_evaluations": 3}
    return node("DIB_StyleRefineStage", **{**links, **defaults, **inputs})


def laplacian_preview(**inputs) -> dict:
    links = {"result": ["4", 0], "target": ["1", 0], "source": ["2", 0], "mask": ["3", 0]}
    return node("DIB_LaplacianPreview", **{**links, "column": 20, "row": 15, "scale": 1, **inputs})


def blend_settings(info: dict, **inputs) -> dict:
    """A Blend Settings node with its defaults, out of the server's /object_info, and changes."""
    described = info["DIB_BlendSettings"]["input"]["required"]
    return node("DIB_BlendSettings", **{**_defaults(described), **inputs})


def _defaults(described: dict) -> dict:
    return {name: options[0]["default"] for name, (_, *options) in described.items()}


def repeat(origin: str, amount: int) -> dict:
    return node("RepeatImageBatch", image=[origin, 0], amount=amount)


def save(origin: str, slot: int = 0) -> dict:
    return node("SaveImage", images=[origin, slot], filename_prefix="x")


def show_mask(origin: str, slot: int = 0) -> dict:
    return node("MaskToImage", mask=[origin, slot])


def probe(kind: str, **inputs) -> dict:
    """A tensor that no picture file gives; the kinds are in probes.py."""
    return node("PROBE_Tensor", kind=kind, **inputs)


def again(origin: str = "1") -> dict:
    """A picture handed on: what hangs on it is not taken from ComfyUI's cache."""
    return node("PROBE_Again", image=[origin, 0], nonce=uuid.uuid4().hex)


def probe_name(name: str) -> dict:
    """A text that may be linked to any socket, a combo's, too."""
    return node("PROBE_Name", name=name)


def look(origin: str, slot: int = 0) -> dict:
    """What comes out of a socket, whatever it is, for `Server.looked` or as text."""
    return node("PROBE_Look", anything=[origin, slot])


def graph(**nodes) -> dict:
    """Target 1, source 2, mask 3, Poisson Stage 4, saved by 9; replaced and added to by `nodes`.

    Names are node ids after an "n": graph(n4=poisson(row=3)).
    """
    basis = {"1": load("t.png"), "2": load("s.png"), "3": load_mask(), "4": poisson()}
    return {**basis, "9": save("4"), **{name.removeprefix("n"): n for name, n in nodes.items()}}


def to_prompt(workflow: dict, info: dict) -> dict:
    """A saved workflow as the page would send it."""
    origin = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for saved in workflow["nodes"]:
        if saved["type"] not in info or saved["mode"] == MUTED:
            continue
        sockets = saved.get("inputs", [])
        inputs = {s["name"]: origin[s["link"]] for s in sockets if s.get("link") is not None}
        names = [n for n in widget_names(info[saved["type"]]) if n not in inputs]
        values = dict(zip(names, saved.get("widgets_values", []), strict=False))
        values.pop(CONTROL, None)
        inputs |= values
        prompt[str(saved["id"])] = node(saved["type"], **inputs)
    return prompt


def widget_names(described: dict) -> list[str]:
    """The widgets of a node of /object_info, in the order in which a workflow saves them."""
    every = {**described["input"]["required"], **described["input"].get("optional", {})}
    names = []
    for name, (kind, *options) in every.items():
        names += [name] * is_widget(kind, options)
        names += [CONTROL] * bool(options and options[0].get(CONTROL))
    return names


def is_widget(kind, options: list) -> bool:
    forced = bool(options) and options[0].get("forceInput", False)
    kinds = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGEUPLOAD")
    return not forced and (isinstance(kind, list) or kind in kinds)


def place_object(**inputs) -> dict:
    """A Place Object on target 1, source 2, mask 3: its top left at column 20, row 15."""
    links = {"target": ["1", 0], "source": ["2", 0], "mask": ["3", 0]}
    place = {"column": 20, "row": 15, "unit": "pixels", "anchor": "top left"}
    shape = {"scale": 1, "fit": "off", "fit_width": 100, "fit_height": 100}
    pose = {"rotation": 0, "flip": "off", "trim": False}
    return node("DIB_PlaceObject", **{**links, **place, **shape, **pose, **inputs})


def contact_shadow(**inputs) -> dict:
    """A Contact Shadow on target 1 of what Place Object 20 has placed."""
    links = {"target": ["1", 0], "mask": ["20", 2]}
    light = {"kind": "ground", "direction": -60, "length": 60, "softness": 30}
    dark = {"strength": 0.8, "contact": 0.8, "lift": 0}
    return node("DIB_ContactShadow", **{**links, **light, **dark, **inputs})


def clean_cutout(**inputs) -> dict:
    """A Clean Cut-out on source 2, mask 3."""
    links = {"source": ["2", 0], "mask": ["3", 0]}
    return node("DIB_CleanCutout", **{**links, "width": 12, **inputs})


def harmonise_colours(**inputs) -> dict:
    """A Harmonise Colours of source 2, mask 3, on target 1, at the Poisson Stage's place."""
    links = {"source": ["2", 0], "mask": ["3", 0], "target": ["1", 0]}
    numbers = {"column": 20, "row": 15, "scale": 1, "strength": 0.5}
    return node("DIB_HarmoniseColours", **{**links, **numbers, **inputs})


def prepare_mask(*link, **inputs) -> dict:
    """A Prepare Mask of a mask's link, by default Load Mask 3's."""
    shaping = {"polarity": "auto", "invert": False, "threshold": 0, "grow": 0, "feather": 0}
    return node("DIB_PrepareMask", **{"mask": list(link or ("3", 0)), **shaping, **inputs})


def crop_for_repair(**inputs) -> dict:
    """A Crop for Repair of picture 1 under mask 3."""
    links = {"image": ["1", 0], "mask": ["3", 0]}
    box = {"context": 0.5, "context_pixels": 8, "multiple": 8, "width": 0, "height": 0}
    shape = {"grow": 0, "fill_holes": 0, "feather": 0, "split": False}
    return node("DIB_CropForRepair", **{**links, **box, **shape, **inputs})


def stitch(**inputs) -> dict:
    """A Stitch without Seam of what Crop for Repair 4 cut out, as it was cut out."""
    links = {"crop": ["4", 0], "place": ["4", 2]}
    return node("DIB_StitchWithoutSeam", **{**links, "finish": "none", "bleed": 1, **inputs})


def wired(**nodes) -> dict:
    """Picture 1, mask 3, crop 4, stitch 5; 6 to 8 look at what is repaired, changed, reported."""
    basis = {"1": load("t.png"), "3": load_mask(), "4": crop_for_repair(), "5": stitch()}
    basis |= {"6": look("5", 0), "7": look("5", 1), "8": look("5", 2)}
    return basis | {name.removeprefix("n"): one for name, one in nodes.items()}


def put_pictures(server, height: int, width: int) -> None:
    """A target, and a source and a mask of half its size."""
    server.put("t.png", scene(1, height, width))
    server.put("s.png", scene(4, height // 2, width // 2))
    server.put("m.png", square(height // 2, width // 2, height // 16))


def every_stage() -> dict:
    """An object placed by hand, its shadow, both stages, their panels, a part of it stitched."""
    middle = {"unit": "percent", "anchor": "centre", "column": 50, "row": 50}
    placed = place_object(target=["6", 0], rotation=20, **middle)
    of_object = {"source": ["20", 1], "mask": ["20", 2], "column": 0, "row": 0}
    return {
        **graph(n6=again(), n20=placed),
        "21": contact_shadow(target=["6", 0]),
        "4": poisson(target=["21", 0], max_evaluations=4, **of_object),
        "5": refine(target=["21", 0], max_evaluations=4, source=["4", 4]),
        "7": laplacian_preview(result=["5", 0], target=["21", 0], **of_object),
        "8": crop_for_repair(image=["5", 0], mask=["4", 1], context=1),
        "10": stitch(crop=["8", 0], place=["8", 2], finish="photograph"),
        "9": save("10"),
    }


def arm(kind: str, number: int, error: str) -> dict:
    """Picture 1 handed on; from then on the place of a number fails, see `tests.faults`."""
    fault = {"kind": kind, "number": number, "error": error}
    return node("PROBE_Arm", image=["1", 0], nonce=uuid.uuid4().hex, **fault)


def disarm() -> dict:
    """The end of that, and what happened."""
    return node("PROBE_Disarm", nonce=uuid.uuid4().hex)
