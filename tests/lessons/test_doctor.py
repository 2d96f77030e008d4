"""What is installed here and ready, what is missing for which part, and the remedy that is printed for it."""

import io
import sys
from types import SimpleNamespace

import platformdirs
import psutil
import pytest
import torch
from rich.console import Console

import tlkit_lessons.cli
from tlkit import cli
from tlkit_lessons import doctor


def named(name: str) -> doctor.Check:
    return next(check for check in doctor.checks() if check.name == name)


def missing(part: str) -> list[str]:
    """What a part of the workbook lacks here, as the doctor says."""
    found = next(check.found for check in doctor.checks() if check.name.startswith(f"part {part}: "))
    return found.removeprefix("lacks ").split(", ") if found != "complete" else []


def test_the_doctor_says_that_nothing_was_tested_on_a_gpu(monkeypatch):
    monkeypatch.delenv("TLKIT_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert "no GPU in use; none is needed" in named("device").found
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check = named("device")
    assert check.ok and "cuda" in check.found and "not tested: TLKIT_DEVICE=cpu turns it off" in check.found


def test_a_device_or_a_count_of_threads_that_cannot_be_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setenv("TLKIT_DEVICE", "gpu")
    monkeypatch.setenv("TLKIT_THREADS", "two")
    for name, found, remedy in (("device", "gpu", "TLKIT_DEVICE"), ("threads", "two", "TLKIT_THREADS")):
        check = named(name)
        assert not check.ok and check.found == found and remedy in check.remedy


def test_doctor_finds_this_machine_installed():
    assert named("Python").ok
    assert named("packages").ok
    assert named("part 1: foundations").ok
    assert missing("1") == []


def test_doctor_names_the_absent_and_the_out_of_range(monkeypatch):
    installed = {"timm": None, "fastai": "2.0.0"}
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: installed.get(name, real(name)))
    check = named("packages")
    assert not check.ok
    assert "missing: timm" in check.found
    assert "(2.0.0)" in check.found
    assert "constraints.txt" in check.remedy
    assert "timm" in missing("1")
    assert "`pip install timm`" in named("part 1: foundations").remedy


def test_another_version_within_range_is_told_and_well(monkeypatch):
    real = doctor.version
    pinned = doctor._pinned()["torch"]
    other = {"torch": "2.9.1", "numpy": f"{real('numpy')}+local"}
    monkeypatch.setattr(doctor, "version", lambda name: other.get(name, real(name)))
    check = named("packages")
    assert check.ok
    assert f"other than pinned: torch 2.9.1 ({pinned})" in check.found
    assert "numpy" not in check.found


def test_memory_is_weighed(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1.5e9, total=4e9))
    check = named("memory")
    assert not check.ok
    assert check.found == "1.5 GB free of 4.0 GB"


def test_cache_and_sets(monkeypatch, tmp_path):
    folder = tmp_path / "sets"
    monkeypatch.setenv("TLKIT_CACHE", str(folder))
    assert "not made yet" in named("cache").found
    assert not folder.exists()
    assert set(missing("photos")) == {"hymenoptera", "caltech_wildlife"}
    assert named("sets").found.startswith("none")

    (folder / "hymenoptera").mkdir(parents=True)
    assert "hymenoptera" in missing("photos"), "an empty folder is no set"
    (folder / "hymenoptera" / "a.jpg").touch()
    assert "hymenoptera" not in missing("photos")
    assert named("sets").found == "hymenoptera"
    part = next(check for check in doctor.checks() if check.name.startswith("part photos"))
    assert not part.ok
    assert part.remedy == "`tlkit data get caltech_wildlife`"


def test_what_lies_in_ones_own_folder_counts_behind_a_read_only_one(monkeypatch, tmp_path):
    mount, own = tmp_path / "mount", tmp_path / "own"
    for place, name in ((mount, "hymenoptera"), (own, "minilm")):
        (place / name).mkdir(parents=True)
        (place / name / "file").touch()
    monkeypatch.setenv("TLKIT_CACHE", str(mount))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: own)
    assert "minilm" in missing("weights")
    mount.chmod(0o555)
    assert missing("weights") == ["efficientnet_lite0", "smollm2"]
    assert missing("photos") == ["caltech_wildlife"]
    assert named("sets").found == "hymenoptera, minilm"
    assert named("cache").found.startswith(f"{mount} (read-only), then {own} (exists, ")
    mount.chmod(0o755)


def test_cache_that_cannot_be_used(monkeypatch, tmp_path):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert not named("cache").ok
    assert "not writable" in named("cache").found
    monkeypatch.undo()
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("TLKIT_CACHE", str(file / "below"))
    assert not named("cache").ok
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=5e8))
    assert not named("cache").ok
    assert "TLKIT_CACHE" in named("cache").remedy


def told(monkeypatch, **console) -> str:
    """What `tlkit doctor` prints where timm is absent."""
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: None if name == "timm" else real(name))
    out = io.StringIO()
    monkeypatch.setattr(tlkit_lessons.cli, "console", Console(file=out, **console))
    monkeypatch.setattr(sys, "argv", ["tlkit", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.app()
    assert not end.value.code
    return out.getvalue()


@pytest.mark.parametrize(
    "console", [{}, {"width": 80, "force_terminal": True, "color_system": None}], ids=["pipe", "terminal"]
)
def test_a_remedy_can_be_copied(monkeypatch, console):
    """Brackets are no markup, and no line is cut or folded: a terminal does that by itself."""
    said = told(monkeypatch, **console)
    assert "missing: timm; " in said and "--  packages: " in said
    assert "remedy: `make install`, or `pip install -c constraints.txt -e .[dev]`\n" in said
    assert "--  part 1: foundations: lacks timm; remedy: `pip install timm`\n" in said


def test_a_folder_in_brackets_is_shown_as_it_is(monkeypatch, tmp_path):
    place = tmp_path / "[red]sets :bee: [/]"
    monkeypatch.setenv("TLKIT_CACHE", str(place))
    assert str(place) in told(monkeypatch)


def test_where_nothing_was_checked_out_the_packages_are_named(monkeypatch):
    """A wheel has no constraints.txt, and no Makefile beside it."""
    monkeypatch.setattr(doctor, "data_dir", lambda: doctor.cache_dirs()[-1])
    assert (
        "constraints" not in told(monkeypatch) and named("packages").remedy == '`pip install "timm>=1.0.3"`'
    )
