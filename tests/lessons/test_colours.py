"""Colours of plans are for plans: whatever else is drawn takes them from `tlkit_lessons.look`."""

import re

import pytest

from tlkit import plots

PLANS = ("scratch", "frozen", "last-1", "full", "lp-ft", "block:stem")
TAKEN = {plots.look(plan)["color"].lower() for plan in PLANS}
NAMES = re.compile(r"\b(?:BLACK|BLUE|VERMILION|GREEN|SKY|PURPLE|ORANGE|YELLOW)\b")
CYCLE = re.compile(r"[\"']C\d[\"']|\btab:\w+")


def misused(source: str) -> list[str]:
    """What in Python source paints with a plan's colour and does not ask `look(plan)` for it."""
    hexes = [found for found in re.findall(r"#[0-9A-Fa-f]{6}\b", source) if found.lower() in TAKEN]
    return [*NAMES.findall(source), *hexes, *CYCLE.findall(source)]


def sources(root):
    yield from sorted((root / "tlkit_lessons").rglob("*.py"))
    yield from sorted((root / "notebooks" / "source").glob("[0-9]*.py"))
    yield from sorted((root / "tools").rglob("*.py"))


def test_no_lesson_paints_with_a_plans_colour(root):
    found = {path.relative_to(root).as_posix(): misused(path.read_text("utf-8")) for path in sources(root)}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("line", ["color=BLUE", 'color="#0072b2"', "color='C0'", "c = 'tab:blue'"])
def test_each_way_to_misuse_one_is_seen(line):
    assert misused(line)
