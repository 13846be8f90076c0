"""VGG16 features: layers, weights and the scale of the input."""

import copy
import hashlib
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..settings import BUNDLED_SCALE, check_input_scale
from .convolution import Convolution

BUNDLED = Path(__file__).parents[1] / "weights" / "vgg16.safetensors"
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
# torchvision's index of each activation, and its stride in image pixels.
LAYERS = {
    "relu1_1": (1, 1),
    "relu1_2": (3, 1),
    "relu2_1": (6, 2),
    "relu2_2": (8, 2),
    "relu3_1": (11, 4),
    "relu3_2": (13, 4),
    "relu3_3": (15, 4),
    "relu4_1": (18, 8),
    "relu4_2": (20, 8),
    "relu4_3": (22, 8),
}
# VGG16 up to conv4_3, by blocks between which it pools: the channels of each convolution.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))


class Features(nn.Module):
    """VGG16 up to relu4_3, frozen; made by `load_features`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, tensors: dict[str, Tensor], input_scale: str) -> None:
        """Build the network from weights.

        Args:
            tensors: by torchvision's names, `features.N.weight` and `.bias`; checked by the caller.
            input_scale: "caffe" or "standardised", see `load_features`.
        """
        super().__init__()
        self.features = _skeleton()
        self.features.load_state_dict(
            {name.removeprefix("features."): tensor.float() for name, tensor in tensors.items()},
            assign=True,
        )
        self.features.to(memory_format=torch.channels_last)  # convolutions are a fifth faster
        mean, deviation = {
            "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
            "standardised": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        }[input_scale]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))
        self.requires_grad_(False).train(False)  # a scanner takes eval() for the builtin

    @property
    def precision(self) -> torch.dtype:
        """The dtype of the convolutions."""
        return next(self.features[-2].parameters()).dtype

    def prepared(self, like: Tensor, precision: torch.dtype) -> "Features":
        """A copy of the network for pictures of the device and dtype of a tensor.

        Args:
            like: a tensor of any shape, such as (B, 3, H, W).
            precision: dtype of all convolutions but the first; may be shorter than that of `like`.

        Returns:
            The copy; this network keeps its weights, which a shorter dtype would round for good.
            Weights that need no conversion are shared, not copied.
        """
        own = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in self.parameters()}
        network = copy.deepcopy(self, own).to(device=like.device, dtype=like.dtype)
        # Not the first layer: bfloat16 tells only half of 256 levels apart.
        network.features[1:].to(dtype=precision)
        # On processors this layout makes convolutions a fifth faster, bfloat16 on AMX tiles twice.
        network.features.to(memory_format=torch.channels_last)
        for layer in network.features:
            if isinstance(layer, Convolution):
                layer.forget()
        return network

    def normalised(self, image: Tensor) -> Tensor:
        """The first layer's input for (B, 3, H, W) in [0, 1], in the fastest memory layout."""
        return ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)

    def forward(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Activations of the named layers.

        Args:
            image: (B, 3, H, W), RGB in [0, 1], on the network's device; at least 8 x 8 pixels for
                relu4_3.
            layers: names out of `LAYERS`, such as "relu2_2".

        Returns:
            Name to (B, C, H / s, W / s), s = 1, 2, 4, 8 by the block; on the network's own scale,
            in the image's dtype.
        """
        names = {LAYERS[name][0]: name for name in layers}
        x, activations = self.normalised(image), {}
        for index, layer in enumerate(self.features[: max(names, default=-1) + 1]):
            x = layer(in_layer_dtype(x, layer))
            if index in names:
                activations[names[index]] = x.to(image.dtype)
        return activations


def in_layer_dtype(x: Tensor, layer: nn.Module) -> Tensor:
    """A layer's input in the dtype of its weights.

    Args:
        x: (B, C, H, W), float.
        layer: a convolution, or a layer without weights.

    Returns:
        (B, C, H, W); x itself for a layer without weights.
    """
    return x.to(layer.weight.dtype) if isinstance(layer, Convolution) else x


def load_features(
    weights: str | PathLike[str] | None = None, input_scale: str = BUNDLED_SCALE
) -> Features:
    """VGG16 with the bundled weights or another file's; nothing is ever downloaded.

    Args:
        weights: a safetensors file of torchvision's VGG16 names; tensors beyond conv4_3 are not
            read. None: the bundled file (Simonyan & Zisserman 2014, CC BY 4.0, see
            weights/ORIGIN.md), checked against its SHA-256.
        input_scale: the input that the weights were trained on: "caffe" (RGB in 0..255 minus the
            mean; the bundled ones) or "standardised" (torchvision's default weights: [0, 1], minus
            the mean, divided by the deviation).

    Returns:
        The network on the CPU, float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a safetensors file, truncated, changed, tensors missing or of another shape,
            NaN or infinity, in the weights or by them; an unknown input scale, or another one than
            the bundled weights' without a file.
    """
    check_input_scale(input_scale, weights)
    path = BUNDLED if weights is None else Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"weights must be a VGG16 safetensors file, found no file {path}")
    if weights is None:
        _check_digest(path)
    with torch.inference_mode(False):
        network = Features(_read(path), input_scale)
        if weights is not None:
            _check_finite(path, network)
        return network


def _check_digest(path: Path) -> None:
    expected = path.with_suffix(".sha256").read_text(encoding="ascii").split()[0]
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != expected:
        raise ValueError(f"weights file {path} must have SHA-256 {expected}, got {got}; restore it")


def _check_finite(path: Path, network: Features) -> None:
    """Raise on weights that are not numbers, or so large that a grey picture's features are not.

    With them no evaluation is finite, and each stage would hand on what it began with.
    """
    for name, plane in network.features.named_parameters():
        if not plane.isfinite().all():
            raise ValueError(
                f"weights file {path} must have finite numbers, got NaN or infinity (in float32) "
                f"in features.{name}"
            )
    grey = torch.full((1, 3, 8, 8), 0.5)
    for layer, activation in network(grey, STYLE_LAYERS).items():
        if not activation.square().sum().isfinite():  # what Gram matrices are made of
            raise ValueError(
                f"weights file {path} must give finite features, got NaN or infinity at {layer}: "
                "the numbers are too large to be VGG16's"
            )


def _read(path: Path) -> dict[str, Tensor]:
    expected = {f"features.{name}": p.shape for name, p in _skeleton().state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            missing = expected.keys() - set(file.keys())
            if missing:
                raise ValueError(
                    f"weights file {path} must have torchvision's VGG16 tensors, "
                    f"got none named {min(missing)}"
                )
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"weights file {path} must be a whole safetensors file, got: {error}"
        ) from error
    for name, tensor in tensors.items():
        if tensor.shape != expected[name] or not tensor.is_floating_point():
            raise ValueError(
                f"weights file {path} must have {name} as float {tuple(expected[name])}, "
                f"got {tensor.dtype} {tuple(tensor.shape)}"
            )
    return tensors


def _skeleton() -> nn.Sequential:
    """The layers on the meta device: nothing is initialised, no random number is drawn."""
    layers: list[nn.Module] = []
    channels = 3
    with torch.device("meta"):
        for number, block in enumerate(_BLOCKS):
            layers += [nn.MaxPool2d(2)] * bool(number)
            for outputs in block:
                layers += [Convolution(channels, outputs), nn.ReLU(inplace=True)]
                channels = outputs
    return nn.Sequential(*layers)
