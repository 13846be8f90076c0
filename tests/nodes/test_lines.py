"""The lines on nodes in the page's languages: whole tables, and none that Python's words left."""

import ast
import re
from pathlib import Path

import pytest
import torch

from blending import CropSettings, ShadowSettings, contact_shadow, crop_for_repair, stitch
from blending.placement.layout import Layout
from blending.placement.place_object import place_object
from blending.quality.verdicts import WANTED, in_words, removal_in_words
from nodes.summary import progress_line, summary, words_of_cutout, words_of_harmony
from tests.javascript import call
from tests.pack import pack_module
from tests.words import SCRIPTS

PACK = Path(__file__).resolve().parents[2]
LANGUAGES = ("ja", "ko", "zh")
# Where Python makes lines for nodes: whole files, or the functions, classes and constants named.
MADE_IN = {
    "nodes/summary.py": (),
    "nodes/upstream.py": ("done_twice",),
    "nodes/traps.py": (
        *("checked_cut_out", "checked_source", "checked_repair", "checked_reference"),
        *("checked_own_alpha", "checked_blend", "checked_shadow"),
        *("_looks_inverted", "_beyond_range"),
    ),
    "nodes/planes.py": ("mask_planes", "cut_alpha"),
    "nodes/mask_files.py": ("read_channel", "share_taken"),
    "nodes/prepare_mask.py": ("execute", "_checked", "_turned"),
    "nodes/laplacian_preview.py": ("execute",),
    "nodes/stitch_without_seam.py": ("execute",),
    "blending/optimize/minimize.py": ("StopReason",),
    "blending/quality/verdicts.py": (),
    "blending/placement/alpha.py": ("cut_out",),
    "blending/placement/place_object.py": ("_words",),
    "blending/repair/crop.py": ("words", "_notes", "_empty"),
    "blending/repair/stitch.py": ("words",),
    "blending/shadow/contact_shadow.py": ("NO_CONTACT", "words", "contact_shadow"),
}
# Every file that writes on a node: where a new one comes in, its words belong into MADE_IN.
WRITE = {
    *("adapters", "clean_cutout", "contact_shadow", "crop_for_repair", "feedback"),
    *("harmonise_colours", "laplacian_preview", "load_mask", "place_object", "poisson_stage"),
    *("prepare_mask", "stitch_without_seam", "style_refine_stage"),
}
NO_LINE = {"a MASK", "its place"}  # of calls and messages that never reach a line
JOINTS = {", ", "; "}
FIELD = re.compile(r"\{(\w)\}")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    found = call(tmp_path_factory.mktemp("js"), "lines.js", [["table", one] for one in LANGUAGES])
    return dict(zip(LANGUAGES, found, strict=True))


def named(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()


def parts(file: str, names: tuple[str, ...]) -> list[ast.AST]:
    tree = ast.parse((PACK / file).read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if named(node) & set(names)] if names else [tree]
    assert {name for node in found for name in named(node)} >= set(names), file
    return found


def unsaid(part: ast.AST) -> set[int]:
    """What is no line below a node: docstrings, and messages of errors."""
    roots = [node for node in ast.walk(part) if isinstance(node, ast.Raise) or is_docstring(node)]
    return {id(node) for root in roots for node in ast.walk(root)}


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def pieces(file: str, names: tuple[str, ...]) -> set[str]:
    """The words that Python puts between values, as they stand in its strings."""
    found = set()
    for part in parts(file, names):
        skipped = unsaid(part)
        for node in ast.walk(part):
            if isinstance(node, ast.Constant) and id(node) not in skipped:
                text = re.sub(r"\{\w*\}| 0(?=,|$)", "\0", str(node.value))
                found |= {piece.strip(" :") for piece in re.split(r"\0|; |, |\n", text)}
    return {piece for piece in found if re.search("[A-Za-z]", piece)} - NO_LINE


def test_every_file_that_writes_on_a_node_is_known():
    texts = {path.stem: path.read_text("utf-8") for path in (PACK / "nodes").glob("*.py")}
    assert {name for name, text in texts.items() if "show_text(" in text} == WRITE


@pytest.mark.parametrize("file", MADE_IN)
def test_python_says_nothing_that_no_template_has(tables, file):
    english = "\n".join(tables["ko"])
    said = {piece for piece in pieces(file, MADE_IN[file]) if " " in piece}
    assert [piece for piece in sorted(said) if piece not in english] == []


def test_no_template_has_a_word_that_python_never_says(tables):
    said = " ".join(piece for file, names in MADE_IN.items() for piece in pieces(file, names))
    known = set(re.findall(r"[A-Za-z]+", said))
    known |= {f"{one}s" for one in known}  # a plural's s is a string of its own
    words = {word for key in tables["ko"] for word in re.findall(r"[A-Za-z]+", FIELD.sub("", key))}
    assert sorted(words - known) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_has_every_template_with_its_fields(tables, language):
    table = tables[language]
    assert list(table) == list(tables["ko"])
    script, _, foreign = SCRIPTS[language]
    for key, text in table.items():
        assert sorted(FIELD.findall(key)) == sorted(FIELD.findall(text)), key
        assert not re.search(foreign, text), text
        assert key in JOINTS or re.search(script, text), text


def disc(height=60, width=80, radius=15, row=30):
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return ((rows - row) ** 2 + (columns - 40) ** 2 <= radius**2).float()[None, None]


def stage(*reasons, **figures) -> list[str]:
    pictures = [{"evaluations": 20, "stop_reason": reason} for reason in reasons]
    made = {"pictures": pictures, "seconds": 3.14, "settings": {"method": "deep"}}
    looks = in_words([dict.fromkeys(WANTED, 9.0), {"contour_kept": 0.4}, {"tone_kept": 0.9}])
    rails = [{"seam_ratio": ratio, **figures} for ratio in (0.14, 1.22)]
    alpha = ["the source's alpha is the mask"]
    report = {"stages": [{**made, "notes": alpha}], "guard_rails": rails, "looks": looks}
    return summary(report, "the plain paste's")


def cutout(**changed) -> str:
    figures = {"pixels": [9], "recoloured": [4], "background_known": [True], "removed": [5]}
    figures |= {"confidence": [0.2], "removed_share": [0.012]}
    return words_of_cutout({"width": 4, **figures, **{key: [one] for key, one in changed.items()}})


def harmony(*gaps, whose="place") -> str:
    names = ("chroma_gap_before", "chroma_gap_after", "lightness_gap_before", "lightness_gap_after")
    figures = [dict(zip(names, gap, strict=True)) for gap in gaps]
    more = {"place_pixels": 9, "hue_flip_share": 0.01}
    return words_of_harmony([one | more for one in figures], 1.0, whose)


def repair_lines() -> list[str]:
    picture = torch.rand(1, 3, 60, 80, generator=torch.Generator().manual_seed(1))
    masks = torch.cat((disc(radius=5), torch.zeros(1, 1, 60, 80)))
    one = crop_for_repair(picture, disc(), CropSettings(width=16))
    two = crop_for_repair(picture, masks, CropSettings(width=256))
    padded = crop_for_repair(picture, torch.ones_like(picture[:, :1]), CropSettings(multiple=64))
    said = [stitch(crops.image, crops.place).words for crops in (one, two)]
    return [*said, *(line for c in (one, two, padded) for line in (c.place.words, *c.place.notes))]


def placing_lines() -> list[str]:
    traps, target = pack_module("nodes.traps"), torch.rand(2, 60, 80, 3)
    masks = torch.cat((1 - disc()[:, 0], disc()[:, 0]))
    odd = traps.checked_cut_out(target * 2, target - 0.5, 1.04 * masks - 0.02).warnings
    planes = target.movedim(-1, 1)
    shadows = [
        contact_shadow(planes, mask, ShadowSettings(strength=strength))
        for mask, strength in ((disc(), 1.0), (disc(row=55), 1.0), (disc(), 0.0))
    ]
    shaded = [line for one in shadows for line in (one.words, *one.notes)]
    cut_out = torch.cat((planes, disc().expand(2, -1, -1, -1)), 1)
    placed = place_object(cut_out, planes, None, Layout(column=90))
    return [*odd, *shaded, placed.words, removal_in_words({"removed_share": [0.2]})]


def test_lines_that_python_makes_leave_no_english_word(tables, tmp_path):
    lines = [
        *(progress_line(1, 4, number, 20, unit) for number in (0, 3) for unit in ("frame", "crop")),
        "; ".join(stage("converged", "budget spent", "converged")),
        "; ".join(stage("non-finite", seam_share=0.05)),
        *(cutout(**{key: 0}) for key in ("removed", "pixels", "background_known", "recoloured")),
        cutout(),
        cutout(removed=0, confidence=0.5),
        harmony((0.2, 0.1, 0.2, 0.05), (0.2, 0.15, 0.2, 0.05)),
        harmony((0.2, 0.1, 0.001, 0.001), whose="reference"),
        harmony((0.0, 0.0, 0.0, 0.0), whose="area"),
        words_of_harmony([{}, {"place_pixels": 0}], 1.0),
        *repair_lines(),
        *placing_lines(),
    ]
    for language, table in tables.items():
        said = call(tmp_path, "lines.js", [["translated", line, table] for line in lines])
        names = r"MASK|kind|drop|alpha|ΔE"  # as the page has them
        left = [line for line in said if re.search("[A-Za-z]{2}", re.sub(names, "", line))]
        assert left == [], language


@pytest.mark.parametrize(
    ("line", "korean"),
    [
        ("frame 2 of 4: preparing…", "4장 중 2번째: 준비 중…"),
        ("evaluation 3 of at most 20", "최대 20스텝 중 3번째"),
        (
            "2 pictures, 40 evaluations, 3.1 s; seam good: 0.14 to 0.22 of the plain paste's",
            "이미지 2장, 40스텝, 3.1초; 이음매 양호: 단순 붙여넣기의 0.14\uff5e0.22배",
        ),
        (
            "look: contour 0.41 (0.55 at least), tone 0.70 (0.80 at least)",
            "확인 필요: 윤곽 0.41(0.55 이상), 톤 0.70(0.80 이상)",
        ),
        ("a new line; 3.1 s", "a new line; 3.1초"),
        ("a new line, never seen", "a new line, never seen"),
        ("takes some % of the picture", "takes some % of the picture"),
        ("shadow: $& {1} .*", "그림자: $& {1} .*"),
        (" ", " "),
    ],
)
def test_a_line_is_read_part_by_part_and_what_is_not_known_stays(tables, tmp_path, line, korean):
    calls = [["translated", line, tables["ko"]], ["translated", line, {}], ["table", "fr"]]
    assert call(tmp_path, "lines.js", calls) == [korean, line, {}]
