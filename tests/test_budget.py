"""Kept activations keep within their budget: what was used longest ago goes, and nothing wrong is read."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch

from tlkit import features
from tlkit.errors import UserError
from tlkit.features import Cut, activations, budget
from tlkit.features.activation_cache import BLOCK
from tlkit.fit import fit

HEADERS = 20_000  # of the .npy files, and the mask
ROW = tiny.WIDTH * 8 * 8 * 4  # bytes of one item behind the first stage
EVERY = np.arange(36)


pytestmark = pytest.mark.usefixtures("computed")


def forget(monkeypatch) -> None:
    monkeypatch.setattr(features, "_KEPT", {})
    monkeypatch.setattr(features, "_EXAMPLES", {})


def allow(monkeypatch, size: float) -> None:
    monkeypatch.setenv("TLKIT_BUDGET", repr(size / budget.GB))


def plain(backbone, items) -> torch.Tensor:
    with torch.no_grad():
        return backbone.pretrained().run(torch.stack([backbone.transform(raw) for raw in items.inputs]), 0, 1)


@pytest.mark.parametrize("size", [0, HEADERS + 2 * BLOCK * ROW])
def test_what_there_is_no_room_for_is_computed_and_right(monkeypatch, computed, size):
    task, backbone = tiny.classifier()
    allow(monkeypatch, size)
    before = features.CACHE_STATS["rows_not_kept"]
    for _ in range(2):
        found = activations(Cut(backbone, 1), task.train, EVERY[::-1])
        assert torch.allclose(found, plain(backbone, task.train).flip(0), atol=1e-6)
    (entry,) = budget.entries(computed)
    assert budget.taken(entry) <= max(size, HEADERS)
    kept = int(np.load(entry / "done.npy").sum()) * BLOCK
    assert features.CACHE_STATS["rows_not_kept"] - before == 2 * (len(EVERY) - kept)
    assert (kept > 0) == (size > 0)


def test_a_fit_without_room_comes_out_the_same_and_says_so(monkeypatch):
    task, backbone = tiny.classifier()
    kept = fit(task, backbone, "last-1", 4, 0, tiny.QUICK)
    forget(monkeypatch)
    allow(monkeypatch, 0)
    monkeypatch.setenv("TLKIT_COMPUTED", os.environ["TLKIT_COMPUTED"] + "-other")
    again = fit(task, backbone, "last-1", 4, 0, tiny.QUICK)
    assert kept.measured["rows_not_kept"] == 0 < again.measured["rows_not_kept"]
    for a, b in zip(kept.model.parameters(), again.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_the_entry_used_longest_ago_makes_way(monkeypatch, computed):
    task, _ = tiny.classifier()
    sources = [tiny.backbone(seed=seed) for seed in range(3)]
    cuts = [Cut(source, 1) for source in sources]
    for cut, when in zip(cuts[:2], (200, 100), strict=True):  # the first was opened later
        activations(cut, task.train, EVERY)
        os.utime(computed / f"{task.train.digest}-{cut.key}", (when, when))
    both = sum(map(budget.taken, budget.entries(computed)))
    allow(monkeypatch, both + 40_000)  # half an entry
    forget(monkeypatch)
    activations(cuts[2], task.train, EVERY)
    there = {entry.name.rpartition("-")[2] for entry in budget.entries(computed)}
    assert there == {cuts[0].key, cuts[2].key}
    stats, ran = features.CACHE_STATS, features.CACHE_STATS["rows_computed"]
    assert torch.allclose(activations(cuts[1], task.train, EVERY), plain(sources[1], task.train), atol=1e-6)
    assert stats["rows_computed"] == ran + len(EVERY), "and is computed afresh when it is wanted again"


def test_opening_an_entry_is_a_use(monkeypatch, computed):
    task, backbone = tiny.classifier()
    activations(Cut(backbone, 1), task.train, EVERY)
    (entry,) = budget.entries(computed)
    os.utime(entry, (100, 100))
    forget(monkeypatch)
    activations(Cut(backbone, 1), task.train, EVERY)
    assert entry.stat().st_mtime > 100


def test_an_entry_that_is_being_filled_stays(monkeypatch, computed):
    task, backbone = tiny.classifier()
    activations(Cut(backbone, 1), task.train, EVERY)
    (entry,) = budget.entries(computed)
    code = f"""
import time
from pathlib import Path
from tlkit.features import budget
with budget.lock(Path({str(entry)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        allow(monkeypatch, 0)
        assert budget.room(computed / "another", 1000) == 0
        assert entry.is_dir()
    finally:
        other.kill()
        other.wait()
    allow(monkeypatch, 1000)
    assert budget.room(computed / "another", 1000) == 1000
    assert not entry.exists()


def test_a_reader_is_not_disturbed_when_its_entry_goes(monkeypatch, computed):
    task, backbone = tiny.classifier()
    first = activations(Cut(backbone, 1), task.train, EVERY[:8])
    (entry,) = budget.entries(computed)
    allow(monkeypatch, 1)
    budget.room(computed / "another", 1)
    assert not entry.exists()
    monkeypatch.delenv("TLKIT_BUDGET")
    found = activations(
        Cut(backbone, 1), task.train, EVERY
    )  # old rows from its open files, new ones kept anew
    assert torch.equal(found[:8], first)
    assert torch.allclose(found, plain(backbone, task.train), atol=1e-6)


def test_by_default_half_of_what_is_free(computed, monkeypatch):
    computed.mkdir(parents=True)
    monkeypatch.delenv("TLKIT_BUDGET", raising=False)
    monkeypatch.setattr(budget.shutil, "disk_usage", lambda _: type("", (), {"free": 1000})())
    assert budget.limit(computed) == 500


@pytest.mark.parametrize("named", ["lots", "-1", "inf", "nan", ""])
def test_a_budget_that_is_no_number_is_refused(named, computed, monkeypatch):
    monkeypatch.setenv("TLKIT_BUDGET", named)
    with pytest.raises(UserError, match=r"TLKIT_BUDGET=.*gigabytes"):
        budget.limit(computed)
