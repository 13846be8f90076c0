"""What each stage asks for in a window, and where its minimisation starts."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..deep.fidelity import edge_hold, rim_hold
from ..deep.joint import Problem
from ..image.filters import laplacian
from ..placement.window import Scene
from ..settings import PoissonSettings, RefineSettings
from .prepare import Prepared


@dataclass(frozen=True)
class Start:
    """A problem and where its minimisation starts, (1, 3, h, w)."""

    problem: Problem
    x0: Tensor


def poisson_start(prepared: Prepared, settings: PoissonSettings) -> Start:
    """The joint objective with the target as background.

    Where other gradients than the source's are wanted, the pasted source is not what is to be kept:
    the Poisson equation's solution is.
    """
    scene, guidance = prepared.scene, prepared.guidance
    if settings.gradients == "import":
        guidance = prepared.joint_guidance()
        is_new = settings.start == "paste" and prepared.sameness < 0.5
        x0 = scene.source if is_new else prepared.exact
    else:
        x0 = prepared.exact
        scene = replace(scene, source=x0.clamp(0, 1), known=torch.ones_like(scene.known))
    weights = prepared.joint_weights(settings.weights)
    hold = rim_hold(scene, settings.rim)
    return Start(Problem(scene, scene.target, guidance, hold, weights), x0)


def refine_start(scene: Scene, settings: RefineSettings, style: dict[str, Tensor] | None) -> Start:
    """The joint objective with the blend as source and background.

    `style`: Gram matrices to want instead of the target's.
    """
    guidance = torch.where(scene.support, laplacian(scene.source), laplacian(scene.target))
    hold = edge_hold(scene)
    problem = Problem(scene, scene.source, guidance, hold, settings.weights, style)
    return Start(problem, scene.source)
