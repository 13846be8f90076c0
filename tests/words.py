"""The words of the nodes in four languages and the help pages: what they lack.

Every function returns complaints, one line each; none means that all is well. This file also makes
`locales/en/nodeDefs.json` from what a ComfyUI says of the nodes (`/object_info`, saved):

    .venv/bin/python -m tests.words OBJECT_INFO.json > locales/en/nodeDefs.json
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

Words = dict  # node id -> display_name, description, inputs, outputs

LANGUAGES = ("en", "ko", "ja", "zh")
FORBIDDEN = "{}@|\n\r\t"  # syntax to the page's translator; a tooltip is one line
HANGUL, KANA, HAN = "가-힣", "ぁ-ゖァ-ヺー", "㐀-䶿一-鿿"
# What a text of the language has, what it lacks: for names, then for sentences.
SCRIPTS = {
    "en": ("[A-Za-z]", "[A-Za-z]", f"[{HANGUL}{KANA}{HAN}]"),
    "ko": (f"[{HANGUL}]", f"[{HANGUL}]", f"[{KANA}{HAN}]"),
    "ja": (f"[{KANA}{HAN}]", f"[{KANA}]", f"[{HANGUL}]"),
    "zh": (f"[{HAN}]", f"[{HAN}]", f"[{HANGUL}{KANA}]"),
}
SHOWN = {"upload": "choose file to upload"}  # what the page makes of an id; others stay
LONGEST_NAME = 16  # letters that the page's narrow label shows, in all but English
MARKDOWN = r"[*`#]|\]\(|<\w"
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]*)\)|<(?:img|video)\b[^>]*\bsrc=\"([^\"]*)\"")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)]*)\)")
LARGEST_PICTURE, LARGEST_PAGE = 80_000, 20_000  # bytes
LONGEST_OF_IDS = 50  # letters of a line that may hold ids and English options alone


def english_words(object_info: dict) -> Words:
    """Python's words, as a locale says them; names are those that the page shows without one."""
    return {
        node: {
            "display_name": form["display_name"],
            "description": form["description"],
            "inputs": {
                name: {"name": SHOWN.get(name, name), "tooltip": options["tooltip"]}
                for name, options in options_of(form).items()
            },
            "outputs": {
                str(slot): {"name": name, "tooltip": tooltip}
                for slot, (name, tooltip) in enumerate(
                    zip(form["output_name"], form["output_tooltips"], strict=True)
                )
            },
        }
        for node, form in object_info.items()
        if node.startswith("DIB_")
    }


def options_of(form: dict) -> dict[str, dict]:
    """Every input of a node in /object_info by its id: tooltip, default, options."""
    kinds = (form["input"].get(kind, {}) for kind in ("required", "optional"))
    return {name: described[1] for kind in kinds for name, described in kind.items()}


def texts(words: Words) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every text under its keys, such as ("DIB_LoadMask", "inputs", "image", "tooltip")."""
    for key, value in words.items():
        if isinstance(value, dict):
            yield from (((key, *rest), text) for rest, text in texts(value))
        else:
            yield (key,), value


def faults_of_words(words: Words, english: Words, language: str) -> list[str]:
    """What a language's words lack beside the English ones."""
    found, wanted = dict(texts(words)), dict(texts(english))
    faults = [f"{language}: no {_dotted(keys)}" for keys in wanted.keys() - found.keys()]
    faults += [f"{language}: {_dotted(keys)} is of no node" for keys in found.keys() - wanted]
    for keys in found.keys() & wanted.keys():
        reasons = [*_faults_of_text(keys, found[keys], language)]
        reasons += [*_lost(str(found[keys]), str(wanted[keys]))] if keys[-1] != "name" else []
        faults += [f"{language}: {_dotted(keys)} {reason}" for reason in reasons]
    return sorted(faults)


def _faults_of_text(keys: tuple[str, ...], text: object, language: str) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        yield f"is empty: {text!r}"
        return
    for sign in sorted(set(text) & set(FORBIDDEN)):
        yield f"has the forbidden sign {sign!r}"
    if re.search(MARKDOWN, text):
        yield f"has Markdown or HTML, which is shown as it stands: {text!r:.60}"
    is_name = keys[-1] in ("name", "display_name")
    name_has, sentence_has, never = SCRIPTS[language]
    if not re.search(name_has if is_name else sentence_has, text):
        yield f"is not in that language's script: {text!r:.60}"
    if re.search(never, text):
        yield f"has another language's script: {text!r:.60}"
    if keys[-1] == "name" and language != "en" and len(text) > LONGEST_NAME:
        yield f"is longer than {LONGEST_NAME} letters: {text!r}"


def _lost(text: str, english: str) -> Iterator[str]:
    """Numbers of the English text that a translation lost."""
    numbers = [set(re.findall(r"\d+(?:\.\d+)?", t.replace("−", "-"))) for t in (english, text)]
    for number in sorted(numbers[0] - numbers[1]):
        yield f"lost the number {number}"


def faults_of_options(words: Words, object_info: dict, language: str) -> list[str]:
    """Options of a combo that Python's tooltip explains and a translation does not.

    They are saved and sent, and cannot be translated: a tooltip names them as they stand.
    """
    faults = []
    for node, form in object_info.items():
        for name, options in options_of(form).items() if node in words else ():
            tooltip = words[node]["inputs"].get(name, {}).get("tooltip", "")
            explained = [
                option
                for option in options.get("options") or ()
                if f"{option}: " in options["tooltip"]
            ]
            faults += [
                f"{language}: {node}.inputs.{name}.tooltip does not explain {option}"
                for option in explained
                if option not in tooltip
            ]
    return faults


def page_of(docs: Path, node: str, language: str) -> Path:
    """Where the page looks for a node's help; English is also what every other language gets."""
    return docs / f"{node}.md" if language == "en" else docs / node / f"{language}.md"


def faults_of_pages(docs: Path, words: Words, language: str) -> list[str]:
    """What a language's help pages lack."""
    faults = []
    for node, said in words.items():
        path = page_of(docs, node, language)
        if not path.is_file():
            faults.append(f"{language}: no help page {path.relative_to(docs)}")
            continue
        text = path.read_text(encoding="utf-8")
        reasons = [*_faults_of_page(text, said["display_name"], language)]
        reasons += [*_faults_of_pictures(text, docs)]
        english = page_of(docs, node, "en")
        reasons += [*_lost(text, english.read_text(encoding="utf-8"))] if english.is_file() else []
        reasons += [
            f"says nothing of {name}"
            for name in said["inputs"]
            if not _mentions(text, name, said["inputs"][name]["name"])
        ]
        faults += [f"{language}: {path.relative_to(docs)} {reason}" for reason in reasons]
    return faults


def _mentions(text: str, name: str, shown: str) -> bool:
    """Whether a page speaks of an input by its id or by the name that is shown; of weights once."""
    weight = re.fullmatch(r"(?:poisson|refine)_(\w+)", name)
    return name in text or shown in text or bool(weight and re.search(rf"\b{weight[1]}\b", text))


def faults_of_defaults(docs: Path, object_info: dict) -> list[str]:
    """Defaults of widgets that the English help of a node does not say where it lists them."""
    faults = []
    for node, form in object_info.items():
        lines = page_of(docs, node, "en").read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line.startswith("- **")]
        for name, options in options_of(form).items():
            default = options.get("default")
            if isinstance(default, bool | int | float | str):
                said = "on" if default is True else "off" if default is False else default
                said = f"{said:g}" if isinstance(said, int | float) else said
                labels = (f"**{name}**", f"**{re.sub('^(poisson|refine)_', '', name)}**")
                row = next((row for row in rows if any(label in row for label in labels)), "")
                if not re.search(rf"(?<![\w.−]){re.escape(said)}(?![\w.])", row):
                    faults.append(f"{node}: the help does not say that {name} is {said} by default")
    return faults


def _faults_of_page(text: str, heading: str, language: str) -> Iterator[str]:
    first = next((line for line in text.splitlines() if line.startswith("#")), "")
    if first != f"# {heading}":
        yield f"begins with {first!r}, not with '# {heading}'"
    yield from _faults_of_script(text, language)
    if len(text.encode()) > LARGEST_PAGE:
        yield f"is larger than {LARGEST_PAGE} bytes"
    if any(line.startswith("|") for line in text.splitlines()):
        yield "has a table: the page's panel is too narrow, columns are cut off"
    for target in LINK.findall(text):
        if not target.startswith("https://"):
            yield f"has a link that the page does not follow: {target}"


def _faults_of_script(text: str, language: str) -> Iterator[str]:
    _, has, never = SCRIPTS[language]
    for line in text.splitlines():
        is_prose = len(line) > LONGEST_OF_IDS and "→" not in line
        if is_prose and not re.search(has, line):
            yield f"has a line that is not in that language's script: {line:.60}"
    if re.search(never, text):
        yield "has another language's script"


def _faults_of_pictures(text: str, docs: Path) -> Iterator[str]:
    found = PICTURE.findall(text)
    if not found:
        yield "has no picture"
    for words, target, source in found:
        picture = target or source
        if not re.fullmatch(r"pictures/[\w-]+\.jpg", picture):
            yield f"shows {picture!r}, which is not pictures/NAME.jpg"
        elif not (docs / picture).is_file():
            yield f"shows {picture}, which is not there"
        elif (docs / picture).stat().st_size > LARGEST_PICTURE:
            yield f"shows {picture}, which is larger than {LARGEST_PICTURE} bytes"
        if target and not words.strip():
            yield f"does not say what {picture} shows"


def _dotted(keys: tuple[str, ...]) -> str:
    return ".".join(keys)


if __name__ == "__main__":
    saved = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    made = json.dumps(english_words(saved), indent=2, ensure_ascii=False)
    sys.stdout.write(made + "\n")
