"""The page beside an exported network, in a real browser as wide as a phone: photos in, the same answers out.

Slow, and run only where Playwright, a Chromium and npm with its registry are at hand.
"""

import functools
import json
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from test_export import CLASSES, kept, network

from tlkit import saved_model
from tlkit_lessons import export

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test in a browser")
CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
)
PHONE = {"width": 390, "height": 844}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """60 photos of many shapes, some turned by the camera, some much larger than the input."""
    rng, folder = np.random.default_rng(5), tmp_path_factory.mktemp("photos")
    for i in range(60):
        low = rng.integers(0, 256, (rng.integers(2, 7), rng.integers(2, 7), 3), np.uint8)
        image = Image.fromarray(low).resize(
            tuple(rng.integers(24, 400, 2).tolist()), Image.Resampling.BICUBIC
        )
        exif = Image.Exif()
        exif[0x0112] = 8 if i % 5 == 0 else 1
        image.save(folder / f"{i}.{'png' if i % 2 else 'jpg'}", exif=exif)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def site(tmp_path_factory, photos):
    """Address, folder, and what the model says of the photos."""
    if CHROMIUM is None or not shutil.which("npm"):
        pytest.skip("no Chromium, or no npm, on this machine")
    home = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        run = kept(home / "run.model", patch, network())
        export.export(run, home / "site", export.photos_of(photos[0].parent))
        said = [guess.label for guess in saved_model.load(run).predict(photos)]
    words = [
        "npm",
        "install",
        "--prefix",
        ".",
        "--no-audit",
        "--no-fund",
        "onnxruntime-web",
    ]  # as the page says
    if subprocess.run(words, cwd=home / "site", capture_output=True, timeout=200).returncode:
        pytest.skip("npm cannot fetch onnxruntime-web here")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=home / "site"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", home / "site", said
    server.shutdown()


@pytest.fixture
def page(site):
    with playwright.sync_playwright() as library:
        browser = library.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=PHONE)
        page.set_default_timeout(60_000)
        page.outside = []
        page.on("request", lambda r: r.url.startswith((site[0], "blob:")) or page.outside.append(r.url))
        yield page
        browser.close()


def answers(page, address: str, photos) -> list[str]:
    page.goto(address)
    page.wait_for_function("document.getElementById('answer').textContent === 'Ready.'")
    found = []
    for photo in photos:
        page.set_input_files("#photo", photo)
        found.append(page.evaluate(ASK))
    return found


ASK = "async () => (await ask(document.getElementById('photo').files[0])).ranked[0][0]"


def test_the_page_answers_as_the_float_file(page, site, photos):
    address, folder, said = site
    known = json.loads((folder / "model.json").read_text("utf-8"))
    whole = known | {"files": {export.FLOAT: known["files"][export.FLOAT]}}
    page.route("**/model.json", lambda route: route.fulfill(json=whole))
    got = answers(page, address, photos)
    assert len(set(said)) > 1 and np.mean([a == b for a, b in zip(got, said, strict=True)]) >= 0.99
    assert page.outside == []


def test_in_8_bits_a_photo_is_shown_and_answered(page, site, photos):
    address, *_ = site
    page.goto(address)
    page.wait_for_function("document.getElementById('answer').textContent === 'Ready.'")
    page.set_input_files("#photo", photos[0])
    page.wait_for_function("document.getElementById('answer').textContent.includes('ms')")
    assert page.inner_text("#answer").split(" (")[0] in CLASSES
    assert page.locator("#others tr").count() == len(CLASSES)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.is_visible("#shown") and export.INT8 in page.inner_text("#fine")


def test_what_is_no_photo_and_what_is_missing_is_said(page, site, tmp_path):
    address, *_ = site
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    page.goto(address)
    page.wait_for_function("document.getElementById('answer').textContent === 'Ready.'")
    page.set_input_files("#photo", tmp_path / "broken.jpg")
    page.wait_for_function("document.getElementById('answer').textContent.includes('does not open')")
    page.route("**/model.json", lambda route: route.abort())
    page.goto(address)
    page.wait_for_function(
        "document.getElementById('answer').textContent.includes('does not find its model')"
    )
    page.route("**/ort.wasm.min.js", lambda route: route.abort())
    page.goto(address)
    page.wait_for_function("document.getElementById('answer').textContent.includes('npm install')")
