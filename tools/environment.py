"""Write environment.yml, the conda form of the dependencies in pyproject.toml and of the extra `lab`."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # the rest have one name in both worlds
HEAD = """\
# Made from pyproject.toml by `python tools/environment.py`.
name: tlkit
channels:
  - conda-forge
"""


def conda_line(requirement: str) -> str:
    """`torch>=2.9,<3` → `pytorch >=2.9,<3`."""
    name, bounds = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", requirement).groups()
    return f"{CONDA_NAMES.get(name, name)} {bounds}".strip()


def render(pyproject: Path = ROOT / "pyproject.toml") -> str:
    """The text of environment.yml."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    lines = [f"python {project['requires-python']}", "pip", *map(conda_line, needs)]
    dependencies = "".join(f"  - {line}\n" for line in lines)
    return f"{HEAD}dependencies:\n{dependencies}  - pip:\n      - -e .\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(render(), encoding="utf-8", newline="\n")
