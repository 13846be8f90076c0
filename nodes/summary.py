"""A report in a line or two, for the node itself. No ComfyUI here."""

import math
from collections import Counter
from collections.abc import Callable, Iterable

LINKED = "settings: Blend Settings node instead of preset {preset}"
LONGEST = 400  # letters on a node
# A confidence below it: the same colours on both sides had 0.01 to 0.18, other cases 0.39 and more.
UNSURE = 0.25
SAME = 0.01  # a gap in OKLab below it is none
FAINT = 0.1  # of the texture's amplitude: a seam below it is lost in it
LINK_PLACED = (
    "after a stage that cleans or harmonises link its placed source and placed mask, column 0, "
    "row 0"
)
PREPARING = "preparing…"
FRAME = "frame"  # what the pictures of a batch are
NO_STAGE = "preset {preset} has no second stage: the blend as it came"


def progress_line(sample: int, samples: int, number: int, budget: int, unit: str = FRAME) -> str:
    """What a node is doing, such as "frame 2 of 4: preparing…" or "evaluation 3 of at most 20".

    Args:
        sample: which picture of the batch, from 0.
        samples: how many there are.
        number: of the evaluation, from 1; 0 before its picture is prepared.
        budget: the most evaluations that the picture may take.
        unit: what a batch is one of, such as "frame" or "crop".
    """
    doing = f"evaluation {number} of at most {budget}" if number else PREPARING
    return ": ".join(filter(None, (frame_words(sample, samples, unit), doing)))


def frame_words(sample: int, samples: int, unit: str = FRAME) -> str:
    """Which picture of a batch, from 0, such as "frame 2 of 4"; empty where there is only one."""
    return f"{unit} {sample + 1} of {samples}" if samples > 1 else ""


def one_line(lines: Iterable[str], longest: int = LONGEST) -> str:
    """Words for a node: pages lose line feeds, and what does not fit is counted.

    Args:
        lines: the most important first; that one is always whole.
        longest: letters, beside the count.
    """
    first, *others = [line for line in lines if line] or [""]
    kept = [first]
    for line in others:
        if len("; ".join([*kept, line])) > longest:
            break
        kept.append(line)
    left_out = 1 + len(others) - len(kept)
    return "; ".join(kept + [f"and {left_out} more"] * bool(left_out))


def summary(report: dict, seam_of: str) -> list[str]:
    """What a user wants to know when a stage has ended.

    Args:
        report: a stage node's: `stages` with one stage, `guard_rails`, perhaps `looks`,
            `settings_from` and `warnings`.
        seam_of: what the seam is compared with, such as "the plain paste's"; "": with nothing that
            is worth a word.

    Returns:
        Every warning, for what stands last is cut off on a narrow node; evaluations, seconds, seam
        and why it ended; which figures to look at and which are good; words where the preset does
        not count; every note.
    """
    stage = report["stages"][0]
    pictures = stage["pictures"]
    head = [f"{len(pictures)} pictures"] if len(pictures) > 1 else []
    head += [_work(stage), f"{stage['seconds']:.1f} s"]
    done = "; ".join([", ".join(head), *_seam(report["guard_rails"], seam_of), *_ends(pictures)])
    looks = [report["looks"]] if report.get("looks") else []
    lines = [*report.get("warnings", []), done, *looks]
    linked = [report["settings_from"]] if report.get("settings_from") else []
    return lines + linked + stage["notes"]


def _work(stage: dict) -> str:
    evaluations = sum(picture.get("evaluations", 0) for picture in stage["pictures"])
    if evaluations:
        return f"{evaluations} evaluation{'s' * (evaluations > 1)}"
    is_solved = any("pixels" in picture for picture in stage["pictures"])
    is_exact = stage["settings"].get("method") == "exact"
    return "solved exactly" if is_solved and is_exact else "nothing to do"


def seam_of_panels(report: dict) -> list[str]:
    """Laplacian Preview's report in words: the seam beside plain paste's, and what may be amiss."""
    rails = [
        {
            "seam_ratio": picture["result"]["seam_peak"] / picture["paste"]["seam_peak"],
            "seam_share": picture["result"]["seam_share"],
        }
        for picture in report["pictures"]
        if "result" in picture
        and picture["result"]["seam_peak"] is not None
        and picture["paste"]["seam_peak"]
    ]
    words = _seam(rails, "the plain paste's") or ["no seam to compare"]
    return words + [LINK_PLACED] * words[0].startswith("seam look")


def _seam(guard_rails: list[dict], seam_of: str) -> list[str]:
    """Good: less than the paste's, or too faint to be seen in the texture."""
    known = [
        (figures["seam_ratio"], figures.get("seam_share", math.inf))
        for figures in guard_rails
        if figures.get("seam_ratio") is not None
    ]
    if not known or not seam_of:
        return []
    left = [share for ratio, share in known if ratio >= 1]
    if left and max(left) < FAINT:
        return [f"seam good: at most {max(left):.0%} of the texture"]
    return [
        f"seam {'look' if left else 'good'}: {_range([r for r, _ in known], '{:.2f}')} of {seam_of}"
    ]


def _ends(pictures: list[dict]) -> list[str]:
    reasons = Counter(p["stop_reason"] for p in pictures if p.get("stop_reason"))
    if len(reasons) == 1:
        return [f"ended: {next(iter(reasons))}"]
    return [f"ended: {', '.join(f'{n} {reason}' for reason, n in reasons.items())}"] * bool(reasons)


def words_of_cutout(figures: dict) -> str:
    """What became of a mask.

    Args:
        figures: those of `CleanCutout`.

    Returns:
        Words for the node; pictures that fared alike are counted together.
    """
    if figures["width"] == 0:
        return "width 0: source and mask as they came"
    lists = {name: values for name, values in figures.items() if isinstance(values, list)}
    rows = zip(*lists.values(), strict=True)
    pictures = [dict(zip(lists, row, strict=True)) for row in rows]
    return _counted(_fate_of_mask, _of_masks, pictures)


def _fate_of_mask(picture: dict) -> str:
    edge = "edge colours cleaned" if picture["recoloured"] else "edge colours kept"
    if picture["pixels"] == 0:
        return "nothing under the mask"
    if not picture["background_known"]:
        return f"nothing outside the mask teaches the background: alpha kept, {edge}"
    if picture["removed"]:
        return "removed"
    if picture["confidence"] < UNSURE:
        return "the same colours inside and outside: nothing removed"
    return f"nothing to remove, {edge}"


def _of_masks(fate: str, pictures: list[dict]) -> str:
    confidence = _range([picture["confidence"] for picture in pictures], "{:.2f}")
    if fate == "removed":
        shares = _range([100 * picture["removed_share"] for picture in pictures], "{:.1f}")
        unsure = any(picture["confidence"] < UNSURE for picture in pictures)
        low = " (low: look at removed)" if unsure else ""
        return f"removed {shares} % of the mask, confidence {confidence}{low}"
    return f"{fate}, confidence {confidence}" if fate.startswith("nothing to") else fate


def words_of_harmony(pictures: list[dict], strength: float, whose: str = "place") -> str:
    """How far colours were moved.

    Args:
        pictures: figures of `Harmonised`, {} where nothing was under the mask.
        strength: that was asked for.
        whose: colours they were moved towards.

    Returns:
        Words for the node; pictures that fared alike are counted together.
    """
    if strength == 0:
        return "strength 0: the source as it came"

    def fate(picture: dict) -> str:
        if not picture:
            return "nothing under the mask"
        if not picture["place_pixels"]:
            return f"the {whose} has no pixel outside the mask to learn from: source as it came"
        return "moved"

    def said(fate: str, alike: list[dict]) -> str:
        return _moved(alike, whose) if fate == "moved" else fate

    return _counted(fate, said, pictures)


def _moved(pictures: list[dict], whose: str) -> str:
    far, near = [], []
    for name, label in (("chroma", "colour"), ("lightness", "lightness")):
        gaps = [(abs(p[f"{name}_gap_before"]), abs(p[f"{name}_gap_after"])) for p in pictures]
        shares = [100 * (1 - after / before) for before, after in gaps if before >= SAME]
        if shares:
            far.append(f"{label} {_range(shares, '{:.0f}')} %")
        else:
            near.append(label)
    to = "" if near else f" to the {whose}'s"
    parts = [f"{', '.join(far)} of the way{to}"] * bool(far)
    parts += [f"{' and '.join(near)} already like the {whose}'s"] * bool(near)
    flips = _range([100 * picture["hue_flip_share"] for picture in pictures], "{:.1f}")
    return f"{', '.join(parts)}; hues flipped {flips} %"


def _counted(
    fate: Callable[[dict], str], said: Callable[[str, list[dict]], str], pictures: list[dict]
) -> str:
    """Each fate once, with the number of its pictures where there are several."""
    alike: dict[str, list[dict]] = {}
    for picture in pictures:
        alike.setdefault(fate(picture), []).append(picture)
    parts = [(len(group), said(name, group)) for name, group in alike.items()]
    if len(pictures) == 1:
        return parts[0][1]
    if len(parts) == 1:
        return f"{len(pictures)} pictures: {parts[0][1]}"
    return "; ".join(f"{count} of {len(pictures)}: {words}" for count, words in parts)


def _range(values: list[float], form: str) -> str:
    """The values' range, such as "0.2 to 0.5", or the one value that all show."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"
