"""A stage's report in a line or two, for the node itself. No ComfyUI here."""

from collections import Counter

LINKED = "settings: Blend Settings node instead of preset {preset}"


def summary(report: dict, seam_of: str) -> str:
    """What a user wants to know when a stage has ended.

    Args:
        report: a stage node's: `stages` with one stage, `guard_rails`, perhaps `settings_from` and
            `warnings`.
        seam_of: what the seam is compared with, such as "the plain paste's".

    Returns:
        Evaluations, seconds, seam and why it ended; a line where the preset does not count; then
        every note and warning in a line of its own.
    """
    stage = report["stages"][0]
    pictures = stage["pictures"]
    head = [f"{len(pictures)} pictures"] if len(pictures) > 1 else []
    head += [_work(stage), f"{stage['seconds']:.1f} s"]
    lines = ["; ".join([", ".join(head), *_seam(report["guard_rails"], seam_of), *_ends(pictures)])]
    lines += [report["settings_from"]] if report.get("settings_from") else []
    return "\n".join(lines + stage["notes"] + report.get("warnings", []))


def _work(stage: dict) -> str:
    evaluations = sum(picture.get("evaluations", 0) for picture in stage["pictures"])
    if evaluations:
        return f"{evaluations} evaluation{'s' * (evaluations > 1)}"
    is_solved = any("pixels" in picture for picture in stage["pictures"])
    is_exact = stage["settings"].get("method") == "exact"
    return "solved exactly" if is_solved and is_exact else "nothing to do"


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
