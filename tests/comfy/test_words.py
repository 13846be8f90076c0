"""The words as a real ComfyUI serves them: all of them, and the English ones are Python's."""

import json

import pytest

from tests.comfy.page import served
from tests.comfy.server import PACK
from tests.words import (
    LANGUAGES,
    english_words,
    faults_of_defaults,
    faults_of_options,
    faults_of_words,
    page_of,
)

pytestmark = pytest.mark.comfy
DOCS = PACK / "nodes" / "web" / "docs"


@pytest.fixture(scope="session")
def forms(server) -> dict:
    info = server.get("/object_info")
    return {node: form for node, form in info.items() if node.startswith("DIB_")}


@pytest.fixture(scope="session")
def words(server) -> dict:
    """The served words of every language."""
    return {
        language: {node: words for node, words in said["nodeDefs"].items() if node[:4] == "DIB_"}
        for language, said in server.get("/i18n").items()
    }


def test_every_language_is_served(words):
    assert set(LANGUAGES) <= words.keys()


def test_the_english_words_are_pythons(words, forms):
    assert words["en"] == english_words(forms)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_input_and_output_has_a_name_and_a_tooltip(words, forms, language):
    assert faults_of_words(words[language], english_words(forms), language) == []
    assert faults_of_options(words[language], forms, language) == []


def test_the_help_says_every_default(forms):
    assert faults_of_defaults(DOCS, forms) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_help_page_is_served_as_it_is(server, forms, language):
    pages = [page_of(DOCS, node, language) for node in forms]
    for path in [*pages, *(DOCS / "pictures").iterdir()]:
        sent = served(server, f"/extensions/deep-image-blending/docs/{path.relative_to(DOCS)}")
        assert sent == path.read_bytes(), path.name


def test_a_form_with_a_new_word_would_be_found(words, forms):
    node = "DIB_PoissonStage"
    doctored = json.loads(json.dumps(forms))
    doctored[node]["input"]["optional"]["novelty"] = ["INT", {"tooltip": "New, in pixels."}]
    assert words["en"] != english_words(doctored)
    for language in LANGUAGES:
        faults = faults_of_words(words[language], english_words(doctored), language)
        assert f"{language}: no {node}.inputs.novelty.tooltip" in faults
