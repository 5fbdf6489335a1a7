"""The studio's page in a real browser; see CONTRIBUTING.md for the command.

A studio runs as its users start it, in a process of its own. Whatever the page asks of another host
than the studio is noted and refused.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import media
import numpy as np
import pytest
from PIL import Image

from nst.__main__ import main

pytestmark = [
    pytest.mark.browser,
    # Playwright's own.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
MINUTE = 60_000  # milliseconds: machines may be busy
GIGABYTE = 2**30


class Running:
    """A studio in a process of its own."""

    def __init__(self, folder: Path, given: Path):
        self.folder, self.given = folder, given
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "nst", "studio", "--no-browser", "--device", "cpu"]
        command += ["--folder", str(self.given), "--output-dir", str(self.folder)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = ""
        while not self.address:
            line = self.process.stderr.readline()
            assert line, "the studio ended"
            found = re.search(r"http://\S+", line)
            self.address = found.group() if found else ""

    def end(self) -> int:
        """Press Ctrl-C and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=120)
        return self.process.returncode


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("studio")
    given = folder / "given"
    given.mkdir()
    Image.fromarray(media.picture(3, (120, 160))).save(given / "photo.png")
    Image.fromarray(media.color_bars((96, 96))).save(given / "bars.png")
    media.make_clip(given / "short.mp4", 8, (64, 96))
    media.make_clip(given / "long.mp4", 1200, (96, 128))
    (given / "notes.txt").write_text("no picture")
    running = Running(folder / "out", given)
    yield running
    if running.process.poll() is None:
        running.end()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield made
        made.close()


@pytest.fixture
def page(browser, studio):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(5 * MINUTE)
    made = context.new_page()
    made.foreign, made.errors = [], []

    def watched(route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            made.foreign.append(route.request.url)
            route.abort()

    context.route("**/*", watched)
    made.on("pageerror", lambda error: made.errors.append(str(error)))
    made.goto(studio.address)
    made.wait_for_selector("body[data-ready]")
    yield made
    assert made.foreign == [] and made.errors == []
    context.close()


def until(page, code: str) -> None:
    """Wait until JavaScript is true; Playwright's own waiting evaluates it as the page forbids."""
    for _ in range(3000):
        if page.evaluate(code):
            return
        page.wait_for_timeout(100)
    raise AssertionError(code)


def opened(page, path: Path):
    """Open a file and wait until it is painted at full size."""
    page.set_input_files("#source-file", path)
    return painted(page)


def painted(page) -> str:
    page.wait_for_selector("#painted[data-kind=full]")
    until(page, "document.getElementById('painted').complete")
    return shown(page)


def shown(page) -> str:
    """Return the pixels of the painted picture, as a text."""
    code = """() => {
        const picture = document.getElementById('painted');
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
        canvas.getContext('2d').drawImage(picture, 0, 0);
        return canvas.toDataURL();
    }"""
    return page.evaluate(code)


def changed(page, act) -> str:
    """Do something and return the picture that comes of it, at full size."""
    page.evaluate("document.getElementById('painted').dataset.kind = 'old'")
    act()
    return painted(page)


def move(page, name: str, value: float) -> None:
    page.locator(f"#{name}").fill(str(value))


def job(page, wanted: str):
    return page.locator(f"#jobs .job[data-state={wanted}]").first


def test_each_control_changes_the_picture(page, studio):
    before = opened(page, studio.given / "photo.png")
    for act in (
        lambda: page.click("[data-style='fast:great_wave']"),
        lambda: move(page, "strength", 0.5),
        lambda: move(page, "style_scale", 2),  # less is the same for so small a picture
        lambda: page.select_option("#preserve_color", "luminance"),
        lambda: page.select_option("#blend", "fast:the_scream"),
        lambda: move(page, "mix", 0.2),
        lambda: page.select_option("#long_side", "640"),
    ):
        after = changed(page, act)
        assert after != before
        before = after


def test_a_dropped_picture_is_a_style(page, studio, tmp_path):
    """Its code is not tuned, which takes long: the settings that are opened say so."""
    before = opened(page, studio.given / "photo.png")
    (tmp_path / "a.toml").write_text("refine_steps = 0\n")
    page.set_input_files("#open-settings", tmp_path / "a.toml")
    page.set_input_files("#style-file", studio.given / "bars.png")
    page.wait_for_selector("[data-style*='bars'][aria-pressed=true]")
    until(page, "document.getElementById('command').value.includes('bars.png')")
    assert "--refine-steps 0" in page.input_value("#command")
    assert painted(page) != before


def test_the_copied_command_gives_the_same_picture(page, studio, tmp_path):
    opened(page, studio.given / "photo.png")
    changed(page, lambda: page.click("[data-style='fast:starry_night']"))
    changed(page, lambda: move(page, "strength", 0.7))
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "page.png")
    words = shlex.split(page.input_value("#command"))
    assert words[:2] == ["nst", "picture"]
    subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, capture_output=True)
    target = words[words.index("--output") + 1]
    page_s, line_s = (np.asarray(Image.open(p)) for p in (tmp_path / "page.png", target))
    assert np.array_equal(page_s, line_s)


def test_settings_are_saved_and_opened_again(page, studio, tmp_path):
    opened(page, studio.given / "photo.png")
    page.click("[data-style='fast:stables']")
    changed(page, lambda: move(page, "strength", 0.3))
    with page.expect_download() as download:
        page.click("#save-settings")
    download.value.save_as(tmp_path / "a.toml")
    expected = page.input_value("#command")
    move(page, "strength", 1)
    page.click("[data-style='fast:tarot_sun']")
    until(page, "document.getElementById('command').value.includes('tarot_sun')")
    page.set_input_files("#open-settings", tmp_path / "a.toml")
    until(page, f"document.getElementById('command').value === {expected!r}")
    assert page.input_value("#strength") == "0.3"
    assert main(["picture", "--config", str(tmp_path / "a.toml"), "--quiet"]) == 0


def test_a_wrong_file_is_one_line(page, studio, capsys):
    page.set_input_files("#source-file", studio.given / "notes.txt")
    page.wait_for_selector("#message:not([hidden])")
    line = page.inner_text("#message")
    assert "notes.txt" in line and "\n" not in line
    assert main(["video", "--input-video", str(studio.given / "notes.txt"), "--output-video",
                 str(studio.folder / "x.mp4")]) == 2  # fmt: skip
    own = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.partition("notes.txt")[2] == own.partition("notes.txt")[2]


def test_a_clip_is_queued_painted_and_played(page, studio):
    opened(page, studio.given / "short.mp4")
    assert page.is_visible("#timeline") and page.is_visible("#steadiness")
    changed(page, lambda: move(page, "second", 0.2))
    page.click("#enqueue")
    video = job(page, "done").locator("video")
    video.wait_for()
    assert "wrote" in job(page, "done").locator(".line").inner_text()
    page.evaluate("document.querySelector('#jobs video').play()")
    until(page, "document.querySelector('#jobs video').currentTime > 0.05")


def test_a_job_lives_on_when_the_page_is_reloaded(page, studio):
    opened(page, studio.given / "long.mp4")
    page.click("#enqueue")
    job(page, "running").wait_for()
    page.reload()
    running = job(page, "running")
    running.wait_for()
    until(page, "document.querySelector('#jobs progress[value]')?.value > 0")
    running.locator("[data-act=pause]").click()
    job(page, "paused").locator("[data-act=resume]").click()
    job(page, "running").locator("[data-act=cancel]").click()
    canceled = job(page, "canceled")
    canceled.wait_for()
    page.click("nav [data-view=try]")
    assert page.is_visible("#viewer")  # what was tried is there again


def test_a_job_goes_on_after_the_program_was_ended(browser, studio, page):
    opened(page, studio.given / "long.mp4")
    page.click("#enqueue")
    job(page, "running").wait_for()
    until(page, "document.querySelector('#jobs progress[value]')?.value > 0.1")
    numbers = page.evaluate(
        "fetch('/api/jobs').then(r => r.json()).then(jobs => jobs.map(job => job.process))"
    )
    assert studio.end() == 0
    for number in filter(None, numbers):
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    studio.start()
    page.goto(studio.address)
    page.goto(studio.address.partition("?")[0] + "#queue")
    job(page, "running").wait_for()
    job(page, "running").locator("[data-act=cancel]").click()
    job(page, "canceled").wait_for()


def test_the_keyboard_alone_is_enough(page, studio):
    """Tab, Enter, arrows: the tabs of views, styles, sliders, the wipe."""
    opened(page, studio.given / "photo.png")

    def go_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"{selector} is not reached")

    page.locator("nav button").first.focus()
    go_to("#wipe-at")
    page.keyboard.press("Home")
    assert page.input_value("#wipe-at") == "0"
    go_to("[data-style='fast:rotterdam']")
    changed(page, lambda: page.keyboard.press("Enter"))
    assert page.get_attribute("[data-style='fast:rotterdam']", "aria-pressed") == "true"
    go_to("#strength")
    changed(page, lambda: page.keyboard.press("ArrowLeft"))
    assert page.input_value("#strength") == "0.95"
    go_to("#save")
    with page.expect_download():
        page.keyboard.press("Enter")


def test_a_region_is_chosen_by_a_click(page, studio, tmp_path):
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).resize((256, 256)).save(tmp_path / "astronaut.png")
    whole = opened(page, tmp_path / "astronaut.png")
    page.click("#region-click")
    box = page.locator("#wipe").bounding_box()
    place = {"x": box["width"] * 0.4, "y": box["height"] * 0.75}
    after = changed(page, lambda: page.locator("#wipe").click(position=place))
    assert page.locator(".region select").first.input_value() == "person" and after != whole
    assert "--region person=original" in page.input_value("#command")


def test_a_phone_shows_all_without_scrolling_sideways(page, studio):
    opened(page, studio.given / "photo.png")
    page.set_viewport_size({"width": 390, "height": 844})
    for view in ("try", "queue", "train"):
        page.click(f"nav [data-view={view}]")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, view


def test_the_camera_gives_a_photo(page):
    page.click("#camera-open")
    until(page, "document.getElementById('camera-video').videoWidth > 0")
    page.click("#camera-take")
    assert painted(page)


def test_new_styles_are_learned_and_listed(page, studio):
    page.click("nav [data-view=train]")
    page.set_input_files("#train-files", studio.given / "bars.png")
    page.wait_for_selector("#train-pictures img")
    move(page, "minutes", 1)
    page.click("#train-start")
    page.wait_for_selector("#lessons .chart")
    page.wait_for_selector("#lessons img.sheet")
    page.locator("#lessons .job[data-state=done]").wait_for()
    page.click("nav [data-view=try]")
    page.wait_for_selector("[data-style='styles/bars.safetensors:bars']")


def test_another_site_s_page_gets_nothing(browser, studio, page):
    """A page of another port: it can neither read nor ask, and shows no picture of ours."""
    own = studio.address.partition("?")[0]

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>another page</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = page.context.new_page()
    made.goto(f"http://127.0.0.1:{server.server_port}/")
    code = """async (own) => {
        const tries = [
            () => fetch(own + 'api/jobs', {credentials: 'include'}).then(r => r.text()),
            () => fetch(own + 'api/queue', {method: 'POST', credentials: 'include', body: '{}'}),
            () => new Promise((yes, no) => {
                const image = new Image();
                image.onload = yes; image.onerror = () => no(new Error('refused'));
                image.src = own + 'file/folder/photo.png';
            }),
        ];
        const found = [];
        for (const attempt of tries) found.push(await attempt().then(() => 'got', () => 'refused'));
        return found;
    }"""
    assert made.evaluate(code, own) == ["refused"] * 3
    made.close()
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_an_upload_of_two_gigabytes_takes_no_memory(page, studio):
    def resident() -> int:
        status = Path(f"/proc/{studio.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    place, cookies = urlsplit(studio.address), page.context.cookies()
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in cookies)
    before, chunk, count = resident(), bytes(2**22), 512
    connection = HTTPConnection(place.hostname, place.port, timeout=600)
    connection.putrequest("PUT", "/api/upload?name=large.mp4")
    for name, value in {
        "Cookie": cookie, "X-NST-Studio": "1", "Content-Length": str(len(chunk) * count)
    }.items():  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    most = before
    for _ in range(count):
        connection.send(chunk)
        most = max(most, resident())
    answer = connection.getresponse()
    assert answer.status == 422 and b"large.mp4" in answer.read()  # zeros are no video
    connection.close()
    assert len(chunk) * count == 2 * GIGABYTE
    assert max(most, resident()) - before < 0.1 * GIGABYTE
    assert not list((studio.folder / "dropped").glob("*/large.mp4"))
