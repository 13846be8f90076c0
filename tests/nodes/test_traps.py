import pytest
import torch

from tests.pack import pack_module

traps = pack_module("nodes.traps")
checked_blend, checked_cut_out = traps.checked_blend, traps.checked_cut_out
checked_own_alpha, checked_reference = traps.checked_own_alpha, traps.checked_reference
checked_repair, checked_shadow = traps.checked_repair, traps.checked_shadow
checked_source = traps.checked_source

SOURCE, TARGET = torch.rand(1, 20, 24, 3), torch.rand(1, 40, 50, 3)


def framed(height=20, width=24, border=4, batch=1):
    mask = torch.zeros(batch, height, width)
    mask[:, border:-border, border:-border] = 1
    return mask


def disc(row=10, column=12, radius=6):
    rows, columns = torch.arange(20)[:, None], torch.arange(24)
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).float()[None]


def test_good_inputs_become_planes_without_a_word():
    cut = checked_cut_out(SOURCE, TARGET, framed())
    assert cut.source.shape == (1, 3, 20, 24)
    assert cut.target.shape == (1, 3, 40, 50)
    assert cut.mask.shape == (1, 1, 20, 24)
    assert cut.warnings == ()
    assert torch.equal(cut.target[0, :, 3, 5], TARGET[0, 3, 5])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_infinity_are_named(value):
    bad = TARGET.clone()
    bad[0, 3, 4, 1] = value
    with pytest.raises(ValueError, match="target must be finite"):
        checked_cut_out(SOURCE, bad, framed())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_pass_as_they_are(dtype):
    cut = checked_cut_out(SOURCE.to(dtype), TARGET.to(dtype), framed().to(dtype))
    assert {cut.source.dtype, cut.target.dtype, cut.mask.dtype} == {dtype}


def test_the_inputs_are_left_alone():
    mask = framed() * 1.04 - 0.02
    kept = mask.clone()
    checked_cut_out(SOURCE, TARGET, mask)
    assert torch.equal(mask, kept)


class TestInverted:
    def said(self, mask):
        source = torch.rand(mask.shape[0], *mask.shape[1:], 3)
        return [w for w in checked_cut_out(source, TARGET, mask).warnings if "inverted" in w]

    """What is inverted says blending.image.polarity; here: that it is asked, of each mask."""

    def test_the_surroundings_of_an_object_are_said(self):
        assert self.said(1 - disc())

    def test_the_object_may_be_off_the_middle(self):
        assert self.said(1 - disc(5, 5, 4))

    def test_the_surroundings_of_a_rectangle_are_meant(self):
        """As a mask for outpainting, which goes to Crop for Repair."""
        assert not self.said(1 - framed())
        assert checked_repair(SOURCE, 1 - framed())[2] == ()

    def test_a_whole_mask_is_meant(self):
        assert not self.said(torch.ones(1, 20, 24))

    def test_a_speck_is_none(self):
        mask = torch.ones(1, 20, 24)
        mask[:, 10, 10] = 0
        assert not self.said(mask)

    def test_one_pixel_of_the_border_does_not_make_it_right(self):
        mask = 1 - disc()
        mask[:, 0, 7] = 0
        assert self.said(mask)

    def test_one_of_a_batch_is_enough(self):
        assert self.said(torch.cat((framed(), 1 - disc())))

    def test_a_batch_whose_border_and_hole_are_of_two_pictures_is_not(self):
        mask = torch.cat((torch.ones(1, 20, 24), disc()))
        assert not self.said(mask)


class TestSizes:
    def test_load_images_stand_in_is_named(self):
        with pytest.raises(ValueError, match=r"64 x 64 stand-in .* Load Mask"):
            checked_cut_out(SOURCE, TARGET, torch.zeros(1, 64, 64))

    def test_a_real_mask_of_64_pixels_is_not_taken_for_it(self):
        with pytest.raises(ValueError, match="source's size, 24 x 20 pixels, got 64 x 64"):
            checked_cut_out(SOURCE, TARGET, framed(64, 64))

    def test_a_mask_of_the_targets_size_is_a_placed_one(self):
        with pytest.raises(ValueError, match=r"target's size, 50 x 40 .* Place Object"):
            checked_cut_out(SOURCE, TARGET, framed(40, 50))

    def test_any_other_size_names_the_ways_out(self):
        with pytest.raises(ValueError, match=r"Load Mask resize .* Place Object"):
            checked_cut_out(SOURCE, TARGET, framed(10, 10))

    def test_the_refine_stage_wants_the_placed_mask(self):
        with pytest.raises(ValueError, match=r"blend's size, 50 x 40 .* placed mask"):
            checked_blend(TARGET, TARGET, framed())

    def test_the_refine_stage_wants_the_blends_target(self):
        with pytest.raises(ValueError, match=r"target must have the blend's size.* style"):
            checked_blend(TARGET, SOURCE, framed(40, 50))

    def test_a_shadow_wants_what_place_object_hands_out(self):
        target, mask, source, said = checked_shadow(TARGET, framed(40, 50), TARGET[..., :1])
        assert target.shape == (1, 3, 40, 50) and mask.shape == (1, 1, 40, 50)
        assert source is not None and source.shape == (1, 3, 40, 50) and not said
        assert checked_shadow(TARGET, framed(40, 50), None)[2] is None
        with pytest.raises(ValueError, match=r"mask must have the target's size.* placed mask"):
            checked_shadow(TARGET, framed(), None)
        with pytest.raises(ValueError, match=r"source must have the target's size.* placed source"):
            checked_shadow(TARGET, framed(40, 50), SOURCE)
        with pytest.raises(ValueError, match="mask 3, target 1, source 2"):
            checked_shadow(TARGET, framed(40, 50, batch=3), TARGET.repeat(2, 1, 1, 1))

    def test_batches_are_n_or_one(self):
        three, two = TARGET.repeat(3, 1, 1, 1), framed(batch=2)
        assert checked_cut_out(SOURCE, three, framed()).mask.shape[0] == 1
        assert checked_cut_out(SOURCE, TARGET, framed(batch=3)).mask.shape[0] == 3
        with pytest.raises(ValueError, match=r"mask 2, target 3, source 1.*ImageFromBatch"):
            checked_cut_out(SOURCE, three, two)


class TestRange:
    def test_pictures_beyond_range_are_left_and_said(self):
        wide = TARGET * 1.5 - 0.2
        wide[0, 0, 0], wide[0, 0, 1] = -0.2, 1.3
        cut = checked_cut_out(SOURCE, wide, framed())
        assert torch.equal(cut.target, wide.movedim(-1, 1))
        assert cut.warnings == (
            "target has values from -0.2 to 1.3: kept as they are outside the mask, cut to 0..1 "
            "under it",
        )

    def test_a_sources_alpha_a_little_beyond_is_cut_and_said(self):
        source = torch.cat((SOURCE, framed()[..., None] * 1.04 - 0.02), 3)
        cut = checked_cut_out(source, TARGET, framed())
        assert torch.equal(cut.source[:, 3], framed())
        assert torch.equal(cut.source[:, :3], SOURCE.movedim(-1, 1))
        assert cut.warnings == ("source's alpha reached from -0.02 to 1.02: cut to 0..1",)

    def test_a_targets_alpha_is_left_alone(self):
        target = torch.cat((TARGET, torch.full((1, 40, 50, 1), 1.2)), 3)
        cut = checked_cut_out(SOURCE, target, framed())
        assert torch.equal(cut.target, target.movedim(-1, 1))
        assert cut.warnings == ()


class TestResult:
    def test_it_is_named_by_its_own_name_with_a_remedy(self):
        with pytest.raises(ValueError, match=r"result must have the target's size.*link the blend"):
            checked_cut_out(SOURCE, TARGET, framed(), result=SOURCE)

    def test_its_batch_counts(self):
        three, two = SOURCE.repeat(3, 1, 1, 1), TARGET.repeat(2, 1, 1, 1)
        with pytest.raises(ValueError, match=r"source 3, result 2.*ImageFromBatch"):
            checked_cut_out(three, TARGET, framed(), result=two)

    def test_its_range_is_said(self):
        wide = TARGET.clone()
        wide[0, 0, 0] = 1.25
        (said,) = checked_cut_out(SOURCE, TARGET, framed(), result=wide).warnings
        assert said.startswith("result has values from ")
        assert said.endswith(" to 1.25: looked at as they are")


class TestOwnAlpha:
    SOURCE = torch.cat((SOURCE, framed()[..., None]), 3)

    def test_an_alpha_a_little_beyond_is_cut_and_said(self):
        over = self.SOURCE.clone()
        over[..., 3] = over[..., 3] * 1.04 - 0.02
        source, _, said = checked_own_alpha(over, TARGET)
        assert torch.equal(source[:, 3], framed())
        assert said == ("source's alpha reached from -0.02 to 1.02: cut to 0..1",)

    def test_batches_have_a_remedy(self):
        with pytest.raises(ValueError, match=r"target 2, source 3.*ImageFromBatch"):
            checked_own_alpha(self.SOURCE.repeat(3, 1, 1, 1), TARGET.repeat(2, 1, 1, 1))

    def test_values_beyond_range_are_said(self):
        (said,) = checked_own_alpha(self.SOURCE, TARGET * 0 + 1.5)[2]
        assert said.startswith("target has values from 1.5 to 1.5")

    def test_a_source_without_alpha_is_told_where_to_get_a_mask(self):
        with pytest.raises(ValueError, match=r"mask must be linked.*Load Mask"):
            checked_own_alpha(SOURCE, TARGET)


@pytest.mark.parametrize("size", [(40, 50), (10, 10)])
def test_a_node_that_places_gives_its_own_remedy(size):
    with pytest.raises(ValueError, match=r"link it$") as raised:
        checked_cut_out(SOURCE, TARGET, framed(*size), remedy="link it")
    assert "Place Object" not in str(raised.value)


class TestSourceAlone:
    def test_planes_and_no_word(self):
        source, mask, warnings = checked_source(SOURCE, framed())
        assert source.shape == (1, 3, 20, 24)
        assert mask.shape == (1, 1, 20, 24)
        assert warnings == ()

    def test_what_looks_wrong_is_said(self):
        wide = SOURCE * 1.5
        _, _, warnings = checked_source(wide, 1.04 * (1 - disc()) - 0.02)
        assert len(warnings) == 3
        assert "mask reached from" in warnings[0]
        assert "mask looks inverted" in warnings[1]
        assert "kept as they are" in warnings[2]

    @pytest.mark.parametrize(
        ("source", "mask", "words"),
        [
            (
                SOURCE,
                framed(30, 30),
                "mask must have the source's size, 24 x 20 pixels, got 30 x 30",
            ),
            (SOURCE, torch.zeros(1, 64, 64), "64 x 64 stand-in"),
            (SOURCE[0], framed(), "source must be an IMAGE"),
            (SOURCE.repeat(2, 1, 1, 1), framed(batch=3), "source 2, mask 3"),
        ],
    )
    def test_what_cannot_be_meant(self, source, mask, words):
        with pytest.raises(ValueError, match=words):
            checked_source(source, mask)


class TestReference:
    cut = checked_cut_out(SOURCE, TARGET, framed())

    def test_none_is_needed(self):
        assert checked_reference(self.cut, None, None) == (None, None, ())

    def test_planes_of_any_size_and_an_area_of_its_size_or_the_targets(self):
        reference, area, said = checked_reference(self.cut, torch.rand(1, 7, 9, 4), framed(7, 9, 2))
        assert reference is not None
        assert area is not None
        assert (reference.shape, area.shape, said) == ((1, 4, 7, 9), (1, 1, 7, 9), ())
        none, area, said = checked_reference(self.cut, None, framed(40, 50))
        assert (none, said) == (None, ())
        assert area is not None
        assert area.shape == (1, 1, 40, 50)

    def test_values_beyond_range_are_said(self):
        wide = 1.2 * torch.rand(1, 7, 9, 3)
        said = checked_reference(self.cut, wide, 1.04 * framed(7, 9, 2) - 0.02)[2]
        assert "reference has values from" in said[0]
        assert "area reached from" in said[1]

    @pytest.mark.parametrize(
        ("reference", "area", "words"),
        [
            (None, framed(), "area must have the target's size, 50 x 40 pixels, got 24 x 20"),
            (torch.rand(1, 7, 9, 3), framed(40, 50), "area must have the reference's size, 9 x 7"),
            (None, torch.zeros(1, 64, 64), "area must be a mask, got Load Image's 64 x 64"),
            (torch.rand(7, 9, 3), None, "reference must be an IMAGE"),
            (None, torch.rand(40), "area must be a MASK"),
            (torch.rand(2, 7, 9, 3), framed(7, 9, 2, 3), "reference 2, area 3"),
            (torch.full((1, 7, 9, 4), 3.0), None, "reference's alpha must be in"),
        ],
    )
    def test_what_cannot_be_meant(self, reference, area, words):
        with pytest.raises(ValueError, match=words):
            checked_reference(self.cut, reference, area)
