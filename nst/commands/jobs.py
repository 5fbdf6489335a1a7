"""Which picture, or folder of pictures, becomes which file."""

import os
from pathlib import Path

from nst.core.files import check_place
from nst.errors import InputError
from nst.media.folders import list_pictures
from nst.media.images import WRITABLE


def pair_files(content: Path, output: Path, flag: str = "--output") -> list[tuple[Path, Path]]:
    """Pair each source with its target, all checked before any work.

    Args:
        flag: the option that names the output.

    Raises:
        InputError: no content, or the output cannot be written there.
    """
    if not content.exists():
        raise InputError(f"no file {content}: check --content-path")
    if not content.is_dir():
        if output.is_dir():
            raise InputError(f"{flag} {output} is a folder: name the picture to write")
        check_place(output, flag, WRITABLE)
        if output.exists() and os.path.samefile(content, output):
            raise InputError(f"{flag} would overwrite {content}: give another name")
        return [(content, output)]
    sources = list_pictures(content)
    if output.exists() and os.path.samefile(content, output):
        raise InputError(f"{flag} is --content-path, {content}: give another folder")
    if output.suffix.lower() in WRITABLE:
        raise InputError(f"--content-path {content} is a folder, so {flag} must be one")
    targets = [_target(source, output) for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise InputError(f"two pictures of {content} would become {twice.name}: rename one")
    if there := [target for target in targets if os.path.lexists(target)]:
        raise InputError(
            f"{len(there)} of {len(targets)} pictures are in {output} already, such as "
            f"{there[0].name}: give a new folder, or delete them"
        )
    return list(zip(sources, targets, strict=True))


def _target(source: Path, folder: Path) -> Path:
    """Keep the name; kinds that cannot be written become PNG."""
    if source.suffix.lower() in WRITABLE:
        return folder / source.name
    return folder / f"{source.stem}.png"
