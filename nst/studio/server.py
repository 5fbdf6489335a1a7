"""What the page asks and gets: each request is one function of the files, tries or queue."""

import hashlib
import json
import shlex
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from nst.core.files import replacing
from nst.errors import InputError
from nst.models.checkpoint import SHIPPED, styles_in
from nst.options.field import Checked
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.written import arguments_of, toml_of
from nst.regions.spec import GROUPS
from nst.studio.answers import answered, explain, in_thread, posted, read_json
from nst.studio.files import STYLES, Files, medium_of
from nst.studio.jobs import Job, Queue
from nst.studio.lessons import LessonLog, new_lesson
from nst.studio.settings import Settings, picture_config, read_settings, restored, video_config
from nst.studio.tries import Superseded, Tries, jpeg, shown

PAGE = Path(__file__).parent / "page"
WRITTEN = Path("painted.png")  # the kind of file that a tried picture is saved as


class Studio:
    """The requests of the page, on the files, tries and queue that they share."""

    def __init__(self, files: Files, tries: Tries, queue: Queue):
        self.files, self.tries, self.queue = files, tries, queue
        self._logs: dict[str, LessonLog] = {}
        self._reading = threading.Lock()  # original and draft ask for the same frame at once

    def app(self) -> Starlette:
        """Return the application."""
        json_routes: dict[str, Callable[[Any], Any]] = {
            "open": self.open,
            "command": self.command,
            "restore": lambda data: restored(data["text"], self.files),
            "save": self.save,
            "seen": self.seen,
            "at": self.at,
            "queue": self.enqueue,
            "job": self.act,
            "train": self.train,
        }
        routes = [
            Route("/", lambda request: FileResponse(PAGE / "index.html")),
            Route("/api/state", answered(lambda request: self.state())),
            Route("/api/jobs", answered(lambda request: self.jobs())),
            Route("/api/upload", self._upload, methods=["PUT"]),
            Route("/api/try", self._try, methods=["POST"]),
            Route("/api/preview", answered(self.preview)),
            Route("/api/thumbnail", answered(self.thumbnail)),
            Route("/api/sheet/{job}", answered(self.sheet)),
            Route("/file/{name:path}", answered(self.file)),
            *(
                Route(f"/api/{name}", posted(ask), methods=["POST"])
                for name, ask in json_routes.items()
            ),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
        return Starlette(routes=routes, exception_handlers={InputError: explain})

    def state(self) -> dict[str, Any]:
        """Return what the page shows at first: styles, files of the folder, classes."""
        own = styles_in("fast")
        styles = [{"id": f"fast:{name}", "name": _in_words(name)} for name in own]
        broken = []
        for path in sorted(self.files.roots[STYLES].glob("*.safetensors")):
            try:
                names = styles_in(path)
            except InputError as error:
                broken.append(str(error))
                continue
            name = self.files.name(path)
            styles += [
                {"id": f"{name}:{style}", "name": _in_words(style)}
                for style in names
                if style not in own
            ]
        folder = self.files.listed()
        folders = [name for name in folder if self.files.path(name).is_dir()]
        folders = ["folder", *folders] if folder else []
        return {
            "styles": styles,
            "folder": folder,
            "folders": folders,
            "groups": list(GROUPS),
            "broken": broken,
            "temporal_blend": VideoConfig.temporal_blend,
        }

    def open(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what a file is; a dropped one that cannot be read is deleted."""
        name = str(data["file"])
        path = self.files.path(name)
        try:
            medium = medium_of(path)
            if data.get("wanted") == "style" and medium.kind != "picture":
                raise InputError(f"{path.name} is a {medium.kind}: give a picture as the style")
        except InputError:
            self.files.forget(name)
            raise
        return {"file": name, "name": path.name, **asdict(medium)}

    def command(self, data: dict[str, Any]) -> dict[str, str]:
        """Return the command line that does what is set, and the file that --config reads."""
        config = self._config(read_settings(data))
        name, *arguments = _command_of(config)
        return {
            "command": shlex.join(["nst", name, *arguments]),
            "toml": f"# nst {name} --config THIS_FILE\n{toml_of(config)}",
        }

    def save(self, data: dict[str, Any]) -> dict[str, str]:
        """Write the picture that is tried, and its settings, to the results."""
        settings = read_settings(data)
        config = self._picture(settings)
        target = self.files.free_place(self._stem(settings), WRITTEN.suffix)
        self.tries.save(config, target)
        self._save_settings(replace(config, output=target), target)
        return {"file": self.files.name(target), "name": target.name}

    def seen(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the classes that are seen in the picture or frame, the largest first."""
        found = self.tries.seen(self._content(read_settings(data)))
        return [{"name": name, "fraction": part} for name, part in found.items()]

    def at(self, data: dict[str, Any]) -> dict[str, str]:
        """Return the class at a place of the picture or frame."""
        content = self._content(read_settings(data))
        return {"name": self.tries.class_at(content, float(data["x"]), float(data["y"]))}

    def enqueue(self, data: dict[str, Any]) -> dict[str, str]:
        """Queue the whole video, picture or folder."""
        settings = read_settings(data)
        config = self._config(settings, bool(data.get("report")))
        output = config.output_video if isinstance(config, VideoConfig) else config.output
        title = f"{Path(settings.source).name} in {self._style_words(settings)}"
        self._save_settings(config, output)  # type: ignore[arg-type]
        job = self.queue.add(title, _command_of(config), output, settings=data)  # type: ignore[arg-type]
        return {"id": job.id}

    def act(self, data: dict[str, Any]) -> dict[str, str]:
        """Pause, resume, cancel or remove a job."""
        acts = {
            "pause": self.queue.pause,
            "resume": self.queue.resume,
            "cancel": self.queue.cancel,
            "remove": self.queue.remove,
        }
        if data.get("act") not in acts:
            raise InputError(f"a job can {', '.join(acts)}")
        acts[data["act"]](str(data["id"]))
        return {}

    def train(self, data: dict[str, Any]) -> dict[str, str]:
        """Queue a training run on the pictures that were dropped."""
        pictures, photos = list(data["pictures"]), str(data.get("photos") or "")
        for name in pictures:
            self.open({"file": name, "wanted": "style"})
        minutes, name = data.get("minutes"), str(data.get("name") or "")
        if not isinstance(minutes, int | float):
            raise InputError(f"--minutes is {minutes!r}; it must be a number")
        lesson = new_lesson(self.files, name, pictures, photos, minutes, **self.tries.machine)
        count = f"{len(pictures)} styles" if len(pictures) > 1 else Path(pictures[0]).stem
        job = self.queue.add(
            f"Learn {count}",
            lesson.arguments,
            lesson.output,
            resumes=str(lesson.state),
            settings={"train": True},
        )
        return {"id": job.id}

    def jobs(self) -> list[dict[str, Any]]:
        """Return the queue, with what there is to see of each job."""
        rows = []
        for row in self.queue.jobs():
            output = Path(row["output"])
            row["command"] = shlex.join(["nst", *row.pop("arguments")])
            row["file"] = self._result_name(output)
            row["name"] = output.name
            if row["settings"].get("train") and row["state"] != "waiting":
                log = self._log(row["id"])
                if log and row["state"] == "running":
                    log.read()
                row["losses"] = log.losses if log else {}
                row["sheet"] = log.sheet[0] if log and log.sheet else None
            rows.append(row)
        return rows

    def preview(self, request: Request) -> Response:
        """Give a picture, or a video's frame, as a browser can show it."""
        query = request.query_params
        settings = Settings(query["file"], second=float(query.get("second", "0")))
        side = min(4096, max(16, int(query.get("side", "640"))))
        picture = self.tries.preview(self._content(settings), side)
        return Response(jpeg(picture), media_type="image/jpeg")

    def thumbnail(self, request: Request) -> Response:
        """Give the picture of a style."""
        checkpoint, _, style = request.query_params["style"].partition(":")
        name = checkpoint if checkpoint in SHIPPED else str(self.files.path(checkpoint))
        return Response(self.tries.thumbnail(name, style), media_type="image/jpeg")

    def sheet(self, request: Request) -> Response:
        """Give the newest sheet of a training run."""
        log = self._log(request.path_params["job"])
        if log is None or log.sheet is None:
            raise InputError("there is no sheet yet")
        return Response(log.sheet[1], media_type="image/png")

    def file(self, request: Request) -> Response:
        """Give a file, or a part of it, to be played or downloaded."""
        path = self.files.path(request.path_params["name"])
        if not path.is_file():
            raise InputError(f"{path.name} is a folder: it is at {path}")
        download = "download" in request.query_params
        return FileResponse(path, filename=path.name if download else None)

    async def _upload(self, request: Request) -> Response:
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdigit() else None
        name = request.query_params.get("name", "file")
        file = await self.files.receive(name, request.stream(), size)
        wanted = request.query_params.get("wanted")
        return JSONResponse(await in_thread(self.open, {"file": file, "wanted": wanted}))

    async def _try(self, request: Request) -> Response:
        data = await read_json(request)

        def paint() -> Response:
            config = self._picture(read_settings(data))
            try:
                done = self.tries.paint(config, draft=not data.get("full"))
            except Superseded:
                return Response(status_code=204)
            warnings = json.dumps(done.warnings)  # ASCII, as headers must be
            return Response(
                shown(done.image), media_type="image/jpeg", headers={"X-Warnings": warnings}
            )

        return await in_thread(paint)

    def _content(self, settings: Settings) -> Path:
        """Return the picture to try: the source, or a video's frame, or a folder's first."""
        path = self.files.path(settings.source)
        medium = medium_of(path)
        if medium.kind == "picture":
            return path
        frames = self.files.output_dir / "frames"
        frames.mkdir(exist_ok=True)
        what = f"{path} {path.stat().st_mtime_ns} {settings.second:.3f}"
        name = f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.png"
        with self._reading:
            if not (frames / name).exists():
                self.tries.frame(path, settings.second, frames / name)
        return frames / name

    def _picture(self, settings: Settings) -> PictureConfig:
        content = self._content(settings)
        return picture_config(settings, self.files, content, WRITTEN, **self.tries.machine)

    def _config(self, settings: Settings, report: bool = False) -> PictureConfig | VideoConfig:
        """Return the options of the command for the whole of the source."""
        path = self.files.path(settings.source)
        kind, stem = medium_of(path).kind, self._stem(settings)
        machine = self.tries.machine
        if kind == "video":
            ending = ".gif" if path.suffix.lower() == ".gif" else ".mp4"
            output = self.files.free_place(stem, ending)
            report_path = output.with_suffix(".json") if report else None
            return video_config(settings, self.files, output, report_path, **machine)
        output = self.files.free_place(stem, "" if kind == "folder" else WRITTEN.suffix)
        return picture_config(settings, self.files, path, output, **machine)

    def _stem(self, settings: Settings) -> str:
        return f"{Path(settings.source).stem}-{self._style_words(settings).replace(' ', '_')}"

    def _style_words(self, settings: Settings) -> str:
        names = [Path(style.rpartition(":")[2]).stem for style, _ in settings.styles]
        return " and ".join(map(_in_words, names)) or "the first style"

    def _save_settings(self, config: Checked, target: Path) -> None:
        with replacing(target.with_suffix(".toml")) as partial:
            partial.write_text(toml_of(config), "utf-8")

    def _result_name(self, output: Path) -> str | None:
        try:
            return self.files.name(output)
        except InputError:
            return None

    def _log(self, name: str) -> LessonLog | None:
        if name not in self._logs:
            job: Job = self.queue.get(name)
            folder = Path(job.arguments[job.arguments.index("--log-dir") + 1])
            if not any(folder.glob("events.*")):
                return None
            self._logs[name] = LessonLog(folder)
        return self._logs[name]


def _command_of(config: PictureConfig | VideoConfig) -> list[str]:
    """Return what follows `nst` on the command line."""
    return ["video" if isinstance(config, VideoConfig) else "picture", *arguments_of(config)]


def _in_words(name: str) -> str:
    return name.replace("_", " ")
