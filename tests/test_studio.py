"""The studio's functions, and its server over a real socket; the page itself is test_page.py's."""

import asyncio
import json
import shlex
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import media
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

import nst.studio.jobs  # noqa: E402
import nst.studio.tries  # noqa: E402
from nst.__main__ import main  # noqa: E402
from nst.commands.parser import parse  # noqa: E402
from nst.errors import InputError  # noqa: E402
from nst.options.field import Checked  # noqa: E402
from nst.options.stylize import PictureConfig, VideoConfig  # noqa: E402
from nst.options.train import TrainConfig  # noqa: E402
from nst.options.written import arguments_of, toml_of  # noqa: E402
from nst.studio.files import Files, safe_name  # noqa: E402
from nst.studio.guard import Guard  # noqa: E402
from nst.studio.jobs import Queue  # noqa: E402
from nst.studio.lessons import new_lesson  # noqa: E402
from nst.studio.progress import standing_of  # noqa: E402
from nst.studio.serve import listening  # noqa: E402
from nst.studio.server import Studio  # noqa: E402
from nst.studio.settings import Settings, picture_config, restored, video_config  # noqa: E402
from nst.studio.tries import Tries  # noqa: E402

ROOT = Path(__file__).parents[1]
KEY = "a-key"
CONFIGS = [
    PictureConfig(content_path=Path("a b.png"), output=Path('q"\\.png'), tv_weight=0.5),
    PictureConfig(content_path=Path("-a.png"), style_path=(Path("x.jpg"), Path("é.png"))),
    PictureConfig(content_path=Path("a"), method="one-pass", strength=0.5, region=("person=x",)),
    VideoConfig(input_video="0", keep_audio=False, resume=True, long_side=640),
    VideoConfig(input_video="in.mp4", blend=(0.25, 0.75), style_path=(Path("x"), Path("y"))),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_written_options_are_read_back(config: Checked, tmp_path):
    assert parse(type(config), None, arguments_of(config))[0] == config
    (tmp_path / "a.toml").write_text(toml_of(config), "utf-8")
    assert parse(type(config), None, ["--config", str(tmp_path / "a.toml")])[0] == config


@pytest.fixture
def files(tmp_path, tiny_path) -> Files:
    (tmp_path / "given").mkdir()
    found = Files(tmp_path / "out", tmp_path / "given")
    (found.roots["styles"] / "tiny.safetensors").write_bytes(tiny_path.read_bytes())
    Image.fromarray(media.picture(0, (48, 64))).save(tmp_path / "given" / "photo.png")
    Image.fromarray(media.color_bars((48, 64))).save(tmp_path / "given" / "bars.png")
    return found


TINY = "styles/tiny.safetensors"
PHOTO, BARS = "folder/photo.png", "folder/bars.png"


@pytest.mark.parametrize(
    ("styles", "regions", "options"),
    [
        ([(f"{TINY}:wave", 1.0)], [], {"strength": 0.5, "preserve_color": "luminance"}),
        ([(f"{TINY}:wave", 0.7), (f"{TINY}:scream", 0.3)], [], {"style_scale": 1.0}),
        ([(f"picture:{BARS}", 1.0)], [("person", "original")], {"style_scale": 1.5}),
        ([(f"picture:{BARS}", 0.25), (f"picture:{PHOTO}", 0.75)], [], {"crf": 20}),
    ],
)
def test_settings_come_back_from_their_file(files, styles, regions, options):
    settings = Settings(PHOTO, tuple(styles), tuple(regions), options)
    config = video_config(settings, files, files.output_dir / "a.mp4")
    found = restored(toml_of(config), files)
    assert found["left_out"] == []
    styles = tuple((style, weight) for style, weight in found["styles"])
    again = Settings(found["source"], styles, tuple(found["regions"]), found["options"])
    assert video_config(again, files, files.output_dir / "a.mp4") == config


def test_the_record_of_an_optimized_picture_is_restored(files):
    given = str(files.path(BARS))
    options = {"content_path": str(files.path(PHOTO)), "style_path": [given], "style_scale": 2.0}
    options |= {"method": "optimize", "steps": 300, "init_image": "noise", "seed": 0}
    found = restored(json.dumps({"options": options, "losses": []}), files)
    assert found["source"] == PHOTO and found["styles"] == [(f"picture:{BARS}", 1.0)]
    assert found["options"] == {"style_scale": 2.0}
    assert found["left_out"] == ["init_image", "steps"]


@pytest.mark.parametrize(
    "name",
    [
        "", "folder", "dropped/../../secret.png", "folder/../secret.png", "/etc/passwd",
        "folder//etc/passwd", "etc/passwd", "folder/link.png", "folder/away/secret.png",
        "folder/photo.png\0", "folder/./../secret.png", "queue/x/job.json", "results/none.png",
    ],
)  # fmt: skip
def test_no_other_file_can_be_named(files, tmp_path, name):
    (tmp_path / "secret.png").write_bytes((tmp_path / "given" / "photo.png").read_bytes())
    (tmp_path / "given" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "given" / "away").symlink_to(tmp_path)
    if name == "folder":
        assert files.path(name) == tmp_path / "given"
        return
    with pytest.raises(InputError, match="no file"):
        files.path(name)


def test_settings_name_no_other_file(files, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes((tmp_path / "given" / "photo.png").read_bytes())
    for style in (f"picture:{secret}", f"picture:folder/../{secret.name}", f"{secret}:wave"):
        settings = Settings(PHOTO, ((style, 1.0),))
        with pytest.raises(InputError, match="no file"):
            picture_config(settings, files, secret, secret)
    for text in (f'style_path = ["{secret}"]', f'style = "{secret}"', f'content_path = "{secret}"'):
        with pytest.raises(InputError, match="cannot be read by this page"):
            restored(text, files)
    for name in ("vgg", "masks", "output", "checkpoint", "plan", "device"):
        with pytest.raises(InputError, match=name):
            picture_config(Settings(PHOTO, options={name: str(secret)}), files, secret, secret)


def test_an_upload_does_not_fill_the_memory(files):
    chunk, count = b"\0" * 2**20, 200

    async def chunks():
        for _ in range(count):
            yield chunk

    tracemalloc.start()
    name = asyncio.run(files.receive("../large.mp4", chunks(), None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert files.path(name).stat().st_size == count * len(chunk)
    assert peak < 8 * 2**20 and files.path(name).name == "large.mp4"


def test_a_broken_upload_leaves_nothing(files):
    async def chunks():
        yield b"1"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(files.receive("a.png", chunks(), None))
    with pytest.raises(InputError, match="no space left"):
        asyncio.run(files.receive("a.png", chunks(), 2**60))
    assert list(files.roots["dropped"].iterdir()) == []


def test_a_draft_does_not_wait_for_a_code_to_be_tuned(files, any_style_path, monkeypatch):
    calls = []

    def tuner(*_: object):
        return lambda picture, code: calls.append(1) or 0.5 * code

    monkeypatch.setattr(nst.studio.tries, "tuner_of", tuner)
    given = {"content_path": files.path(PHOTO), "style_path": (files.path(BARS),)}
    given |= {"output": Path("a.png"), "method": "one-pass", "checkpoint": str(any_style_path)}
    config, tries = PictureConfig(**given), Tries("cpu", "float32")
    first, counts = tries.paint(config, draft=True).image, [len(calls)]
    full = tries.paint(config, draft=False).image
    again, counts = tries.paint(config, draft=True).image, [*counts, len(calls)]
    assert counts == [0, 1]
    assert torch.equal(again, full) and not torch.equal(first, full)


def test_without_steps_a_try_shows_what_is_predicted(files, any_style_path, monkeypatch):
    given = {"content_path": files.path(PHOTO), "style_path": (files.path(BARS),)}
    given |= {"output": Path("a.png"), "method": "one-pass", "checkpoint": str(any_style_path)}
    config, tries = PictureConfig(**given, refine_steps=0), Tries("cpu", "float32")
    found = tries.paint(config, draft=False).image
    monkeypatch.setattr(nst.studio.tries, "tuner_of", lambda *_: lambda _, code: code)
    other = Tries("cpu", "float32").paint(PictureConfig(**given), draft=False).image
    assert torch.equal(found, other)


def test_pictures_are_shown_by_the_net_that_predicts(files):
    picture = f"picture:{BARS}"
    only = Settings(PHOTO, ((picture, 1.0),))
    region = Settings(PHOTO, (), (("person", picture),))
    for settings in (only, region):
        config = video_config(settings, files, files.output_dir / "a.mp4")
        assert config.checkpoint == "any_style"
    both = Settings(PHOTO, (("fast:great_wave", 1.0),), (("person", picture),))
    with pytest.raises(InputError, match="any_style and fast cannot be painted together"):
        video_config(both, files, files.output_dir / "a.mp4")


@pytest.mark.parametrize(
    "name", ["a/b.jpg", "a\\b.jpg", "..", "x" * 300 + ".jpg", "a+b*c:d,e=.png"]
)
def test_names_of_uploads_are_harmless(name):
    found = safe_name(name)
    assert not set(found) & set("/\\*:+,=") and found.strip(".") and len(found) <= 150


def test_a_bar_in_a_log_is_understood(tmp_path):
    """Of tqdm's own making, to a file as jobs have it."""
    from tqdm import tqdm

    with open(tmp_path / "log", "w") as file:
        bar = tqdm(total=40, desc="stylizing", unit="frame", file=file, mininterval=0)
        for _ in range(30):
            bar.update()
    found = standing_of((tmp_path / "log").read_text())
    assert (found.stage, found.fraction) == ("stylizing", 0.75) and "frame/s" in found.note
    assert standing_of("loading").fraction is None


# ---- the queue, with a command that stands in for nst's


FAKE = """#!{python}
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
name, seconds, *more = sys.argv[3:]
try:
    if name == "fail":
        print("error: it cannot be", file=sys.stderr)
        sys.exit(2)
    count = 0
    while count < float(seconds) * 50:
        count += 1
        pathlib.Path(name).write_text(f"{{count}} {{' '.join(more)}}")
        time.sleep(0.02)
    print("wrote", name)
except KeyboardInterrupt:
    pathlib.Path(name + ".kept").touch()
    sys.exit(130)
"""


@pytest.fixture
def queue(tmp_path, monkeypatch) -> Iterator[Queue]:
    fake = tmp_path / "fake"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(nst.studio.jobs.sys, "executable", str(fake))
    made = Queue(tmp_path / "queue")
    yield made
    made.close()


def until(what, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(queue: Queue, job) -> str:
    return queue.get(job.id).state


def test_jobs_run_one_after_the_other(queue, tmp_path):
    names = [str(tmp_path / f"{i}") for i in range(2)]
    first, second = (queue.add("t", [name, "0.2"], Path(name)) for name in names)
    failing = queue.add("t", ["fail", "0"], tmp_path / "x")
    until(lambda: state(queue, failing) == "failed")
    assert [state(queue, job) for job in (first, second)] == ["done", "done"]
    assert Path(names[0]).stat().st_mtime_ns < Path(names[1]).stat().st_mtime_ns
    assert queue.get(first.id).line == f"wrote {names[0]}"
    assert queue.get(failing.id).line == "error: it cannot be"


def test_a_paused_job_stands_still_and_goes_on(queue, tmp_path):
    out = tmp_path / "o"
    job = queue.add("t", [str(out), "3"], out)
    until(out.exists)
    queue.pause(job.id)
    time.sleep(0.1)
    before = out.read_text()
    other = queue.add("t", [str(tmp_path / "other"), "0"], tmp_path / "other")
    until(lambda: state(queue, other) == "done")  # a paused job lets others go first
    assert out.read_text() == before and state(queue, job) == "paused"
    queue.resume(job.id)
    until(lambda: state(queue, job) == "done")
    assert not Path(f"{out}.kept").exists()


def test_a_canceled_job_keeps_what_it_can(queue, tmp_path):
    out = tmp_path / "o"
    job = queue.add("t", [str(out), "60"], out)
    until(out.exists)
    queue.cancel(job.id)
    until(lambda: not queue.get(job.id).process)
    assert Path(f"{out}.kept").exists() and state(queue, job) == "canceled"
    queue.remove(job.id)
    assert queue.jobs() == []


def test_a_closed_queue_goes_on_when_it_is_opened(queue, tmp_path):
    out, kept = tmp_path / "o", tmp_path / "o.kept"
    running = queue.add("t", [str(out), "1"], out, resumes=str(kept))
    until(out.exists)
    waiting = queue.add("t", [str(tmp_path / "w"), "0"], tmp_path / "w")
    queue.close()
    assert kept.exists() and "--resume" not in out.read_text()
    again = Queue(tmp_path / "queue")
    until(lambda: state(again, waiting) == "done")
    assert state(again, running) == "done" and "--resume" in out.read_text()
    again.close()


def test_a_command_that_outlived_its_queue_is_ended(queue, tmp_path):
    """As after the program was killed: its folder is opened while the command still runs."""
    out = tmp_path / "o"
    job = queue.add("t", [str(out), "60"], out)
    until(out.exists)
    other = Queue(tmp_path / "queue")
    assert (tmp_path / "o.kept").exists()
    other.cancel(job.id)
    other.close()


# ---- the server


class Client:
    """What speaks HTTP to the studio as the page does, or with other headers."""

    def __init__(self, port: int):
        self.port = port
        self.usual = {"Cookie": f"nst-studio-{port}={KEY}", "X-NST-Studio": "1"}

    def ask(self, method: str, path: str, body=None, headers=None) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, self.usual if headers is None else headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def post(self, name: str, data: object) -> HTTPResponse:
        return self.ask("POST", f"/api/{name}", json.dumps(data))


@pytest.fixture
def client(files, tmp_path) -> Iterator[Client]:
    listener = listening(None)
    assert listener.getsockname()[0] == "127.0.0.1"
    port = listener.getsockname()[1]
    queue = Queue(tmp_path / "out" / "queue")
    app = Guard(Studio(files, Tries("cpu", "float32"), queue).app(), KEY, port)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    until(lambda: server.started)
    yield Client(port)
    server.should_exit = True
    thread.join()
    queue.close()
    listener.close()


def settings(**more) -> dict:
    given = {"source": PHOTO, "styles": [[f"{TINY}:wave", 1]], "regions": [], "options": {}}
    return given | more


def test_only_the_page_itself_is_answered(client):
    own = client.usual
    asked = "POST", "/api/command", json.dumps(settings())
    assert client.ask(*asked).status == 200
    assert client.ask(*asked, own | {"Origin": f"http://127.0.0.1:{client.port}"}).status == 200
    for wrong in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},  # a name made to point to this machine
        {"Host": f"evil.example:{client.port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"X-NST-Studio": "0"},  # what a form of another page cannot send
        {"Cookie": f"nst-studio-{client.port}=guess"},
        {"Cookie": ""},
    ):
        assert client.ask(*asked, own | wrong).status == 403, wrong
    path = f"/file/{PHOTO}"
    assert client.ask("GET", path).status == 200
    for wrong in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}, {"Cookie": ""}):
        assert client.ask("GET", path, None, own | wrong).status == 403, wrong
    page = client.ask("GET", "/", None, own)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Access-Control-Allow-Origin"] is None


def test_the_key_opens_the_page_once(client):
    opened = client.ask("GET", f"/?key={KEY}", None, {})
    assert opened.status == 303 and opened.headers["Location"] == "/"
    assert "HttpOnly" in opened.headers["Set-Cookie"]
    assert "samesite=strict" in opened.headers["Set-Cookie"].lower()
    assert client.ask("GET", "/?key=other", None, {}).status == 403
    assert client.ask("GET", "/", None, {}).status == 403


@pytest.mark.parametrize(
    "path", ["folder/../../secret.txt", "folder/%2e%2e/%2e%2e/secret.txt", "%2Fetc%2Fpasswd"]
)
def test_no_path_leads_out_of_the_folders(client, tmp_path, path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "given" / "secret.txt").symlink_to(tmp_path / "secret.txt")
    others = "/file/folder/secret.txt", "/page/../server.py", "/page/%2e%2e/server.py"
    for tried in (f"/file/{path}", *others):
        answer = client.ask("GET", tried)
        assert answer.status in (404, 422) and b"secret" != answer.body


def test_the_copied_command_makes_the_same_picture(client, files, tmp_path, monkeypatch):
    for wanted in (
        settings(options={"strength": 0.6, "preserve_color": "histogram"}),
        settings(styles=[[f"{TINY}:wave", 0.25], [f"{TINY}:scream", 0.75]]),
        settings(options={"long_side": 40}),
    ):
        tried = client.post("try", wanted | {"full": True})
        assert tried.status == 200 and tried.headers["Content-Type"] == "image/jpeg"
        saved = json.loads(client.post("save", wanted).body)
        command = json.loads(client.post("command", wanted).body)["command"]
        name, *arguments = shlex.split(command)
        assert name == "nst" and main([*arguments, "--quiet"]) == 0
        target = Path(arguments[arguments.index("--output") + 1])
        page, line = (np.asarray(Image.open(p)) for p in (files.path(saved["file"]), target))
        assert np.array_equal(page, line)
        kept = files.path(saved["file"]).with_suffix(".toml").read_text("utf-8")
        assert json.loads(client.post("restore", {"text": kept}).body)["source"] == PHOTO


def test_a_wrong_file_gets_the_line_of_the_command(client, files, tmp_path, capsys):
    for name in ("notes.txt", "broken.png"):
        (tmp_path / name).write_bytes(b"\x89PNG no picture")
        content = (tmp_path / name).read_bytes()
        answer = client.ask("PUT", f"/api/upload?name={quote(name)}&wanted=style", content)
        line = json.loads(answer.body)["error"]
        assert answer.status == 422 and name in line and "\n" not in line
    assert list(files.roots["dropped"].iterdir()) == []
    paths = ["--content-path", str(tmp_path / name), "--output", str(tmp_path / "o.png")]
    assert main(["picture", "--method", "one-pass", *paths]) == 2
    own = capsys.readouterr().err.strip().removeprefix("error: ")
    assert own.partition("broken.png")[2] == line.partition("broken.png")[2]


def test_a_value_out_of_range_is_one_line(client):
    for wanted, text in (
        (settings(options={"strength": 2}), "--strength is 2"),
        (settings(styles=[[f"{TINY}:none", 1]]), "no style 'none'"),
        (settings(source="folder/none.png"), "no file"),
        ({"source": 1}, "cannot be read"),
        ([], "cannot be read"),
    ):
        answer = client.post("try", wanted)
        assert answer.status == 422 and text in json.loads(answer.body)["error"]
    assert client.ask("POST", "/api/try", b"{" * 2_000_000).status == 422


def test_a_queued_clip_is_painted(client, files, tmp_path):
    clip = media.make_clip(tmp_path / "given" / "clip.mp4", 4, (48, 64))
    wanted = settings(source="folder/clip.mp4")
    opened = json.loads(client.post("open", {"file": wanted["source"]}).body)
    assert opened["kind"] == "video" and opened["seconds"] > 0
    assert client.post("try", wanted | {"second": 0.04}).status == 200
    name = json.loads(client.post("queue", wanted).body)["id"]

    def found() -> dict:
        return json.loads(client.ask("GET", "/api/jobs").body)[0]

    until(lambda: found()["state"] not in ("waiting", "running"), 300)
    job = found()
    assert (job["id"], job["state"]) == (name, "done"), job["line"]
    assert job["line"].startswith("wrote ") and clip.exists()
    part = client.ask("GET", f"/file/{job['file']}", None, client.usual | {"Range": "bytes=0-9"})
    assert part.status == 206 and len(part.body) == 10


def test_a_lesson_is_a_command_of_its_own(files):
    lesson = new_lesson(files, "", [BARS], "folder", 5, device="cpu", precision="float32")
    assert lesson.arguments[:3] == ["train", "--config", "auto"]
    config, _ = parse(TrainConfig, None, lesson.arguments[1:])
    assert config.minutes == 5 and config.only_codes and config.output == lesson.output
    assert [p.name for p in config.style_dir.iterdir()] == ["bars.png"]
    assert config.content_dir == files.path("folder")
    again = new_lesson(files, "", [BARS], "", 5)
    assert again.output != lesson.output
    with pytest.raises(InputError, match="--minutes"):
        new_lesson(files, "", [BARS], "", 0)


def test_other_commands_import_nothing_of_the_studio():
    code = "import sys, nst.__main__, nst.options.tools; "
    code += "print({'starlette', 'uvicorn', 'torch', 'nst.studio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
