"""The 5-point operator with an edge weight between any two neighbours."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stencil:
    """A 5-point operator: Σ_q edge_pq (u_p − u_q) + rest_p·u_p; 0 off the support.

    Attributes:
        diagonal: (B, 1, H, W), the sum of a pixel's edges and its rest.
        across: (B, 1, H, W − 1), edges between neighbours of a row.
        down: (B, 1, H − 1, W), likewise of a column.
    """

    diagonal: Tensor
    across: Tensor
    down: Tensor

    def apply(self, u: Tensor, out: Tensor) -> Tensor:
        """The operator on (B, C, H, W), written into `out`, another one."""
        return self._add_neighbours(torch.mul(self.diagonal, u, out=out), u, -1)

    def residual(self, image: Tensor, u: Tensor, out: Tensor) -> Tensor:
        """Image less the operator on u, written into `out`, a third one."""
        torch.addcmul(image, self.diagonal, u, value=-1, out=out)
        return self._add_neighbours(out, u, 1)

    def _add_neighbours(self, out: Tensor, u: Tensor, sign: int) -> Tensor:
        out[..., 1:, :].addcmul_(self.down, u[..., :-1, :], value=sign)
        out[..., :-1, :].addcmul_(self.down, u[..., 1:, :], value=sign)
        out[..., 1:].addcmul_(self.across, u[..., :-1], value=sign)
        out[..., :-1].addcmul_(self.across, u[..., 1:], value=sign)
        return out


def mask_laplacian(free: Tensor, degree: Tensor) -> Stencil:
    """The Laplacian of the pixels of a support, all others being 0.

    Args:
        free: (B, 1, H, W), float, 1 on the support, 0 elsewhere.
        degree: (B or 1, 1, H, W), how many neighbours are inside the frame.
    """
    across = free[..., 1:] * free[..., :-1]
    down = free[..., 1:, :] * free[..., :-1, :]
    return Stencil(free * degree, across, down)
