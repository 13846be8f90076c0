"""House rules that a tool can check: formatting, types, imports, docstrings, README's promises.

Where everything stands: a folder of the core is a noun of the field, a file the name of a method.
"""

import ast
import graphlib
import re
import runpy
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

import blending

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
LONGEST_FILE = 400  # a place to look for a second idea, not a wall to build around
LONGEST_FUNCTION = 40
LARGEST_FOLDER = 14
MAY_BE_LONGER = {"minimize", "define_schema"}  # a loop with its closure; a form
# Imports of the core point down: each room may use the rooms of the lines below its own, not those
# beside it, but for what ALSO lists.
ALSO = {("strokes", "deep")}
FLOORS = (
    ("__main__",),
    ("gallery",),
    ("cluster",),
    ("cli",),
    ("pipeline", "repair"),
    ("stages", "quality", "plots"),
    ("deep", "poisson", "harmonise", "cutout", "strokes", "shadow"),
    ("image", "optimize", "pictures", "network"),
    ("placement",),
    ("presets",),
    ("settings",),
    ("checks", "validation", "report", "float64", "reductions", "free_memory"),
)
# A tensor's shape in a docstring: (B, 3, H, W), (N or 1, C, K), (N,), (..., H, W).
SHAPE = re.compile(r"\((?:[^(),]+|\.\.\.)(?:, [^(),]+)+\)|\([A-Z],\)")


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


def core() -> dict[str, ast.Module]:
    """The core's modules by their dotted names below `blending`, parsed."""
    files = tracked("blending/*.py", "blending/**/*.py")
    names = {path: path.relative_to(ROOT / "blending").with_suffix("").parts for path in files}
    return {".".join(name): ast.parse(path.read_text("utf-8")) for path, name in names.items()}


def imports(name: str, tree: ast.Module, modules: set[str]) -> set[str]:
    """The core's modules that one of them imports, at its top or where it needs them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = name.split(".")[: -node.level]
            base = [*folder, *(node.module or "").split(".")] if node.module else folder
            inner = {".".join([*base, alias.name]) for alias in node.names} & modules
            found |= inner or {".".join(base)}
    return found


CORE = core()
# blending/__init__.py imports its public names when they are asked for: it stands above them all.
ARROWS = {name: imports(name, tree, set(CORE)) for name, tree in CORE.items() if name != "__init__"}
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    return module.split(".")[0]


def test_the_core_s_arrows_are_seen():
    assert {"settings", "checks"} == ARROWS["presets"]
    assert {"optimize.lbfgs", "reductions"} == ARROWS["optimize.line_search"]
    assert {"image.components", "image.filters"} <= ARROWS["image.mask"]  # one of them late
    assert set().union(*ARROWS.values()) <= set(CORE)


def test_every_room_has_a_floor_and_few_files():
    rooms = {room(name) for name in ARROWS} - {"weights"}
    assert rooms == set(FLOOR_OF)
    for folder in rooms:
        files = [name for name in ARROWS if room(name) == folder and "__init__" not in name]
        assert len(files) <= LARGEST_FOLDER, folder


def test_imports_point_down():
    up = {
        f"{name} imports {other}"
        for name, others in ARROWS.items()
        for other in others
        if room(name) != room(other) and (room(name), room(other)) not in ALSO
        if FLOOR_OF[room(other)] <= FLOOR_OF[room(name)]
    }
    assert not up


def test_imports_run_in_no_circle():
    list(graphlib.TopologicalSorter(ARROWS).static_order())  # raises CycleError


def test_a_longest_chain_of_imports_is_short():
    """Through rooms 9, through files 12: __main__, cli.main, pipeline, ... settings, checks.

    The batch stands above the single command: what it adds of its own is counted apart, through
    files 11: the gallery's command, the batch's, rehearsal, run, the cluster's pool, ... files.
    """

    def longest(arrows: dict[str, set[str]]) -> int:
        length: dict[str, int] = {}
        for name in graphlib.TopologicalSorter(arrows).static_order():
            length[name] = 1 + max((length[other] for other in arrows.get(name, ())), default=0)
        return max(length.values())

    rooms: dict[str, set[str]] = {}
    for name, others in ARROWS.items():
        rooms.setdefault(room(name), set()).update({room(other) for other in others} - {room(name)})
    assert longest(rooms) <= 12  # 11 and the one step beside: strokes match deep features
    above = ("cluster", "gallery")
    below = {name: others for name, others in ARROWS.items() if room(name) not in above}
    without = {name: {o for o in others if room(o) not in above} for name, others in below.items()}
    assert longest(without) <= 13
    assert longest({name: others for name, others in ARROWS.items() if name not in below}) <= 11


HELP = """
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("blending", run_name="__main__")
except SystemExit:
    assert "torch" not in sys.modules
"""


def test_the_help_needs_no_torch():
    done = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--source" in done.stdout


EXACT = """
import sys
from blending.cli.main import main
assert main(sys.argv[1:]) == 0
for name in ("torchvision", "kornia", "torch._dynamo"):
    assert name not in sys.modules, name
"""


def test_an_exact_blend_loads_no_library_that_it_does_not_use(tmp_path):
    """torchvision's models alone took as long to load as torch."""
    demo = ROOT / "blending" / "demo"
    files = {"source": "rocket.png", "mask": "rocket_mask.png", "target": "starry_night.jpg"}
    given = [part for name, file in files.items() for part in (f"--{name}", str(demo / file))]
    given += ["--at", "100,100", "--stage", "exact", "--out", str(tmp_path / "blend.png")]
    command = [sys.executable, "-c", EXACT, *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_of_the_core_has_its_tests():
    """tests/blending/FOLDER/test_FILE.py for blending/FOLDER/FILE.py, and no other."""
    bare = {"__init__", "__main__"}
    named = {name for name in CORE if name.split(".")[-1] not in bare}
    folder = ROOT / "tests" / "blending"
    paths = [path for path in tracked("tests/blending/*.py") if path.name != "conftest.py"]
    found = [path.relative_to(folder) for path in paths]
    tested = {".".join([*path.parts[:-1], path.stem.removeprefix("test_")]) for path in found}
    assert tested == named | {"init"}


def public_functions(tree: ast.Module) -> list[tuple[str, ast.FunctionDef]]:
    """Functions and methods that others may call, with the names of their classes."""
    found = [(f.name, f) for f in tree.body if isinstance(f, ast.FunctionDef)]
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef) and not owner.name.startswith("_"):
            methods = [f for f in owner.body if isinstance(f, ast.FunctionDef)]
            found += [(f"{owner.name}.{f.name}", f) for f in methods]
    return [(name, f) for name, f in found if not f.name.startswith("_") or f.name == "__call__"]


def annotations(function: ast.FunctionDef) -> str:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    stated = [argument.annotation for argument in arguments] + [function.returns]
    return " ".join(ast.unparse(one) for one in stated if one is not None)


def test_what_takes_or_returns_tensors_states_a_shape():
    silent = [
        f"{module}.{name}"
        for module, tree in CORE.items()
        for name, function in public_functions(tree)
        if re.search(r"\bTensor\b", annotations(function))
        and not SHAPE.search(ast.get_docstring(function) or "")
    ]
    assert not silent


@pytest.mark.parametrize("words", ["a tensor (of pixels)", "f(x)", "RGB in [0, 1]", "(see below)"])
def test_these_words_state_no_shape(words):
    assert not SHAPE.search(words)


def raised(function: ast.AST, helpers: dict[str, ast.FunctionDef]) -> set[str]:
    """Names of the exceptions that a function raises itself or by private ones of its module."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            exception = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.add(ast.unparse(exception).split(".")[-1])
        called = node.func if isinstance(node, ast.Call) else None
        helper = helpers.get(getattr(called, "id", getattr(called, "attr", "")))
        if helper is not None and helper is not function:
            found |= raised(helper, {n: h for n, h in helpers.items() if h is not helper})
    return {name for name in found if name[0].isupper()}  # not a variable: it was raised before


def undocumented(tree: ast.Module) -> list[str]:
    """Exceptions that public functions raise and do not name."""
    private = {
        f.name: f
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef) and f.name.startswith("_") and f.name[1] != "_"
    }
    return [
        f"{name}: {exception}"
        for name, function in public_functions(tree)
        for exception in sorted(raised(function, private))
        if exception not in (ast.get_docstring(function) or "")
    ]


def test_what_is_raised_is_documented():
    found = {module: undocumented(tree) for module, tree in CORE.items()}
    assert not {module: words for module, words in found.items() if words}


def test_a_raise_through_a_private_function_is_found():
    code = 'def f(x):\n    """Do."""\n    _g(x)\ndef _g(x):\n    raise ValueError(x)\n'
    assert undocumented(ast.parse(code)) == ["f: ValueError"]
    assert not undocumented(ast.parse(code.replace("Do.", "Do; ValueError if not.")))


def test_what_takes_several_arguments_explains_them():
    """Each of them in a section of its own, or by its name or a shape in a line."""
    silent = []
    for module, tree in CORE.items():
        for name, function in public_functions(tree):
            words = ast.get_docstring(function) or ""
            names = [a.arg for a in [*function.args.args, *function.args.kwonlyargs]]
            names = [argument for argument in names if argument not in ("self", "cls")]
            if "Args:" in words:
                missing = [one for one in names if not re.search(rf"\b{one}\b", words)]
                silent += [f"{module}.{name}: {one}" for one in missing]
            elif len(names) > 2:
                silent.append(f"{module}.{name}")
    assert not silent


def test_nodes_take_public_names_of_the_core():
    for path in tracked("nodes/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            module = getattr(node, "module", None) or ""
            if not isinstance(node, ast.ImportFrom) or not module.startswith("blending"):
                continue
            names = {alias.name for alias in node.names}
            assert not [name for name in names if name.startswith("_")], path
            below = module.removeprefix("blending").removeprefix(".")
            if not below:
                assert names <= set(blending.__all__), path
            else:
                assert below in CORE, f"{path}: {module}"


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 250
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        link = unquote(link)  # a template's file is called as people read it, with spaces
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
