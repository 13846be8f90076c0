import pytest
import torch

from nodes.planes import cut_alpha, image_planes, mask_planes


def framed():
    mask = torch.zeros(1, 20, 24)
    mask[:, 4:-4, 4:-4] = 1
    return mask


@pytest.mark.parametrize("shape", [(20, 24), (1, 20, 24), (1, 1, 20, 24)])
def test_a_mask_of_any_layout_is_the_same_mask(shape):
    planes, said = mask_planes("mask", framed().reshape(shape))
    assert torch.equal(planes[0, 0], framed()[0])
    assert said == ()


def test_one_channel_is_grey():
    grey = torch.rand(2, 5, 6, 1)
    planes = image_planes("source", grey)
    assert planes.shape == (2, 3, 5, 6)
    assert torch.equal(planes[:, 1], grey[..., 0])


@pytest.mark.parametrize("shape", [(20, 24, 3), (1, 20, 24, 2), (1, 20, 24, 5), (1, 0, 24, 3)])
def test_a_picture_of_another_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"source must be an IMAGE .* 1 \(grey\), 3 or 4 channels"):
        image_planes("source", torch.rand(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int64, torch.bool])
def test_a_picture_of_whole_numbers_is_named(dtype):
    with pytest.raises(ValueError, match=r"target must be an IMAGE of floats in .*, got torch"):
        image_planes("target", torch.ones(1, 20, 24, 3, dtype=dtype))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "got None: the node that is linked there has made nothing"),
        ([1, 2], "got list: link a node whose output is"),
        (torch.zeros(0, 4, 5, 3), "empty batch"),
    ],
)
def test_nothing_and_an_empty_batch_are_said_as_what_they_are(given, words):
    for name, planes in (("target", image_planes), ("mask", mask_planes)):
        tensor = given[..., 0] if name == "mask" and isinstance(given, torch.Tensor) else given
        with pytest.raises(ValueError, match=words) as caught:
            planes(name, tensor)
        assert str(caught.value).startswith(f"{name} must ")


def test_a_mask_of_truth_values_is_a_mask():
    planes, said = mask_planes("mask", framed() > 0)
    assert planes.dtype == torch.float32
    assert torch.equal(planes[:, 0], framed())
    assert said == ()


def test_a_mask_a_little_beyond_is_cut_and_said():
    planes, said = mask_planes("mask", framed() * 1.04 - 0.02)
    assert planes.aminmax() == (0, 1)
    assert said == ("mask reached from -0.02 to 1.02: cut to 0..1",)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1, 1)])
def test_a_mask_on_another_scale_is_named(low, high):
    with pytest.raises(ValueError, match="divide 8-bit values by 255"):
        mask_planes("mask", framed() * (high - low) + low)


def test_a_source_without_alpha_is_handed_on():
    source = torch.rand(1, 3, 5, 6)
    assert cut_alpha(source)[0] is source


def test_a_good_alpha_is_handed_on():
    source = torch.rand(1, 4, 5, 6)
    assert cut_alpha(source)[0] is source
