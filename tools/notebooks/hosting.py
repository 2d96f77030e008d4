"""Where a copy of the workbook is hosted: badges, links that leave the notebooks, and the set-up cell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tlkit.errors import UserError

ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/tree/([\w./-]+?))?/?")
OUTWARD = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+?)((?:#[^)\s]*)?)\)")

CELL = """\
# Adds tlkit where it is absent (Colab, Kaggle), and changes no package that is there.
import os, re, subprocess, sys
from glob import glob
from importlib import invalidate_caches, metadata, util

if not util.find_spec("tlkit"):
    assert sys.version_info >= (3, 11), "tlkit needs Python 3.11 or newer: choose a newer runtime."
    assert util.find_spec("torch"), "tlkit needs PyTorch: install torch and torchvision first."
    found = [*metadata.distributions()][::-1]  # of two versions of one package, the first on the path counts
    there = {re.sub("[-_.]+", "-", d.name).lower(): d.version for d in found if d.name}
    with open("installed.txt", "w") as pins:
        pins.writelines(f"{name}=={version}\\n" for name, version in there.items() if version[:1].isdigit())
    pip = [sys.executable, "-m", "pip", "install", "-q", "--retries=1", "--timeout=20", "-c", "installed.txt"]
    said = ""
    for source in filter(None, [os.environ.get("TLKIT_WHEEL"), *sorted(glob("tlkit-*.whl")), *@SOURCES@]):
        try:
            done = subprocess.run([*pip, source, *@EXTRAS@], capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            said = "conflict: pip found no way within three minutes"
            continue
        said = done.stderr.strip()
        if done.returncode == 0:
            break
    else:
        why = "a package that is here would have to change" if "conflict" in said else @ABSENT@
        raise RuntimeError(f"tlkit cannot be added: {why}. {said[-300:]}")
    os.remove("installed.txt")
    invalidate_caches()@SETS@
    from tlkit_lessons.notebooks import where_results_go

    print(f"tlkit {metadata.version('tlkit')} is added, nothing else has changed. {where_results_go()}")
"""


@dataclass(frozen=True)
class Repository:
    """OWNER/NAME on GitHub, and the branch that readers are sent to."""

    name: str
    branch: str = "main"

    @classmethod
    def parse(cls, address: str) -> "Repository | None":
        """From https://github.com/OWNER/NAME or …/tree/BRANCH; None for ''; UserError for any other."""
        if not address:
            return None
        found = ADDRESS.fullmatch(address)
        if not found:
            raise UserError(
                f"repository {address!r}: write https://github.com/OWNER/NAME, or …/tree/BRANCH, or ''."
            )
        return cls(found[1], found[2] or "main")

    def blob(self, path: str) -> str:
        """The page of a file."""
        return f"https://github.com/{self.name}/blob/{self.branch}/{path}"

    def badge(self, path: str) -> str:
        """The badge that opens a notebook on Colab."""
        image = "https://colab.research.google.com/assets/colab-badge.svg"
        page = f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/{path}"
        return f"[![Open in Colab]({image})]({page})"

    def sources(self, version: str) -> list[str]:
        """What pip can install, in the order to try: the wheel of the release, then the branch itself."""
        site = f"https://github.com/{self.name}"
        wheel = f"{site}/releases/download/v{version}/tlkit-{version}-py3-none-any.whl"
        return [wheel, f"git+{site}@{self.branch}"]


def linked(line: str, repository: Repository | None) -> str:
    """A line whose links to files other than notebooks lead to the repository, since Colab has only the page.

    Links between notebooks stay as they are: Lab, GitHub and Colab all follow them.
    """

    def outward(found: re.Match) -> str:
        _, path, anchor = found.groups()
        return found[0] if path.endswith(".ipynb") else f"]({repository.blob(path)}{anchor})"

    return OUTWARD.sub(outward, line) if repository else line


def setup_cell(
    repository: Repository | None, version: str, extras: Sequence[str] = (), sets: Sequence[str] = ()
) -> NotebookNode:
    """The cell that sets a page up on Colab and Kaggle.

    `extras` are requirements beyond the core, `sets` names of data that the page reads.
    """
    sources = repository.sources(version) if repository else []
    absent = (
        "nothing could be fetched; check the network, or upload the file tlkit-*.whl beside this notebook"
        if repository
        else "upload the file tlkit-*.whl (`make wheel` builds it) beside this notebook, run again"
    )
    fetch = f'\n    subprocess.run(["tlkit", "data", "get", *{list(sets)!r}], check=True)'
    filled = {
        "@SOURCES@": repr(sources),
        "@EXTRAS@": repr(list(extras)),
        "@ABSENT@": repr(absent),
        "@SETS@": fetch if sets else "",
    }
    text = CELL
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return new_code_cell(text.strip("\n"), id="colab", metadata={"tags": ["colab"]})
