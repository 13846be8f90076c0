"""A checkpoint of random weights in Stable Diffusion 1.5's layout, to run a sampler with.

ComfyUI tells the model by the names and shapes of its weights. What it reads off must be full
size: the U-Net's 320 channels, which its 768 features of a text reach, the whole text encoder and
the whole VAE, whose sizes ComfyUI has in its own files. Free are the factors by which the U-Net
widens from level to level (1, 2, 4, 4): here they are 1, an eighth of the weights.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

Shapes = Iterator[tuple[str, tuple[int, ...]]]  # the name of a weight, and its shape

CHANNELS, TIME, TEXT = 320, 1280, 768  # of the U-Net, its embedded time, and of a text's token
LEVELS, ATTENDED = 4, 3  # of the U-Net; the first three attend to the text
TOKENS, PLACES, LAYERS = 49408, 77, 12  # of the text encoder
VAE = (128, 256, 512, 512)
GAIN = 0.5  # of a layer: far from vanishing and from the largest number in half precision


def write_checkpoint(path: Path) -> Path:
    """Write it, 0.6 GB; the same bytes each time."""
    generator = torch.Generator().manual_seed(15)
    shapes = dict([*_unet(), *_text_encoder(), *_vae()])
    save_file({name: _drawn(name, shape, generator) for name, shape in shapes.items()}, path)
    return path


def _drawn(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.float16)
    if len(shape) == 1:  # of a normalisation
        return torch.ones(shape, dtype=torch.float16)
    spread = GAIN * (3 / torch.Size(shape[1:]).numel()) ** 0.5
    return torch.empty(shape).uniform_(-spread, spread, generator=generator).half()


def _layer(name: str, *shape: int) -> Shapes:
    """Weight and bias of a convolution, a linear layer or a normalisation."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _unet() -> Shapes:
    unet = "model.diffusion_model"
    yield from _layer(f"{unet}.time_embed.0", TIME, CHANNELS)
    yield from _layer(f"{unet}.time_embed.2", TIME, TIME)
    yield from _layer(f"{unet}.input_blocks.0.0", CHANNELS, 4, 3, 3)
    blocks = [(level, block) for level in range(LEVELS) for block in range(3)]
    for number, (level, block) in enumerate(blocks[:-1], 1):
        name = f"{unet}.input_blocks.{number}"
        if block == 2:
            yield from _layer(f"{name}.0.op", CHANNELS, CHANNELS, 3, 3)
            continue
        yield from _residual(f"{name}.0", CHANNELS)
        yield from _attention(f"{name}.1") if level < ATTENDED else ()
    yield from _residual(f"{unet}.middle_block.0", CHANNELS)
    yield from _attention(f"{unet}.middle_block.1")
    yield from _residual(f"{unet}.middle_block.2", CHANNELS)
    for number, (depth, block) in enumerate(blocks):
        level, name = LEVELS - 1 - depth, f"{unet}.output_blocks.{number}"
        yield from _residual(f"{name}.0", 2 * CHANNELS)
        yield from _attention(f"{name}.1") if level < ATTENDED else ()
        if block == 2 and level:
            last = 2 if level < ATTENDED else 1
            yield from _layer(f"{name}.{last}.conv", CHANNELS, CHANNELS, 3, 3)
    yield from _layer(f"{unet}.out.0", CHANNELS)
    yield from _layer(f"{unet}.out.2", 4, CHANNELS, 3, 3)


def _residual(name: str, inputs: int) -> Shapes:
    yield from _layer(f"{name}.in_layers.0", inputs)
    yield from _layer(f"{name}.in_layers.2", CHANNELS, inputs, 3, 3)
    yield from _layer(f"{name}.emb_layers.1", CHANNELS, TIME)
    yield from _layer(f"{name}.out_layers.0", CHANNELS)
    yield from _layer(f"{name}.out_layers.3", CHANNELS, CHANNELS, 3, 3)
    if inputs != CHANNELS:
        yield from _layer(f"{name}.skip_connection", CHANNELS, inputs, 1, 1)


def _attention(name: str) -> Shapes:
    inner = f"{name}.transformer_blocks.0"
    yield from _layer(f"{name}.norm", CHANNELS)
    yield from _layer(f"{name}.proj_in", CHANNELS, CHANNELS, 1, 1)
    for attention, features in (("attn1", CHANNELS), ("attn2", TEXT)):
        yield f"{inner}.{attention}.to_q.weight", (CHANNELS, CHANNELS)
        yield f"{inner}.{attention}.to_k.weight", (CHANNELS, features)
        yield f"{inner}.{attention}.to_v.weight", (CHANNELS, features)
        yield from _layer(f"{inner}.{attention}.to_out.0", CHANNELS, CHANNELS)
    yield from _layer(f"{inner}.ff.net.0.proj", 8 * CHANNELS, CHANNELS)
    yield from _layer(f"{inner}.ff.net.2", CHANNELS, 4 * CHANNELS)
    for number in (1, 2, 3):
        yield from _layer(f"{inner}.norm{number}", CHANNELS)
    yield from _layer(f"{name}.proj_out", CHANNELS, CHANNELS, 1, 1)


def _text_encoder() -> Shapes:
    model = "cond_stage_model.transformer.text_model"
    yield f"{model}.embeddings.token_embedding.weight", (TOKENS, TEXT)
    yield f"{model}.embeddings.position_embedding.weight", (PLACES, TEXT)
    for number in range(LAYERS):
        name = f"{model}.encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _layer(f"{name}.self_attn.{part}", TEXT, TEXT)
        yield from _layer(f"{name}.mlp.fc1", 4 * TEXT, TEXT)
        yield from _layer(f"{name}.mlp.fc2", TEXT, 4 * TEXT)
        yield from _layer(f"{name}.layer_norm1", TEXT)
        yield from _layer(f"{name}.layer_norm2", TEXT)
    yield from _layer(f"{model}.final_layer_norm", TEXT)


def _vae() -> Shapes:
    encoder, decoder = "first_stage_model.encoder", "first_stage_model.decoder"
    yield from _layer(f"{encoder}.conv_in", VAE[0], 3, 3, 3)
    width = VAE[0]
    for level, wider in enumerate(VAE):
        for block in range(2):
            yield from _vae_block(f"{encoder}.down.{level}.block.{block}", width, wider)
            width = wider
        if level < len(VAE) - 1:
            yield from _layer(f"{encoder}.down.{level}.downsample.conv", width, width, 3, 3)
    yield from _vae_ends(encoder, width, width, 8)
    yield from _layer("first_stage_model.quant_conv", 8, 8, 1, 1)
    yield from _layer("first_stage_model.post_quant_conv", 4, 4, 1, 1)
    yield from _layer(f"{decoder}.conv_in", width, 4, 3, 3)
    for level, narrower in reversed(list(enumerate(VAE))):
        for block in range(3):
            yield from _vae_block(f"{decoder}.up.{level}.block.{block}", width, narrower)
            width = narrower
        if level:
            yield from _layer(f"{decoder}.up.{level}.upsample.conv", width, width, 3, 3)
    yield from _vae_ends(decoder, VAE[-1], width, 3)


def _vae_ends(name: str, middle: int, width: int, outputs: int) -> Shapes:
    """The middle of an encoder or decoder, and its last layers."""
    yield from _vae_block(f"{name}.mid.block_1", middle, middle)
    yield from _layer(f"{name}.mid.attn_1.norm", middle)
    for part in ("q", "k", "v", "proj_out"):
        yield from _layer(f"{name}.mid.attn_1.{part}", middle, middle, 1, 1)
    yield from _vae_block(f"{name}.mid.block_2", middle, middle)
    yield from _layer(f"{name}.norm_out", width)
    yield from _layer(f"{name}.conv_out", outputs, width, 3, 3)


def _vae_block(name: str, inputs: int, outputs: int) -> Shapes:
    yield from _layer(f"{name}.norm1", inputs)
    yield from _layer(f"{name}.conv1", outputs, inputs, 3, 3)
    yield from _layer(f"{name}.norm2", outputs)
    yield from _layer(f"{name}.conv2", outputs, outputs, 3, 3)
    if inputs != outputs:
        yield from _layer(f"{name}.nin_shortcut", outputs, inputs, 1, 1)
