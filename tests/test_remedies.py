"""Every remedy and command that is printed or written down can be followed, and names what there is."""

import ast
import re
import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from tlkit import backbones, tasks
from tlkit.cli import _commands, app, cli
from tlkit.cli.saying import console
from tlkit.errors import UserError
from tlkit.plans import Plan
from tlkit.plans.freezing import refuse_unfit
from tlkit_lessons import downloads

ROOT = Path(__file__).resolve().parent.parent
BOOK = ("your_own_data", "many_machines", "on_colab_and_kaggle", "how_we_measure", "teaching")
PAGES = ("README.md", "CONTRIBUTING.md", "data/README.md", *(f"book/{page}.md" for page in BOOK), "Makefile")


def told() -> list[tuple[str, str]]:
    """(file, text) of every string of the packages, a hole in it filled with X, and of every page."""
    found = [(page, (ROOT / page).read_text("utf-8")) for page in PAGES]
    for file in [file for floor in ("tlkit", "tlkit_lessons") for file in (ROOT / floor).rglob("*.py")]:
        tree = ast.parse(file.read_text("utf-8"))
        within = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
                found.append((str(file.relative_to(ROOT)), "".join(parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
                found.append((str(file.relative_to(ROOT)), node.value))
    return found


def commands(file: str, text: str) -> list[list[str]]:
    """Those in backticks, those to be used, and of pages those on a line of their own, as words."""
    found = re.findall(r"`tlkit ([^`\n]+)`|use it: tlkit ([^)\n]+)", text)
    found += [] if file.endswith(".py") else re.findall(r"^\s*@?(?:\S*/)?()tlkit ([a-z].*)$", text, re.M)
    lines = [re.split(r" && |  #| \|\| |\)`", "".join(line))[0] for line in found]
    return [shlex.split(line) for line in lines]


ALL = sorted({(file, shlex.join(words)) for file, text in told() for words in commands(file, text)})


@pytest.fixture(autouse=True, scope="module")
def registered():
    """Those of the lessons too, as when the program starts."""
    _commands()


def test_commands_are_found():
    files = {file for file, _ in ALL}
    assert {"README.md", "CONTRIBUTING.md", "Makefile"} <= files and len(ALL) > 20, ALL
    found = {words for _, words in ALL}
    assert {"data get X", "data list", "compare"} <= found, found


@pytest.mark.parametrize(("file", "text"), ALL)
def test_a_command_has_its_name_and_its_options(file, text):
    words, command = shlex.split(text), typer.main.get_command(cli)
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands or words[0].startswith("-"), f"{file}: tlkit {text}"
        if words[0].startswith("-"):
            break
        command = command.commands[words.pop(0)]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
    assert not {word for word in words if re.match("--?[a-z]", word)} - known, f"{file}: tlkit {text}"
    if text.startswith("data get"):
        assert set(words) - {"X", "NAME", "$(WEIGHTS)"} <= {info.name for info in downloads.listing()}


def test_what_pip_shall_install_there_is():
    """Extras are those of this package, packages those that it declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    names = {canonicalize_name(Requirement(line).name) for line in declared} | {"tlkit", "uv"}
    found = [
        (f, line) for f, text in told() for line in re.findall(r"pip install ([^`\n;:,]*\w[^`\n;:,]*)", text)
    ]
    assert len(found) >= 6
    for file, line in found:
        for asked in re.findall(r"\[([a-z,]+)\]", line):
            assert set(asked.split(",")) <= set(extras), f"{file}: pip install {line}"
        for word in re.findall(r"'([a-z-]+)\[", line):
            assert canonicalize_name(word) in names, f"{file}: pip install {line}"


def test_the_doctors_remedies_name_what_there_is(monkeypatch, capsys, tmp_path):
    """As on a machine that has nothing."""
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(
        metadata, "version", lambda name: (_ for _ in ()).throw(metadata.PackageNotFoundError)
    )
    monkeypatch.setattr(console, "_width", 4000)
    monkeypatch.setattr(sys, "argv", ["tlkit", "doctor"])
    with pytest.raises(SystemExit):
        app()
    out = " ".join(re.sub("[│|┃]", " ", capsys.readouterr().out).split())
    steps = re.findall("`([^`]+)`", out)
    assert len(steps) >= 5, out
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(x for lines in project["optional-dependencies"].values() for x in lines),
    ]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    for step in steps:
        if step.startswith("tlkit data get "):
            assert set(step.split()[3:]) <= {info.name for info in downloads.listing()}, step
        elif step.startswith("pip install -c"):
            assert step.endswith("-e .[dev]") and (ROOT / step.split()[3]).is_file()
        elif step.startswith("pip install "):
            assert {
                canonicalize_name(Requirement(word.strip("'")).name) for word in step.split()[2:]
            } <= names, step


def test_networks_that_are_named_as_examples_are_known():
    """By name alone: nothing is fetched."""
    pattern = re.compile(r"\b(?:timm|torchvision):[a-z][a-z0-9_]+(?:,[a-z]+=[a-z0-9]+)*")
    found = {name for file, text in told() for name in pattern.findall(text) if file.startswith("tlkit/")}
    assert "timm:resnet18" in found
    for name in found:
        assert backbones.load(name).name == name


def test_what_select_asks_for_is_a_backbone(tmp_path):
    import timm

    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "own.pt")
    name, task = "timm:resnet18,size=32", tasks.load("digits")
    for weights in (None, str(tmp_path / "own.pt")):
        with pytest.raises(UserError, match="name the backbone") as refused:
            refuse_unfit(Plan.parse("select"), task.objective, backbones.load(name, weights))
        remedy = re.search(r"name the backbone (\S+?)[.,]? ?(?:with .*)?$", str(refused.value))[1].rstrip(
            ".,"
        )
        assert backbones.load(remedy, weights).blueprint["reach"]["features"] == "all"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the README speaks of, where it is read."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for level, kind in ((60, "bolt"), (190, "nut")):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(level - 30, level + 30, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{i:03d}.jpg")
    Image.fromarray(pixels).save(tmp_path / "new_picture.jpg")


def ended(monkeypatch, capsys, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["tlkit", *words])
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code or 0
    return code, "".join(capsys.readouterr())


def test_the_readme_of_a_folder_can_be_followed(folder, monkeypatch, capsys):
    """With fewer seeds and a small network; and what is printed is followed in its turn."""
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"```sh\n(tlkit advise --folder.*?)```", text, re.S)[1]
    first, dry, run, ask = (shlex.split(line)[1:] for line in block.splitlines())
    code, out = ended(monkeypatch, capsys, *first, "--backbones", "letters", "--minutes", "0.1")
    assert code == 0 and "tlkit compare" in out, "it ends with the command to type next"
    code, out = ended(monkeypatch, capsys, *dry, "--backbone", "letters")
    assert code == 0 and "25 fits to run" in out, "five plans from five draws"
    small = ("--backbone", "letters", "--plans", "frozen", "--seeds", "1", "--steps", "2", "--jobs", "1")
    code, out = ended(monkeypatch, capsys, *run, *small)
    assert code == 0 and "model:  build/photos.model" in out.replace("\\", "/")
    assert ended(monkeypatch, capsys, *ask)[0] == 0
    printed = shlex.split(re.search(r"use it: (tlkit predict .*)\)", out)[1])
    code, out = ended(monkeypatch, capsys, *printed[1:-1], "new_picture.jpg")
    assert code == 0 and "nut" in out
