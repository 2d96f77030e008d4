"""The cache: nothing unverified is used, nothing verified is fetched twice, nothing leaves its folder."""

import csv
import errno
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from tlkit import cache
from tlkit.cache import archive, fetch, registry, verify
from tlkit.errors import UserError

FILES = {
    "train/ant/a b#1.jpg": b"ant one",
    "train/ant/2.jpg": b"ant two" * 20_000,
    "train/bee/1.jpg": b"bee one",
    "test/bee/é.jpg": b"bee two",
}
ENTRY = {
    "title": "Insects", "licence": "CC0", "redistributable": True, "source": "here",
    "layout": "SPLIT/CLASS/*", "split": "as published", "overlap": "none", "faults": ["few"], "mirrors": [],
}  # fmt: skip


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; notes what was asked for; breaks off in the middle of the file named in `broken`."""

    def do_GET(self):
        path = unquote(self.path)
        self.server.asked.append(path)
        if path != self.server.broken:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 70_000)
        self.wfile.flush()
        if self.server.stalls:
            time.sleep(30)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.asked, server.broken, server.stalls = [], None, False
    server.folder, server.base = folder, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed() -> str:
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def real_cache(tmp_path, monkeypatch) -> Path:
    """Every test has folders of its own; those that need real data get the cache that was set before."""
    before = cache.root()
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "computed"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return before


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Put the set 'insects' (and an empty one) into a registry of our own, with addresses below `base`."""
    monkeypatch.setattr(registry, "registry_dir", lambda: tmp_path / "registry")

    def put(base: str | None, files: dict = FILES, **entry):
        (tmp_path / "registry").mkdir(exist_ok=True)
        with open(tmp_path / "registry" / "insects.csv", "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["file", "sha256", "bytes", "url"])
            for name, content in files.items():
                url = f"{base}/{registry.quote(name)}" if base else ""
                table.writerow([name, sha256(content), len(content), url])
        lines = ["[insects]"]
        packed = entry.pop("archive", None)
        lines += [f"{name} = {json.dumps(value)}" for name, value in (ENTRY | entry).items()]
        if packed:
            lines += [
                "[insects.archive]",
                *(f"{name} = {json.dumps(value)}" for name, value in packed.items()),
            ]
        (tmp_path / "registry" / "sets.toml").write_text("\n".join(lines), encoding="utf-8")

    return put


@pytest.fixture
def here(tmp_path) -> Path:
    """Where the set lies once fetched."""
    return tmp_path / "cache" / "insects"


def contents(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name != ".verified.json"}


def place(folder: Path, files: dict = FILES) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


# --- fetching


def test_a_set_is_fetched_once(server, register, here):
    register(server.base)
    assert cache.describe("insects").state == "absent"
    assert cache.get("insects", progress=False) == here
    assert contents(here) == FILES
    assert sorted(server.asked) == sorted(f"/{name}" for name in FILES)
    assert cache.get("insects") == here and len(server.asked) == len(FILES)
    assert cache.check("insects").ok and cache.describe("insects").state == "ready"


def test_what_is_there_is_not_fetched_again(server, register, here):
    register(server.base)
    place(here, dict(list(FILES.items())[:2]))
    assert cache.describe("insects").state == "partly"
    assert cache.check("insects") == cache.Report(4, tuple(list(FILES)[2:]), ())
    cache.get("insects", progress=False)
    assert server.asked == [f"/{name}" for name in list(FILES)[2:]]


def test_a_broken_download_leaves_nothing_and_goes_on_where_it_stopped(server, register, here):
    register(server.base)
    server.broken = "/train/bee/1.jpg"
    with pytest.raises(UserError, match=r"insects: .*1\.jpg could not be fetched .*tlkit data get insects"):
        cache.get("insects", progress=False)
    assert contents(here) == dict(list(FILES.items())[:2])
    server.broken = None
    server.asked.clear()
    cache.get("insects", progress=False)
    assert contents(here) == FILES and server.asked == [f"/{name}" for name in list(FILES)[2:]]


GET = """
import sys
from pathlib import Path
from tlkit import cache
from tlkit.cache import registry
registry.registry_dir = lambda: Path(sys.argv[1])
cache.get("insects", progress=False)
"""


def test_a_killed_download_leaves_only_a_temporary_file(server, register, here, tmp_path):
    register(server.base)
    server.broken, server.stalls = "/train/bee/1.jpg", True
    process = subprocess.Popen([sys.executable, "-c", GET, str(tmp_path / "registry")])
    part = here / "train/bee/1.jpg.part"
    deadline = time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert contents(here).keys() - FILES.keys() == {"train/bee/1.jpg.part"}
    assert not (here / "train/bee/1.jpg").exists()
    server.broken = None
    cache.get("insects", progress=False)
    assert contents(here) == FILES


def test_two_processes_fetch_at_once(server, register, here, tmp_path):
    register(server.base)
    both = [subprocess.Popen([sys.executable, "-c", GET, str(tmp_path / "registry")]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert contents(here) == FILES and len(server.asked) == len(FILES)


def test_mirrors_are_tried_in_order(server, register, here, closed):
    register(closed, mirrors=[f"{server.base}/nowhere/", server.base])
    cache.get("insects", progress=False)
    assert contents(here) == FILES
    assert server.asked[:2] == ["/nowhere/train/ant/a b#1.jpg", "/train/ant/a b#1.jpg"]


def test_every_trouble_with_an_address_is_named(server, register, closed):
    register(closed, mirrors=[f"{server.base}/nowhere"])
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    host = server.base.removeprefix("http://")
    assert f"({closed.removeprefix('http://')} cannot be reached; {host} answers 404)" in str(error.value)


def test_no_network_is_one_sentence_and_leaves_nothing(register, closed, here):
    register(closed)
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    said = str(error.value)
    assert (
        "insects" in said and str(here) in said and "TLKIT_CACHE" in said and "tlkit data get insects" in said
    )
    assert "\n" not in said and "cannot be reached" in said
    assert not here.exists() and time.monotonic() - start < 5


def test_a_file_without_address_is_named_before_anything_is_fetched(server, register, here):
    register(None)
    with pytest.raises(
        UserError, match=r"a b#1\.jpg \(and 3 more\) has no public address.*by hand.*TLKIT_CACHE"
    ):
        cache.get("insects", progress=False)
    assert not here.parent.exists()
    place(here)
    assert cache.get("insects") == here
    (here / "test/bee/é.jpg").unlink()
    register(None, mirrors=[server.base])
    cache.get("insects", progress=False)
    assert contents(here) == FILES


def test_progress_is_shown_on_standard_error_alone(server, register, capsys):
    register(server.base)
    cache.get("insects")
    assert capsys.readouterr().out == ""


# --- other content than registered


def test_another_file_from_the_network_is_not_used(server, register, here):
    register(server.base)
    (server.folder / "train/bee/1.jpg").write_bytes(b"something else")
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    assert f"expected {sha256(b'bee one')[:8]}, got {sha256(b'something else')[:8]}" in str(error.value)
    assert "1.jpg" in str(error.value)
    assert not (here / "train/bee/1.jpg").exists()
    assert (here / "train/bee/1.jpg.bad").read_bytes() == b"something else"


def test_a_good_mirror_replaces_a_bad_one(server, register, here):
    place(server.folder / "bad", dict.fromkeys(FILES, b"something else"))
    register(f"{server.base}/bad", mirrors=[server.base])
    cache.get("insects", progress=False)
    assert {name: content for name, content in contents(here).items() if not name.endswith(".bad")} == FILES


@pytest.mark.parametrize("content", [b"bee 0ne", b"bee", b""])
def test_a_changed_file_is_moved_aside_and_fetched_again(server, register, here, content):
    register(server.base)
    cache.get("insects", progress=False)
    time.sleep(0.01)  # a later time of change, also where clocks are coarse
    (here / "train/bee/1.jpg").write_bytes(content)
    assert cache.describe("insects").state == ("ready" if len(content) == len(b"bee one") else "partly")
    report = cache.check("insects")
    assert report.changed == ("train/bee/1.jpg",) and not report.missing and not report.ok
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    assert f"expected {sha256(b'bee one')[:8]}, got {sha256(content)[:8]}" in str(error.value)
    assert (here / "train/bee/1.jpg.bad").read_bytes() == content
    cache.get("insects", progress=False)
    assert (here / "train/bee/1.jpg").read_bytes() == b"bee one"


def test_a_change_that_keeps_size_and_time_is_found_by_check(server, register, here):
    register(server.base)
    cache.get("insects", progress=False)
    path = here / "train/bee/1.jpg"
    status = path.stat()
    path.write_bytes(b"bee 0ne")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.check("insects").changed == ("train/bee/1.jpg",)


def test_a_verified_set_is_not_hashed_again(server, register, here, monkeypatch):
    register(server.base)
    cache.get("insects", progress=False)
    hashed = []
    monkeypatch.setattr(
        verify, "sha256_of", lambda path: hashed.append(path.name) or sha256(path.read_bytes())
    )
    cache.get("insects")
    assert hashed == []
    os.utime(here / "train/bee/1.jpg", ns=(1, 1))
    cache.get("insects")
    assert hashed == ["1.jpg"]
    (here / ".verified.json").write_text("[")
    cache.get("insects")
    assert len(hashed) == 1 + len(FILES)
    (here / ".verified.json").write_text(json.dumps({name: [sha256(b"x"), 1, 1] for name in FILES}))
    cache.get("insects")
    assert len(hashed) == 1 + 2 * len(FILES)


# --- folders that cannot be written


@pytest.fixture
def read_only(here):
    """A function that takes the write permission from the folder of the set and what is in it."""
    marked = []

    def mark():
        for path in [here, *here.rglob("*")]:
            if path.is_dir():
                path.chmod(0o555)
                marked.append(path)

    yield mark
    for path in marked:
        path.chmod(0o755)


def test_a_read_only_cache_is_used_hashed_and_left_alone(register, here, closed, read_only):
    register(closed)
    place(here)
    read_only()
    assert cache.get("insects") == here
    assert sorted(p.name for p in here.iterdir()) == ["test", "train"]
    (here / "train/bee/1.jpg").write_bytes(b"bee 0ne")
    with pytest.raises(
        UserError, match=r"1\.jpg is not the published file .*cannot be moved aside .*TLKIT_CACHE"
    ):
        cache.get("insects")
    with pytest.raises(UserError, match="cannot be removed"):
        cache.clear("insects")
    assert contents(here).keys() == FILES.keys()


def test_a_read_only_cache_that_lacks_a_file_is_named(server, register, here, read_only):
    register(server.base)
    place(here, dict(list(FILES.items())[:3]))
    read_only()
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    assert f"{here} cannot be written (Permission denied)" in str(error.value)
    assert "TLKIT_CACHE" in str(error.value) and server.asked == []


def test_a_cache_that_cannot_be_made_is_named(server, register, here):
    register(server.base)
    here.parent.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot be written .*TLKIT_CACHE"):
        cache.get("insects", progress=False)


def test_a_full_disk_is_named_and_leaves_no_part(server, register, here, monkeypatch):
    class Full(io.FileIO):
        def write(self, block):
            if self.tell() + len(block) > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(block)

    import pooch.downloaders

    monkeypatch.setattr(pooch.downloaders, "open", Full, raising=False)
    register(server.base)
    with pytest.raises(UserError) as error:
        cache.get("insects", progress=False)
    assert f"{here} cannot be written (No space left on device)" in str(error.value)
    assert "TLKIT_CACHE" in str(error.value)
    assert contents(here) == dict(list(FILES.items())[:1])


def test_another_process_that_never_ends_is_named(server, register, here, monkeypatch):
    register(server.base)
    monkeypatch.setattr(fetch, "LOCK_SECONDS", 0.05)
    here.parent.mkdir()
    with fetch.FileLock(f"{here}.lock"), pytest.raises(UserError, match="being filled by another process"):
        cache.get("insects", progress=False)


# --- archives


def packed(kind: str, entries: dict[str, bytes | tarfile.TarInfo], path: Path) -> Path:
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in entries.items():
                file.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def archived(server, kind: str, path: Path, prefix: str = "") -> dict:
    url = f"{server.base}/{path.name}"
    return {"url": url, "sha256": sha256(path.read_bytes()), "format": kind, "prefix": prefix}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_set_comes_as_one_archive(server, register, here, kind):
    inside = {f"set-1/{name}": content for name, content in FILES.items()} | {
        "set-1/more.txt": b"not asked for"
    }
    path = packed(kind, inside, server.folder / "all")
    register(None, archive=archived(server, kind, path, "set-1/"))
    cache.get("insects", progress=False)
    assert contents(here) == FILES and server.asked == ["/all"]
    cache.get("insects", progress=False)
    assert server.asked == ["/all"]


ESCAPES = ["../evil", "train/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil", "\\\\host\\evil"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ESCAPES)
def test_an_archive_that_leaves_its_folder_is_refused_whole(server, register, here, tmp_path, kind, name):
    path = packed(kind, FILES | {name: b"evil"}, server.folder / "all")
    register(None, archive=archived(server, kind, path))
    with pytest.raises(UserError, match="outside its folder: nothing was unpacked"):
        cache.get("insects", progress=False)
    assert not here.exists() and not list(tmp_path.rglob("evil"))


def special(kind: str, path: Path, link: str) -> Path:
    """An archive with a link or a device in it, before the file that would be written through it."""
    if kind == "zip":
        info = zipfile.ZipInfo("train")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(info, link)
            file.writestr("train/1.jpg", b"through the link")
        return path
    kinds = {"tar-link": tarfile.SYMTYPE, "tar-hard": tarfile.LNKTYPE, "tar-device": tarfile.CHRTYPE}
    info = tarfile.TarInfo("train")
    info.type, info.linkname = kinds[kind], link
    with tarfile.open(path, "w") as file:
        file.addfile(info)
        file.addfile(tarfile.TarInfo("train/1.jpg"))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar-link", "tar-hard", "tar-device"])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = special(kind, tmp_path / "a", "../../elsewhere")
    with (
        pytest.raises(UserError, match="'train', which is a link or a device"),
        archive.opened(path, kind[:3]),
    ):
        pytest.fail("the archive was opened")


def test_an_archive_of_other_content_is_not_opened(server, register, here):
    path = packed("zip", FILES, server.folder / "all")
    register(None, archive=archived(server, "zip", path) | {"sha256": "0" * 64})
    with pytest.raises(UserError, match="expected 00000000, got"):
        cache.get("insects", progress=False)
    assert not contents(here).keys() & FILES.keys()


def test_a_wrong_or_absent_file_in_an_archive_is_named(server, register, here):
    path = packed("zip", FILES | {"train/bee/1.jpg": b"else"}, server.folder / "all")
    register(None, archive=archived(server, "zip", path))
    with pytest.raises(UserError, match=r"1\.jpg in the archive is not the published file .sha256 expected"):
        cache.get("insects", progress=False)
    assert not (here / "train/bee/1.jpg").exists() and not (here / ".archive").exists()
    path = packed("zip", {"other": b""}, server.folder / "all")
    register(None, archive=archived(server, "zip", path))
    with pytest.raises(UserError, match=r"insects: the archive holds no train/bee/1\.jpg"):
        cache.get("insects", progress=False)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_torn_archive_is_named(tmp_path, kind):
    path = packed(kind, {"a": os.urandom(5000)}, tmp_path / "all")
    path.write_bytes(path.read_bytes()[:2500])
    with (
        pytest.raises(UserError, match=f"is not a whole {kind} archive"),
        archive.opened(path, kind) as files,
    ):
        files["a"]().read()


def test_an_unknown_archive_format_is_named(tmp_path):
    with (
        pytest.raises(UserError, match=r"unknown archive format 'rar'.*tar, zip"),
        archive.opened(tmp_path, "rar"),
    ):
        pass


# --- clearing


def test_clear_removes_what_was_fetched_and_nothing_else(server, register, here):
    register(server.base)
    cache.get("insects", progress=False)
    (here / "train/bee/1.jpg.part").write_bytes(b"12345")
    (here / "train/mine.jpg").write_bytes(b"mine")
    freed = cache.clear("insects")
    assert contents(here) == {"train/mine.jpg": b"mine"} and not (here / "test").exists()
    assert freed == sum(map(len, FILES.values())) + 5 + freed_by_note(freed)
    (here / "train/mine.jpg").unlink()
    assert cache.clear() == 0 and cache.describe("insects").state == "absent"


def freed_by_note(freed: int) -> int:
    """The note of what was verified has a size of its own, within these bounds."""
    note = freed - sum(map(len, FILES.values())) - 5
    assert 100 < note < 1000
    return note


def test_clear_removes_every_set_and_the_folder(server, register, here):
    register(server.base)
    cache.get("insects", progress=False)
    with pytest.raises(UserError, match="unknown set ''"):
        cache.clear("")
    assert cache.clear() > 0
    assert list(here.parent.iterdir()) == []


@pytest.mark.parametrize("linked", ["insects", "insects/train"])
def test_clear_does_not_follow_links_out_of_the_cache(register, here, tmp_path, linked):
    register(None)
    outside = tmp_path / "outside"
    place(outside)
    link = here.parent / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if linked == "insects" else outside / "train")
    with pytest.raises(UserError, match="leads outside"):
        cache.clear("insects")
    assert contents(outside) == FILES


def test_clear_empties_the_computed_folder_alone(server, register, here):
    register(server.base)
    cache.get("insects", progress=False)
    folder = cache.computed()
    (folder / "features").mkdir()
    (folder / "features" / "a.npy").write_bytes(b"123")
    (folder / "b.json").write_bytes(b"45")
    (folder / "link").symlink_to(here)
    link = (folder / "link").lstat().st_size
    assert cache.clear(computed=True) == 5 + link
    assert [p.name for p in folder.iterdir()] == ["CACHEDIR.TAG"]
    assert contents(here) == FILES
    with pytest.raises(UserError, match="either a set or what was computed"):
        cache.clear("insects", computed=True)


def test_a_computed_folder_that_held_other_things_is_not_cleared(tmp_path):
    (tmp_path / "computed").mkdir()
    (tmp_path / "computed" / "thesis.tex").write_text("mine")
    assert cache.computed() == tmp_path / "computed"
    with pytest.raises(UserError, match=r"no CACHEDIR\.TAG in it.*by hand"):
        cache.clear(computed=True)
    assert (tmp_path / "computed" / "thesis.tex").read_text() == "mine"


def test_a_computed_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "file" / "computed"))
    with pytest.raises(UserError, match=r"computed cannot be written .*TLKIT_COMPUTED"):
        cache.computed()


# --- the registry


def test_an_unknown_set_is_named_with_the_nearest():
    for ask in (cache.get, cache.check, cache.clear, cache.describe, cache.rows):
        with pytest.raises(UserError, match="unknown set 'hymenopterra': did you mean 'hymenoptera'"):
            ask("hymenopterra")


def test_a_registered_name_that_leaves_the_folder_is_refused(register, server):
    register(server.base, FILES | {"../evil": b"evil"})
    with pytest.raises(UserError, match=r"names '\.\./evil', outside the folder"):
        cache.get("insects", progress=False)


def test_a_missing_registry_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "registry_dir", lambda: tmp_path)
    with pytest.raises(UserError, match=r"sets\.toml is missing: install tlkit again"):
        cache.listing()


def test_relative_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLKIT_CACHE", "../x")
    monkeypatch.setenv("TLKIT_COMPUTED", "y")
    assert cache.root() == tmp_path.parent / "x" and cache.computed() == tmp_path / "y"


def test_the_registry_is_sound(root):
    sets = cache.listing()
    assert [info.name for info in sets] == sorted(p.stem for p in cache.registry_dir().glob("*.csv"))
    for info in sets:
        files = cache.rows(info.name)
        assert info.state == "absent" and info.files == len(files) == len({row.file for row in files})
        assert all(len(row.sha256) == 64 and row.bytes > 0 for row in files)
        assert all(row.url == "" or row.url.startswith("https://") for row in files)
        assert all(
            [info.title, info.licence, info.source, info.layout, info.split, info.overlap, info.faults]
        )
        page = (root / "data" / "README.md").read_text(encoding="utf-8")
        assert f"`{info.name}`" in page and info.licence in page and info.source.split(", ")[0] in page


def test_import_is_light():
    code = "import sys, tlkit.cache, tlkit.records; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "pandas", "requests", "matplotlib", "rich", "pooch", "sklearn", "scipy"]
    said = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.real("hymenoptera", "caltech_wildlife", "neu_steel", "pacs", "weights_vision")
def test_the_real_sets_are_the_registered_ones(real_cache, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(real_cache))
    for info in cache.listing():
        assert cache.check(info.name).ok, info.name
        assert info.state == "ready"
        assert cache.get(info.name) == real_cache / info.name


@pytest.mark.real("hymenoptera")
def test_a_corrupted_copy_of_a_real_set_is_found(real_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "copy"))
    rows = cache.rows("hymenoptera")
    place(
        tmp_path / "copy/hymenoptera",
        {r.file: (real_cache / "hymenoptera" / r.file).read_bytes() for r in rows},
    )
    path = cache.get("hymenoptera") / rows[7].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"expected {rows[7].sha256[:8]}, got"):
        cache.get("hymenoptera")
    assert cache.check("hymenoptera").missing == (rows[7].file,)
