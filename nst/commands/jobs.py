"""Which picture, or folder of pictures, becomes which file."""

import os
from pathlib import Path

from nst.errors import InputError
from nst.media.folders import list_pictures
from nst.media.images import WRITABLE, check_writable


def pair_files(content: Path, output: Path) -> list[tuple[Path, Path]]:
    """Pair each source with its target, all checked before any work."""
    if not content.exists():
        raise InputError(f"no file {content}: check --content-path")
    if not content.is_dir():
        if output.is_dir():
            raise InputError(f"--output {output} is a folder: name the picture to write")
        check_writable(output)
        if output.exists() and os.path.samefile(content, output):
            raise InputError(f"--output would overwrite {content}: give another name")
        return [(content, output)]
    sources = list_pictures(content)
    if output.exists() and os.path.samefile(content, output):
        raise InputError(f"--output is --content-path, {content}: give another folder")
    if output.suffix.lower() in WRITABLE:
        raise InputError(f"--content-path {content} is a folder, so --output must be one")
    targets = [_target(source, output) for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise InputError(f"two pictures of {content} would become {twice.name}: rename one")
    return list(zip(sources, targets, strict=True))


def _target(source: Path, folder: Path) -> Path:
    """Keep the name; kinds that cannot be written become PNG."""
    if source.suffix.lower() in WRITABLE:
        return folder / source.name
    return folder / f"{source.stem}.png"
