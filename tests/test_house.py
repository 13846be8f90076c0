"""The house rules that a tool can check: formatting, types, layout, the README's promises."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What tools demand by name stands beside the fixed top level.
TOP_LEVEL = {
    "__init__.py",
    "nodes",
    "blending",
    "tests",
    "pyproject.toml",
    "README.md",
    "example_workflows",
    "LICENSE",
    ".ci",
    ".github",
    ".comfyignore",
    ".gitignore",
    "locales",
    "subgraphs",
}
LONGEST_FILE, LONGEST_FUNCTION = 200, 40
MAY_BE_LONGER = {"minimize", "define_schema"}  # a loop with its closure; a form


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_ruff_finds_nothing():
    result = run("ruff", "check", ".")
    assert result.returncode == 0, result.stdout


def test_the_code_is_formatted():
    result = run("ruff", "format", "--check", ".")
    assert result.returncode == 0, result.stdout


def test_pyright_finds_nothing():
    result = run("pyright", "--pythonpath", sys.executable)
    assert result.returncode == 0, result.stdout


def test_the_top_level_holds_nothing_else():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert names <= TOP_LEVEL


def test_the_core_imports_nothing_of_comfyui():
    for path in tracked("blending/*.py", "blending/**/*.py"):
        words = re.findall(r"^\s*(?:import|from) (\S+)", path.read_text(), re.MULTILINE)
        assert not {word.split(".")[0] for word in words} & {"comfy", "comfy_api", "folder_paths"}


def test_files_and_functions_keep_their_limits():
    for path in tracked("blending/*.py", "blending/**/*.py", "nodes/*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_FILE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                long = body_length(node) > LONGEST_FUNCTION
                assert not long or node.name in MAY_BE_LONGER, f"{path}: {node.name}"


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 250
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.weights
def test_the_readme_python_code_runs(capsys, tmp_path):
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    for block in code:
        (tmp_path / "readme.py").write_text(block, encoding="utf-8")
        runpy.run_path(str(tmp_path / "readme.py"))
    assert "torch.Size([1, 3, 96, 128])" in capsys.readouterr().out


def test_the_readme_names_every_option_of_the_command_line():
    helped = run("blending", "--help").stdout
    for option in re.findall(r"--[a-z-]+", helped):
        assert option == "--help" or option in README, option


def test_run_time_dependencies_are_left_to_comfyui():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"^dependencies = \[\]$", text, re.MULTILINE)
