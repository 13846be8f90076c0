"""The page's plain functions, nodes/web/*.js, called in node, which knows nothing of a page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "nodes" / "web"
CALLER = """
const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const {file, calls} = JSON.parse(Buffer.concat(chunks))
const functions = await import(`./${file}`)
console.log(JSON.stringify(calls.map(([name, ...given]) => functions[name](...given))))
"""


def call(folder: Path, file: str, calls: list[list]) -> list:
    """What functions of a file return; each call is its name and what it is given."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not on the PATH: THE PAGE'S FUNCTIONS WERE NOT TRIED")
    for path in WEB.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "caller.js").write_text(CALLER)
    asked = json.dumps({"file": file, "calls": calls})
    command = [node, str(folder / "caller.js")]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)
