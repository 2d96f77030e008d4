"""The widgets in JupyterLab, in a real browser: what a reader clicks, and what the page shows then.

Slow, and run only where Playwright and a Chromium are installed; the same widgets are tested without a
browser in test_widgets.py.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test in a browser")
CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
)
IDLE = "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
LONG = 240_000  # milliseconds
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own over a copy of the notebooks."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = (
        "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
    )  # fmt: skip
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "RUNTIME")}
    folders |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], cwd=home / "notebooks", env=os.environ | folders,
            stdout=log, stderr=log,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/api")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _wait(address: str) -> None:
    for _ in range(240):
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
    raise TimeoutError(f"no answer from {address}")


@pytest.fixture
def page(lab):
    with playwright.sync_playwright() as library:
        browser = library.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(LONG)
        page.outside = []
        local = (lab, "data:", "blob:", lab.replace("http", "ws"))
        page.on("request", lambda r: r.url.startswith(local) or page.outside.append(r.url))
        yield page
        browser.close()


def run_all(page, lab: str, name: str) -> None:
    page.goto(f"{lab}/lab/tree/{name}.ipynb?reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector(".jp-Toolbar-kernelName:has-text('Python 3')")  # before, Lab asks for a kernel
    page.wait_for_function(IDLE)
    time.sleep(2)
    page.get_by_role("menuitem", name="Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    time.sleep(2)
    if page.locator(".jp-Dialog").count():  # a slow machine: the kernel is not there yet after all
        page.locator(".jp-Dialog button.jp-mod-accept").click()
        time.sleep(2)
    page.wait_for_function(IDLE)


def shot(page, name: str) -> None:
    folder = ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def bring(page, selector: str):
    """The first match of a selector on the page; Lab draws cells only when they come into view."""
    found = page.locator(selector).first
    page.locator(".jp-Notebook .jp-WindowedPanel-outer, .jp-Notebook").first.hover()
    for _ in range(200):
        if found.count() and found.is_visible():
            found.scroll_into_view_if_needed()
            return found
        page.mouse.wheel(0, 400)
        time.sleep(0.1)
    raise AssertionError(f"nothing on the page is {selector}")


# the first element of a kind that is in view and whose text or alternative text is no longer what it was
CHANGED = """([kind, word, was]) => [...document.querySelectorAll(kind)].some(e => {
    const text = e.alt ?? e.innerText;
    return e.offsetParent && text.includes(word) && text !== was;
})"""


def test_16_the_label_slider_changes_the_figure(page, lab):
    run_all(page, lab, "16_the_comparison")
    picture = bring(page, "img[alt^='1 label per class']")
    shot(page, "16_before")
    page.locator(".widget-slider:has-text('labels per class') .noUi-handle").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(CHANGED, arg=["img", "labels per class", ""])
    shot(page, "16_after")
    assert not picture.is_visible(), "the first frame is still in view"
    assert page.outside == []


def test_14_stages_freeze_and_thaw_the_numbers_follow_and_it_fits(page, lab):
    run_all(page, lab, "14_partial_fine_tuning")
    bring(page, "button:has-text('block2: frozen')")
    table = page.locator("tr:has-text('parameters that move')").first
    before = table.inner_text()
    shot(page, "14_before")
    page.locator("button:has-text('block2: frozen')").first.click()
    page.wait_for_function(CHANGED, arg=["tr", "parameters that move", before])
    page.wait_for_selector("button:has-text('Fit last-2')")
    page.locator("button:has-text('Fit last-2')").first.click()
    page.wait_for_selector("p:has-text('last-2: accuracy')")
    shot(page, "14_after")
    assert page.outside == []
