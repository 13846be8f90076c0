"""The frozen forms: every node's inputs and outputs as lines, in their order, in schema.json.

Workflows save widget values by position and links by slot, so a form may only grow at its end, by
optional inputs and by outputs. One line was taken out by hand: Place Object's `box` of newer pages,
which stayed in force where it was not seen; the placing view replaces it.

To record what was appended (and nothing else), name a server of the newest version:

    .venv/bin/python tests/comfy/snapshot.py http://127.0.0.1:8188
"""

import json
import sys
import urllib.request
from pathlib import Path

FILE = Path(__file__).parent / "schema.json"
PREFIX = "DIB_"


def described(info: dict) -> dict:
    """Our nodes of /object_info as schema.json has them."""
    ours = {name: node for name, node in sorted(info.items()) if name.startswith(PREFIX)}
    return {
        name: {
            "inputs": [
                _line(name, spec, kind == "optional")
                for kind in ("required", "optional")
                for name, spec in node["input"].get(kind, {}).items()
            ],
            "outputs": [
                f"{name}: {kind}"
                for name, kind in zip(node["output_name"], node["output"], strict=True)
            ],
        }
        for name, node in ours.items()
    }


def _line(name: str, spec: list, is_optional: bool) -> str:
    """One input, as in "row: INT, -16384 to 16384, default 0"."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    choices = kind if isinstance(kind, list) else options.get("options")
    words = [f"{name}: {'COMBO' if isinstance(kind, list) else kind}"]
    if choices and not options.get("image_upload"):  # an upload's choices are the user's files
        words.append(" | ".join(choices))
    if "min" in options:
        words.append(f"{options['min']:.15g} to {options['max']:.15g}")
    if kind == "FLOAT" and "step" in options:  # the page rounds a saved value to it
        words.append(f"step {options['step']:.15g}")
    if "default" in options and not options.get("image_upload"):
        words.append(f"default {_value(options['default'])}")
    return ", ".join(words + ["optional"] * is_optional)


def _value(default) -> str:
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    return f"{default:.15g}" if is_number else json.dumps(default)


def breaches(frozen: dict, current: dict) -> list[str]:
    """What breaks saved workflows: all but an optional input or an output at the end, or a node."""
    found = []
    for name, node in frozen.items():
        if name not in current:
            found.append(f"{name} is gone")
            continue
        for part in ("inputs", "outputs"):
            found += [f"{name}: {words}" for words in _part(part, node[part], current[name][part])]
    return found


def _part(part: str, frozen: list[str], current: list[str]) -> list[str]:
    for slot, line in enumerate(frozen):
        if current[slot : slot + 1] != [line]:
            return [f"{part} {slot} was {line!r}, is {''.join(current[slot : slot + 1])!r}"]
    if part == "outputs":
        return []
    added = current[len(frozen) :]
    return [f"input {line!r} is new and not optional" for line in added if "optional" not in line]


def main(address: str) -> None:
    """Add what was appended to schema.json; refuse where something frozen has changed."""
    with urllib.request.urlopen(f"{address}/object_info") as answer:
        current = described(json.load(answer))
    frozen = json.loads(FILE.read_text()) if FILE.exists() else {}
    if found := breaches(frozen, current):
        raise SystemExit("\n".join(found))
    FILE.write_text(json.dumps(current, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
