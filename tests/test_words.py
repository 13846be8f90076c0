"""Four languages: no word, no help page and no picture is missing, and the check would see it."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from tests.words import (
    LANGUAGES,
    LARGEST_PICTURE,
    faults_of_defaults,
    faults_of_options,
    faults_of_pages,
    faults_of_words,
    page_of,
)

PACK = Path(__file__).resolve().parents[1]
DOCS = PACK / "nodes" / "web" / "docs"
NODE = "DIB_Sample"
ENGLISH = {
    NODE: {
        "display_name": "Sample (Blending)",
        "description": "Blends a sample, in 2 steps.",
        "inputs": {"width": {"name": "width", "tooltip": "Width in pixels, 1 to 0.5."}},
        "outputs": {"0": {"name": "blend", "tooltip": "The blend."}},
    }
}
TRANSLATED = {
    "ko": ("샘플 (블렌딩)", "두 단계(2)로 섞습니다.", "너비", "픽셀 단위 너비, 1~0.5."),
    "ja": ("サンプル (ブレンド)", "2 段階で合成します。", "幅", "幅はピクセル、1〜0.5。"),
    "zh": ("示例 (混合)", "分 2 步混合。", "宽度", "宽度为像素 1 到 0.5。"),
}
PAGE = "# {}\n\n![what it shows](pictures/sample.jpg)\n\n- **width** (1) — {}\n\n{}\n"


def shipped(language: str) -> dict:
    file = PACK / "locales" / language / "nodeDefs.json"
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_there_in_every_language(language):
    assert faults_of_words(shipped(language), shipped("en"), language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_has_a_help_page_with_its_pictures(language):
    assert faults_of_pages(DOCS, shipped(language), language) == []


def test_no_page_has_a_pair_of_tildes():
    """ComfyUI's page strikes through what stands between two of them: a range has a wide one."""
    pages = sorted(DOCS.rglob("*.md"))
    assert len(pages) >= 4 * len(shipped("en"))
    assert [path for path in pages if path.read_text(encoding="utf-8").count("~") > 1] == []


def test_no_picture_is_shipped_that_no_page_shows():
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    pictures = [path.name for path in (DOCS / "pictures").iterdir()]
    assert pictures
    assert [name for name in pictures if f"(pictures/{name})" not in pages] == []


def test_no_help_page_is_of_no_node():
    known = {page_of(DOCS, node, language) for node in shipped("en") for language in LANGUAGES}
    assert set(DOCS.rglob("*.md")) <= known


# The check itself: on a small pack of one node, whole, then with one thing wrong.


def words_of(language: str) -> dict:
    words = copy.deepcopy(ENGLISH)
    if language != "en":
        display_name, description, name, tooltip = TRANSLATED[language]
        words[NODE] |= {"display_name": display_name, "description": description}
        words[NODE]["inputs"]["width"] = {"name": name, "tooltip": tooltip}
        words[NODE]["outputs"]["0"] = {"name": name, "tooltip": description}
    return words


@pytest.mark.parametrize("language", LANGUAGES)
def test_whole_words_have_no_faults(language):
    assert faults_of_words(words_of(language), ENGLISH, language) == []


@pytest.mark.parametrize(
    ("keys", "text", "complaint"),
    [
        (("display_name",), None, f"no {NODE}.display_name"),
        (("description",), None, f"no {NODE}.description"),
        (("inputs",), None, f"no {NODE}.inputs.width.name"),
        (("inputs", "width"), None, f"no {NODE}.inputs.width.tooltip"),
        (("inputs", "width", "name"), None, f"no {NODE}.inputs.width.name"),
        (("inputs", "width", "tooltip"), None, f"no {NODE}.inputs.width.tooltip"),
        (("outputs", "0"), None, f"no {NODE}.outputs.0.name"),
        (("outputs", "0", "tooltip"), None, f"no {NODE}.outputs.0.tooltip"),
        (("outputs", "1"), {"name": "넓이"}, "outputs.1.name is of no node"),
        (("display_name",), "  ", "is empty"),
        (("display_name",), 3, "is empty"),
        (("description",), "2 걸음 {n}", "forbidden sign '{'"),
        (("description",), "2 걸음 @n", "forbidden sign '@'"),
        (("description",), "2 걸음 | 3", "forbidden sign '|'"),
        (("description",), "2 걸음\n단계", "forbidden sign '\\n'"),
        (("description",), "2 걸음 **단계**", "has Markdown"),
        (("description",), "2 걸음 <b>단계</b>", "has Markdown"),
        (("description",), "Blends a sample, in 2 steps.", "not in that language's script"),
        (("description",), "2 걸음 混合", "another language's script"),
        (("description",), "여러 걸음", "lost the number 2"),
        (("inputs", "width", "name"), "width", "not in that language's script"),
        (("inputs", "width", "name"), "가" * 17, "longer than 16"),
        (("inputs", "width", "tooltip"), "픽셀 단위 너비, 1~5.", "lost the number 0.5"),
    ],
)
def test_one_wrong_word_is_found(keys, text, complaint):
    words = words_of("ko")
    *way, last = keys
    place = words[NODE]
    for key in way:
        place = place[key]
    if text is None:
        del place[last]
    else:
        place[last] = text
    faults = faults_of_words(words, ENGLISH, "ko")
    assert any(complaint in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "混合 2 步"), ("zh", "2 段階で合成"), ("en", "混合 2")]
)
def test_one_language_is_not_taken_for_another(language, text):
    words = words_of(language)
    words[NODE]["description"] = text
    assert any("script" in fault for fault in faults_of_words(words, ENGLISH, language))


@pytest.mark.parametrize(("tooltip", "faults"), [("fit: 모두. fill: 덮기.", 0), ("fit: 모두", 1)])
def test_an_option_that_a_tooltip_no_longer_explains_is_found(tooltip, faults):
    said = {"tooltip": "fit: all of it. fill: covers it.", "options": ["fit", "fill", "off"]}
    info = {NODE: {"input": {"required": {"width": ["COMBO", said]}}}}
    words = {NODE: {"inputs": {"width": {"tooltip": tooltip}}}}
    assert len(faults_of_options(words, info, "ko")) == faults


@pytest.fixture
def docs(tmp_path):
    """Help pages of the sample node in four languages."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "sample.jpg").write_bytes(b"0" * LARGEST_PICTURE)
    for language in LANGUAGES:
        words = words_of(language)[NODE]
        path = page_of(tmp_path, NODE, language)
        path.parent.mkdir(exist_ok=True)
        sentence = " ".join([words["description"]] * 9)
        page = PAGE.format(words["display_name"], words["description"], sentence)
        path.write_text(page, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("language", LANGUAGES)
def test_whole_pages_have_no_faults(docs, language):
    assert faults_of_pages(docs, words_of(language), language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_missing_page_is_found(docs, language):
    page_of(docs, NODE, language).unlink()
    (fault,) = faults_of_pages(docs, words_of(language), language)
    assert "no help page" in fault


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# 샘플", "# 표본", "begins with"),
        ("# 샘플", "## 샘플", "begins with"),
        ("![what it shows](pictures/sample.jpg)", "", "has no picture"),
        ("pictures/sample.jpg", "pictures/other.jpg", "which is not there"),
        ("pictures/sample.jpg", "../pictures/sample.jpg", "is not pictures/NAME.jpg"),
        ("what it shows", "", "does not say what"),
        ("**width**", "**weight**", "says nothing of width"),
        ("(1)", "(1)\n\n| 1 | 2 |", "has a table"),
        ("(1)", "([1](DIB_Other.md))", "the page does not follow"),
        ("두 단계(2)로 섞습니다.", "Blends a sample, in 2 steps.", "not in that language's"),
        ("섞습니다", "混合", "another language's script"),
        ("(1)", f"({'1' * 20_000})", "larger than 20000"),
        ("(1)", "(3)", "lost the number 1"),
    ],
)
def test_one_fault_of_a_page_is_found(docs, old, new, complaint):
    path = page_of(docs, NODE, "ko")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    words = words_of("ko")
    words[NODE]["inputs"]["width"]["name"] = "가로 폭"  # so that the page has the id alone
    faults = faults_of_pages(docs, words, "ko")
    assert any(complaint in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("default", "row", "faults"),
    [
        (4, "- **width** (pixels; 4) — words", 0),
        (4, "- **width** (pixels; 40) — words", 1),
        (4, "- **height** (pixels; 4) — words", 1),
        (4, "- **width** (pixels; −4) — words", 1),
        (1.2, "- **width** (1, 1.2) — words", 0),
        (1.0, "- **width** (1.2) — words", 1),
        ("fit", "- **width** (`fit`) — words", 0),
        ("fit", "- **width** (`fitting`) — words", 1),
        (False, "- **width** (off) — words", 0),
        (True, "- **width** (off) — words", 1),
    ],
)
def test_a_default_that_the_help_does_not_say_is_found(docs, default, row, faults):
    said = {"tooltip": "Width.", "default": default}
    info = {NODE: {"input": {"required": {"width": ["INT", said]}}}}
    page_of(docs, NODE, "en").write_text(row, encoding="utf-8")
    assert len(faults_of_defaults(docs, info)) == faults


def test_a_picture_that_is_too_large_or_gone_is_found(docs):
    picture = docs / "pictures" / "sample.jpg"
    with picture.open("ab") as file:
        file.write(b"0")
    assert "larger than" in faults_of_pages(docs, ENGLISH, "en")[0]
    shutil.rmtree(picture.parent)
    assert "not there" in faults_of_pages(docs, ENGLISH, "en")[0]
