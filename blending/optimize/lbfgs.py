"""L-BFGS in compact form: the curvature pairs of many rows at once, and their inverse Hessian.

Nothing here asks a value back from the device.
"""

import torch
from torch import Tensor

LEAST_CURVATURE = 1e-10  # of |s|·|y|; a pair with less is not kept


class History:
    """The newest pairs s = x' − x, y = g' − g of N independent problems, and their metric.

    With M a first metric, c its factor, R the upper triangle of SᵀY and D its diagonal, the inverse
    Hessian is cM + [S, cMY] W [S, cMY]ᵀ, W = [[R⁻ᵀ (D + cYᵀMY) R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]]: two products
    with tall matrices and some algebra of the history's size, where the two loops of the usual form
    take as many dependent steps as there are pairs. Y itself is not kept.

    Source: Byrd, Nocedal, Schnabel 1994, eq. 3.13. Differs: any first metric.
    """

    def __init__(self, like: Tensor, size: int) -> None:
        """Room for `size` pairs of each row of (N, D)."""
        rows, length = like.shape
        self.rows = torch.arange(rows, device=like.device)
        self.steps = like.new_zeros(rows, size, length)
        self.changes = torch.zeros_like(self.steps)  # M y
        # float64 where there is any: R can be badly conditioned
        exact = like.dtype if like.device.type == "mps" else torch.float64
        self.step_change = like.new_zeros(rows, size, size, dtype=exact)  # sᵢ·yⱼ
        self.change_change = torch.zeros_like(self.step_change)  # yᵢ·M yⱼ
        self.age = torch.zeros(rows, size, dtype=torch.long, device=like.device)  # 0: empty
        self.scale = torch.ones_like(self.step_change[:, 0, 0])

    @property
    def is_filled(self) -> Tensor:
        """(N,), bool: whether the row has a pair."""
        return (self.age > 0).any(1)

    def forget(self, where: Tensor) -> None:
        """Drop all pairs of the rows where (N,) is True."""
        self.age = torch.where(where[:, None], 0, self.age)
        self.scale = torch.where(where, 1.0, self.scale)

    def add(self, where: Tensor, step: Tensor, change: Tensor, mapped: Tensor) -> None:
        """Put a pair in the oldest one's place, in the rows where (N,) is True.

        Args:
            where: (N,), bool; rows whose pair has no positive curvature are left out, too.
            step: (N, D), s.
            change: (N, D), y.
            mapped: (N, D), M y.
        """
        curvature = _dot(step, change)
        where = where & (curvature > LEAST_CURVATURE * step.norm(dim=1) * change.norm(dim=1))
        slot = self.age.argmin(1)
        for kept, new in ((self.steps, step), (self.changes, mapped)):
            kept[self.rows, slot] = torch.where(where[:, None], new, kept[self.rows, slot])
        products = _products(self.steps, change).to(self.scale)
        self._put(self.step_change, where, (self.rows, slice(None), slot), products)
        products = _products(self.changes, change).to(self.scale)
        for place in ((self.rows, slice(None), slot), (self.rows, slot)):
            self._put(self.change_change, where, place, products)
        newest = self.age.amax(1) + 1
        self._put(self.age, where, (self.rows, slot), newest)
        scale = curvature.to(self.scale) / self.change_change[self.rows, slot, slot]
        self.scale = torch.where(where, scale, self.scale)

    @staticmethod
    def _put(kept: Tensor, where: Tensor, place: tuple, new: Tensor) -> None:
        kept[place] = torch.where(where.view(-1, *[1] * (new.ndim - 1)), new, kept[place])

    def apply(self, gradient: Tensor, preconditioned: Tensor) -> Tensor:
        """The inverse Hessian's product with a gradient; the first metric's where there is no pair.

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
        a = filled * _products(self.steps, gradient).to(upper).gather(1, order)
        b = filled * scale * _products(self.changes, gradient).to(upper).gather(1, order)
        inner = torch.diag_embed(filled * upper.diagonal(dim1=1, dim2=2))
        inner = inner + scale[:, None] * _sorted(self.change_change, order) * pairs
        u = torch.linalg.solve_triangular(upper, a[..., None], upper=True)
        right = inner @ u - b[..., None]
        first = torch.linalg.solve_triangular(upper.mT, right, upper=False)[..., 0]
        second = -scale * u[..., 0]
        weights = torch.stack((first * filled, second * filled))
        weights = torch.zeros_like(weights).scatter_(2, order.expand(2, -1, -1), weights)
        first, second = weights.to(gradient)
        product = self.scale.to(gradient)[:, None] * preconditioned
        product = torch.baddbmm(product[:, None], first[:, None], self.steps)
        return torch.baddbmm(product, second[:, None], self.changes)[:, 0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)


def _products(kept: Tensor, vector: Tensor) -> Tensor:
    """(N, m, D) and (N, D) to (N, m)."""
    return torch.bmm(kept, vector[..., None])[..., 0]


def _sorted(square: Tensor, order: Tensor) -> Tensor:
    """Rows and columns of (N, m, m) in that order."""
    by_row = square.gather(1, order[:, :, None].expand_as(square))
    return by_row.gather(2, order[:, None, :].expand_as(square))
