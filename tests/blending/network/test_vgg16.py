"""VGG16's activations against a chain of plain torch functions, and every refusal of a file."""

import hashlib
import math
import re
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from blending.network import vgg16
from blending.network.convolution import Convolution
from blending.network.vgg16 import BUNDLED, in_layer_dtype, load_features

# Name of the activation, torchvision's index of its convolution; None pools.
CHAIN = (
    ("relu1_1", 0),
    ("relu1_2", 2),
    None,
    ("relu2_1", 5),
    ("relu2_2", 7),
    None,
    ("relu3_1", 10),
    ("relu3_2", 12),
    ("relu3_3", 14),
    None,
    ("relu4_1", 17),
    ("relu4_2", 19),
    ("relu4_3", 21),
)
NAMES = tuple(step[0] for step in CHAIN if step)


def standardised(image):
    """torchvision's documented preprocessing of its ImageNet weights."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    return (image - mean) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def caffe(image):
    """The original network's: 0..255 minus the mean colour."""
    return 255 * image - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)


def expected_activations(x, tensors):
    activations = {}
    for step in CHAIN:
        if step is None:
            x = F.max_pool2d(x, 2)
            continue
        name, index = step
        weight, bias = (tensors[f"features.{index}.{kind}"].double() for kind in ("weight", "bias"))
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
        activations[name] = x
    return activations


def refusal(path, error=ValueError, **options):
    with pytest.raises(error) as caught:
        load_features(path, **options)
    message = str(caught.value)
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("input_scale", "prepare"), [("caffe", caffe), ("standardised", standardised)]
)
def test_activations_equal_plain_convolutions_with_the_bundled_weights(input_scale, prepare, photo):
    image = photo(33, 46).double()
    expected = expected_activations(prepare(image), load_file(BUNDLED))
    found = load_features(BUNDLED, input_scale).double()(image, NAMES)
    assert tuple(found) == NAMES
    for name in NAMES:
        # The mean is kept in float32 by the module: 1e-7 of the picture, up to 1e-5 of a sum.
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-3)


def test_another_file_gives_its_own_activations(random_weights, random_tensors, photo):
    image = photo(16, 16).double()
    expected = expected_activations(caffe(image), random_tensors)["relu4_3"]
    found = load_features(random_weights).double()(image, ("relu4_3",))["relu4_3"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (37, 51), (64, 9)])
def test_each_block_halves_the_size_rounded_down(height, width, network, noise):
    activations = network(noise(2, 3, height, width), ("relu1_2", "relu2_2", "relu3_3", "relu4_3"))
    channels = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512}
    for power, (name, count) in enumerate(channels.items()):
        assert activations[name].shape == (2, count, height // 2**power, width // 2**power)


def test_a_batch_gives_what_its_pictures_give(network, noise):
    images = noise(2, 3, 16, 24)
    batch = network(images, ("relu3_3",))["relu3_3"]
    for sample in range(2):
        single = network(images[sample : sample + 1], ("relu3_3",))["relu3_3"]
        # float32 sums of 2304 products whose order may depend on the batch
        torch.testing.assert_close(batch[sample : sample + 1], single, rtol=1e-4, atol=1e-5)


def test_only_the_layers_asked_for_are_returned(network, noise):
    assert set(network(noise(1, 3, 16, 16), ("relu3_1", "relu1_1"))) == {"relu1_1", "relu3_1"}
    assert network(noise(1, 3, 16, 16), ()) == {}


def test_an_early_layer_needs_no_pooled_pixels(network, noise):
    assert network(noise(1, 3, 1, 1), ("relu1_2",))["relu1_2"].shape == (1, 64, 1, 1)


def test_an_unknown_layer_is_refused(network, noise):
    with pytest.raises(KeyError, match="relu9_9"):
        network(noise(1, 3, 8, 8), ("relu9_9",))


def test_the_first_layer_is_neither_rounded_nor_shortened(network):
    own = network.prepared(torch.zeros(1), torch.bfloat16)
    types = [p.dtype for p in own.parameters()]
    assert types == [torch.float32] * 2 + [torch.bfloat16] * 18
    assert own.precision == torch.bfloat16
    assert torch.equal(own.features[0].weight, network.features[0].weight)
    assert torch.equal(own.features[2].weight, network.features[2].weight.bfloat16())


def test_a_prepared_network_leaves_the_first_as_it_was(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    own = network.prepared(torch.zeros(1).double(), torch.bfloat16)
    assert own.features[0].weight.dtype == own.mean.dtype == torch.float64
    assert network.precision == torch.float32
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])
    assert not any(parameter.requires_grad for parameter in own.parameters())


def test_what_needs_no_conversion_is_in_memory_once(network):
    own = network.prepared(torch.zeros(1), torch.float32)
    pairs = zip(own.parameters(), network.parameters(), strict=True)
    assert all(ours.data_ptr() == theirs.data_ptr() for ours, theirs in pairs)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_activations_are_of_the_pictures_type_and_near_the_exact_ones(precision, network, noise):
    image, layers = noise(1, 3, 16, 24), ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    activations = network.prepared(image, precision)(image, layers)
    # bfloat16 rounds to 2^-9 at each of up to 10 layers, by chance up or down
    error = {torch.float32: 1e-5, torch.bfloat16: 2**-9 * 10}[precision]
    for name, exact in network.double()(image.double(), layers).items():
        assert activations[name].dtype == torch.float32
        assert (activations[name] - exact).norm() < error * exact.norm()


def test_a_layers_input_takes_the_type_of_its_weights_if_it_has_any():
    x = torch.ones(1, 3, 4, 4)
    assert in_layer_dtype(x, Convolution(3, 2).bfloat16()).dtype == torch.bfloat16
    assert in_layer_dtype(x, torch.nn.ReLU()) is x
    assert in_layer_dtype(x, torch.nn.MaxPool2d(2)) is x


def test_the_network_is_frozen_float32_on_the_cpu(bundled):
    parameters = list(bundled.parameters())
    assert len(parameters) == 20
    assert {p.dtype for p in parameters} == {torch.float32}
    assert {p.device.type for p in parameters} == {"cpu"}
    assert not any(p.requires_grad for p in parameters)
    assert not bundled.training


def test_loading_draws_no_random_number(random_weights):
    torch.manual_seed(3)
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    load_features(random_weights)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002


def test_a_network_loaded_in_inference_mode_can_be_differentiated_through(random_weights, noise):
    with torch.inference_mode():
        network = load_features(random_weights)
    assert not any(p.is_inference() for p in network.parameters())
    image = noise(1, 3, 8, 8).requires_grad_(True)
    network(image, ("relu4_3",))["relu4_3"].square().sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().max() > 0


def test_the_bundled_file_is_small_half_precision_and_whole():
    assert BUNDLED.stat().st_size <= 16_000_000
    tensors = load_file(BUNDLED)
    assert len(tensors) == 20
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    written = BUNDLED.with_suffix(".sha256").read_text().split()
    assert written == [hashlib.sha256(BUNDLED.read_bytes()).hexdigest(), BUNDLED.name]


def test_half_precision_files_are_read_as_float32(tmp_path, random_tensors):
    halves = {name: tensor.bfloat16() for name, tensor in random_tensors.items()}
    save_file(halves, tmp_path / "half.safetensors")
    network = load_features(tmp_path / "half.safetensors")
    found = network.state_dict()["features.21.weight"]
    assert torch.equal(found, halves["features.21.weight"].float())


def test_tensors_beyond_conv4_3_are_not_read(tmp_path, random_tensors, random_weights, noise):
    path = tmp_path / "more.safetensors"
    more = {"features.24.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(2)}
    save_file(random_tensors | more, path)
    image = noise(1, 3, 8, 8)
    found = load_features(str(path))(image, ("relu4_3",))["relu4_3"]
    assert torch.equal(found, load_features(random_weights)(image, ("relu4_3",))["relu4_3"])


def test_a_missing_file_is_named(tmp_path):
    message = refusal(tmp_path / "none.safetensors", FileNotFoundError)
    assert "must be a VGG16 safetensors file" in message


def test_a_folder_is_no_weights_file(tmp_path):
    refusal(tmp_path, FileNotFoundError)


@pytest.mark.parametrize("kept", [0, 7, 1000, 15_000_000])
def test_a_truncated_file_is_refused(kept, tmp_path):
    path = tmp_path / "short.safetensors"
    path.write_bytes(BUNDLED.read_bytes()[:kept])
    assert "must be a whole safetensors file" in refusal(path)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("These are not the weights you are looking for.\n" * 50)
    assert "must be a whole safetensors file" in refusal(path)


def test_a_missing_tensor_is_named(tmp_path, random_tensors):
    path = tmp_path / "part.safetensors"
    save_file({n: t for n, t in random_tensors.items() if n != "features.14.bias"}, path)
    assert "features.14.bias" in refusal(path)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(tmp_path, random_tensors):
    path = tmp_path / "shape.safetensors"
    save_file(random_tensors | {"features.0.weight": torch.zeros(64, 4, 3, 3)}, path)
    message = refusal(path)
    assert "features.0.weight as float (64, 3, 3, 3)" in message
    assert "got torch.float32 (64, 4, 3, 3)" in message


def test_whole_numbers_are_no_weights(tmp_path, random_tensors):
    path = tmp_path / "whole.safetensors"
    wrong = torch.zeros(64, dtype=torch.int32)
    save_file(random_tensors | {"features.0.bias": wrong}, path)
    assert "features.0.bias as float (64,), got torch.int32" in refusal(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_weights_that_are_no_numbers_are_named(value, random_tensors, tmp_path):
    path = tmp_path / "a.safetensors"
    bias = random_tensors["features.17.bias"].double()
    bias[5] = value
    save_file(random_tensors | {"features.17.bias": bias}, path)
    message = refusal(path)
    assert "must have finite numbers, got NaN or infinity (in float32) in features.17." in message


def test_weights_too_large_for_finite_gram_matrices_are_refused(random_tensors, tmp_path):
    path = tmp_path / "large.safetensors"
    bias = torch.full_like(random_tensors["features.21.bias"], 3e38)
    save_file(random_tensors | {"features.21.bias": bias}, path)
    assert "must give finite features, got NaN or infinity at relu4_3" in refusal(path)


def test_weights_too_large_for_finite_features_are_refused(random_tensors, tmp_path):
    path = tmp_path / "a.safetensors"
    tensors = {name: 1e6 * tensor for name, tensor in random_tensors.items()}
    save_file(tensors, path)  # relu1_2 is 1e12 times itself, relu2_2 1e24, its square too large
    assert "must give finite features, got NaN or infinity at relu2_2" in refusal(path)


def test_the_bundled_weights_have_their_own_input_scale_unless_they_are_named_as_a_file():
    with pytest.raises(ValueError, match="standardised must come with a weights file"):
        load_features(input_scale="standardised")
    same, named = load_features(), load_features(BUNDLED)
    assert torch.equal(same.deviation, named.deviation)


def test_an_unknown_input_scale_is_refused_before_the_file_is_looked_for(tmp_path):
    with pytest.raises(
        ValueError, match=r"input_scale must be one of caffe, standardised, got 'x'"
    ):
        load_features(tmp_path / "none.safetensors", "x")


@pytest.fixture
def own_copy(tmp_path, monkeypatch):
    """The bundled file and its hash, copied, as the bundled ones."""
    path = tmp_path / BUNDLED.name
    shutil.copy(BUNDLED, path)
    shutil.copy(BUNDLED.with_suffix(".sha256"), path.with_suffix(".sha256"))
    monkeypatch.setattr(vgg16, "BUNDLED", path)
    return path


def test_an_untouched_copy_of_the_bundled_file_is_accepted(own_copy):
    assert len(list(load_features().parameters())) == 20


def test_one_changed_byte_of_the_bundled_file_is_found(own_copy):
    content = bytearray(own_copy.read_bytes())
    content[9_000_000] ^= 1
    own_copy.write_bytes(content)
    with pytest.raises(ValueError, match="must have SHA-256") as caught:
        load_features()
    message = str(caught.value)
    assert str(own_copy) in message
    assert hashlib.sha256(content).hexdigest() in message
    assert len(re.findall(r"\b[0-9a-f]{64}\b", message)) == 2


def test_the_bundled_file_must_be_there(own_copy):
    own_copy.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(str(own_copy))):
        load_features()
