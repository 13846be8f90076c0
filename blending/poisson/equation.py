"""The Poisson equation on a mask as a linear system, and conjugate gradients for it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .multigrid import Multigrid
from .stencil import Stencil, bands

MAX_ITERATIONS = 60  # 6 do on most masks
TINY = 1e-30  # below any sum that is not 0


@dataclass(frozen=True)
class Equation:
    """For the correction w = u − boundary: Laplacian·w + screen·w = image on the support.

    The screen's share is added apart: of a sum such as 4 + 1e-6 float32 keeps the 4.
    """

    image: Tensor  # the right side
    laplacian: Stencil  # of the support
    grids: Multigrid
    screen: Tensor | None
    # Where a support is a whole frame, (B, 1, 1, 1), nothing but a screen fixes the mean; None:
    # there is no such support.
    loose: Tensor | None
    total: Tensor  # of the right side, without the differences, which cancel

    def operator(self, w: Tensor, out: Tensor) -> Tensor:
        """The left side, written into `out`; returns w·out for each channel, (B, C, 1, 1)."""
        products = []
        for rows in bands(w):
            here, image = w[..., rows, :], out[..., rows, :]
            self.laplacian.apply(w, rows, image)
            if self.screen is not None:
                image.addcmul_(self.screen[..., rows, :], here)
            products.append(dot(here, image))
        return torch.stack(products).sum(0)

    def residual(self, w: Tensor, out: Tensor) -> Tensor:
        """The right side less the left, written into `out`."""
        self.operator(w, out)
        return torch.sub(self.image, out, out=out)

    @property
    def is_levelled(self) -> bool:
        """Whether nothing but a screen fixes the mean of a whole frame."""
        return self.loose is not None and self.screen is not None

    def levelled(self, w: Tensor) -> Tensor:
        """W with the mean that its screen asks for on a whole frame.

        Differences drop out of the sum of all equations, each being counted from both sides; so it
        fixes the mean even where the screen is too weak beside the differences' rounding for the
        iterations to.
        """
        if self.loose is None or self.screen is None:
            return w
        missing = self.total - total_of(self.screen * w)
        return w + self.loose * missing / total_of(self.screen).clamp_min(TINY)

    def centred(self, w: Tensor) -> Tensor:
        """W less its mean, in place, where nothing fixes that."""
        if self.loose is None or self.screen is not None:
            return w
        free = self.grids.levels[0].free
        return w.sub_(self.loose * free * total_of(w) / total_of(free))


def total_of(u: Tensor) -> Tensor:
    """The sum over all pixels, (B, C, 1, 1)."""
    return u.sum((2, 3), keepdim=True)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of products, (B, C, 1, 1)."""
    return torch.einsum("bchw,bchw->bc", a, b)[..., None, None]


def conjugate_gradients(equation: Equation, limit: float) -> Tensor:
    """Solve for each channel until the multigrid's correction is within the limit.

    Flexible, for the multigrid is not quite symmetric.
    """
    w = equation.levelled(torch.zeros_like(equation.image))
    image, residual = torch.empty_like(w), equation.image.clone()
    if equation.is_levelled:
        equation.residual(w, out=residual)
    preconditioned = equation.centred(equation.grids.invert(equation.centred(residual)))
    direction = preconditioned.clone()
    for _ in range(MAX_ITERATIONS):
        if _largest(preconditioned) <= limit:
            break
        slope = dot(residual, preconditioned)
        step = slope / equation.operator(direction, out=image).clamp_min(TINY)
        w.addcmul_(step, direction)
        if equation.is_levelled:
            w = equation.levelled(w)
            equation.residual(w, out=residual)
        else:
            residual.addcmul_(step, image, value=-1)
        preconditioned = equation.centred(equation.grids.invert(equation.centred(residual)))
        turn = -step * dot(image, preconditioned) / slope.clamp_min(TINY)
        torch.addcmul(preconditioned, direction, turn, out=direction)
    return equation.levelled(w.add_(preconditioned))


def _largest(w: Tensor) -> float:
    low, high = torch.aminmax(w)
    return torch.maximum(-low, high).item()
