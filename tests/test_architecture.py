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

# A module may import those of the rows above its own, and nothing beside or below it. The engine stands on
# nothing; the lessons stand on all of it.
ROWS = {
    "tlkit": [
        ["errors"],
        ["files"],
        ["env", "records", "registry", "stats"],
        ["tasks", "backbones"],
        ["plans"],
        ["compare"],
        ["features", "recipe", "saved_model"],
        ["fit"],
        ["study"],
        ["forecast", "plots"],
        ["advise"],
        ["report"],
        ["cli"],
    ],
    "tlkit_lessons": [
        ["downloads", "legible", "look", "screening"],
        [
            "adapt",
            "averaging",
            "costs",
            "drawing",
            "export",
            "material",
            "paired",
            "plan_strip",
            "ranking",
            "savings",
            "scores",
            "shortcuts",
        ],
        [
            "backtests",
            "clusters",
            "data",
            "detection",
            "doctor",
            "figures",
            "language",
            "language_modelling",
            "ledger",
            "selftest",
            "shifts",
            "sound",
        ],
        ["adaptations", "choosing", "judging", "nbNN", "notebooks"],  # nbNN: what one page needs
        ["widgets"],
        ["cli"],
    ],
}
LEVEL = {floor: {m: level for level, row in enumerate(rows) for m in row} for floor, rows in ROWS.items()}

# What only the machine of one person has.
FOREIGN = re.compile(
    r"(?<![\w.])/(?:tmp|root|home)/",
    re.IGNORECASE,
)
LARGEST = 2_000_000  # bytes of a tracked file
SOURCES = sorted(path for floor in ROWS for path in (ROOT / floor).rglob("*.py"))


def ident(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """`tlkit/fit/loop.py` → `fit`; `tlkit/__init__.py` → ``; `tlkit_lessons/nb13_stages.py` → `nbNN`."""
    return named(path.relative_to(ROOT).parts[1].removesuffix(".py").replace("__init__", ""))


def named(module: str) -> str:
    return "nbNN" if re.fullmatch(r"nb\d\d_\w+", module) else module


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


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
    """The modules of its own floor that a file imports."""
    floor, package = floor_of(path), path.relative_to(ROOT).parent.parts
    names = [name.split(".") for name in imported(path.read_text(encoding="utf-8"), package)]
    return {named(parts[1]) for parts in names if parts[0] == floor and len(parts) > 1} & LEVEL[floor].keys()


def test_relative_and_late_imports_are_seen():
    source = "from ..errors import UserError\nfrom . import loop\ndef f():\n    import fastai.basics as b\n"
    assert set(imported(source, ("tlkit", "fit"))) == {
        "tlkit.errors.UserError",
        "tlkit.fit.loop",
        "fastai.basics",
    }


def test_every_module_has_its_row():
    for floor, level in LEVEL.items():
        assert {module_of(path) for path in SOURCES if floor_of(path) == floor} - {""} == level.keys()


def test_the_engine_imports_nothing_of_the_lessons():
    found = {
        ident(path): name
        for path in SOURCES
        if floor_of(path) == "tlkit"
        for name in imported(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parent.parts)
        if name.split(".")[0] == "tlkit_lessons"
    }
    assert found == {}


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_imports_point_down(path):
    own = module_of(path)
    level = LEVEL[floor_of(path)]
    below = {name for name in inner_imports(path) - {own} if own == "" or level[name] >= level[own]}
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
def test_a_module_is_at_most_250_lines_and_that_of_a_page_300(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= (300 if module_of(path) == "nbNN" else 250)


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_a_function_fits_a_screen(path):
    functions = (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef))
    lengths = {f.name: f.end_lineno - f.lineno + 1 for f in functions}
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}


@pytest.mark.parametrize("path", SOURCES, ids=ident)
def test_names_say_something_and_imports_name_what_they_take(path):
    assert not {"utils", "util", "helpers", "common", "misc"} & {path.stem, path.parent.name}
    assert not [name for name in imported(path.read_text(encoding="utf-8")) if name.endswith(".*")]


WORDS_OF_PLANS = {"where", "start", "schedule"}


def compared(source: str) -> set[str]:
    """The words of a plan that are compared in `source`: `plan.where == "all"`, `match plan.start`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        sides += [node.subject] if isinstance(node, ast.Match) else []
        parts = [part for side in sides for part in (side.elts if isinstance(side, ast.Tuple) else [side])]
        found |= {part.attr for part in parts if isinstance(part, ast.Attribute)} & WORDS_OF_PLANS
    return found


def test_what_a_plan_means_is_asked_of_its_row():
    """A plan that is new, or another package's, must not meet a comparison that has not heard of it."""
    found = {ident(p): compared(p.read_text("utf-8")) for p in SOURCES if module_of(p) != "plans"}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('if plan.where == "all": pass', {"where"}),
        ('x = plan.start in ("random", "probe")', {"start"}),
        ('x = "gradual" != self.plan.schedule', {"schedule"}),
        ('x = (plan.where, plan.start) == ("all", "random")', {"where", "start"}),
        ('match plan.where:\n    case "all": pass', {"where"}),
        ("x = plan.raw and table[plan.where]", set()),
    ],
)
def test_a_comparison_of_a_plans_words_is_seen(source, words):
    assert compared(source) == words


def public(path: Path) -> set[str]:
    """The public functions and classes that a file defines."""
    kinds = ast.FunctionDef | ast.ClassDef
    found = (node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kinds))
    return {node.name for node in found if not node.name.startswith("_")}


def words(path: Path) -> set[str]:
    """Every name that a file uses, and imports, unless it is one that hands on what it imports."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    if path.name == "__init__.py":
        return used
    return used | {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_no_public_function_of_the_engine_has_one_notebook_as_its_only_caller():
    """By the names that files use: one that means two things may hide another, none is accused wrongly."""
    pages = {path: words(path) for path in (ROOT / "notebooks" / "source").glob("[0-9]*.py")}
    tools = [path for folder in ("tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    code = {path: words(path) for path in [*SOURCES, *tools]}
    found = {}
    for path in SOURCES:
        if floor_of(path) == "tlkit":
            alone = {name for name in public(path) if not any(name in used for used in code.values())}
            shown = {name: [page.stem for page, used in pages.items() if name in used] for name in alone}
            found |= {f"{ident(path)}: {name}": on[0] for name, on in shown.items() if len(on) == 1}
    assert found == {}


def test_every_module_is_an_attribute_of_the_package():
    public = {module_of(path) for path in SOURCES if floor_of(path) == "tlkit"} - {"", "cli"}
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
    ours = {"tlkit", "tlkit_lessons", "tools", "benchmarks", "conftest", *sys.stdlib_module_names}
    undeclared = {}
    for folder in ("tlkit", "tlkit_lessons", "tools", "tests", "benchmarks", "notebooks/source"):
        files = sorted((ROOT / folder).rglob("*.py"))
        siblings = {path.stem for path in files} | {path.parent.name for path in files}
        for path in files:
            tops = {name.split(".")[0] for name in imported(path.read_text("utf-8"), ("tlkit",))}
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
