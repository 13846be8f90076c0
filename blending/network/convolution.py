"""VGG16's convolution: 3 x 3, padded by a ring of zeros, its weights frozen."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

from . import winograd


class Convolution(nn.Conv2d):
    """A convolution that is only ever differentiated in its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make one of `inputs` to `outputs` channels."""
        super().__init__(inputs, outputs, 3, padding=1)
        self.forget()

    def forget(self) -> None:
        """Drop what was made of the weights; to be called when these have changed."""
        self._kernels: dict[bool, Tensor] = {}

    def forward(self, input: Tensor) -> Tensor:
        """The map, (N, K, H, W), of one that is padded here, (N, C, H, W); differentiable."""
        if not winograd.pays(self.weight, *input.shape[2:]):
            return super().forward(input)
        return _Padding.apply(input, self)

    def valid(self, padded: Tensor) -> Tensor:
        """The map of one that is padded already.

        Args:
            padded: (N, C, H + 2, W + 2), of the weights' dtype.

        Returns:
            (N, K, H, W), not differentiable.
        """
        height, width = padded.shape[2] - 2, padded.shape[3] - 2
        if not winograd.pays(self.weight, height, width):
            return F.conv2d(padded, self.weight, self.bias)
        return winograd.convolve(padded, self._kernel(is_turned=False), self.bias)

    def input_slope(self, slope: Tensor) -> Tensor:
        """The derivative in the input of what has a derivative in the output.

        Args:
            slope: (N, K, H, W), of the weights' dtype.

        Returns:
            (N, C, H, W), not differentiable.
        """
        if not winograd.pays(self.weight, *slope.shape[2:]):
            size = (slope.shape[0], self.in_channels, *slope.shape[2:])
            return conv2d_input(size, self.weight, slope, padding=1)
        return winograd.convolve(F.pad(slope, (1,) * 4), self._kernel(is_turned=True))

    def _kernel(self, is_turned: bool) -> Tensor:
        """The kernel, transformed; turned, of a convolution from outputs to inputs."""
        if is_turned not in self._kernels:
            weight = self.weight.transpose(0, 1).flip(2, 3) if is_turned else self.weight
            self._kernels[is_turned] = winograd.transformed_kernel(weight.detach())
        return self._kernels[is_turned]


class _Padding(torch.autograd.Function):
    """`Convolution.valid` of what is padded first, with its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Convolution) -> Tensor:
        ctx.layer = layer
        return layer.valid(F.pad(x, (1,) * 4))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.input_slope(slope), None
