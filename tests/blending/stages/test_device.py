"""The arithmetic that is chosen, and what it may cost: a level in the mean, never the weights."""

from dataclasses import replace

import pytest
import torch
from blending.stages.stages import poisson_stage, refine_stage

from blending.placement.place import place
from blending.settings import Compute, PoissonSettings, RefineSettings
from blending.stages import device as devices
from blending.stages.device import multiplies_bfloat16, resolve_device, resolve_precision

LEVEL = 1 / 255
CPU = torch.device("cpu")
DEEP = PoissonSettings(max_evaluations=3, margin=16)


@pytest.fixture
def placed(photo, disc):
    return place(photo(24, 26), photo(32, 32, 250, 20), disc(24, 26, 8), 3, 5)


@pytest.mark.parametrize("has_units", [False, True])
@pytest.mark.parametrize(
    ("arithmetic", "dtype", "without", "with_units"),
    [
        ("auto", torch.float32, torch.float32, torch.bfloat16),
        ("float32", torch.float32, torch.float32, torch.float32),
        ("bfloat16", torch.float32, torch.bfloat16, torch.bfloat16),
        ("auto", torch.float64, torch.float64, torch.float64),
        ("float32", torch.float64, torch.float64, torch.float64),
        ("bfloat16", torch.float64, torch.float64, torch.float64),
    ],
)
def test_bfloat16_is_taken_where_it_is_named_or_the_machine_has_units(
    arithmetic, dtype, without, with_units, has_units, monkeypatch
):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device: has_units)
    found = resolve_precision(Compute(arithmetic=arithmetic), CPU, dtype)
    assert found == (with_units if has_units else without)


@pytest.mark.parametrize("answer", [False, True])
def test_a_processor_is_asked_for_its_tiles(answer, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: answer, raising=False)
    assert multiplies_bfloat16(CPU) is answer


def test_an_older_torch_or_another_device_has_no_units(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert multiplies_bfloat16(CPU) is False
    assert multiplies_bfloat16(torch.device("meta")) is False


@pytest.mark.parametrize(("major", "hip", "expected"), [(7, None, 0), (8, None, 1), (9, "6", 0)])
def test_a_gpu_is_asked_for_its_generation(major, hip, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, 0))
    monkeypatch.setattr(torch.version, "hip", hip)
    assert multiplies_bfloat16(torch.device("cuda")) == bool(expected)


def test_without_a_name_the_pictures_stay_where_they_are():
    assert resolve_device(Compute(), torch.device("meta")) == torch.device("meta")
    assert resolve_device(Compute("cpu"), torch.device("meta")) == CPU


@pytest.mark.parametrize(
    ("arithmetic", "told"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", "float32")]
)
def test_the_report_names_the_arithmetic(arithmetic, told, placed, network, monkeypatch):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device: False)
    result = poisson_stage(placed, DEEP, network, Compute(arithmetic=arithmetic))
    assert result.report["pictures"][0]["arithmetic"] == told


def test_a_stage_leaves_the_network_as_it_is(placed, network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    poisson_stage(placed, DEEP, network, Compute(arithmetic="bfloat16"))
    wide = place(placed.source.double(), placed.target.double(), placed.mask.double())
    poisson_stage(wide, DEEP, network)
    after = network.state_dict()
    assert after.keys() == before.keys()
    for name, tensor in after.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_float32_after_bfloat16_is_exactly_float32(placed, network):
    single = Compute(arithmetic="float32")
    expected = poisson_stage(placed, DEEP, network, single).image
    other = poisson_stage(placed, DEEP, network, Compute(arithmetic="bfloat16")).image
    assert not torch.equal(other, expected)
    assert torch.equal(poisson_stage(placed, DEEP, network, single).image, expected)


def test_the_first_layer_is_neither_rounded_nor_shortened(network):
    own = network.prepared(torch.zeros(1), torch.bfloat16)
    types = [p.dtype for p in own.parameters()]
    assert types == [torch.float32] * 2 + [torch.bfloat16] * 18
    assert own.arithmetic == torch.bfloat16
    assert torch.equal(own.features[0].weight, network.features[0].weight)
    assert torch.equal(own.features[2].weight, network.features[2].weight.bfloat16())


def test_what_needs_no_conversion_is_in_memory_once(network):
    own = network.prepared(torch.zeros(1), torch.float32)
    pairs = zip(own.parameters(), network.parameters(), strict=True)
    assert all(ours.data_ptr() == theirs.data_ptr() for ours, theirs in pairs)


@pytest.mark.parametrize("arithmetic", [torch.float32, torch.bfloat16])
def test_taps_are_of_the_pictures_type_and_near_the_exact_ones(arithmetic, network, noise):
    image, layers = noise(1, 3, 16, 24), ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    taps = network.prepared(image, arithmetic)(image, layers)
    # bfloat16 rounds to 2^-9 at each of up to 10 layers, by chance up or down
    error = {torch.float32: 1e-5, torch.bfloat16: 2**-9 * 10}[arithmetic]
    for name, exact in network.double()(image.double(), layers).items():
        assert taps[name].dtype == torch.float32
        assert (taps[name] - exact).norm() < error * exact.norm()


@pytest.mark.weights
@pytest.mark.parametrize("name", ["poisson", "refine"])
def test_bfloat16_stays_within_a_level_of_float32(name, bundled):
    from blending.cli.options import DEMO, DEMO_PLACE
    from blending.pictures.read import read_mask, read_picture

    # The bundled rocket in part, at its place.
    part = (..., slice(40, 168), slice(20, 106))
    source = read_picture(DEMO / "rocket.png").pixels[part]
    mask = read_mask(DEMO / "rocket_mask.png", "luminance")[part]
    target = read_picture(DEMO / "starry_night.jpg").pixels
    placed = place(source, target, mask, DEMO_PLACE[1] + 40, DEMO_PLACE[0] + 20)
    images = []
    for arithmetic in ("float32", "bfloat16"):
        how = Compute(arithmetic=arithmetic)
        if name == "poisson":
            result = poisson_stage(placed, replace(DEEP, max_evaluations=6), bundled, how)
        else:
            given = placed.paste, target, placed.full_mask
            settings = RefineSettings(margin=16, max_evaluations=6)
            result = refine_stage(*given, settings, bundled, how)
        images.append(result.image)
    inside = (placed.full_mask > 0).expand_as(images[0])
    change = (images[0] - placed.paste)[inside].abs().mean()
    assert change > 2 * LEVEL
    assert 0 < (images[0] - images[1])[inside].abs().mean() < LEVEL
