"""L-BFGS in compact form: the curvature pairs of many rows at once, and their inverse Hessian.

No value is copied from the device to the host, so nothing here waits for a GPU.
"""

import torch
from torch import Tensor

from ..float64 import float64_device
from ..reductions import inner_products, row_sums

LEAST_CURVATURE = 1e-10  # share of |s|·|y| that s·y must exceed, or the pair is not stored


class History:
    """The newest pairs s = x' − x, y = g' − g of N independent problems, and their inverse Hessian.

    With M an initial inverse Hessian (the preconditioner), c its factor, R the upper triangle of
    SᵀY and D its diagonal, the inverse Hessian is cM + [S, cMY] W [S, cMY]ᵀ, W = [[R⁻ᵀ (D + cYᵀMY)
    R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]]: two products with tall matrices and some algebra on matrices of the
    history's size, where the usual two-loop recursion takes as many dependent steps as there are
    pairs. MY is stored, Y is not.

    Source: Byrd, Nocedal, Schnabel 1994, eq. 3.13. Differs: any initial inverse Hessian.
    """

    def __init__(self, like: Tensor, size: int) -> None:
        """Allocate `size` pairs for each row of `like`, (N, D)."""
        rows, length = like.shape
        # The small matrices are in float64, for R can be badly conditioned.
        self.small = float64_device(like.device)
        self.steps = like.new_zeros(rows, size, length)
        self.changes = torch.zeros_like(self.steps)  # M y
        self.step_change = torch.zeros(  # sᵢ·yⱼ
            rows, size, size, dtype=torch.float64, device=self.small
        )
        self.change_change = torch.zeros_like(self.step_change)  # yᵢ·M yⱼ
        self.age = torch.zeros(rows, size, dtype=torch.long, device=self.small)  # 0: empty
        self.scale = torch.ones_like(self.step_change[:, 0, 0])

    @property
    def is_filled(self) -> Tensor:
        """Whether each row has a pair: (N,), bool."""
        return (self.age > 0).any(1).to(self.steps.device)

    def forget(self, where: Tensor) -> None:
        """Drop all pairs of the rows where `where`, (N,), bool, is True."""
        where = where.to(self.small)
        self.age = torch.where(where[:, None], 0, self.age)
        self.scale = torch.where(where, 1.0, self.scale)

    def add(self, where: Tensor, step: Tensor, change: Tensor, mapped: Tensor) -> None:
        """Store a pair in place of the oldest, in the rows where `where` is True.

        Args:
            where: (N,), bool; rows whose pair has no positive curvature are left out, too.
            step: (N, D), s.
            change: (N, D), y.
            mapped: (N, D), M y.
        """
        curvature = row_sums(step * change)
        where = where & (curvature > LEAST_CURVATURE * _norms(step) * _norms(change))
        slot = self.age.argmin(1)
        for kept, new in ((self.steps, step), (self.changes, mapped)):
            self._put(kept, where, slot, new)
        where = where.to(self.small)
        products = self._in_small(inner_products(self.steps, change))
        self._put(self.step_change.mT, where, slot, products)  # a column
        products = self._in_small(inner_products(self.changes, change))
        for matrix in (self.change_change.mT, self.change_change):
            self._put(matrix, where, slot, products)
        self._put(self.age, where, slot, self.age.amax(1) + 1)
        rows = torch.arange(len(slot), device=self.small)
        scale = self._in_small(curvature) / self.change_change[rows, slot, slot]
        self.scale = torch.where(where, scale, self.scale)

    @staticmethod
    def _put(kept: Tensor, where: Tensor, slot: Tensor, new: Tensor) -> None:
        """Write new, (N, ...), into kept, (N, m, ...), at each row's slot, where (N,) is True."""
        place = torch.arange(len(slot), device=kept.device), slot.to(kept.device)
        kept[place] = torch.where(where.view(-1, *[1] * (new.ndim - 1)), new, kept[place])

    def _in_small(self, values: Tensor) -> Tensor:
        """Values on the small matrices' device and in their dtype.

        Moved first, then converted: the device may lack float64.
        """
        return values.to(self.small).to(self.scale.dtype)

    def apply(self, gradient: Tensor, preconditioned: Tensor) -> Tensor:
        """The inverse Hessian times a gradient; in rows without pairs the initial one, M g.

        Args:
            gradient: (N, D), g.
            preconditioned: (N, D), M g.

        Returns:
            (N, D).
        """
        age, order = self.age.sort(1)  # oldest first
        filled = (age > 0).to(self.scale)
        pairs = filled[:, :, None] * filled[:, None, :]
        upper = _sorted(self.step_change, order).triu() * pairs
        upper = upper + torch.diag_embed(1 - filled)
        scale = self.scale[:, None]
        a = filled * self._in_small(inner_products(self.steps, gradient)).gather(1, order)
        b = filled * scale * self._in_small(inner_products(self.changes, gradient)).gather(1, order)
        inner = torch.diag_embed(filled * upper.diagonal(dim1=1, dim2=2))
        inner = inner + scale[:, None] * _sorted(self.change_change, order) * pairs
        u = torch.linalg.solve_triangular(upper, a[..., None], upper=True)
        right = inner @ u - b[..., None]
        first = torch.linalg.solve_triangular(upper.mT, right, upper=False)[..., 0]
        second = -scale * u[..., 0]
        weights = torch.stack((first * filled, second * filled))
        weights = torch.zeros_like(weights).scatter_(2, order.expand(2, -1, -1), weights)
        first, second = weights.to(gradient.dtype).to(gradient.device)
        scale = self.scale.to(gradient.dtype).to(gradient.device)
        product = scale[:, None] * preconditioned
        product = torch.baddbmm(product[:, None], first[:, None], self.steps)
        return torch.baddbmm(product, second[:, None], self.changes)[:, 0]


def _norms(rows: Tensor) -> Tensor:
    return row_sums(rows.square()).sqrt()


def _sorted(square: Tensor, order: Tensor) -> Tensor:
    """Rows and columns of (N, m, m), both put in the order (N, m)."""
    by_row = square.gather(1, order[:, :, None].expand_as(square))
    return by_row.gather(2, order[:, None, :].expand_as(square))
