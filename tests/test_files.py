"""Whole or not at all: after an error the old content stands, and nothing is left beside it."""

import errno
import os
import threading

import pytest

from tlkit import files
from tlkit.errors import UserError


@pytest.fixture
def full(monkeypatch):
    """A disk that takes no more."""

    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_file_is_written_with_its_folder(tmp_path):
    path = tmp_path / "new" / "page.txt"
    assert files.write_whole(path, "é\n") == path
    assert path.read_bytes() == "é\n".encode()
    assert files.write_whole(str(path), b"2") == path
    assert path.read_bytes() == b"2" and os.listdir(path.parent) == ["page.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        assert files.write_whole(tmp_path / "a", "").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path, full):
    path = tmp_path / "page.txt"
    path.write_text("old")
    with pytest.raises(
        UserError, match=r"page\.txt cannot be written \(No space left on device\): free space"
    ):
        files.write_whole(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["page.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"below cannot be written"):
        files.write_whole(tmp_path / "file" / "below", "")


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_draft_that_is_broken_off_leaves_nothing(tmp_path, stop):
    path = tmp_path / "page.txt"
    path.write_text("old")
    with pytest.raises(stop), files.draft(path) as part:
        part.write_text("half of it")
        raise stop
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["page.txt"]


def folder(path, **content: str):
    path.mkdir()
    for name, text in content.items():
        (path / name).write_text(text)
    return path


def test_a_folder_takes_the_place_of_another(tmp_path):
    path = folder(tmp_path / "model", a="old", b="old")
    with files.draft(path) as part:
        folder(part, a="new")
        (part / "deep").mkdir()
        assert (path / "a").read_text() == "old"
    assert (path / "a").read_text() == "new" and sorted(os.listdir(path)) == ["a", "deep"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_that_is_broken_off_leaves_the_other(tmp_path, full):
    path = folder(tmp_path / "model", a="old")
    with pytest.raises(OSError, match="No space left"), files.draft(path) as part:
        folder(part, a="new")
    assert (path / "a").read_text() == "old" and os.listdir(tmp_path) == ["model"]


def test_threads_write_one_file(tmp_path):
    path = tmp_path / "page.txt"
    texts = [str(number) * 10_000 for number in range(8)]
    writers = [threading.Thread(target=files.write_whole, args=(path, text)) for text in texts]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert path.read_text() in texts and os.listdir(tmp_path) == ["page.txt"]


def test_a_read_only_folder_is_told(tmp_path):
    inside = tmp_path / "mount"
    inside.mkdir()
    assert files.writable(inside) and files.writable(inside / "to" / "be" / "made")
    inside.chmod(0o555)
    assert not files.writable(inside) and not files.writable(inside / "to" / "be" / "made")
    with pytest.raises(PermissionError):
        files.require_writable(inside / "below")
    inside.chmod(0o755)
