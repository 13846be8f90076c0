"""Settings named by what they are for."""

from dataclasses import replace
from types import MappingProxyType

from .checks import check_choice, check_range
from .settings import BlendSettings, PoissonSettings, RefineSettings, Weights

_PAPER_POISSON = Weights(
    gradient=780.0, content=1.0, style=320.0, luminance=0.0, chroma=0.0, tv=3e-4
)
_PAPER_REFINE = Weights(gradient=0.0, content=1.0, style=3.2e5, luminance=0.0, chroma=0.0)


def _paper() -> BlendSettings:
    """The published terms and their ratios, as far as they can be carried over.

    Published: gradient 1e4, style 1e4, content 1, tv 1e-6, second stage style 1e7, content 1, on
    pictures in 0..255 and on features of about this network's size, as means over the canvas (tv: a
    sum). Converted to the relative terms used here, on two of the authors' pictures of 512 x 512,
    that is a gradient weight of 350 and 1760, and a style weight of 80 and 1250, beside a content
    weight of 1; these are the geometric means.

    Different from the paper and its code: the start is copy and paste, not noise, and there are 20
    evaluations instead of 1000; style is measured on the composite and in the window, not on the
    free canvas; the content term of the second stage compares with the first stage's result, not
    with itself; areas are the mask's; the background stays. No term keeps the colours, so dark
    objects may turn transparent: meant for comparison, not for work.
    """
    return BlendSettings(
        PoissonSettings(weights=_PAPER_POISSON, clean=0, harmonise=0.0, contours=False),
        RefineSettings(weights=_PAPER_REFINE, contours=False, style_form="gram"),
    )


# Above each preset, why it is so; `painting` is the default everywhere.
PRESETS = MappingProxyType(
    {
        # Cleaned, half-way to the place's colours; then the target's brush goes over the object.
        "painting": BlendSettings(),
        # No refine stage, which would repaint a photograph, and half of painting's move of
        # colours, which photographs of one kind need less; a patch of the same scene is matched.
        # The place's grain and softness instead of its strokes.
        "photograph": BlendSettings(
            PoissonSettings(match=True, harmonise=0.25, grain=1.0), refine=None
        ),
        # A diffusion crop pasted back shows the same scene: exact solution, full bleed, no style.
        "seam repair": BlendSettings(PoissonSettings(method="exact", match=True), refine=None),
        # The published objective, for comparison.
        "paper": _paper(),
        # For trying out places and masks: a preview of "painting" in a third of the time.
        "fast": BlendSettings(
            PoissonSettings(max_evaluations=6), RefineSettings(max_evaluations=8)
        ),
    }
)

REFINING = tuple(name for name, preset in PRESETS.items() if preset.refine)


def poisson_preset(name: str) -> PoissonSettings:
    """The Poisson stage's settings of a preset.

    Args:
        name: one of `PRESETS`.

    Returns:
        The preset's own settings.

    Raises:
        ValueError: there is no such preset.
    """
    check_choice("preset", name, tuple(PRESETS))
    return PRESETS[name].poisson


def refine_preset(name: str) -> RefineSettings:
    """The style refine stage's settings of a preset.

    Args:
        name: one of `REFINING`, the presets that have this stage.

    Returns:
        The preset's own settings.

    Raises:
        ValueError: there is no such preset, or it has no refine stage.
    """
    check_choice("preset", name, REFINING)
    return PRESETS[name].refine or RefineSettings()


def changed_poisson(
    own: PoissonSettings,
    gradients: str = "import",
    bleed_shift: float = 0.0,
    max_evaluations: int = 0,
    sequence: bool = False,
) -> PoissonSettings:
    """A preset's Poisson settings with a user's choices in their place.

    Args:
        own: the settings to change.
        gradients: "import", "mixed" or "monochrome".
        bleed_shift: from -1 to 1, see `shifted_bleed`.
        max_evaluations: 1 to 10000; 0: those of `own`.
        sequence: whether the pictures of a batch are frames of one film.

    Returns:
        New settings.

    Raises:
        ValueError, TypeError: a value that is not allowed.
    """
    changed = replace(
        own,
        gradients=gradients,
        max_evaluations=max_evaluations or own.max_evaluations,
        sequence=sequence,
    )
    return shifted_bleed(changed, bleed_shift)


def cleaned_and_harmonised(
    own: PoissonSettings, clean: int = -1, harmonise: float = -1.0
) -> PoissonSettings:
    """Settings with a user's choice of how the source is prepared.

    Args:
        own: the settings to change.
        clean: pixels, 0 to 128; below 0: those of `own`.
        harmonise: share, 0 to 1; below 0: that of `own`.

    Returns:
        New settings.

    Raises:
        ValueError, TypeError: a value that is not allowed.
    """
    return replace(
        own,
        clean=own.clean if clean < 0 else clean,
        harmonise=own.harmonise if harmonise < 0 else harmonise,
    )


def changed_refine(
    own: RefineSettings,
    region: str = "object",
    strength: float = 1.0,
    max_evaluations: int = 0,
    sequence: bool = False,
) -> RefineSettings:
    """A preset's refine settings with a user's choices in their place.

    Args:
        own: the settings to change.
        region: "object", "band" or "picture".
        strength: share of the change that is applied, 0 to 1.
        max_evaluations: 1 to 10000; 0: those of `own`.
        sequence: whether the pictures of a batch are frames of one film.

    Returns:
        New settings.

    Raises:
        ValueError, TypeError: a value that is not allowed.
    """
    return replace(
        own,
        region=region,
        strength=strength,
        max_evaluations=max_evaluations or own.max_evaluations,
        sequence=sequence,
    )


def shifted_bleed(settings: PoissonSettings, shift: float) -> PoissonSettings:
    """The settings with a higher or lower bleed than their own.

    Args:
        settings: whose `resolved_bleed` is shifted.
        shift: from -1 to 1, the share of the way from this bleed to 0 (below 0: the source keeps
            its colours) or to 1 (above 0: the target's seep in without limit); 0 leaves it.

    Returns:
        New settings, or the same where `shift` is 0.

    Raises:
        ValueError, TypeError: the shift is out of range or not a number.
    """
    check_range("bleed shift", shift, -1, 1)
    if shift == 0:
        return settings
    own = settings.resolved_bleed
    return replace(settings, bleed=own + shift * (1 - own if shift > 0 else own))
