"""Make the bundled VGG16 file: convolutions up to conv4_3, float16, and its SHA-256.

    python blending/weights/convert.py vgg16_conv1_1-conv4_3.safetensors

The input holds torchvision's names (`features.N.weight`, `features.N.bias`); see ORIGIN.md.
"""

import hashlib
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

OUTPUT = Path(__file__).with_name("vgg16.safetensors")


def convert(path: Path, output: Path = OUTPUT) -> str:
    """Convert VGG16 weights to float16 and write them with their SHA-256.

    Args:
        path: a safetensors file of torchvision's names up to conv4_3.
        output: the file to write; `output` with the suffix .sha256 beside it.

    Returns:
        The SHA-256 digest in hexadecimal.

    Raises:
        ValueError: a weight is beyond the range of float16.
    """
    tensors = {name: tensor.to(torch.float16) for name, tensor in load_file(path).items()}
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError(f"{path} must fit float16, got values beyond 65504")
    save_file(tensors, output)
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    output.with_suffix(".sha256").write_text(f"{digest}  {output.name}\n", encoding="ascii")
    return digest


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    convert(Path(sys.argv[1]))
