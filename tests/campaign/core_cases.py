"""What the calls of the core are tried on, in words that JSON can hold."""

from hypothesis import strategies as st

from blending.placement.layout import ANCHORS, FITS, FLIPS
from blending.repair.stitch import FINISHES
from blending.settings import GRADIENTS, PRECISIONS, REGIONS, SHADOW_KINDS

from .pictures import masks, pictures, side

share = st.sampled_from((0.0, 0.3, 1.0))
margin = st.sampled_from((16, 64, None))
precision = st.sampled_from(("auto", "auto", *PRECISIONS))
is_film = st.sampled_from((False, False, False, True))
EVERY = {
    "target": pictures(),
    "mask": masks,
    "target_size": st.tuples(side, side),
    "batch": st.integers(1, 3),
    # Which arguments have one picture for all, and whether one has too many, or another size.
    "single": st.lists(st.sampled_from(("source", "image", "target", "mask", "style")), max_size=2),
    "wrong": st.sampled_from((None,) * 14 + ("batch", "size")),
}
OBJECT = {**EVERY, "source": pictures(), "source_size": st.tuples(side, side)}
PLACED = {
    **OBJECT,
    "row": st.one_of(st.integers(-40, 60), st.sampled_from((0, 0, 0, 0, -(10**5), 32768, 2**40))),
    "column": st.one_of(st.integers(-40, 60), st.sampled_from((0, 0, 0, -1, 32768))),
    "scale": st.sampled_from((1.0, 1.0, 1.0, 0.5, 0.37, 1.7, 3.0, 1e-3, 1e3)),
}
POISSON = st.fixed_dictionaries(
    {
        "method": st.sampled_from(("exact", "exact", "deep")),
        "gradients": st.sampled_from(GRADIENTS),
        "bleed": st.sampled_from((None, 0.0, 0.5, 1.0)),
        "match": st.booleans(),
        "start": st.sampled_from(("paste", "exact")),
        "max_evaluations": st.integers(1, 3),
        "rim": st.sampled_from((0, 4, 32, 256)),
        "margin": margin,
        "clean": st.sampled_from((None, 0, 3, 12, 128)),
        "harmonise": st.sampled_from((None, 0.0, 0.5, 1.0)),
        "contours": st.sampled_from((None, False, True)),
        "grain": share,
        "sequence": is_film,
    }
)
REFINE = st.fixed_dictionaries(
    {
        "region": st.sampled_from(REGIONS),
        "band": st.sampled_from((1, 8, 256)),
        "strength": share,
        "max_evaluations": st.integers(1, 3),
        "margin": margin,
        "contours": st.booleans(),
        "style_form": st.sampled_from(("matched", "gram")),
        "grain": share,
        "sequence": is_film,
    }
)
SHADOW = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(SHADOW_KINDS),
        "direction": st.sampled_from((-60.0, 0.0, 90.0, 180.0, -360.0, 17.3)),
        "length": st.sampled_from((0.0, 60.0, 300.0)),
        "softness": st.sampled_from((0.0, 30.0, 100.0)),
        "strength": share,
        "contact": share,
        "lift": st.sampled_from((0.0, 0.0, 10.0, 300.0)),
    }
)
CROP = st.fixed_dictionaries(
    {
        "context": st.sampled_from((0.0, 0.5, 8.0)),
        "context_pixels": st.sampled_from((0, 5, 32, 200)),
        "multiple": st.sampled_from((1, 8)),
        "width": st.sampled_from((0, 0, 64, 8)),
        "height": st.sampled_from((0, 0, 40, 8)),
        "grow": st.sampled_from((0, 8, -3, 256)),
        "fill_holes": st.sampled_from((0, 9)),
        "feather": st.sampled_from((0, 7, 256)),
        "split": st.booleans(),
    }
)
ADJUST = st.fixed_dictionaries(
    {
        "invert": st.booleans(),
        "threshold": share,
        "fill_holes": st.sampled_from((0, 1, 50, 10**8)),
        "drop_specks": st.sampled_from((0, 2, 50, 10**8)),
        "grow": st.sampled_from((0, 1, 9, 256, -1, -9, -256)),
        "feather": st.sampled_from((0, 1, 2, 9, 256)),
    }
)
LAYOUT = st.fixed_dictionaries(
    {
        "column": st.sampled_from((50.0, 0.0, 99.0, -20.0, 16384.0)),
        "row": st.sampled_from((50.0, 0.0, 101.5, -3.3)),
        "unit": st.sampled_from(("percent", "pixels")),
        "anchor": st.sampled_from(ANCHORS),
        "scale": st.sampled_from((1.0, 0.01, 0.4, 2.5, 16.0)),
        "fit": st.sampled_from(FITS),
        "fit_width": st.sampled_from((100.0, 1.0, 33.3)),
        "fit_height": st.sampled_from((100.0, 1.0, 50.0)),
        "rotation": st.sampled_from((0.0, 90.0, -180.0, 33.0, 359.9)),
        "flip": st.sampled_from(FLIPS),
    }
)
ITS_OWN = {
    "adjust": {**EVERY, "adjust": ADJUST},
    "place": PLACED,
    "object": {**OBJECT, "layout": LAYOUT, "trim": st.booleans()},
    "shadow": {**EVERY, "shadow": SHADOW},
    "repair": {
        **EVERY,
        "image": pictures(),
        "crop": CROP,
        "finish": st.sampled_from(("none", *FINISHES)),
        "bleed": st.sampled_from((1.0, 0.0, 0.4)),
        # How the sampler hands the crop back: so many views of it, enlarged so often.
        "views": st.sampled_from((1, 1, 2)),
        "enlarged": st.sampled_from((1, 1, 2)),
    },
    "clean": {**EVERY, "source": pictures((3,)), "width": st.sampled_from((12, 0, 1, 128))},
    "harmonise": {
        **PLACED,
        "source": pictures((3,)),
        "strength": share,
        "reference": st.none() | pictures(),
    },
    "poisson": {**PLACED, "poisson": POISSON, "precision": precision},
    "blend": {
        **PLACED,
        "poisson": POISSON,
        "refined": st.booleans(),
        "refine": REFINE,
        "precision": precision,
    },
    "refine": {
        **EVERY,
        "image": pictures(),
        "style": st.none() | pictures(),
        "refine": REFINE,
        "precision": precision,
    },
}
cases = st.sampled_from((*ITS_OWN, "poisson", "blend")).flatmap(
    lambda call: st.fixed_dictionaries({"call": st.just(call), **ITS_OWN[call]})
)
