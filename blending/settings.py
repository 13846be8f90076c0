"""Settings of the stages: frozen, validated, free of torch so that they load at once."""

from dataclasses import asdict, dataclass, field
from os import PathLike, fspath

from .checks import check_choice, check_range, check_type

METHODS = ("deep", "exact")
GRADIENTS = ("import", "mixed", "monochrome")
STARTS = ("paste", "exact")
STYLE_FORMS = ("matched", "gram")
REGIONS = ("object", "band", "picture")
FINISHES = ("none", "photograph", "painting")  # of a crop that is put back
MASK_CHANNELS = ("alpha", "red", "green", "blue", "luminance")
LUMA = 0.299, 0.587, 0.114  # of red, green, blue in a mask's luminance: ITU-R BT.601
INPUT_SCALES = ("caffe", "standardised")
BUNDLED_SCALE = "caffe"  # of the weights that come along
LARGEST_WEIGHT = 1e9
LEAST_MARGIN, LARGEST_MARGIN = 16, 4096  # pixels
LARGEST_PART = 100_000_000  # largest area of a hole or speck, square pixels
LARGEST_CLEAN = 128  # pixels
# Defaults of the deep method with imported gradients: of bleed, clean (pixels) and harmonise.
DEEP_BLEED, DEEP_CLEAN, DEEP_HARMONISE = 0.5, 12, 0.5
PRECISIONS = ("auto", "float32", "bfloat16")
SHADOW_KINDS = ("ground", "drop")
LONGEST_SHADOW = 300.0  # percent


@dataclass(frozen=True)
class Weights:
    """Weights of the joint objective, by default the Poisson stage's; 0 leaves a term out.

    Pixel terms are stated for pictures in [0, 1]. Feature terms are relative, so the same weights
    serve any VGG16: content is divided by the mean square of the reference features, style by its
    own value at the start. All are means over the mask or the window, so they do not depend on the
    size of the canvas.

    The published weights make objects transparent once the objective is truly minimised (see the
    preset "paper"); these were chosen by picture and by score.

    Attributes:
        gradient: mean squared difference of Laplacians.
        content: squared difference of relu2_2 features from the pasted source's (refine stage: from
            its input's).
        style: squared difference of Gram matrices from those of the target's window, or in the
            refine stage of features from those wanted, see its style_form.
        luminance: squared difference of lightness from the source's, counted less along the mask's
            edge (refine stage: from its input's, everywhere under the mask).
        chroma: squared difference of the two chroma channels, counted along the mask's edge, too,
            where the source has a hue.
        histogram: squared distance to the target's channel histograms, relative to the mean square
            of the target's features.
        tv: total variation.
    """

    gradient: float = 2000.0
    content: float = 0.0
    style: float = 0.0
    luminance: float = 80.0
    chroma: float = 1400.0
    histogram: float = 0.0
    tv: float = 0.0

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a weight out of range."""
        for name, value in asdict(self).items():
            check_range(f"{name} weight", value, 0, LARGEST_WEIGHT)


@dataclass(frozen=True)
class PoissonSettings:
    """Settings of the Poisson stage.

    Attributes:
        method: "deep", the joint objective minimised by L-BFGS; "exact", the Poisson equation
            alone, without the network.
        gradients: the guidance under the mask: "import", the source's gradients; "mixed", the
            stronger of source's and target's at each pixel, for objects with holes or glass;
            "monochrome", those of the source's luminance, for texture without colour.
        bleed: how far the target's colours seep into the object: from 0, the source keeps its
            colours, to 1, without limit (pure Poisson). None: 0.5 where the deep method imports
            gradients, 1 otherwise.
        match: whether a source that continues the target (a repaired crop) is first matched to its
            colours by a gain and an offset measured at the mask's edge. The surer that is, the
            nearer bleed is brought to 1, and content and style to weight 0. A new object is left as
            it is.
        start: where the joint objective starts: "paste", copy and paste, which keeps the object's
            own colours; or "exact", the Poisson equation's solution.
        max_evaluations: of the objective, for each picture, 1 to 10000.
        weights: of the joint objective.
        rim: pixels from the mask's edge over which the fidelity to the source's colours sets in, 0
            to 256; crossing a contour of the source counts as many pixels, so a tightly cut object
            keeps its colours from its edge on.
        margin: pixels around the mask's box whose style is matched, 16 to 4096; None: the whole
            picture.
        sequence: whether the pictures of a batch are frames of one film: each starts from the
            change that was found for the previous frame, moved along with the object, which takes
            fewer evaluations and flickers less. Deep method only.
        clean: width in pixels of the band inside the mask's edge from which rests of the source's
            own background are removed first, 0 to 128; the stairs of a hard mask are smoothed, too.
            0: neither. None: 12 where the deep method imports gradients, 0 otherwise.
        harmonise: how far the object's colours are moved towards the place's first, 0 to 1; 0: not.
            A source that continues the target is moved by the match alone. None: 0.5 where the deep
            method imports gradients, 0 otherwise.
        contours: whether the gradient term leaves out the mask's edge where that is the object's
            own contour, so that a tight object ends there and is opaque; a loosely cut one still
            melts into its place. None: yes. Deep method with imported gradients only.
        grain: how much of the place's grain a new object is given where it has less, and of its
            softness where its edges are sharper, 0 to 1; for photographs.
    """

    method: str = "deep"
    gradients: str = "import"
    bleed: float | None = None
    match: bool = False
    start: str = "paste"
    max_evaluations: int = 20
    weights: Weights = field(default_factory=Weights)
    rim: int = 32
    margin: int | None = 64
    sequence: bool = False
    clean: int | None = None
    harmonise: float | None = None
    contours: bool | None = None
    grain: float = 0.0

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_choice("method", self.method, METHODS)
        check_choice("gradients", self.gradients, GRADIENTS)
        check_choice("start", self.start, STARTS)
        if self.bleed is not None:
            check_range("bleed", self.bleed, 0, 1)
        if self.clean is not None:
            check_range("clean", self.clean, 0, LARGEST_CLEAN, whole=True)
        if self.harmonise is not None:
            check_range("harmonise", self.harmonise, 0, 1)
        check_range("grain", self.grain, 0, 1)
        check_type("match", self.match, bool)
        check_type("contours", self.contours, bool, type(None))
        check_range("rim", self.rim, 0, 256, whole=True)
        check_type("weights", self.weights, Weights)
        if self.method == "deep":
            _check_any("poisson", self.weights)
        _check_shared(self.max_evaluations, self.margin, self.sequence)

    @property
    def resolved_bleed(self) -> float:
        """The bleed in [0, 1], with None replaced by the default of method and gradients."""
        if self.bleed is not None:
            return self.bleed
        return DEEP_BLEED if self.is_joint else 1.0

    @property
    def resolved_clean(self) -> int:
        """The width in pixels, with None replaced by the default of method and gradients."""
        if self.clean is not None:
            return self.clean
        return DEEP_CLEAN if self.is_joint else 0

    @property
    def resolved_harmonise(self) -> float:
        """The share in [0, 1], with None replaced by the default of method and gradients."""
        if self.harmonise is not None:
            return self.harmonise
        return DEEP_HARMONISE if self.is_joint else 0.0

    @property
    def keeps_contours(self) -> bool:
        """Whether contours are kept, with None replaced by the default of the method."""
        return self.is_joint and self.contours is not False

    @property
    def is_joint(self) -> bool:
        """Whether the deep method imports gradients: the source itself is what is kept."""
        return self.method == "deep" and self.gradients == "import"

    @property
    def own_bleed(self) -> float:
        """The former name of `resolved_bleed`."""
        return self.resolved_bleed


@dataclass(frozen=True)
class RefineSettings:
    """Settings of the style refine stage.

    Attributes:
        region: what may change: "object", the pixels under the mask; "band", these and `band`
            pixels around them; or the whole "picture".
        band: width of that band in pixels, 1 to 256.
        strength: share of the change that is applied, from 0 (the input bit for bit, nothing is
            computed) to 1.
        max_evaluations: of the objective, for each picture, 1 to 10000.
        weights: of the joint objective; content, luminance and chroma compare with the stage's
            input.
        margin: pixels around the region's box whose style is matched, 16 to 4096; None: the whole
            picture.
        sequence: whether the pictures of a batch are frames of one film, as in `PoissonSettings`.
        contours: whether the gradient term leaves out the mask's edge where the input has a
            contour, as in `PoissonSettings`, whose default it does not know.
        style_form: what the style term compares: "matched", features with those of the parts of the
            place that are most like, as strongly as the place has a texture and the object bears
            it; or "gram", Gram matrices with the whole place's, as published.
        grain: how much of the place's finest texture, too fine for features, the object is given
            where it has less, and of its softness where it is sharper, 0 to 1; with matched style.
    """

    region: str = "object"
    band: int = 24
    strength: float = 1.0
    max_evaluations: int = 20
    weights: Weights = field(
        default_factory=lambda: Weights(
            gradient=15.0, content=3.0, style=4.0, luminance=150.0, chroma=800.0
        )
    )
    margin: int | None = 64
    sequence: bool = False
    contours: bool = True
    style_form: str = "matched"
    grain: float = 1.0

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_range("grain", self.grain, 0, 1)
        check_type("contours", self.contours, bool)
        check_choice("style_form", self.style_form, STYLE_FORMS)
        check_choice("region", self.region, REGIONS)
        check_range("band", self.band, 1, 256, whole=True)
        check_range("strength", self.strength, 0, 1)
        check_type("weights", self.weights, Weights)
        _check_any("refine", self.weights)
        _check_shared(self.max_evaluations, self.margin, self.sequence)


@dataclass(frozen=True)
class ShadowSettings:
    """Settings of the shadow that an object casts on its target, see `contact_shadow`.

    Attributes:
        kind: "ground", the object stands upright on a ground that the camera sees from above; or
            "drop", it lies flat on a surface parallel to the picture, as on paper or a wall.
        direction: where the light comes from, degrees clockwise from the top, -360 to 360: 0 from
            behind (drop: from the top), 90 from the right, 180 from the camera (drop: from below).
        length: of the shadow, percent of the height that casts it, 0 to 300: 100 is light at 45
            degrees. An object that lies flat is a tenth of its size high.
        softness: width of the penumbra, percent of the distance from the contact, 0 to 100: a clear
            sun has 1, an overcast sky 100.
        strength: of the whole shadow, 0 (none, the target bit for bit) to 1: what it falls on is
            left the share of light that the target's own shadows have.
        contact: how much darker it is where the object touches its ground, 0 to 1.
        lift: how far above its ground the object floats, percent of its height (drop: of its size),
            0 to 300; above 0 nothing touches.
    """

    kind: str = "ground"
    direction: float = -60.0
    length: float = 60.0
    softness: float = 30.0
    strength: float = 0.8
    contact: float = 0.8
    lift: float = 0.0

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_choice("kind", self.kind, SHADOW_KINDS)
        check_range("direction", self.direction, -360, 360)
        check_range("length", self.length, 0, LONGEST_SHADOW)
        check_range("softness", self.softness, 0, 100)
        check_range("strength", self.strength, 0, 1)
        check_range("contact", self.contact, 0, 1)
        check_range("lift", self.lift, 0, LONGEST_SHADOW)


@dataclass(frozen=True, init=False)
class Compute:
    """Where and how a stage computes; the result hardly depends on it.

    Attributes:
        device: as torch names it ("cpu", "cuda:0"); None: where the target is.
        precision: dtype of the network's convolutions, "float32", "bfloat16", or "auto": bfloat16
            where the device has units for it, float32 elsewhere. Sums, Gram matrices and everything
            else are in float32.
        memory: bytes that a blend may take beside its source, mask and target; None: 8 GiB on a
            processor, four fifths of what is free on another device. Where a picture needs more,
            the network works in tiles: the same result but for rounding, a third slower (in the
            smallest, six times). `blend` refuses what no tile is small enough for; a stage that is
            called alone takes the smallest, and does not count its result.
    """

    device: str | None = None
    precision: str = "auto"
    memory: int | None = None

    def __init__(
        self,
        device: str | None = None,
        precision: str = "auto",
        memory: int | None = None,
        *,
        arithmetic: str | None = None,
    ) -> None:
        """Raise TypeError or ValueError on a value that is not allowed.

        `arithmetic` is the former name of `precision`; where it is given, it takes precedence.
        """
        check_type("device", device, str, type(None))
        check_choice("precision", precision, PRECISIONS)
        if arithmetic is not None:
            check_choice("arithmetic", arithmetic, PRECISIONS)
        if memory is not None:
            check_range("memory", memory, 0, whole=True)
        for name, value in (
            ("device", device),
            ("precision", arithmetic or precision),
            ("memory", memory),
        ):
            object.__setattr__(self, name, value)

    @property
    def arithmetic(self) -> str:
        """The former name of `precision`."""
        return self.precision


@dataclass(frozen=True)
class BlendSettings:
    """Settings of a whole blend.

    Attributes:
        poisson: of the Poisson stage.
        refine: of the style refine stage; None: the blend ends with the Poisson stage.
        weights_file: path of another VGG16 safetensors file, kept as text; None: the bundled one.
        input_scale: the input that this file's weights expect: "caffe" or "standardised", see
            `load_features`.
        compute: device, precision and memory.
    """

    poisson: PoissonSettings = field(default_factory=PoissonSettings)
    refine: RefineSettings | None = field(default_factory=RefineSettings)
    weights_file: str | PathLike[str] | None = None
    input_scale: str = "caffe"
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError on a value that is not allowed."""
        check_type("poisson", self.poisson, PoissonSettings)
        check_type("refine", self.refine, RefineSettings, type(None))
        check_type("weights_file", self.weights_file, str, PathLike, type(None))
        if self.weights_file is not None:
            object.__setattr__(self, "weights_file", fspath(self.weights_file))
        check_input_scale(self.input_scale, self.weights_file)
        check_type("compute", self.compute, Compute)


def check_input_scale(input_scale: str, weights_file: object) -> None:
    """Refuse an input scale that the weights do not have.

    Args:
        input_scale: "caffe", the bundled weights', or "standardised".
        weights_file: of other weights; None: the bundled ones.

    Raises:
        ValueError: an unknown scale; another one than the bundled weights' without a file.
    """
    check_choice("input_scale", input_scale, INPUT_SCALES)
    if weights_file is None and input_scale != BUNDLED_SCALE:
        raise ValueError(
            f"input_scale {input_scale} must come with a weights file, got none: the bundled "
            f"weights expect {BUNDLED_SCALE}"
        )


def _check_any(stage: str, weights: Weights) -> None:
    if not any(asdict(weights).values()):
        raise ValueError(f"{stage} weights must have at least one above 0, got none")


def _check_shared(max_evaluations: int, margin: int | None, sequence: bool) -> None:
    check_type("sequence", sequence, bool)
    check_range("max_evaluations", max_evaluations, 1, 10_000, whole=True)
    if margin is not None:
        check_range("margin", margin, LEAST_MARGIN, LARGEST_MARGIN, whole=True)
