"""The page: what is first on it, what stands in it, and what a browser makes of it."""

import io
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from blending.gallery.page import Shown, excess, figures, looks, notes, page, worst_rows
from blending.quality.verdicts import WANTED, verdicts
from tests.comfy.page import chromium

GOOD = {
    "see_through_rim": 0.02,
    "contour_kept": 0.9,
    "tone_kept": 1.0,
    "foreign_colours": 1.0,
    "highlights": 2.0,
    "hue_flip_share": 0.0,
    "seam_ratio": 0.5,
}
KEY = "00aa"
OPEN_SECONDS, SORT_MILLISECONDS = 3.0, 300
# Names and errors that would break a page that takes them for HTML, script, or an address.
NASTY = [
    "<script>document.title='stolen'</script>.png",
    "</script><img src=x onerror=\"document.title='stolen'\">.png",
    "\"quotes\" and 'quotes' & &lt;entities&gt;.png",
    "%%DATA%% ]]> <!-- --> ${x} `y`.png",
    "javascript:document.title='stolen'",
    "C:\\work\\batch\\ü.png",
    "猫/ねこ\u2028\u2029\u202e.png",
    "lone \udcff surrogate.png",
    "a/" * 40 + "x" * 300 + ".png",
]


def record(line, out=None, error="", **figures):
    """A row's record: a good blend, but for some figures or an error."""
    rails = {**GOOD, **figures}
    row = {"line": line, "out": out or f"{line}.png", "status": "failed" if error else "done"}
    row["files"] = {name: f"/in/{name}.png" for name in ("source", "mask", "target")}
    row["files"]["out"] = f"/out/{row['out']}"
    row["options"] = {"at": [1, 2], "scale": 1.0, "mask_channel": None, "invert_mask": False}
    row["options"]["preset"] = "photograph"
    if error:
        return row | {"error": error}
    report = {"guard_rails": [rails], "verdicts": [verdicts(rails)]}
    return row | {"output": "0", "report": report, "seconds": {"read": 0.1, "blend": line / 10}}


def shown(one, **seen):
    known = {"before": "", "after": "", "box": [1, 2, 3, 4], "has_close_up": False}
    if one["status"] == "failed":
        known["after"] = "not blended"
    return Shown(one, one["files"]["out"], KEY, known | {"is_changed": False} | seen)


def written(folder, rows, count=None):
    """A page of rows in a folder, with a picture for all of them."""
    folder.mkdir(exist_ok=True)
    below = folder / "thumbnails" / KEY[:2]
    below.mkdir(parents=True, exist_ok=True)
    for name, colour in {"before": "red", "after": "green"}.items():
        Image.new("RGB", (48, 32), colour).save(below / f"{KEY}-{name}.jpg")
    results = folder.parent / "results.jsonl"
    text = page(rows, results, folder, len(rows) if count is None else count)
    (folder / "index.html").write_bytes(text.encode(errors="replace"))
    return folder / "index.html"


class Elements(HTMLParser):
    """What a parser of HTML sees: the elements, and the text in each script."""

    def __init__(self, text):
        super().__init__()
        self.names, self.scripts, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.names and self.names[-1] == "script":
            self.scripts[-1] += data


def test_excess_is_the_share_beyond_the_nearer_limit():
    assert excess("contour_kept", 0.44) == pytest.approx(0.2)  # 0.55 at least
    assert excess("tone_kept", 1.32) == pytest.approx(0.2)  # 1.10 at most
    assert excess("tone_kept", 0.72) == pytest.approx(0.1)  # 0.80 at least
    assert excess("highlights", 4.0) == pytest.approx(-0.5)
    for name, wanted in WANTED.items():
        for limit in (wanted.lowest, wanted.highest):
            if abs(limit) < 1e9:
                assert excess(name, limit) == pytest.approx(0.0, abs=1e-9)


def test_of_several_pictures_the_worst_counts():
    both = record(1)
    pictures = [{"contour_kept": 0.9, "tone_kept": None}, {"contour_kept": 0.3, "tone_kept": 1.2}]
    both["report"] = {"guard_rails": pictures, "verdicts": [verdicts(one) for one in pictures]}
    assert figures(both) == {"contour_kept": 0.3, "tone_kept": 1.2}
    assert looks(both) == {"contour_kept", "tone_kept"}
    assert figures(record(1, error="no")) == {}


def test_a_doubtful_mask_is_to_be_looked_at_and_much_cleaned_is_told(tmp_path):
    cleaned, doubtful = record(1), record(2) | {"doubt": "mask looks inverted"}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(cleaned) + "\n" + json.dumps(doubtful) + "\n")
    with path.open("rb") as file:
        assert worst_rows(file, 1) == (2, [len(json.dumps(cleaned)) + 1])
    stage = {"notes": ["the alpha is the mask"], "clean": {"removed_share": [0.25]}}
    cleaned["report"]["stages"] = [stage, stage]
    assert len(notes(cleaned)) == 2
    assert notes(cleaned)[0] == "the alpha is the mask"
    assert "25.0%" in notes(cleaned)[1]


def test_failed_rows_come_first_then_the_worst_and_the_last_record_counts(tmp_path):
    rows = [
        record(1),
        record(2, contour_kept=0.5),
        record(3, error="gone"),
        record(4, contour_kept=0.1),
        record(5, error="tried again below"),
        record(5),
        record(6, tone_kept=1.2),
    ]
    lines = [json.dumps(one) for one in rows]
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(lines) + "\n" + lines[0][:50])

    def worst(count):
        with path.open("rb") as file:
            found, places = worst_rows(file, count)
        assert found == 6
        content = path.read_text()
        return [json.loads(content[place:].splitlines()[0])["line"] for place in places]

    assert worst(1) == [3]
    assert worst(2) == [3, 4]
    # excess: line 2 has 0.05 / 0.55, line 6 0.1 / 1.1, nearly the same
    assert worst(4) == [2, 3, 4, 6]
    assert worst(99) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("text", ["[1]\n", "{}\n", "no\n", '{"out": "a", "line": "b"}\n'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with path.open("rb") as file, pytest.raises(ValueError, match="must hold the records of a b"):
        worst_rows(file, 1)


def test_the_page_loads_nothing_from_elsewhere(tmp_path):
    text = written(tmp_path / "gallery", [shown(record(1))]).read_text("utf-8")
    found = Elements(text)
    assert found.names.count("script") == 2
    assert {"link", "iframe", "img", "object"} & set(found.names) == set()
    assert not [one for one in found.addresses if one]
    places = set(re.findall(r"[a-z]+://[^\s'\"`]+", text)) - {"http://www.w3.org/2000/svg"}
    assert all(one.startswith("file://") for one in places)
    policy = re.search(r'Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_text_of_a_record_leaves_the_data(tmp_path):
    rows = [shown(record(n, name, error=name if n % 2 else "")) for n, name in enumerate(NASTY, 1)]
    plain = Elements(written(tmp_path / "plain", [shown(record(1))]).read_text("utf-8"))
    found = Elements(written(tmp_path / "gallery", rows).read_text("utf-8"))
    assert found.names == plain.names
    data = json.loads(found.scripts[0])
    assert [row[1] for row in data["rows"]] == NASTY
    assert found.scripts[1] == plain.scripts[1]


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("{base}/a b/#1?.png", "../a%20b/%231%3F.png"),
        ("{base}/javascript:x.png", "../javascript%3Ax.png"),
        ("/elsewhere/a b.png", "file:///elsewhere/a%20b.png"),
        ("s3://bucket/a.png", ""),
        ("C:\\a.png", ""),
        ("relative.png", ""),
    ],
)
def test_links_lead_to_files_alone(tmp_path, path, link):
    row = shown(record(1))
    row.path = path.format(base=tmp_path)
    text = written(tmp_path / "gallery", [row]).read_text("utf-8")
    fields = re.findall(r"\w+", re.search(r"FIELDS = \[(.*?)\]", text, re.DOTALL)[1])
    cells = json.loads(Elements(text).scripts[0])["rows"][0]
    assert len(cells) == len(fields)
    assert cells[fields.index("result")] == link
    assert cells[fields.index("source")] == "file:///in/source.png"


# ---- in a browser


@pytest.fixture(scope="module")
def browser():
    yield from chromium()


@pytest.fixture
def opened(browser):
    """opened(page, ...): a tab with a page opened from its file; it must raise no error."""
    contexts, faults = [], []

    def open_page(path: Path, **settings):
        given = {"viewport": {"width": 1400, "height": 900}, **settings}
        contexts.append(browser.new_context(**given))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(30_000)
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on(
            "request",
            lambda asked: asked.url.startswith(("file:", "data:")) or faults.append(asked.url),
        )
        tab.goto(path.as_uri(), wait_until="commit")
        tab.wait_for_selector(".card")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def batch(tmp_path):
    """A page of twelve rows with real files: 3 failed, 4 to look at."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (400, 300), "blue").save(pictures / "target.png")
    Image.new("RGB", (100, 60), "red").save(pictures / "source.png")
    half = Image.new("L", (100, 60), 255)
    half.paste(0, (50, 0, 100, 60))
    half.save(pictures / "mask.png")
    Image.new("RGB", (400, 300), "lime").save(pictures / "result.png")
    rows = []
    for line in range(1, 13):
        bad = {"contour_kept": 0.6 - line / 20} if line in (2, 3, 4, 5) else {}
        one = record(line, f"set {line % 3}/row {line}.png", "boom" if line > 9 else "", **bad)
        one["files"] = {name: str(pictures / f"{name}.png") for name in one["files"]}
        one["options"] |= {"at": [50, 100], "scale": 2.0, "invert_mask": line == 3}
        rows.append(shown(one))
        rows[-1].path = str(pictures / "result.png")
    return written(tmp_path / "gallery", rows)


def names(tab):
    return [one.split()[1].split(".")[0] for one in tab.locator(".out").all_inner_texts()]


def test_faults_are_first_and_every_order_and_filter_holds(opened, batch):
    tab = opened(batch)
    # failed by line; then contour 0.35, 0.40, 0.45, 0.50; then the good ones by line
    assert names(tab) == ["10", "11", "12", "5", "4", "3", "2", "1", "6", "7", "8", "9"]
    tab.select_option("#sort", "contour_kept")
    assert names(tab)[:4] == ["5", "4", "3", "2"]
    assert names(tab)[-3:] == ["10", "11", "12"]  # without a figure: last, whichever way round
    tab.click("#turn")
    assert names(tab)[5:9] == ["2", "3", "4", "5"]
    assert names(tab)[-3:] == ["10", "11", "12"]
    tab.select_option("#sort", "name")
    assert names(tab)[:4] == ["3", "6", "9", "12"]  # set 0, by number
    tab.select_option("#sort", "seconds")
    assert names(tab)[:2] == ["9", "8"]
    tab.click("#states [data-state=failed]")
    assert names(tab) == ["10", "11", "12"]
    tab.click("#states [data-state=look]")
    tab.fill("#text", "SET 2/row")
    assert sorted(names(tab)) == ["2", "5"]
    assert tab.locator("#states [data-state=all] b").inner_text() == "4"
    tab.reload()  # what was chosen stays
    assert sorted(names(tab)) == ["2", "5"]


def test_a_doubt_comes_first_among_the_words(opened, tmp_path):
    doubtful = shown(record(1, contour_kept=0.4) | {"doubt": "mask looks inverted"})
    tab = opened(written(tmp_path / "gallery", [shown(record(2)), doubtful]))
    words = tab.locator(".card.look .words")
    assert words.inner_text().startswith("look: mask looks inverted, contour 0.40 (0.55 at least)")


def test_words_say_what_is_wrong(opened, batch):
    tab = opened(batch)
    words = tab.locator(".card.look .words").first.inner_text()
    assert words.startswith("look: contour 0.35 (0.55 at least); good: see-through rim 0.02")
    assert "boom" in tab.locator(".card.failed").first.inner_text()


def colour(tab, x=0.5, y=0.5):
    """The colour that is seen at a place of the picture in the viewer, and nothing else's."""
    box = tab.locator("#picture").bounding_box()
    place = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
    tab.wait_for_timeout(150)
    file = tab.screenshot(clip={**place, "width": 1, "height": 1})
    with Image.open(io.BytesIO(file)) as picture:
        return picture.convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize(("line", "taken"), [(4, (0.25, 0.75)), (3, (0.75, 0.25))])
def test_the_full_result_opens_and_the_paste_takes_its_place(opened, batch, line, taken):
    tab = opened(batch)
    tab.locator(f".card a[aria-label*='row {line}.png']").click()
    tab.wait_for_selector("#picture svg", state="attached")
    assert tab.locator("#picture img").evaluate("one => one.naturalWidth") == 400
    assert colour(tab) == (0, 255, 0)
    tab.keyboard.down("b")
    # source of 100 x 60 at twice its size, its corner at (50, 100) on 400 x 300: the mask's half
    inside, outside = ((50 + 200 * share) / 400 for share in taken)
    assert colour(tab, inside, 0.5) == (255, 0, 0)
    assert colour(tab, outside, 0.5) == (0, 0, 255)
    assert colour(tab, inside, 0.2) == (0, 0, 255)
    tab.keyboard.up("b")
    assert colour(tab, inside, 0.5) == (0, 255, 0)
    tab.keyboard.press("z")
    box = tab.locator("#picture").bounding_box()
    assert (box["width"], box["height"]) == (400, 300)


def test_hover_swaps_before_and_after_in_place(opened, batch):
    tab = opened(batch)
    frame = tab.locator(".card.look .frame").nth(1)
    assert frame.locator("img").nth(0).get_attribute("src").endswith("-after.jpg")
    opacity = "one => [...one.children].map(part => getComputedStyle(part).opacity)"
    assert frame.evaluate(opacity) == ["1", "0"]
    frame.hover()
    assert frame.evaluate(opacity) == ["0", "1"]
    assert frame.locator("img").nth(1).get_attribute("src").endswith("-before.jpg")


def test_all_is_done_by_keys(opened, batch):
    tab = opened(batch)
    tab.keyboard.press("/")
    tab.keyboard.type("set")
    tab.keyboard.press("Enter")
    label = "() => document.activeElement.getAttribute('aria-label')"
    assert "row 10.png" in tab.evaluate(label)
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    assert "row 5.png" in tab.evaluate(label)
    tab.keyboard.press("m")
    tab.keyboard.press("Enter")
    assert tab.locator("#viewer").is_visible()
    assert tab.locator("#name").inner_text() == "set 2/row 5.png"
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#name").inner_text() == "set 1/row 4.png"
    tab.keyboard.press("Escape")
    assert not tab.locator("#viewer").is_visible()
    tab.wait_for_function(f"() => ({label})().includes('row 4.png')")
    tab.click("#states [data-state=marked]")
    assert names(tab) == ["5"]
    tab.evaluate("() => { navigator.clipboard.writeText = async text => { window.copied = text } }")
    tab.click("#copy")
    assert tab.evaluate("() => window.copied").startswith("5\tset 2/row 5.png\tlook: contour 0.35")


def test_a_thumbnail_and_a_result_that_are_gone_are_told(opened, batch):
    (batch.parent / "thumbnails" / KEY[:2] / f"{KEY}-before.jpg").unlink()
    (batch.parent.parent / "pictures" / "result.png").unlink()
    tab = opened(batch)
    tab.locator(".card.good .gone").first.wait_for(state="attached")
    assert "gone" in tab.locator(".card.good .gone").first.text_content()
    tab.locator(".card.good .pictures").first.click()
    tab.wait_for_selector("#stage > p")
    assert "cannot show the file: its thumbnail" in tab.locator("#stage > p").inner_text()
    words, picture = (tab.locator(f"#stage > {one}").bounding_box() for one in ("p", "#picture"))
    assert words["y"] + words["height"] <= picture["y"] + 1
    assert picture["y"] + picture["height"] <= 901


def test_nasty_names_are_text(opened, tmp_path):
    rows = [shown(record(n, name, error=name)) for n, name in enumerate(NASTY, 1)]
    tab = opened(written(tmp_path / "gallery", rows))
    title = tab.title()
    said = tab.locator(".out").evaluate_all("all => all.map(one => one.title)")
    assert said == NASTY
    tab.locator(".card .pictures").nth(1).click()
    tab.wait_for_timeout(300)
    assert tab.locator("#name").inner_text() == NASTY[1]
    assert tab.title() == title != "stolen"
    assert tab.locator("main script, main iframe, #viewer script, #viewer iframe").count() == 0


@pytest.mark.parametrize("settings", [{"viewport": {"width": 360, "height": 640}}, {}])
def test_nothing_sticks_out_on_a_phone_or_a_screen(opened, batch, settings):
    tab = opened(batch, **settings)
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    tab.click("#states [data-state=look]")
    tab.locator(".card .pictures").first.click()
    tab.wait_for_selector("#picture svg", state="attached")
    outside = """() => [...document.querySelectorAll('#viewer button, #viewer #picture')]
        .map(one => one.getBoundingClientRect())
        .filter(one => one.right > innerWidth + 1 || one.bottom > innerHeight + 1).length"""
    assert tab.evaluate(outside) == 0


SEEN = """() => {
    const cards = [...document.querySelectorAll('.card')]
    const near = [...document.querySelectorAll('.card img')]
        .filter(one => one.getBoundingClientRect().top < innerHeight)
    return cards.length > 5 && near.every(one => one.complete && one.naturalWidth)
}"""
SORT = """async name => {
    const began = performance.now()
    const list = document.getElementById('sort')
    list.value = name
    list.dispatchEvent(new Event('change'))
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    return performance.now() - began
}"""


def test_ten_thousand_rows_open_in_three_seconds_and_are_sorted_at_once(opened, tmp_path):
    """The best of three: other work on the machine is no property of the page."""
    rows = []
    for line in range(1, 10_001):
        bad = {"contour_kept": 0.1 + (line * 7919 % 10_007) / 11_000}
        name = f"catalogue/spring {line // 100}/composite {line:05}.png"
        rows.append(
            shown(record(line, name, "its source is gone" if line % 997 == 0 else "", **bad))
        )
    path = written(tmp_path / "gallery", rows)
    opening, sorting = [], {name: [] for name in ("contour_kept", "name", "worst")}
    for _ in range(3):
        began = time.monotonic()
        tab = opened(path)
        tab.wait_for_function(SEEN)
        opening.append(time.monotonic() - began)
        for name, took in sorting.items():
            took.append(tab.evaluate(SORT, name))
    assert min(opening) < OPEN_SECONDS, opening
    assert all(min(took) < SORT_MILLISECONDS for took in sorting.values()), sorting
    assert tab.locator(".card").count() < 100
    tab.keyboard.press("End")
    tab.locator(".card a").first.focus()
    tab.keyboard.press("End")
    tab.wait_for_function("() => document.activeElement.closest?.('[aria-posinset=\"10000\"]')")
    assert tab.locator(".card").count() < 100
