"""Every command: what it is, where its options and its work are, and its script in a checkout."""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """A command: what it is, for --help, and where its options and its work are.

    Args:
        description: its first line also stands in the list of commands.
        config, main: "module:name" of the options' dataclass and of the function that takes one.
            They are imported only when the command runs, and torch with the second alone.
        script: the file in a checkout that is the same command.
    """

    description: str
    config: str
    main: str
    script: str | None = None


COMMANDS = {
    "video": Command(
        """Stylize a video; timing and sound are kept.

    nst video --input-video in.mp4 --output-video out.mp4 --style wave
""",
        "nst.options.stylize:VideoConfig",
        "nst.commands.stylize:video",
        "stylize_video.py",
    ),
    "picture": Command(
        """Paint a picture, or a folder of them: optimize its pixels, or one pass of a net.

    nst picture --content-path photo.jpg --style-path painting.jpg
""",
        "nst.options.stylize:PictureConfig",
        "nst.commands.stylize:pictures",
        "style_transfer.py",
    ),
    "train": Command(
        """Train one net on photos and style pictures; the checkpoint holds all the styles.

    nst train --content-dir photos --style-dir styles
""",
        "nst.options.train:TrainConfig",
        "nst.commands.train:train",
        "train.py",
    ),
    "styles": Command(
        """List the styles of a checkpoint, and paint a sheet of what they look like.

    nst styles --output styles.png
""",
        "nst.options.tools:CatalogueConfig",
        "nst.commands.list_styles:catalogue",
    ),
    "export": Command(
        """Write a net and a style as one ONNX file.

    nst export --checkpoint fast --style great_wave --output wave.onnx

The model takes `image`, float32 RGB (N, 3, H, W) in [0, 1], and gives `stylized`, alike: any batch,
any size from 16 pixels. ONNX Runtime paints with it what we paint. At full strength OpenCV 5 does
too, and OpenCV 4 with --fixed-size; less takes a smoothing resize that they do not have. A
--style-path is learned on a photo of scikit-image's, since what will be painted is not known.
With --fixed-size strokes are as large as in a painting of that size; without, as in one of 640
pixels. The grain that painting adds to flat areas is not in the model; its amplitude is in the
metadata.
""",
        "nst.options.tools:ExportConfig",
        "nst.commands.export:export",
    ),
    "evaluate": Command(
        """Measure a stylized video, by any tool, beside its original.

    nst evaluate --original in.mp4 --stylized out.mp4 --style-path style.jpg
""",
        "nst.options.tools:EvaluationConfig",
        "nst.commands.evaluate:main",
    ),
    "studio": Command(
        """Open a page on this machine to try styles, tune them, and queue films.

    nst studio --folder films

The page is at 127.0.0.1 only, and asks nothing of the internet. Ctrl-C ends it; jobs that are not
finished go on when it is started again with the same --output-dir. It needs two small packages:
pip install nst[studio]
""",
        "nst.options.tools:StudioConfig",
        "nst.studio.serve:studio",
    ),
    "options": Command(
        """Print the page of every command's options, docs/options.md.

    nst options > docs/options.md
""",
        "nst.options.tools:OptionsConfig",
        "nst.commands.options_page:main",
    ),
}


def named(place: str):
    """Import what a text of the form "module:name" names.

    >>> named("fractions:Fraction")(1, 2)
    Fraction(1, 2)
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
