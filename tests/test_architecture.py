"""What the shape of the code promises: direction of imports, sizes, names, nothing of one machine."""

import ast
import importlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tlkit

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tlkit"

# A module may import those of the rows above its own, and nothing beside or below it.
ROWS = [
    ["errors"],
    ["files"],
    ["env", "records", "stats"],
    ["cache", "simulate"],
    ["tasks", "backbones"],
    ["plans"],
    ["features", "recipe", "saved"],
    ["fit", "scores"],
    ["study", "adapt"],
    ["claims", "forecast", "plots"],
    ["widgets", "workbook"],
    ["report"],
    ["cli"],
]
LEVEL = {module: level for level, row in enumerate(ROWS) for module in row}

# What only the machine of one person has.
FOREIGN = re.compile(
    r"(?<![\w.])/(?:tmp|root|home)/",
    re.IGNORECASE,
)
LARGEST = 2_000_000  # bytes of a tracked file
SOURCES = sorted(PACKAGE.rglob("*.py"))


def ident(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """`tlkit/fit/loop.py` → `fit`; `tlkit/__init__.py` → ``."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def imported(source: str, package: tuple[str, ...] = ()) -> Iterator[str]:
    """Dotted names that `source` imports, in functions too; relative ones seen from `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def inner_imports(path: Path) -> set[str]:
    """The modules of tlkit that a file imports."""
    package = path.relative_to(ROOT).parent.parts
    names = [name.split(".") for name in imported(path.read_text(encoding="utf-8"), package)]
    return {parts[1] for parts in names if parts[0] == "tlkit" and len(parts) > 1} & LEVEL.keys()


def test_relative_and_late_imports_are_seen():
    source = "from ..errors import UserError\nfrom . import loop\ndef f():\n    import fastai.basics as b\n"
    assert set(imported(source, ("tlkit", "fit"))) == {
        "tlkit.errors.UserError",
        "tlkit.fit.loop",
        "fastai.basics",
    }


def test_every_module_has_its_row():
    assert {module_of(path) for path in SOURCES} - {""} <= LEVEL.keys()


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_imports_point_down(path):
    own = module_of(path)
    below = {name for name in inner_imports(path) - {own} if own == "" or LEVEL[name] >= LEVEL[own]}
    assert not below, f"{ident(path)} imports {sorted(below)}, which stand beside or above it"


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_nothing_that_only_unix_has_is_needed_on_import(path):
    top = [
        node
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {name.split(".")[0] for node in top for name in imported(ast.unparse(node))}
    assert not names & {"resource", "fcntl", "pwd", "grp", "termios"}


def test_one_file_imports_fastai():
    found = [
        p
        for p in SOURCES
        if any(n.split(".")[0] == "fastai" for n in imported(p.read_text(encoding="utf-8")))
    ]
    assert [module_of(path) for path in found] == ["fit"]


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_a_module_is_at_most_250_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_a_function_fits_a_screen(path):
    functions = (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef))
    lengths = {f.name: f.end_lineno - f.lineno + 1 for f in functions}
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_names_say_something_and_imports_name_what_they_take(path):
    assert not {"utils", "util", "helpers", "common", "misc"} & {path.stem, path.parent.name}
    assert not [name for name in imported(path.read_text(encoding="utf-8")) if name.endswith(".*")]


def test_every_module_is_an_attribute_of_the_package():
    public = {module_of(path) for path in SOURCES} - {"", "cli"}
    assert {name for name in public if name not in dir(tlkit)} == set()
    for name in public:
        assert getattr(tlkit, name) is importlib.import_module(f"tlkit.{name}")
    with pytest.raises(AttributeError, match="fits"):
        tlkit.fits  # noqa: B018


def test_every_import_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    known = metadata.packages_distributions()
    ours = {"tlkit", "tools", "benchmarks", "conftest", *sys.stdlib_module_names}
    undeclared = {}
    for folder in ("tlkit", "tools", "tests", "benchmarks", "notebooks/source"):
        files = sorted((ROOT / folder).rglob("*.py"))
        siblings = {path.stem for path in files} | {path.parent.name for path in files}
        for path in files:
            tops = {name.split(".")[0] for name in imported(path.read_text(encoding="utf-8"), ("tlkit",))}
            for top in tops - ours - siblings:
                if not declared & {canonicalize_name(dist) for dist in known.get(top, [top])}:
                    undeclared[ident(path)] = top
    assert undeclared == {}


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout: the tracked files are what is looked at")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def readable(path: Path) -> str:
    """The text of a file; of a notebook without its pictures, whose base64 can spell anything."""
    text = path.read_bytes().decode("utf-8", errors="ignore")
    if path.suffix != ".ipynb":
        return text
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            output["data"] = {
                k: v for k, v in output.get("data", {}).items() if not k.startswith("image/png")
            }
    return json.dumps(notebook, ensure_ascii=False)


def test_nothing_of_one_machine_in_the_files():
    suspects = {".safetensors", ".png", ".npz"}
    files = [p for p in tracked() if p.relative_to(ROOT).parts[0] != "tests" and p.suffix not in suspects]
    found = {ident(path): sorted({m.group() for m in FOREIGN.finditer(readable(path))}) for path in files}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("see /tmp/x", True),
        ("file:///home/me", True),
        ("https://a.org/home/", False),
        ("../shared/cache", False),
    ],
)
def test_the_pattern_for_foreign_words(text, caught):
    assert bool(FOREIGN.search(text)) is caught


def test_no_tracked_file_is_large():
    sizes = {ident(path): path.stat().st_size for path in tracked()}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def test_importing_the_package_costs_next_to_nothing():
    """About 10 ms when quiet; the limit leaves room for a machine under load."""
    gaps = [seconds("import tlkit") - seconds("pass") for _ in range(5)]
    assert statistics.median(gaps) <= 0.3


def test_importing_the_package_imports_no_torch():
    code = "import sys, tlkit; sys.exit(bool({'torch', 'numpy', 'fastai'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
