"""Bad inputs by mutation: every one is refused in a line, exit 2, or gives a result.

    python -m tests.fuzz --count 1000 --seed 1

Small whole files are cut, flipped, spliced and told to be huge; a command reads each. Wrong is a
traceback, more than a minute, more than 2 GB, a file left behind or an input that changed. Such an
input is kept in `--keep`, to become one of `tests/seeds`, which `tests/test_fuzz.py` reads again.
"""

import argparse
import contextlib
import io
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from nst.__main__ import main as nst
from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.models.style_encoder import StyleEncoder
from nst.models.transformer_net import TransformerNet

try:
    from tests import corpus
except ImportError:  # in pytest, which has this folder itself on its path
    import corpus

SECONDS, MEMORY = 60, 2 * 2**20  # of one input; memory in kB, as getrusage has it
SIZE = (24, 32)


@dataclass(frozen=True)
class Subject:
    """A kind of file that is mutated, and the command that reads it.

    Args:
        seeds: whole files by name, made in a folder that also has what the command needs besides.
        arguments: of `python -m nst`, for the input, the output and that folder.
    """

    seeds: Callable[[Path], dict[str, bytes]]
    arguments: Callable[[Path, Path, Path], list[object]]


def pictures(_: Path) -> dict[str, bytes]:
    """Return a picture of each kind that is read."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rgb = np.stack([x * 8, y * 10, x + y], -1).astype(np.uint8)
    color, gray = Image.fromarray(rgb), Image.fromarray(rgb[..., 0])
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a turned photo"
    kinds = {
        "a.jpg": (color, {"exif": exif, "icc_profile": _profile()}),
        "cmyk.jpg": (color.convert("CMYK"), {}),
        "a.png": (color.convert("RGBA"), {"icc_profile": _profile()}),
        "p.png": (color.quantize(9), {}),
        "deep.png": (Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), {}),
        "moving.png": (color, {"save_all": True, "append_images": [color.rotate(180)]}),
        "a.webp": (color, {"save_all": True, "append_images": [color.rotate(180)]}),
        "a.gif": (color, {"save_all": True, "append_images": [color.rotate(180)]}),
        "a.tif": (color, {"compression": "tiff_lzw"}),
        "float.tif": (Image.fromarray(rgb[..., 0].astype(np.float32)), {}),
        "a.bmp": (color, {}),
        "a.ppm": (gray, {}),
        "a.tga": (color, {"rle": True}),
        "a.jp2": (color, {}),
        "a.avif": (color, {}),
        "a.ico": (color, {}),
        "a.dds": (color, {}),
        "a.pcx": (color, {}),
        "a.qoi": (color, {}),
        "a.sgi": (color, {}),
    }
    files = {}
    for name, (picture, options) in kinds.items():
        buffer = io.BytesIO()
        kind = Image.registered_extensions()[f".{name.partition('.')[2]}"]
        with contextlib.suppress(KeyError, OSError):  # kinds that this Pillow does not write
            picture.save(buffer, format=kind, **options)
            files[name] = buffer.getvalue()
    return files


def videos(_: Path) -> dict[str, bytes]:
    """Return a video of each kind of container, with sound."""
    files = {}
    with tempfile.TemporaryDirectory() as place:
        for case in corpus.CASES:
            if case.file in VIDEOS:
                small = replace(case, size=SIZE, frames=min(case.frames, 6), fault=None)
                with contextlib.suppress(ValueError, av.FFmpegError):  # no such encoder here
                    files[case.file] = corpus.make(small, Path(place)).read_bytes()
    return files


def recipes(_: Path) -> dict[str, bytes]:
    """Return recipes, with options of every type."""
    text = (
        'method = "one-pass"\nstyle = "wave*0.5+scream:0.8"\nstrength = 0.5\nlong_side = 64\n'
        'region = ["person=wave", "255=original"]\nquiet = true\nfeather = 2.0\n'
        'preserve_color = "luminance"\nmasks = "m.png"\n'
    )
    return {"a.toml": text.encode(), "b.toml": text.encode("utf-8-sig"), "c.toml": b"seed = [1]\n"}


def checkpoints(folder: Path) -> dict[str, bytes]:
    """Return two small checkpoints."""
    return {name: (folder / name).read_bytes() for name in ("tiny.safetensors", "any.safetensors")}


def _profile() -> bytes:
    from nst.media.color_profile import SRGB

    return SRGB


VIDEOS = (
    *("h264.mp4", "h264.mkv", "h264.mov", "h264.ts", "h264.flv", "h264.avi", "vp9.webm", "dvd.mpg"),
    *("camera.avi", "raw.avi", "tape.mxf", "prores.mov", "media.wmv", "theora.ogv", "bare.h264"),
    *("bare.y4m", "vary.mkv", "turn90.mp4", "cinema.mkv", "studio.mov", "apple.mov"),
)
PAINT = ["picture", "--method", "one-pass", "--quiet", "--device", "cpu", "--long-side", 32]
SUBJECTS = {
    "content": Subject(
        pictures,
        lambda file, output, folder: [
            *PAINT, "--checkpoint", folder / "tiny.safetensors",
            "--content-path", file, "--output", output.with_suffix(".png"),
        ],
    ),
    "style": Subject(
        pictures,
        lambda file, output, folder: [
            *PAINT, "--checkpoint", folder / "any.safetensors", "--refine-steps", 0,
            "--content-path", folder / "whole.png", "--style-path", file,
            "--output", output.with_suffix(".jpg"),
        ],
    ),
    "mask": Subject(
        pictures,
        lambda file, output, folder: [
            *PAINT, "--checkpoint", folder / "tiny.safetensors", "--masks", file,
            "--region", "255=wave", "--content-path", folder / "whole.png",
            "--output", output.with_suffix(".png"),
        ],
    ),
    "moving": Subject(
        pictures,
        lambda file, output, folder: [
            "video", "--quiet", "--device", "cpu", "--flow", "none",
            "--checkpoint", folder / "tiny.safetensors",
            "--input-video", file, "--output-video", output,
        ],
    ),
    "video": Subject(
        videos,
        lambda file, output, folder: [
            "video", "--quiet", "--device", "cpu", "--flow", "none", "--preset", "ultrafast",
            "--checkpoint", folder / "tiny.safetensors", "--long-side", 32,
            "--input-video", file, "--output-video", output.with_suffix(".mp4"),
        ],
    ),
    "recipe": Subject(
        recipes,
        lambda file, output, folder: [
            "picture", "--config", file, "--checkpoint", folder / "tiny.safetensors",
            "--content-path", folder / "whole.png", "--output", output.with_suffix(".png"),
        ],
    ),
    "checkpoint": Subject(
        checkpoints,
        lambda file, output, folder: [
            *PAINT, "--checkpoint", file, "--style", "original",
            "--content-path", folder / "whole.png", "--output", output.with_suffix(".png"),
        ],
    ),
}  # fmt: skip


def mutated(data: bytes, others: list[bytes], random: np.random.Generator) -> bytes:
    """Return a file damaged in one to three ways, most often near its beginning."""
    for _ in range(random.integers(1, 4)):
        reach = len(data) if random.random() < 0.5 else min(len(data), 200)
        at = int(random.integers(max(1, reach)))
        length = int(random.integers(1, 9))
        way = random.integers(7)
        if way == 0:
            data = data[:at]
        elif way == 1:
            data = data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :]
        elif way == 2:
            data = data[:at] + random.bytes(length) + data[at + length :]
        elif way == 3:  # what counts, sizes and places are: as large as they can be
            huge = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]
            data = data[:at] + huge[random.integers(4)] + data[at + 4 :]
        elif way == 4:
            other = others[random.integers(len(others))]
            data = data[:at] + other[int(random.integers(len(other))) :]
        elif way == 5:
            data = data[:at] + data[max(0, at - 50) : at] * int(random.integers(2, 50)) + data[at:]
        else:
            data = data[:at] + data[at + length :]
        if not data:
            return data
    return with_right_sums(data) if random.random() < 0.7 else data


def with_right_sums(data: bytes) -> bytes:
    """Return a PNG whose chunks' check sums are right again, so that more of it is read."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        parts.append(data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join([*parts, data[at:]])


def problem(subject: Subject, file: Path, tools: Path) -> str | None:
    """Run the command on a file that lies alone in its folder; return what is wrong, if anything.

    Args:
        tools: the folder of what the command needs besides.
    """
    folder, before = file.parent, file.read_bytes()
    arguments = [str(word) for word in subject.arguments(file, folder / "output", tools)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stdout, stderr = io.StringIO(), io.StringIO()
    alarm = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            status = nst(arguments)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    left = {path.name for path in folder.iterdir()} - {file.name}
    lines = stderr.getvalue().splitlines()
    if status not in (0, 2):
        return f"exit status {status}"
    if status == 2 and left:
        return f"left behind: {', '.join(sorted(left))}"
    if status == 0 and {Path(name).stem for name in left} != {"output"}:
        return f"wrote {', '.join(sorted(left)) or 'nothing'}"
    if status == 2 and not (lines and lines[-1].startswith("error: ")):
        return f"said {lines[-1:]}"
    if grown > MEMORY:
        return f"took {grown >> 10} MB"
    if file.read_bytes() != before:
        return "changed its input"
    return None


def prepare(tools: Path) -> None:
    """Make what the commands need besides the input: small nets and a whole picture."""
    torch.manual_seed(0)
    net = TransformerNet((8, 8, 8), 1).eval()
    codes = net.plain_code() + 0.1 * torch.randn(3, net.code_length)
    save_checkpoint(
        tools / "tiny.safetensors", Checkpoint(net, codes, ("identity", "wave", "scream"))
    )
    encoder = StyleEncoder(net.code_length, (8, 8), hidden=16)
    encoder.start_from(net.plain_code())
    any_style = Checkpoint(net, codes[:1], ("identity",), encoder=encoder.eval())
    save_checkpoint(tools / "any.safetensors", any_style)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    Image.fromarray(np.stack([x * 8, y * 10, x + y], -1).astype(np.uint8)).save(tools / "whole.png")


def cases(count: int, seed: int, tools: Path, names: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (subject's name, file's name, damaged file), the subjects in turn."""
    wholes = {name: SUBJECTS[name].seeds(tools) for name in names}
    for number in range(count):
        random = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        files = wholes[name]
        file = list(files)[random.integers(len(files))]
        damaged = mutated(files[file], list(files.values()), random)
        # Content tells the kind; the ending is sometimes another, or none.
        ending = Path(file).suffix if random.random() < 0.8 else ["", ".jpg", ".tga"][number % 3]
        yield name, f"input{number}{ending}", damaged


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} seconds")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    options = parser.parse_args(argv)
    found: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        tools = Path(place) / "tools"
        tools.mkdir()
        prepare(tools)
        for name, file, data in cases(options.count, options.seed, tools, options.subjects):
            folder = Path(place) / "case"
            folder.mkdir()
            (folder / file).write_bytes(data)
            if wrong := problem(SUBJECTS[name], folder / file, tools):
                found[wrong] += 1
                (options.keep / name).mkdir(parents=True, exist_ok=True)
                (options.keep / name / file).write_bytes(data)
                print(f"{name} {file}: {wrong}")
            shutil.rmtree(folder)
    minutes = (time.monotonic() - begun) / 60
    print(f"{options.count} bad inputs, {sum(found.values())} wrong, in {minutes:.1f} minutes")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
