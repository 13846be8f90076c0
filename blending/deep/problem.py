"""What the joint objective is to do with one picture."""

from dataclasses import dataclass, field

from torch import Tensor

from ..placement.window import Window
from ..settings import Weights
from .fidelity import FidelityWeights


@dataclass(frozen=True)
class Problem:
    """One picture's window with what its objective compares x with; `objective` makes the terms.

    Attributes:
        window: in the refine stage its source is the picture to refine.
        background: (1, 3, h, w), RGB in [0, 1], what x is composited over.
        guidance: (1, 3, h, w), the Laplacian to match, in image units per pixel².
        fidelity: pixel weights of the luminance and chroma terms.
        weights: of the terms.
        style: Gram matrices to match instead of the target's, (1, C, C), by layer; None: the
            target's.
        wanted: features that the style term matches instead of Gram matrices, (1, C, h / s, w / s)
            by layer, the sides padded to multiples of 8; empty: none are known, and the term has no
            weight. None: it matches Gram matrices.
        seam: (1, 1, h, w), 0 to 1, how much the gradient term counts at each pixel; None: wholly.
        detail: (1, 1, h, w), >= 0, how much the content term counts at each pixel; None: wholly.
        own: features of the source pasted, (1, C, h / s, w / s), of the layers that are compared,
            where they change; empty: they are computed.
    """

    window: Window
    background: Tensor
    guidance: Tensor
    fidelity: FidelityWeights
    weights: Weights
    style: dict[str, Tensor] | None = None
    wanted: dict[str, Tensor] | None = None
    seam: Tensor | None = None
    detail: Tensor | None = None
    own: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Painted:
    """What matched style wants of one window.

    Attributes:
        features: as `Problem.wanted`; None: nothing is known, or nothing is to be painted.
        strength: by which the style term's weight is multiplied, 0 to 1; 0 without features.
        detail: (1, 1, h, w), >= 0, how much the object is held at each pixel; None: 1.
        own: as `Problem.own`.
    """

    features: dict[str, Tensor] | None
    strength: float
    detail: Tensor | None = None
    own: dict[str, Tensor] = field(default_factory=dict)
