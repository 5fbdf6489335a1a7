"""The toolkit as Python: what `import nst` offers, and the choice of a video's method.

Options have the names, defaults, ranges and errors of the command line, with _ for -. A picture is
a path, a PIL picture, or an array of uint8 (H, W, 3); what comes back is of the same kind, an array
for a path.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from nst.core.device import choose_device, choose_dtype, dtype_name
from nst.core.progress import OnProgress, bars
from nst.core.reports import TrainReport, VideoReport
from nst.core.tensors import resize, size_of, to_float, to_uint8, working_size
from nst.errors import InputError
from nst.media.frames import OnFrame, PaintedFrame
from nst.media.images import load_image, read_picture
from nst.models.checkpoint import Checkpoint, load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.options.optimize import OPTIMIZE
from nst.options.paint import ONE_PASS
from nst.options.recipes import read_look
from nst.options.shared import PRECISIONS
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.train import TrainConfig
from nst.options.values import Timed, kind_of
from nst.styles.spec import names_of
from nst.stylize.forward import MIN_SIDE
from nst.stylize.images import picture_painter
from nst.stylize.paint import mix_paint, placed, read_styles

Picture = str | Path | np.ndarray | Image.Image
Config = TypeVar("Config")


class Net:
    """A trained net on its device. It may be shared by threads and sent to other processes.

    Args:
        checkpoint: what it was loaded from.
        device, precision: see `load`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: str = "auto"):
        self.checkpoint = checkpoint
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self._net: TransformerNet = placed(checkpoint.net, self.device, self.dtype)

    @property
    def styles(self) -> list[str]:
        """The names of its own styles."""
        return names_of(self.checkpoint)

    def __repr__(self) -> str:
        return f"Net({len(self.styles)} styles, {self.device}, {dtype_name(self.dtype)})"

    def stylize(
        self,
        image: Picture,
        style: Picture | Sequence[Picture] | None = None,
        *,
        on_progress: OnProgress | None = None,
        **options: Any,
    ) -> Any:
        """Return a picture in a style.

        Args:
            style: a name, a blend such as "wave*0.5+scream*0.5:0.8", a picture, or several; None
                takes the net's first style. A picture is learned on the image, at each call, in
                half a minute on two cores; any_style predicts its style, and tunes it in seconds.
            on_progress: is told of the steps of that.
            options: those of `nst picture --method one-pass`, such as region, strength,
                preserve_color or long_side.

        Raises:
            InputError: an option or a style is wrong.
        """
        with _files() as file:
            content = _tensor(image)
            config = _config(
                PictureConfig,
                content_path=image if isinstance(image, str | Path) else "image",
                output="image.png",
                method=ONE_PASS,
                device=str(self.device),
                precision=dtype_name(self.dtype),
                **_style_options(style, file, named=True),
                **options,
            )
            if config.mask_output:
                raise InputError("mask_output is for files: leave it out")
            size = working_size(size_of(content), config.long_side, "the picture", MIN_SIDE)
            content, styles = resize(content, size), read_styles(config)
            paint = mix_paint(
                config, self.checkpoint, styles, lambda: [content], on_progress, self._net
            )
            with picture_painter(config, paint, styles) as painted:
                stylized, _ = painted(content)
        return _like(image, to_uint8(stylized))


def load(checkpoint: str | Path = "fast", *, device: str = "auto", precision: str = "auto") -> Net:
    """Load a net, to stylize any number of pictures with it.

    Args:
        checkpoint: a file that `nst.train` made, or fast or any_style.
        device: auto, cpu, cuda, cuda:N, mps or xpu; auto takes CUDA where it is available.
        precision: auto, float32, bfloat16 or float16; auto takes half precision where it is faster.

    Raises:
        InputError: no such checkpoint, device or precision, or float16 on a CPU.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; choose from {', '.join(PRECISIONS)}")
    return Net(load_checkpoint(checkpoint), device, precision)


def stylize_video(
    input_video: str | Path,
    output_video: str | Path | None = None,
    style: Picture | Sequence[Picture] | None = None,
    *,
    on_frame: OnFrame | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> VideoReport:
    """Stylize a video, with its times and its sound.

    Args:
        input_video: file, GIF, folder of frames, a camera's number or a stream's URL.
        output_video: what to write; None only hands the frames to `on_frame`.
        style: as in `Net.stylize`.
        on_frame: takes each finished frame; returning False ends the video there.
        on_progress: is told how far it has come, in place of a bar.
        options: those of `nst video`.

    Raises:
        InputError: an option, a style or a file is wrong; nothing is written then.
    """
    with _files() as file:
        named = options.get("method", VideoConfig.method) == ONE_PASS
        config = _config(
            VideoConfig,
            input_video=str(input_video),
            output_video=output_video,
            **_style_options(style, file, named),
            **options,
        )
        return run_video(config, on_frame, on_progress)


def run_video(
    config: VideoConfig, on_frame: OnFrame | None = None, on_progress: OnProgress | None = None
) -> VideoReport:
    """Stylize the video that `config` names by the method that it names; see `stylize_video`."""
    with _progress(config.quiet, on_progress) as on_progress:
        if config.method == OPTIMIZE:
            from nst.optimize.videos import optimize_video

            return optimize_video(config, on_frame, on_progress)
        from nst.stylize.film import keeps_parts, paint_film
        from nst.stylize.plan import planned_film
        from nst.stylize.preview import preview
        from nst.stylize.videos import one_pass_video

        choose_device(config.device)  # one that is absent is refused before anything is read
        if config.preview or config.preview_styles:
            return preview(config, on_progress)
        if config.plan or config.part or config.join:
            return planned_film(config, on_frame, on_progress)
        if keeps_parts(config, on_frame):
            return paint_film(config, on_frame, on_progress)
        with _shown(config, on_frame) as on_frame:
            return one_pass_video(config, on_frame, on_progress)


def optimize(
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Any:
    """Return a picture whose pixels were optimized to have the style of others.

    Args:
        style: a picture, or several to blend.
        on_progress: is told how many steps are done, in place of a bar.
        options: those of `nst picture --method optimize`, such as steps or style_weight.

    Raises:
        InputError: an option or a picture is wrong.
    """
    from nst.optimize.images import optimize_pictures

    with _files() as file:
        source, target = file(content), file(None)
        config = _config(
            PictureConfig,
            content_path=source,
            output=target,
            method=OPTIMIZE,
            **_style_options(style, file, named=False),
            **options,
        )
        with _progress(config.quiet, on_progress) as on_progress:
            optimize_pictures(config, [(source, target)], on_progress)
        return _like(content, np.array(read_picture(target)))


def train(
    content_dir: str | Path,
    style_dir: str | Path,
    output: str | Path,
    *,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> TrainReport:
    """Train a net on photos and style pictures; the checkpoint holds all the styles.

    Args:
        content_dir: folder of photos and videos.
        style_dir: folder of style pictures, or one picture.
        output: checkpoint to write, .safetensors.
        on_progress: is told how far it has come, in place of a bar.
        options: those of `nst train`.

    Raises:
        InputError: an option or a folder is wrong; nothing is written then.
    """
    from nst.train import loop

    paths = {"content_dir": content_dir, "style_dir": style_dir, "output": output}
    config = _config(TrainConfig, **paths, **options)
    with _progress(config.quiet, on_progress) as on_progress:
        return loop.train(config, on_progress)


@contextmanager
def _progress(quiet: bool, on_progress: OnProgress | None) -> Iterator[OnProgress | None]:
    """Give the caller's `on_progress`, or a bar."""
    with bars(quiet) if on_progress is None else nullcontext(on_progress) as report:
        yield report


@contextmanager
def _shown(config: VideoConfig, on_frame: OnFrame | None) -> Iterator[OnFrame | None]:
    """Give an `on_frame` that also shows each frame in a window, where that is asked for."""
    if not config.show:
        yield on_frame
        return
    from nst.media.display import Window

    with Window() as window:

        def show(frame: PaintedFrame) -> bool:
            goes_on = window.show(frame.result)
            return goes_on and not (on_frame and on_frame(frame) is False)

        yield show


def _config(kind: type[Config], **values: Any) -> Config:
    """Build a command's options, with texts for paths and single values for several allowed."""
    specs = {spec.name: spec for spec in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in specs:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(specs)}")
        of, many = kind_of(specs[name])
        if value is None:
            continue
        several: Any = (
            value if many and not isinstance(value, str | Path | int | float) else [value]
        )
        converted = tuple(of(item) if of in (Path, Timed) else item for item in several)
        values[name] = converted if many else converted[0]
    if values.get("look"):
        values = read_look(values["look"], specs) | values
    return kind(**values)


def _style_options(
    style: Picture | Sequence[Picture] | None, file: Callable[[Picture], Path], named: bool
) -> dict[str, Any]:
    """Return the options that say which style.

    Args:
        file: gives a picture's path.
        named: a text may be a style's name.
    """
    if style is None:
        return {}
    if isinstance(style, str) and named:
        return {"style": style}
    several: Any = style if isinstance(style, list | tuple) else [style]
    return {"style_path": tuple(file(picture) for picture in several)}


@contextmanager
def _files() -> Iterator[Callable[[Picture | None], Path]]:
    """Give what returns a picture's path; one that has none is written to a temporary file.

    None gives a path for a result.
    """
    with ExitStack() as stack:
        folder, count = None, 0

        def file(picture: Picture | None) -> Path:
            nonlocal folder, count
            if isinstance(picture, str | Path):
                return Path(picture)
            try:
                folder = folder or stack.enter_context(tempfile.TemporaryDirectory())
                count += 1
                path = Path(folder) / f"{count}.png"
                if picture is not None:
                    _pil(picture).save(path)
            except OSError as error:
                raise InputError(
                    f"the temporary folder cannot be written ({error.strerror}): set TMPDIR to "
                    "another, or give the picture's path"
                ) from None
            return path

        yield file


def _pil(picture: np.ndarray | Image.Image) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"a picture is {type(picture).__name__}: give a path, PIL or an array")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise InputError(
            f"the array is {picture.dtype} {picture.shape}: give uint8 (height, width, 3)"
        )
    return Image.fromarray(picture)


def _tensor(picture: Picture) -> Tensor:
    """Return a picture as an image (1, 3, H, W)."""
    if isinstance(picture, str | Path):
        return load_image(Path(picture))
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,):
        return to_float(np.ascontiguousarray(picture))
    buffer = BytesIO()  # the one reader knows what to do with transparency and other modes
    _pil(picture).save(buffer, "PNG")
    buffer.seek(0)
    return load_image(buffer)


def _like(picture: Picture, result: np.ndarray) -> Any:
    """Return the result (H, W, 3) as a PIL picture where `picture` is one, else as it is."""
    return Image.fromarray(result) if isinstance(picture, Image.Image) else result
