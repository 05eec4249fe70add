"""The house stands: floors, docstrings, no dangerous calls, and the checkers of style, types and rules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "workflow" / "facetory"
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

GROUND = {"pipeline"}
FIRST = GROUND | {"data", "faces", "metrics"}
SECOND = FIRST | {"training", "diffusion", "recognition", "report"}
WINGS = {"emodc", "smc", "affectdiff", "adaptdiff"}
BELOW = {
    "pipeline": set(),
    "data": GROUND,
    "metrics": GROUND,
    "faces": GROUND | {"data"},
    "training": FIRST,
    "report": FIRST,
    "diffusion": FIRST | {"training"},
    "recognition": FIRST | {"training", "diffusion"},
    **dict.fromkeys(WINGS, SECOND),
    "rehearsal": SECOND | WINGS,
    "cli": SECOND | WINGS | {"rehearsal"},
}
"""What each folder may import besides itself; wings (one a paper) never import each other."""


def facetory_imports(tree):
    """The facetory modules that a file imports anywhere, its functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "facetory")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            if node.module == "facetory":
                yield from (f"facetory.{alias.name}" for alias in node.names)
            elif node.module.startswith("facetory."):
                yield node.module


def climbs(name, tree):
    """The folders above its own from which a file imports."""
    own = Path(name).parts[0]
    folders = {module.split(".")[1] for module in facetory_imports(tree)}
    return sorted(folders - BELOW[own] - {own})


def test_every_folder_has_its_floor():
    assert {Path(name).parts[0] for name in FILES} - {"__init__.py"} == set(BELOW)


@pytest.mark.parametrize("name", [name for name in FILES if name != "__init__.py"])
def test_a_file_imports_only_from_below_or_its_own_folder(name):
    assert climbs(name, TREES[name]) == []


@pytest.mark.parametrize(
    ("name", "line", "found"),
    [
        ("pipeline/x.py", "import facetory.data.index", ["data"]),
        ("metrics/x.py", "from facetory.data import index", ["data"]),
        ("training/x.py", "def f():\n    from facetory import diffusion", ["diffusion"]),
        ("diffusion/x.py", "from facetory.recognition.probes import probe", ["recognition"]),
        ("emodc/x.py", "from facetory.cli.study import load_study", ["cli"]),
        ("emodc/x.py", "from facetory.smc.losses import guide", ["smc"]),
        ("emodc/x.py", "from facetory.emodc.losses import amdit", []),
    ],
)
def test_climbing_would_be_seen(name, line, found):
    assert climbs(name, ast.parse(line)) == found


def members(scope):
    """The functions and classes that stand directly in a module or a class."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in scope.body if isinstance(node, kinds)]


LOOP = TREES["training/loop.py"]
TASK = {method.name for scope in members(LOOP) if scope.name == "Task" for method in members(scope)}
"""What every task of the loop has; the protocol documents it once for all of them."""


def undocumented(tree):
    """The public functions, classes and methods of a file, and the file itself, that lack a docstring."""
    found = [] if not tree.body or ast.get_docstring(tree) else ["the module"]
    classes = [node for node in members(tree) if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    for scope in (tree, *classes):
        for node in members(scope):
            documented = ast.get_docstring(node) or (scope is not tree and node.name in TASK)
            if node.name[0] != "_" and not documented and ast.unparse(node.body[-1]) != "...":
                found.append(f"{node.name} (line {node.lineno})")
    return found


@pytest.mark.parametrize("name", FILES)
def test_what_is_public_has_a_docstring(name):
    assert undocumented(TREES[name]) == []


def dangers(tree):
    """Calls that could run what a file holds: unsafe YAML, pickles, code in strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            yield from sorted(names & {"pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"})
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            unsafe = {
                "yaml.load": True,
                "yaml.unsafe_load": True,
                "torch.load": keywords.get("weights_only") != "True",
                "np.load": keywords.get("allow_pickle") == "True",
                "eval": True,
                "exec": True,
            }
            if unsafe.get(called) or keywords.get("shell") == "True":
                yield called


@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_what_a_file_holds(name):
    assert list(dangers(TREES[name])) == []


@pytest.mark.parametrize(
    "line",
    [
        "yaml.load(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_danger_would_be_seen(line):
    assert list(dangers(ast.parse(line)))


def test_safe_calls_pass():
    assert not list(dangers(ast.parse("yaml.safe_load(t); torch.load(p, weights_only=True); unet.eval()")))


def test_a_missing_docstring_would_be_seen():
    source = '"""A module."""\nclass A:\n    """A."""\n    def b(self): pass\n    def _c(self): pass\n'
    assert undocumented(ast.parse(source)) == ["b (line 4)"]
    assert {"modules", "parameter_groups", "loss", "validate"} == TASK


CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "snakefmt": ["snakefmt", "--check", "Snakefile", "workflow/rules"],
    "snakemake --lint": ["snakemake", "--lint"],
}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_the_checkers_are_content(check):
    program, *arguments = CHECKS[check]
    line = [str(Path(sys.executable).with_name(program)), *arguments]
    result = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
