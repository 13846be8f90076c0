"""What the Comfy registry gets: its metadata, its files, and none of what its scanner looks for."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PUBLISH = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
LARGEST_PACK = 25_000_000  # bytes
KINDS = {
    *(".py", ".js", ".md", ".json", ".toml", ".jpg", ".png", ".safetensors", ".sha256", ".typed"),
    ".webp",  # a film's frames in one file
    "",
}

CALLS = {"eval", "exec", "compile", "__import__"}  # as methods, too: a scanner reads no types
MODULES = {
    *("subprocess", "multiprocessing", "pty", "ctypes", "pickle", "marshal", "dill", "base64"),
    *("socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp", "websocket"),
    *("ftplib", "smtplib", "webbrowser", "huggingface_hub", "pip", "ensurepip", "setuptools"),
}
OF_OS = r"environ\w*|getenvb?|putenv|unsetenv|system|popen|fork\w*|kill|exec\w+|spawn\w+|startfile"
OF_TORCH = r"hub|load"  # downloads, and unpickles


def git(*arguments: str) -> list[str]:
    command = ["git", *arguments]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def shipped() -> set[str]:
    """The tracked files less those that .comfyignore names: what comfy-cli packs."""
    ignored = git("ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore")
    return set(git("ls-files")) - set(ignored)


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", ""))


def _imported(node: ast.AST) -> list[str]:
    """Dotted names of what a statement imports or an attribute reaches."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{name.name}" for name in node.names]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [f"{node.value.id}.{node.attr}"]
    return []


def tripwires(code: str) -> list[str]:
    """What of `code` the registry's scanner would flag."""
    found = ["pip install"] if re.search(r"\bpip3?\s+install", code) else []
    for node in ast.walk(ast.parse(code)):
        found += [_called(node)] if _called(node) in CALLS else []
        for name in _imported(node):
            top = name.split(".")[0]
            # an attribute of something called `socket` is none of the module's without its import
            imports = top in MODULES and not isinstance(node, ast.Attribute)
            if imports or re.fullmatch(rf"os\.({OF_OS})|torch\.({OF_TORCH})(\..*)?", name):
                found.append(name)
    return found


TRIPPING = {
    "eval('1')": "eval",
    "model.eval()": "eval",
    "exec('x = 1')": "exec",
    "compile('1', '', 'eval')": "compile",
    "__import__('os')": "__import__",
    "import subprocess": "subprocess",
    "from subprocess import run": "subprocess.run",
    "import urllib.request": "urllib.request",
    "import numpy, socket": "socket",
    "import os\nos.environ['A']": "os.environ",
    "from os import environ": "os.environ",
    "import os\nos.system('ls')": "os.system",
    "import os\nos.execv('a', [])": "os.execv",
    "import torch\ntorch.load('a')": "torch.load",
    "import torch\ntorch.hub.load('a', 'b')": "torch.hub",
    "'''run pip install x'''": "pip install",
}


@pytest.mark.parametrize("code", TRIPPING)
def test_the_tripwires_trip(code):
    assert TRIPPING[code] in tripwires(code)


def test_the_tripwires_let_ordinary_code_pass():
    code = "import os\nfrom safetensors.torch import load_file\nos.scandir('.')\nevaluation = 3"
    assert not tripwires(code)


def test_no_shipped_code_trips_the_scanner():
    code = sorted(name for name in shipped() if name.endswith(".py"))
    assert {"__init__.py", "nodes/extension.py", "blending/cli/main.py"} <= set(code)
    found = {name: tripwires((ROOT / name).read_text(encoding="utf-8")) for name in code}
    assert not {name: words for name, words in found.items() if words}


def test_all_that_a_user_needs_is_shipped_and_nothing_of_the_workshop():
    files = shipped()
    needed = ["README.md", "LICENSE", "pyproject.toml", "blending/weights/vgg16.safetensors"]
    folders = ("blending/", "nodes/", "example_workflows/", "subgraphs/", "locales/")
    needed += [name for name in git("ls-files") if name.startswith(folders)]
    # These read the environment and start processes; all that nodes need runs without them.
    left_out = [
        name for name in needed if name.startswith(("blending/cluster/", "blending/gallery/"))
    ]
    left_out.append("blending/cli/waiting.py")
    assert len(left_out) > 10
    assert files >= set(needed) - set(left_out)
    assert not files & set(left_out)
    assert not [name for name in files if re.match(r"tests/|\.|build/", name)]


def test_only_known_kinds_of_file_are_shipped():
    assert not [name for name in shipped() if Path(name).suffix not in KINDS]


def test_the_pack_is_under_the_registry_s_size():
    assert sum((ROOT / name).stat().st_size for name in shipped()) < LARGEST_PACK


def test_the_registry_s_own_tool_packs_the_same_files(tmp_path):
    tool = shutil.which("comfy")
    if not tool:
        pytest.skip("comfy-cli is not on the PATH: ITS OWN PACKING WAS NOT COMPARED")
    copy = tmp_path / "pack"
    for name in git("ls-files"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    subprocess.run("git init -q && git add -Af", cwd=copy, shell=True, check=True)
    command = [tool, "--skip-prompt", "--no-enable-telemetry", "node", "pack"]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env=environment, timeout=60)
    assert set(zipfile.ZipFile(copy / "node.zip").namelist()) == shipped()


def test_the_metadata_keep_the_registry_s_rules():
    project, comfy = PROJECT["project"], PROJECT["tool"]["comfy"]
    assert re.fullmatch(r"[a-z](?:[-_.]?[a-z0-9]){0,98}", project["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert (ROOT / project["license"]["file"]).is_file()
    assert project["description"]
    assert project["requires-python"]
    assert "Operating System :: OS Independent" in project["classifiers"]
    assert comfy["DisplayName"] == "Deep Image Blending"
    assert "web" not in comfy  # WEB_DIRECTORY says it already


def test_the_oldest_comfyui_is_the_readme_s():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    oldest = re.search(r"ComfyUI (\d+\.\d+\.\d+) or newer", readme)
    assert PROJECT["tool"]["comfy"]["requires-comfyui"] == f">={oldest[1]}"


def test_the_owner_s_fields_are_filled_in_together():
    """What only the owner knows: all of it or nothing, and the publisher's workflow reads it."""
    publisher = PROJECT["tool"]["comfy"]["PublisherId"]
    repository = PROJECT["project"].get("urls", {}).get("Repository", "")
    assert bool(publisher) == bool(repository)


def test_publishing_is_by_hand_or_with_the_metadata_and_names_one_secret():
    assert "workflow_dispatch:" in PUBLISH
    assert "paths: [pyproject.toml]" in PUBLISH
    assert set(re.findall(r"secrets\.(\w+)", PUBLISH)) == {"REGISTRY_ACCESS_TOKEN"}
    assert "if: needs.owner.outputs.ours == 'true'" in PUBLISH


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ('Repository = "https://github.com/someone/pack"', "true"),
        ('Repository = "https://github.com/another/pack"', "false"),
        ('Repository = "https://github.com/someone/pack-2"', "false"),
        ("", "false"),
    ],
)
def test_only_the_repository_that_the_metadata_name_publishes(line, ours, tmp_path):
    script = re.search(r"run: \|\n((?: {10}.*\n)+)", PUBLISH)[1]
    (tmp_path / "pyproject.toml").write_text(f"[project.urls]\n{line}\n")
    environment = {"GITHUB_REPOSITORY": "someone/pack", "GITHUB_OUTPUT": "said"}
    command = ["bash", "-e", "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True, env=os.environ | environment)
    assert (tmp_path / "said").read_text() == f"ours={ours}\n"


def test_the_three_systems_run_the_readme_s_tests_on_each_python():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    install, test = re.search(
        r"\.venv/bin/(pip install -e .*) && \.venv/bin/(python .*)", readme
    ).groups()
    assert f"run: python -m {install}\n" in workflow
    assert f"run: {test}\n" in workflow
    pythons = re.search(r"python: \[(.*)\]", workflow)[1].replace('"', "").split(", ")
    assert f"({pythons[0]} to {pythons[-1]} are meant to do)" in readme
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert "system: [ubuntu, windows, macos]" in workflow
