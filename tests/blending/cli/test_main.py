"""The command line: what it writes, what it tells, and one line for every mistake."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from skimage import data

from blending import pipeline
from blending.cli import options
from blending.cli.main import _summary, main
from blending.pictures import opening, write
from blending.placement.place import place
from blending.settings import Compute, PoissonSettings
from blending.stages import memory
from blending.stages.poisson import poisson_stage

REPOSITORY = Path(__file__).parents[3]
PHOTOGRAPH = data.astronaut()
SOURCE = PHOTOGRAPH[40:64, 150:176]
TARGET = PHOTOGRAPH[250:282, 20:56]
PLACE = (7, 5)  # column, row
MASK = np.zeros((24, 26), np.uint8)
MASK[5:19, 4:22] = 255
INSIDE = np.zeros((32, 36), bool)
INSIDE[5 + 5 : 5 + 19, 7 + 4 : 7 + 22] = True


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Source, target and mask as files, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SOURCE).save("source.png")
    Image.fromarray(TARGET).save("target.png")
    Image.fromarray(MASK).save("mask.png")
    return tmp_path


def arguments(**changes):
    """The command line of an exact blend, with options changed or, for None, left out."""
    options = {
        "source": "source.png",
        "target": "target.png",
        "mask": "mask.png",
        "at": f"{PLACE[0]},{PLACE[1]}",
        "stage": "exact",
        "out": "out.png",
    }
    words = []
    for name, value in (options | changes).items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


@pytest.fixture
def run(folder, capsys):
    """run(words): exit status, standard output, standard error; warnings count as output."""

    def call(words):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("default")
            warnings.simplefilter("ignore", DeprecationWarning)  # as Python itself does
            try:
                status = main(words)
            except SystemExit as end:
                status = end.code
        output, errors = capsys.readouterr()
        return status, output, errors + "".join(f"{warning.message}\n" for warning in told)

    return call


def result(path="out.png"):
    with Image.open(path) as image:
        return np.asarray(image)


def refused(run, words, *fragments):
    before = sorted(os.listdir())
    status, output, errors = run(words)
    assert status == 2
    assert output == ""
    assert errors.endswith("\n")
    assert len(errors.splitlines()) == 1
    assert errors.startswith("blending: error: ")
    for fragment in fragments:
        assert fragment in errors
    assert sorted(os.listdir()) == before


def subprocess_run(words, **options):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, **options
    )


def sixteen(path, array):
    assert cv2.imwrite(str(path), array[..., ::-1])


def swapped_profile():
    """sRGB with red and blue primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def test_an_exact_blend_is_that_of_the_stage_rounded_to_levels(run):
    status, output, errors = run(arguments())
    assert (status, errors) == (0, "")
    assert output.startswith("out.png: poisson ")
    assert len(output.splitlines()) == 1

    def planes(array):
        return torch.from_numpy(array.copy()).reshape(*array.shape[:2], -1).permute(2, 0, 1)[None]

    placed = place(
        planes(SOURCE) / 255, planes(TARGET) / 255, planes(MASK) / 255, PLACE[1], PLACE[0]
    )
    image = poisson_stage(placed, PoissonSettings(method="exact")).image
    expected = (255 * image[0].permute(1, 2, 0)).round().byte().numpy()
    assert np.array_equal(result(), expected)
    assert (result()[INSIDE] != TARGET[INSIDE]).any()
    assert np.array_equal(result()[~INSIDE], TARGET[~INSIDE])


def test_stage_exact_means_method_exact_and_stage_poisson(run):
    assert run(arguments())[0] == 0
    assert run(arguments(stage="poisson", method="exact", out="other.png"))[0] == 0
    assert Path("out.png").read_bytes() == Path("other.png").read_bytes()


def test_both_stages_report_what_they_did(run):
    words = arguments(stage=None, report="report.json")
    status, output, errors = run(words)
    assert (status, errors) == (0, "")
    assert "poisson 2" in output or "evaluations" in output
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert report["files"] == {
        "source": "source.png",
        "mask": "mask.png",
        "target": "target.png",
        "out": "out.png",
    }
    assert report["source"] == {"batch": 1, "channels": 3, "height": 24, "width": 26}
    assert report["target"] == {"batch": 1, "channels": 3, "height": 32, "width": 36}
    assert report["place"] == {"row": PLACE[1], "column": PLACE[0], "scale": 1.0}
    assert [stage["stage"] for stage in report["stages"]] == ["poisson", "refine"]
    for stage in report["stages"]:
        assert stage["settings"]["max_evaluations"] > 1
        assert stage["seconds"] > 0
        (picture,) = stage["pictures"]
        assert 1 < picture["evaluations"] <= stage["settings"]["max_evaluations"]
        assert sum(picture["terms_end"].values()) < sum(picture["terms_start"].values())
        assert picture["stop_reason"] in ("converged", "budget spent")
        assert 0.8 * INSIDE.sum() < picture["pixels"] <= INSIDE.sum()  # cleaned
    assert report["peak_memory_bytes"] > 0
    assert set(report["versions"]) >= {"python", "torch"}
    assert np.array_equal(result()[~INSIDE], TARGET[~INSIDE])


def test_a_mask_that_is_nowhere_half_as_strong_is_told_of_without_its_colours(run):
    """It ended with status 2 after the picture was written: there was no number to tell."""
    Image.fromarray((MASK > 0).astype(np.uint8) * 100).save("mask.png")
    status, output, errors = run(arguments())
    assert (status, errors) == (0, "")
    assert "colour difference" not in output
    assert "background changed by 0 levels" in output
    assert (result()[INSIDE] != TARGET[INSIDE]).any()


def test_a_negative_place_may_follow_at(run):
    assert run(arguments(at="-20,30"))[0] == 2  # the mask lies off the target there
    assert run(arguments(at="-6,-7"))[0] == 0
    moved = np.zeros((32, 36), bool)
    moved[0:12, 0:16] = True
    assert np.array_equal(result()[~moved], TARGET[~moved])
    assert (result()[moved] != TARGET[moved]).any()


def test_column_comes_before_row(run):
    assert run(arguments(at="10,0"))[0] == 0
    rows, columns = np.nonzero((result() != TARGET).any(2))
    assert rows.min() >= 5
    assert rows.max() < 19
    assert columns.min() >= 14
    assert columns.max() < 32


def test_the_place_and_its_sign_may_be_joined_with_an_equals_sign(run):
    words = arguments(at=None)
    assert run([*words, "--at=-6,-7"])[0] == 0
    assert run(arguments(at=" -6 , -7 ", out="other.png"))[0] == 0
    assert np.array_equal(result(), result("other.png"))


def test_scale_shrinks_the_object(run):
    assert run(arguments(scale=0.5, at="0,0"))[0] == 0
    rows, columns = np.nonzero((result() != TARGET).any(2))
    assert rows.max() < 12
    assert columns.max() < 13


def test_an_inverted_mask_takes_what_was_black(run):
    Image.fromarray(255 - MASK).save("black.png")
    assert run(arguments())[0] == 0
    assert run(arguments(mask="black.png", invert_mask=True, out="other.png"))[0] == 0
    assert np.array_equal(result(), result("other.png"))


def test_a_mask_that_takes_all_but_the_object_is_told(run):
    rows, columns = np.ogrid[:24, :26]
    round_object = np.where((rows - 11) ** 2 + (columns - 12) ** 2 < 64, 255, 0).astype(np.uint8)
    told = []
    for name, mask in (("disc.png", round_object), ("around.png", 255 - round_object)):
        Image.fromarray(mask).save(name)
        for more in ({}, {"invert_mask": True}):
            status, output, _ = run(arguments(mask=name, overwrite=True, **more))
            assert status == 0
            told.append("mask looks inverted (see --invert-mask)" in output)
    assert told == [False, True, True, False]


def test_a_mask_may_be_a_channel(run):
    Image.fromarray(np.dstack((np.zeros_like(MASK), MASK, np.zeros_like(MASK)))).save("rgb.png")
    assert run(arguments())[0] == 0
    assert run(arguments(mask="rgb.png", mask_channel="green", out="other.png"))[0] == 0
    assert np.array_equal(result(), result("other.png"))


def test_the_sources_alpha_is_the_mask(run):
    Image.fromarray(np.dstack((SOURCE, MASK))).save("rgba.png")
    assert run(arguments())[0] == 0
    status, output, errors = run(arguments(source="rgba.png", mask=None, out="other.png"))
    assert (status, errors) == (0, "")
    assert "the source's alpha is the mask" in output
    assert np.array_equal(result()[~INSIDE], result("other.png")[~INSIDE])
    assert (result("other.png")[INSIDE] != TARGET[INSIDE]).any()


def test_a_target_with_alpha_keeps_it(run):
    alpha = np.arange(32 * 36, dtype=np.uint32).reshape(32, 36).astype(np.uint8)
    Image.fromarray(np.dstack((TARGET, alpha))).save("rgba.png")
    assert run(arguments(target="rgba.png"))[0] == 0
    assert np.array_equal(result()[..., 3], alpha)


@pytest.mark.parametrize("name", ["out.jpg", "out.tif", "out.webp", "out.JPEG"])
def test_the_suffix_names_the_format(name, run):
    assert run(arguments(out=name))[0] == 0
    suffix = name.split(".")[1].lower()
    formats = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "webp": "WEBP"}
    with Image.open(name) as image:
        assert image.format == formats[suffix]


def test_a_16_bit_target_gives_16_bits_with_its_background_bit_for_bit(run):
    wide = np.random.default_rng(0).integers(0, 65536, TARGET.shape, dtype=np.uint16)
    sixteen("wide.png", wide)
    assert run(arguments(target="wide.png"))[0] == 0
    found = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert found.dtype == np.uint16
    assert np.array_equal(found[~INSIDE], wide[~INSIDE])
    assert (found[INSIDE] != wide[INSIDE]).any()


def test_the_targets_profile_is_kept_and_the_source_converted_to_it(run):
    profile = swapped_profile()  # it holds the time when it was made
    Image.fromarray(TARGET).save("tagged.png", icc_profile=profile)
    # Red and blue are exchanged in the target's space: so is the source, which counts as sRGB.
    Image.fromarray(SOURCE[..., ::-1]).save("exchanged.png")
    assert run(arguments(target="tagged.png", source="source.png"))[0] == 0
    assert run(arguments(target="target.png", source="exchanged.png", out="other.png"))[0] == 0
    with Image.open("out.png") as image:
        assert image.info["icc_profile"] == profile
    # one level of the conversion's rounding, carried into the solution
    difference = np.abs(result().astype(int) - result("other.png").astype(int))
    assert difference.max() <= 4
    assert np.abs(result().astype(int) - TARGET).max() > 20


def test_a_grey_target_with_a_grey_profile_gives_a_file_that_other_programs_can_show(
    run, grey_profile
):
    Image.fromarray(TARGET[..., 0]).save("grey.png", icc_profile=grey_profile)
    assert run(arguments(target="grey.png"))[0] == 0
    with Image.open("out.png") as image:
        assert image.mode == "RGB"
        assert image.info.get("icc_profile", swapped_profile())[16:20] == b"RGB "


def test_other_weights_are_read_with_their_input_scale(run, random_weights):
    options = {"stage": "poisson", "weights": random_weights}
    assert run(arguments(**options))[0] == 0
    standardised = arguments(**options, input_scale="standardised", out="other.png")
    assert run(standardised)[0] == 0
    assert not np.array_equal(result(), result("other.png"))


def test_a_device_may_be_named(run):
    assert run(arguments())[0] == 0
    assert run(arguments(device="cpu", out="other.png"))[0] == 0
    assert np.array_equal(result(), result("other.png"))


@pytest.mark.parametrize("arithmetic", ["float32", "bfloat16"])
def test_an_arithmetic_may_be_named(arithmetic, run, random_weights):
    words = {"stage": "poisson", "weights": random_weights, "evaluations": 2}
    given = arguments(**words, arithmetic=arithmetic, report="report.json")
    assert run(given)[0] == 0
    (stage,) = json.loads(Path("report.json").read_text(encoding="utf-8"))["stages"]
    assert stage["pictures"][0]["arithmetic"] == arithmetic


def test_the_arithmetic_and_the_memory_in_megabytes_reach_every_stage(run, monkeypatch):
    seen = []

    def watched(*given, settings, **rest):
        seen.append(settings.compute)
        return blend(*given, settings=settings, **rest)

    blend = pipeline.blend
    monkeypatch.setattr(pipeline, "blend", watched)
    assert run(arguments())[0] == 0
    named = arguments(arithmetic="float32", memory=300, device="cpu", out="other.png")
    assert run(named)[0] == 0
    assert seen == [Compute(), Compute("cpu", "float32", 300 * 1024 * 1024)]


def test_the_least_memory_is_named_and_does_in_tiles(run, random_weights, monkeypatch):
    monkeypatch.setattr(memory, "TILES", (64,))
    monkeypatch.setattr(memory, "UNSHARED", 0)
    Image.fromarray(np.tile(SOURCE, (1, 9, 1))).save("source.png")
    Image.fromarray(np.tile(MASK, (1, 9))).save("mask.png")
    Image.fromarray(np.tile(TARGET, (1, 8, 1))).save("target.png")
    words = {"stage": "poisson", "weights": random_weights, "evaluations": 1}
    status, _, errors = run(arguments(**words, memory=0))
    assert status == 2 and not Path("out.png").exists()
    least = int(re.search(r"must be at least (\d+) MB .* got 0 MB; --memory \1 would", errors)[1])
    assert run(arguments(**words, memory=least - 1))[0] == 2
    for megabytes, tile in ((None, None), (least, 64)):
        out = f"{megabytes}.png"
        given = arguments(**words, memory=megabytes, out=out, report=f"{out}.json")
        assert run(given)[0] == 0
        (stage,) = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))["stages"]
        assert stage["pictures"][0]["tile"] == tile


def test_an_existing_file_is_replaced_with_overwrite(run):
    Path("out.png").write_bytes(b"old")
    Path("report.json").write_bytes(b"old")
    assert run(arguments(overwrite=True, report="report.json"))[0] == 0
    assert np.array_equal(result()[~INSIDE], TARGET[~INSIDE])
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["device"] == "cpu"


def test_the_demo_brings_its_pictures(run):
    assert run(["--demo", "--stage", "exact", "--out", "out.png"])[0] == 0
    with Image.open(options.DEMO / "starry_night.jpg") as target:
        changed = (result() != np.asarray(target)).any(2)
    rows, columns = np.nonzero(changed)
    assert 0 < changed.mean() < 0.5
    assert rows.min() >= options.DEMO_PLACE[1]
    assert columns.min() >= options.DEMO_PLACE[0]


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"source": None}, ["--source must be given"]),
        ({"target": None, "out": None}, ["--target and --out must be given"]),
        ({"mask": None}, ["mask must be given for a source without alpha"]),
        ({"mask": None, "invert_mask": True}, ["--invert-mask", "must come with --mask"]),
        ({"at": "12"}, ["--at", "must be COLUMN,ROW in whole pixels (10,20), got '12'"]),
        ({"at": "1.5,2"}, ["--at", "'1.5,2'"]),
        ({"at": "a,b"}, ["--at", "'a,b'"]),
        ({"at": ""}, ["--at"]),
        ({"at": "1,2,3"}, ["'1,2,3'"]),
        ({"at": "99999999999,0"}, ["column must be in"]),
        ({"at": "500,0"}, ["must overlap the target of 36 x 32 pixels", "column 500, row 0"]),
        ({"at": "33,5"}, ["mask must be above 0 inside the target"]),
        ({"method": "magic"}, ["--method", "magic"]),
        ({"stage": "third"}, ["--stage", "third"]),
        ({"mask_channel": "hue"}, ["--mask-channel", "hue"]),
        ({"input_scale": "big"}, ["--input-scale", "big"]),
        ({"scale": "nan"}, ["scale must be in", "nan"]),
        ({"scale": "0"}, ["scale must be in", "0"]),
        ({"scale": "-1"}, ["scale must be in"]),
        ({"scale": "inf"}, ["scale must be in"]),
        ({"scale": "big"}, ["--scale", "big"]),
        ({"device": "nonsense"}, ["device", "nonsense"]),
        ({"input_scale": "standardised"}, ["--input-scale standardised", "--weights"]),
        ({"device": "cuda:99"}, ["device", "cuda:99"]),
        ({"device": "hpu"}, ["device", "hpu"]),
        ({"arithmetic": "float16"}, ["--arithmetic", "float16", "bfloat16"]),
        ({"memory": "-1"}, ["--memory must be 0 megabytes or more, got -1"]),
        ({"memory": "1.5"}, ["--memory", "1.5"]),
        ({"memory": "much"}, ["--memory", "much"]),
        ({"source": "none.png"}, ["none.png"]),
        ({"mask": "none.png"}, ["none.png"]),
        ({"source": "."}, ["must be a picture file, got a folder"]),
        ({"mask_channel": "alpha"}, ["mask.png must have alpha"]),
        ({"out": "out.xyz"}, ["out.xyz must end in one of .png"]),
        ({"out": "out"}, ["got no suffix"]),
        ({"out": "none/out.png"}, ["must lie in an existing folder"]),
        ({"out": "source.png/out.png"}, ["must lie in an existing folder"]),
        ({"out": "."}, ["got a folder"]),
        ({"out": "target.png"}, ["--out must be another file than --target"]),
        ({"report": "target.png"}, ["--report must be another file than --target"]),
        ({"report": "none/report.json"}, ["must lie in an existing folder"]),
        ({"stage": "poisson", "weights": "none.safetensors"}, ["none.safetensors"]),
        ({"demo": True}, ["--demo brings its own pictures"]),
        ({"nonsense": True}, ["--nonsense"]),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(changes, fragments, run):
    refused(run, arguments(**changes), *fragments)


def test_a_scale_beyond_what_a_picture_may_measure_is_told_before_the_work(run):
    Image.fromarray(SOURCE[:1]).resize((40, 1)).save("wide.png")
    Image.new("L", (40, 1), 255).save("white.png")
    words = arguments(source="wide.png", mask="white.png", scale=1000)
    refused(run, words, "scale must keep the source within 32768 pixels", "40 x 1 pixels")


def test_no_arguments_at_all_is_a_mistake(run):
    refused(run, [], "--source and --target and --out must be given")


def test_at_without_a_value_is_a_mistake(run):
    refused(run, [*arguments(at=None), "--at"], "--at")


def test_a_line_feed_in_an_argument_does_not_break_the_line(run):
    refused(run, arguments(source="no\nne.png"))
    refused(run, [*arguments(), "two\nlines"])


@pytest.mark.parametrize("role", ["source", "target", "mask"])
def test_a_text_file_is_no_picture(role, run):
    Path("notes.png").write_text("not a picture\n", encoding="utf-8")
    refused(run, arguments(**{role: "notes.png"}), "notes.png must be a whole picture file")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_picture_is_told_in_one_line(suffix, share, run):
    stream = io.BytesIO()
    formats = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".webp": "WEBP"}
    Image.fromarray(PHOTOGRAPH[:64, :64]).save(stream, formats[suffix])
    content = stream.getvalue()
    Path(f"short{suffix}").write_bytes(content[: int(share * len(content))])
    refused(run, arguments(source=f"short{suffix}"), f"short{suffix} must be a whole picture file")


def test_a_tiff_with_a_cut_directory_is_told_in_one_line(run):
    Path("short.tif").write_bytes(b"II*\0" + struct.pack("<IHHHII", 8, 9, 256, 3, 1, 5))
    refused(run, arguments(source="short.tif"), "short.tif must be a whole picture file")


def test_a_text_file_is_no_weights_file(run):
    Path("notes.safetensors").write_text("not weights\n", encoding="utf-8")
    words = arguments(stage="poisson", weights="notes.safetensors")
    refused(run, words, "notes.safetensors must be a whole safetensors file")


def test_a_mask_of_another_size_is_a_mistake(run):
    Image.fromarray(MASK[:-1]).save("small.png")
    message = "mask must have the size of source, 26 x 24 pixels, got 26 x 23 pixels"
    refused(run, arguments(mask="small.png"), message)


def test_an_empty_mask_is_a_mistake(run):
    Image.fromarray(np.zeros_like(MASK)).save("black.png")
    refused(run, arguments(mask="black.png"), "mask must be above 0", "is it empty, inverted")


def test_an_unwritable_folder_is_told_before_the_work(run, monkeypatch):
    real = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    refused(run, arguments(), "out.png must lie in a writable folder")


def test_alpha_and_16_bits_do_not_fit_a_jpeg(run):
    Image.fromarray(np.dstack((TARGET, TARGET[..., 0]))).save("rgba.png")
    message = "out.jpg must be a format with alpha"
    refused(run, arguments(target="rgba.png", out="out.jpg"), message)
    sixteen("wide.png", TARGET.astype(np.uint16) * 257)
    message = "out.jpg must end in .png for a 16-bit target"
    refused(run, arguments(target="wide.png", out="out.jpg"), message)


@pytest.mark.parametrize("overwrite", [None, True])
def test_picture_and_report_must_be_two_files(overwrite, run):
    refused(run, arguments(report="out.png", overwrite=overwrite), "out.png")


def test_an_interrupt_writes_nothing_and_has_its_own_status(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "blend", interrupted)
    status, output, errors = run(arguments())
    assert (status, output) == (130, "")
    assert errors == "blending: interrupted, nothing written\n"
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "blending: interrupted, out.png written\n"),
        (OSError("disk full"), 2, "blending: error: disk full; out.png written\n"),
        (MemoryError(), 2, "more memory than there is; out.png written\n"),
        (ImportError("x.so: failed to map segment from shared object"), 2, "out.png written\n"),
    ],
)
def test_what_ends_a_run_after_the_picture_says_that_it_is_there(
    error, status, words, run, monkeypatch
):
    def ended(*_, **__):
        raise error

    monkeypatch.setattr(write, "write_text", ended)
    got, output, errors = run(arguments(report="report.json"))
    assert (got, output) == (status, "")
    assert errors.endswith(words)
    assert Path("out.png").exists()


@pytest.mark.parametrize("where", ["reading", "writing"])
def test_libtiffs_own_lines_are_not_shown_beside_the_error(where, folder):
    with Image.open("target.png") as image:
        image.save("target.tif", compression="tiff_lzw")
    words, limit = ["-m", "blending", *arguments(target="target.tif")], "true"
    if where == "reading":
        data = bytearray(Path("target.tif").read_bytes())
        data[100:200] = bytes(byte ^ 0x5A for byte in data[100:200])
        Path("target.tif").write_bytes(data)
    else:
        limit, words = "ulimit -f 2", [*words, "--out", "large.tif", "--at", "10,10"]
    command = ["bash", "-c", f'{limit}; exec "$0" "$@"', sys.executable, *words]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("blending: error: ")
    assert len(run.stderr.splitlines()) == 1


def test_an_interrupt_while_the_program_is_loaded_is_told_in_one_line(tmp_path):
    """As a signal in the first moment does; one in Python's own start is not ours to meet."""
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-m", "blending", "--help"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr == "blending: interrupted, nothing written\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    ],
)
def test_short_memory_ends_in_one_line(run, monkeypatch, error):
    def short(*_, **__):
        raise error

    monkeypatch.setattr(pipeline, "blend", short)
    status, output, errors = run(arguments())
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert errors.startswith("blending: error: --memory must be less, or more be free")
    assert not Path("out.png").exists()


def test_another_runtime_error_is_not_called_short_memory(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(pipeline, "blend", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        run(arguments())


def test_help_names_every_option_and_ends_well(run):
    status, output, errors = run(["--help"])
    assert (status, errors) == (0, "")
    for option in ("--source", "--target", "--mask", "--at", "--out", "--report", "--demo"):
        assert option in output


def test_help_is_fast_because_torch_is_not_imported(tmp_path):
    """torch alone takes two seconds; a bare Python 0.1."""
    code = (
        "import sys\nfrom blending.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'PIL', 'kornia', 'torchvision'} & set(sys.modules)\n"
        "import time\n"
        "busy = time.process_time()\n"  # not the clock's: other programs run beside the tests
        "sys.exit(f'imported {heavy} in {busy} s' if heavy or busy > 1 else 0)\n"
    )
    done = subprocess_run(["-c", code], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: python -m blending" in done.stdout


def test_the_module_runs_as_a_program(folder):
    done = subprocess_run(["-m", "blending", *arguments()], cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("out.png: poisson ")
    assert np.array_equal(result()[~INSIDE], TARGET[~INSIDE])


def test_a_program_ends_with_status_2_and_one_line(folder):
    Path("notes.png").write_text("not a picture\n", encoding="utf-8")
    done = subprocess_run(["-m", "blending", *arguments(source="notes.png")], cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "exact", "method": "deep"}, "--stage exact must go with --method exact"),
        ({"mask": None, "mask_channel": "red"}, "--mask-channel must come with --mask"),
    ],
)
def test_options_that_contradict_each_other_are_refused(run, change, words):
    refused(run, arguments(**change), words)


def stages_of(folder):
    return json.loads((folder / "report.json").read_text())["stages"]


def test_cleaning_and_harmonising_are_done_and_reported(run, folder):
    words = arguments(stage="refine", clean=6, harmonise=0.5, evaluations=2, report="report.json")
    assert run(words)[0] == 0
    poisson, refine = stages_of(folder)
    assert (poisson["settings"]["clean"], poisson["settings"]["harmonise"]) == (6, 0.5)
    assert refine["settings"]["contours"] is True
    assert poisson["clean"]["width"] == 6
    assert poisson["pictures"][0]["harmonise"]["strength"] == 0.5
    words = arguments(stage="refine", clean=0, harmonise=0, evaluations=2, report="report.json")
    run([*words, "--overwrite"])
    plain, _ = stages_of(folder)
    assert "clean" not in plain and "harmonise" not in plain["pictures"][0]


def test_options_change_the_preset(run, folder):
    words = arguments(
        stage="refine",
        preset="fast",
        evaluations=2,
        bleed=0.9,
        gradients="mixed",
        region="band",
        strength=0.5,
        report="report.json",
    )
    assert run(words)[0] == 0
    poisson, refine = (stage["settings"] for stage in stages_of(folder))
    assert (poisson["bleed"], poisson["gradients"]) == (0.9, "mixed")
    assert (refine["region"], refine["strength"]) == ("band", 0.5)
    assert poisson["max_evaluations"] == refine["max_evaluations"] == 2


@pytest.mark.parametrize(
    ("preset", "stages"), [("seam-repair", ["exact"]), ("photograph", ["deep"])]
)
def test_presets_without_a_refine_stage_end_after_the_first(run, folder, preset, stages):
    words = arguments(stage=None, preset=preset, evaluations=2, report="report.json")
    assert run(words)[0] == 0
    assert [stage["settings"]["method"] for stage in stages_of(folder)] == stages


def test_the_summary_tells_the_guard_rails(run, folder):
    output = run(arguments())[1]
    assert "ΔE" in output
    assert "hues turned" in output
    assert "background changed by 0 levels" in output


RAILS = {
    "colour_difference": 3.14,
    "hue_flip_share": 0.021,
    "seam_ratio": 0.31,
    "background_difference": 0.0,
    "see_through_rim": 0.2,
    "see_through_inside": 0.01,
    "contour_kept": 0.6,
    "tone_kept": 0.91,
    "foreign_colours": 7.0,
    "highlights": None,
}
SETTINGS = {"method": "deep"}
STAGE = {"stage": "poisson", "pictures": [{}], "seconds": 1.0, "notes": [], "settings": SETTINGS}


def test_the_summary_says_what_to_look_at_and_what_is_good():
    assert _summary({"stages": [STAGE], "guard_rails": [RAILS]}) == (
        "poisson 1.0 s; colour difference 3.1 ΔE, background changed by 0 levels; "
        "look: see-through rim 0.20 (0.12 at most), foreign colours 7.0 ΔE (6.0 at most); "
        "good: see-through inside 0.01, contour 0.60, tone 0.91, hues turned 2.1%"
    )
    turned = _summary({"stages": [STAGE], "guard_rails": [RAILS | {"hue_flip_share": 0.07}]})
    assert "hues turned 7.0% (5.0% at most)" in turned


def test_a_seam_is_told_where_no_contour_is_kept():
    exact = STAGE | {"settings": {"method": "exact"}}
    said = _summary({"stages": [exact], "guard_rails": [RAILS]})
    assert "ΔE, seam 31.0% of the paste's, background" in said


def test_an_object_too_small_for_its_looks_has_no_words_on_them():
    few = RAILS | dict.fromkeys(list(RAILS)[4:])
    said = _summary({"stages": [STAGE], "guard_rails": [few]})
    assert said.endswith("background changed by 0 levels; good: hues turned 2.1%")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "magic"}, "--preset"),
        ({"bleed": 1.5}, "bleed must be in [0, 1], got 1.5"),
        ({"clean": 129}, "clean must be in [0, 128], got 129"),
        ({"harmonise": 1.5}, "harmonise must be in [0, 1], got 1.5"),
        ({"stage": "refine", "strength": -1}, "strength must be in [0, 1], got -1"),
        ({"stage": "refine", "evaluations": 0}, "max_evaluations must be in [1, 10000], got 0"),
        ({"strength": 0.5}, "--strength must go with a refine stage"),
        ({"stage": "refine", "preset": "photograph", "region": "band"}, "--region must go with"),
    ],
)
def test_mistakes_about_the_settings_are_named(run, folder, changes, message):
    status, _, errors = run(arguments(**changes))
    assert status == 2
    assert message in errors
    assert not (folder / "out.png").exists()


class Broken:
    """A terminal that is gone: it takes no words."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def write(self, _):
        raise BrokenPipeError("gone")

    def flush(self):
        raise OSError("full")


class Typewriter(io.TextIOWrapper):
    """A console of few characters."""

    def __init__(self, encoding, *, is_terminal=False):
        super().__init__(io.BytesIO(), encoding)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    def words(self):
        return self.buffer.getvalue().decode(self.encoding)


def closed():
    (stream := io.StringIO()).close()
    return stream


NO_CONSOLES = {"broken": Broken, "none": lambda: None, "closed": closed, "no stream": object}
no_console = pytest.mark.parametrize("console", NO_CONSOLES.values(), ids=NO_CONSOLES)


@pytest.fixture
def run_on(folder, monkeypatch):
    """run_on(words, console): the exit status with a console as standard output and error."""

    def call(words, console):
        with monkeypatch.context() as streams:
            streams.setattr(sys, "stdout", console)
            streams.setattr(sys, "stderr", console)
            try:
                status = main(words)
            except SystemExit as end:
                status = end.code
            assert sys.stdout is sys.stderr is console
        return status

    return call


@no_console
def test_without_a_console_the_status_tells_all(console, run_on, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    assert run_on(arguments(), console()) == 0
    assert np.array_equal(result()[~INSIDE], TARGET[~INSIDE])
    assert run_on(["--help"], console()) == 0
    assert run_on(["--nonsense"], console()) == 2
    assert run_on(arguments(source="none.png", out="other.png"), console()) == 2
    monkeypatch.setattr(pipeline, "blend", interrupted)
    assert run_on(arguments(out="other.png"), console()) == 130


@no_console
def test_what_libraries_print_ends_nothing(console, run_on, monkeypatch):
    def telling(*given, **rest):
        for stream in (sys.stdout, sys.stderr):
            print("ΔE of a library", file=stream, flush=True)
        return blend(*given, **rest)

    blend = pipeline.blend
    monkeypatch.setattr(pipeline, "blend", telling)
    assert run_on(arguments(), console()) == 0


@pytest.mark.parametrize("encoding", [None, "ascii"])
def test_a_progress_bar_that_cannot_be_shown_ends_nothing(encoding, run_on, random_weights):
    console = Typewriter(encoding, is_terminal=True) if encoding else Broken()
    words = arguments(stage="poisson", weights=random_weights, evaluations=2)
    assert run_on(words, console) == 0
    assert encoding is None or "poisson: 100%|##########| 2/2" in console.words()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "latin-1", "utf-8"])
def test_where_the_console_lacks_a_letter_another_stands_for_it(encoding, run_on):
    console = Typewriter(encoding)
    assert run_on(arguments(out="Δ−雪é.png"), console) == 0
    name = {"cp1252": "d-?é", "ascii": "d-??", "cp437": "d-?é", "latin-1": "d-?é"}
    unit = "ΔE" if encoding == "utf-8" else "dE"
    assert console.words().startswith(f"{name.get(encoding, 'Δ−雪é')}.png: poisson ")
    assert f" {unit}, hues turned " in console.words()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are Unicode")
def test_names_that_are_no_text_are_read_written_and_reported(run_on):
    source, out, report = (os.fsdecode(b"\xff" + suffix) for suffix in (b"", b".png", b".json"))
    os.rename("source.png", source)
    words = arguments(source=source, out=out, report=report)
    assert run_on(words, console := Typewriter("utf-8")) == 0
    assert console.words().startswith("?.png: poisson ")
    assert np.array_equal(result(b"\xff.png")[~INSIDE], TARGET[~INSIDE])
    files = json.loads(Path(report).read_bytes().decode("utf-8"))["files"]
    assert (files["source"], files["out"]) == (source, out)
    for mistake in (
        words,  # the result is there already
        arguments(source="no" + source, out="other.png"),
        arguments(source=source, out="other.png", stage="poisson", weights="no" + source),
        arguments(out="other.png", device=source),
        [source],
    ):
        assert run_on(mistake, console := Typewriter("utf-8")) == 2
        assert console.words().startswith("blending: error: ")
        assert len(console.words().splitlines()) == 1


def program(words, redirection="", environment=None, **options):
    """A run of the program by a shell, with Python's buffers, which a test runner may forbid."""
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    added = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **(environment or {})}
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "blending"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run([*command, *words], env=inherited | added, check=False, **streams)


@pytest.fixture
def broken_pipe():
    """A pipe's end for writing; nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


unix = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs sh and /dev/full")


@unix
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["", "unbuffered"])
@pytest.mark.parametrize("redirection", [">&- 2>&-", ">/dev/full 2>/dev/full", "pipe"])
def test_python_s_own_end_leaves_the_status_as_it_is(redirection, unbuffered, broken_pipe):
    streams = {"stdout": broken_pipe, "stderr": broken_pipe} if redirection == "pipe" else {}
    redirection = "" if streams else redirection
    for words, status in ((["--help"], 0), (["--nonsense"], 2), (["--demo", "--source", "a"], 2)):
        done = program(words, redirection, unbuffered, **streams)
        assert (done.returncode, done.stdout, done.stderr) in (
            (status, b"", b""),
            (status, None, None),
        )


@unix
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_without_a_standard_output_standard_error_stays_clean(redirection):
    done = program(["--help"], redirection)
    assert (done.returncode, done.stderr) == (0, b"")
    done = program(["--nonsense"], redirection)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


@unix
def test_a_blend_whose_words_find_no_console_ends_well(folder, broken_pipe):
    for number, (redirection, streams) in enumerate(
        [(">&- 2>&-", {}), ("2>/dev/full", {"stdout": broken_pipe})]
    ):
        done = program(arguments(out=f"{number}.png"), redirection, cwd=folder, **streams)
        assert (done.returncode, done.stderr) == (0, b"")
        assert np.array_equal(result(f"{number}.png")[~INSIDE], TARGET[~INSIDE])


@unix
def test_a_blend_on_a_windows_console_ends_well(folder):
    done = program(arguments(), "", {"PYTHONIOENCODING": "cp1252"}, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" dE, hues turned " in done.stdout


def test_the_cleaned_cut_out_is_saved_with_its_alpha_at_its_scale(run, folder):
    words = arguments(stage="poisson", clean=6, evaluations=2, save_cutout="cut.png", scale=0.5)
    assert run(words)[0] == 0
    with Image.open(folder / "cut.png") as picture:
        assert picture.mode == "RGBA"
        assert picture.size == (13, 12)
        alpha = np.asarray(picture)[..., 3]
    assert alpha.max() == 255 and alpha.min() == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("cut.jpg", "a format with alpha"), ("source.png", "--save-cutout must be another file")],
)
def test_a_cut_out_is_not_saved_without_alpha_or_over_what_was_read(name, message, run, folder):
    words = arguments(stage="poisson", evaluations=1, save_cutout=name, overwrite=True)
    status, _, errors = run(words)
    assert status == 2 and message in errors
    assert not (folder / "out.png").exists()


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (2e6, "target.png must fit into the free memory, got 900 x 800 pixels, which take 5 MB"),
        (5.041e6, "out.png must fit into the free memory, got 900 x 800 pixels, which take 5 MB"),
    ],
)
def test_a_target_that_the_memory_does_not_hold_is_refused_before_the_work_begins(
    free, words, run, monkeypatch
):
    Image.new("RGB", (900, 800)).save("target.png")
    taken = iter([free, *[free - 1e4] * 9])  # 5 040 000 bytes are needed, then again
    monkeypatch.setattr(opening, "free_main_memory", lambda: next(taken))
    monkeypatch.setattr(pipeline, "poisson_stage", None)
    status, output, errors = run(arguments())
    assert (status, output) == (2, "")
    assert errors.startswith(f"blending: error: {words}, with ")
    assert errors.count("\n") == 1
    assert not Path("out.png").exists()


def ramp(side, dtype):
    """A picture that files of every kind pack well, (side, side, 3)."""
    rows = np.arange(side)[:, None] // 12
    levels = np.stack(np.broadcast_arrays(rows, rows.T, 90), 2)
    return (levels * (np.iinfo(dtype).max // 255)).astype(dtype)


PEAKS = """
import sys
from pathlib import Path
from blending.cli.main import main

def megabytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000

for name in sys.argv[1:]:
    options = "--source source.png --mask mask.png --at 50,60 --stage exact --overwrite"
    words = [*options.split(), f"--out=out.{name}"]
    assert main([*words, f"--target=small.{name}"]) == 0  # what is loaded once is not counted
    Path("/proc/self/clear_refs").write_text("5")
    begun = megabytes("VmRSS")
    assert main([*words, f"--target=large.{name}"]) == 0
    print("PEAK", name, megabytes("VmHWM") - begun)
"""


def test_a_large_target_takes_a_few_times_its_bytes_and_no_float_copy(folder):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("no /proc")
    names = {"jpg": np.uint8, "png": np.uint16}
    for name, dtype in names.items():
        for size, side in (("small", 200), ("large", 3000)):
            cv2.imwrite(f"{size}.{name}", ramp(side, dtype))
    words = [sys.executable, "-c", PEAKS, *names]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    found = dict(re.findall(r"PEAK (\w+) ([\d.]+)", run.stdout))
    for name, dtype in names.items():
        picture = np.dtype(dtype).itemsize * 3 * 3000**2 / 1e6
        # Read and result are 2, a decoder or encoder of 4 bytes a pixel 1.3; floats were 4 more.
        assert float(found[name]) < 4.5 * picture, name
