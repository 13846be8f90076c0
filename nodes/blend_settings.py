"""Blend Settings: every number of both stages, instead of a preset."""

from typing import Any

from comfy_api.latest import io

from ..blending.settings import (
    LARGEST_MARGIN,
    LARGEST_WEIGHT,
    LEAST_MARGIN,
    METHODS,
    PRECISIONS,
    STARTS,
    STYLE_FORMS,
    BlendSettings,
    Compute,
    PoissonSettings,
    RefineSettings,
    Weights,
)
from . import fields

# What each weight scales, and the widget's step: the page rounds to it, whatever `round` says.
TERMS = {
    "gradient": ("squared difference of Laplacians: the seam and the details", 0.1),
    "content": ("squared difference of VGG16 features at relu2_2 to what is to be kept", 0.01),
    "style": ("squared difference to the wanted style, of features or Gram matrices", 0.01),
    "luminance": ("squared difference to the lightness that is to be kept", 0.1),
    "chroma": ("squared difference to the colours that are to be kept", 0.1),
    "histogram": ("squared distance to the target's channel histograms", 0.01),
    "tv": ("total variation: above 0 the result is smoother", 0.00001),
}


class BlendSettingsNode(io.ComfyNode):
    """Hands its settings to a stage's `settings` socket."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The form."""
        return fields.form(
            "BlendSettings",
            "Blend Settings",
            description="Every number of the Poisson Stage and the Style Refine Stage. Linked to a "
            "stage's settings it replaces the preset. Its defaults are the preset painting; change "
            "one number at a time and compare.",
            search_aliases=["blend weights", "poisson weights", "style weight", "loss weights"],
            inputs=[
                *_poisson_inputs(),
                *_weight_inputs("poisson", PoissonSettings().weights),
                *_refine_inputs(),
                *_weight_inputs("refine", RefineSettings().weights),
                fields.choice(
                    "arithmetic",
                    PRECISIONS,
                    "auto",
                    "Of the network's convolutions. float32: exact. bfloat16: faster where "
                    "the hardware has it, about 1 level off. auto: bfloat16 where it is fast.",
                ),
                fields.choice(
                    "style_form",
                    STYLE_FORMS,
                    RefineSettings().style_form,
                    "Of the Style Refine Stage. matched: features of those parts of the place that "
                    "are most like, as strongly as it has a texture. gram: Gram matrices of all of "
                    "it, as published.",
                    optional=True,
                ),
                fields.number(
                    "poisson_grain",
                    PoissonSettings().grain,
                    (0.0, 1.0, 0.05),
                    "Poisson Stage: how much of the target's grain a new object is given where it "
                    "has less, and of its softness where it is sharper, 0 to 1. For photographs.",
                    optional=True,
                ),
                fields.number(
                    "refine_grain",
                    RefineSettings().grain,
                    (0.0, 1.0, 0.05),
                    "Style Refine Stage, style form matched: how much of the target's finest "
                    "texture the object is given where it has less, 0 to 1.",
                    optional=True,
                ),
            ],
            outputs=[
                fields.BlendSettingsLink.Output(
                    display_name="settings",
                    tooltip="For the settings socket of one stage or of both.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        arithmetic: str,
        style_form: str = RefineSettings().style_form,
        poisson_grain: float = PoissonSettings().grain,
        refine_grain: float = RefineSettings().grain,
        **numbers: Any,
    ) -> io.NodeOutput:
        """Gather."""
        margin = _margin(numbers["margin"])
        poisson = PoissonSettings(
            method=numbers["method"],
            match=numbers["match"],
            start=numbers["start"],
            rim=numbers["rim"],
            margin=margin,
            max_evaluations=numbers["poisson_evaluations"],
            weights=Weights(**{term: numbers[f"poisson_{term}"] for term in TERMS}),
            grain=poisson_grain,
        )
        refine = RefineSettings(
            band=numbers["band"],
            margin=margin,
            max_evaluations=numbers["refine_evaluations"],
            weights=Weights(**{term: numbers[f"refine_{term}"] for term in TERMS}),
            style_form=style_form,
            grain=refine_grain,
        )
        compute = Compute(arithmetic=arithmetic)
        return io.NodeOutput(BlendSettings(poisson, refine, compute=compute))


def _margin(pixels: int) -> int | None:
    """The core's margin: None for 0. A widget has one range: what lies between is refused here."""
    if 0 < pixels < LEAST_MARGIN:
        raise ValueError(
            f"margin must be 0 (whole picture), or {LEAST_MARGIN} to {LARGEST_MARGIN} pixels, got "
            f"{pixels}"
        )
    return pixels or None


def _poisson_inputs() -> list[io.Input]:
    own = PoissonSettings()
    return [
        fields.choice(
            "method",
            METHODS,
            own.method,
            "Of the Poisson Stage. deep: the joint objective, with the network. exact: the "
            "Poisson equation alone, at once; start, evaluations and weights then do nothing.",
        ),
        fields.switch(
            "match",
            own.match,
            "Bring a source that continues the target (a patch of the same scene) to its "
            "colours first; a new object is left as it is.",
        ),
        fields.choice(
            "start",
            STARTS,
            own.start,
            "Where the deep method starts. paste: the plain paste, keeps the object's own "
            "colours. exact: the Poisson equation's solution, lets the target's colours in.",
        ),
        fields.whole(
            "rim",
            own.rim,
            (0, 256),
            "Pixels from the mask's edge inwards over which the hold of the source's "
            "colours sets in, 0 to 256; a contour of the source counts as many.",
        ),
        fields.whole(
            "margin",
            own.margin,
            (0, LARGEST_MARGIN),
            "Pixels around the object that the style is taken from, 16 to 4096, in both "
            "stages; 0: the whole picture (slower, more memory).",
        ),
        _evaluations_input("poisson_evaluations", own.max_evaluations, "Poisson Stage"),
    ]


def _refine_inputs() -> list[io.Input]:
    own = RefineSettings()
    return [
        fields.whole(
            "band",
            own.band,
            (1, 256),
            "Pixels around the object that the Style Refine Stage may change where its "
            "region is band, 1 to 256.",
        ),
        _evaluations_input("refine_evaluations", own.max_evaluations, "Style Refine Stage"),
    ]


def _evaluations_input(name: str, default: int, stage: str) -> io.Input:
    tooltip = (
        f"Most evaluations (steps) of the {stage} for a picture, 1 to 1000; it may end before."
    )
    return fields.whole(name, default, (1, 1000), tooltip)


def _weight_inputs(stage: str, weights: Weights) -> list[io.Input]:
    words = {"poisson": "Poisson Stage", "refine": "Style Refine Stage"}[stage]
    return [
        fields.number(
            f"{stage}_{term}",
            getattr(weights, term),
            (0.0, LARGEST_WEIGHT, step),
            f"{words}, weight without unit (0 leaves the term out): {scaled}.",
        )
        for term, (scaled, step) in TERMS.items()
    ]
