"""Settings named by their purpose."""

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
    sum). On two of the authors' pictures of 512 x 512 that is, by the relative terms used here, a
    gradient weight of 350 and 1760, a style weight of 80 and 1250 beside a content weight of 1; the
    geometric means are taken.

    Different from the paper and its code: the start is the paste, not noise, and the steps are 20
    instead of 1000; style is measured on the composite and in the window, not on the free canvas;
    the content term of the second stage compares with the first stage's result, not with itself;
    areas are the mask's; the background stays. Nothing holds the colours, so dark objects may turn
    transparent: to compare, not to work with.
    """
    return BlendSettings(
        PoissonSettings(weights=_PAPER_POISSON), RefineSettings(weights=_PAPER_REFINE)
    )


# A line of reason each; `painting` is the default everywhere.
PRESETS = MappingProxyType(
    {
        # Both stages: the target's brush goes over the object.
        "painting": BlendSettings(),
        # No second stage, which would redraw a photograph; a patch of the same scene is matched.
        "photograph": BlendSettings(
            PoissonSettings(match=True, weights=Weights(style=1.0)), refine=None
        ),
        # A diffusion crop pasted back shows the same scene: its colours may flow, nothing to learn.
        "seam repair": BlendSettings(PoissonSettings(method="exact", match=True), refine=None),
        # The published objective, to compare with.
        "paper": _paper(),
        # For trying places and masks: a first idea of "painting" in a third of the time.
        "fast": BlendSettings(
            PoissonSettings(max_evaluations=6), RefineSettings(max_evaluations=8)
        ),
    }
)

REFINING = tuple(name for name, preset in PRESETS.items() if preset.refine)


def poisson_preset(name: str) -> PoissonSettings:
    """A preset's first stage; ValueError where there is no such preset."""
    check_choice("preset", name, tuple(PRESETS))
    return PRESETS[name].poisson


def refine_preset(name: str) -> RefineSettings:
    """A preset's second stage; ValueError unless the name is out of `REFINING`."""
    check_choice("preset", name, REFINING)
    return PRESETS[name].refine or RefineSettings()


def changed_poisson(
    own: PoissonSettings,
    gradients: str = "import",
    bleed_shift: float = 0.0,
    max_evaluations: int = 0,
    sequence: bool = False,
) -> PoissonSettings:
    """A first stage's settings, changed.

    Args:
        own: what is changed.
        gradients: as in `PoissonSettings`.
        bleed_shift: as in `shifted_bleed`.
        max_evaluations: 0: its own.
        sequence: as in `PoissonSettings`.

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


def changed_refine(
    own: RefineSettings,
    region: str = "object",
    strength: float = 1.0,
    max_evaluations: int = 0,
    sequence: bool = False,
) -> RefineSettings:
    """A second stage's settings, changed.

    Args:
        own: what is changed.
        region: as in `RefineSettings`.
        strength: likewise.
        max_evaluations: 0: its own.
        sequence: as in `RefineSettings`.

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
    """The settings with more or less bleed than they have by themselves.

    Args:
        settings: whose `bleed` is moved.
        shift: in [-1, 1]; 0 leaves it, 1 lets the target's colours seep in without limit, -1 keeps
            the source's; the bleed moves that share of its way to the end.

    Raises:
        ValueError, TypeError: the shift is out of range or no number.
    """
    check_range("bleed shift", shift, -1, 1)
    if shift == 0:
        return settings
    own = settings.resolved_bleed
    return replace(settings, bleed=own + shift * (1 - own if shift > 0 else own))
