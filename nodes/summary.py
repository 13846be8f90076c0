"""A stage's report in a line or two, for the node itself. No ComfyUI here."""

from collections import Counter
from collections.abc import Iterable

LINKED = "settings: Blend Settings node instead of preset {preset}"
LONGEST = 400  # letters on a node


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
        seam_of: what the seam is compared with, such as "the plain paste's".

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


def seam_of_panels(report: dict) -> str:
    """Laplacian Preview's report in words: the seam beside plain paste's."""
    seams = [
        (picture["result"]["seam"], picture["paste"]["seam"])
        for picture in report["pictures"]
        if "result" in picture
    ]
    ratios = [{"seam_ratio": seam / paste} for seam, paste in seams if paste and seam is not None]
    return "".join(_seam(ratios, "the plain paste's")) or "no seam to compare"


def _seam(guard_rails: list[dict], seam_of: str) -> list[str]:
    ratios = [figures.get("seam_ratio") for figures in guard_rails]
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return []
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return [f"seam {low if low == high else f'{low} to {high}'} of {seam_of}"]


def _ends(pictures: list[dict]) -> list[str]:
    reasons = Counter(p["stop_reason"] for p in pictures if p.get("stop_reason"))
    if len(reasons) == 1:
        return [f"ended: {next(iter(reasons))}"]
    return [f"ended: {', '.join(f'{n} {reason}' for reason, n in reasons.items())}"] * bool(reasons)
