"""A GPU that is only pretended: tensors that lie on the CPU and say that they are on CUDA.

Every call of PyTorch with a pretended tensor is checked as CUDA would check it: a tensor of the CPU
beside it is an error, and so is giving it to NumPy. The values are computed on the CPU. So results
can be compared, branches on values run, and what makes the host wait for the GPU is counted.

PyTorch's own `FakeTensorMode` checks the same without values; it cannot follow a branch on a value,
nor compute a gradient for CUDA on a machine without it.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
PROPERTIES = {"device": GPU, "is_cuda": True, "is_cpu": False}
# Functions that may meet tensors of both devices; those of them that write into their first.
INTO = {"copy_", "__setitem__", "index_put_"}
MIXED = INTO | {"to", "type_as", "__get__", "__set__"}
# What brings a value to the host, and so waits for all the work before it.
READS = {
    *("item", "tolist", "equal", "allclose", "nonzero", "is_nonzero", "masked_select", "unique"),
    *("__bool__", "__float__", "__int__", "__index__", "bincount"),
}
MOVES = {"to", "cpu", "cuda", "tensor", "as_tensor", "asarray", "copy_"}


class PretendTensor(torch.Tensor):
    """A tensor of the CPU whose `device` says cuda:0."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return _call(function, args, kwargs or {})

    def __reduce_ex__(self, protocol):  # saved, it is what is saved of a real one
        return _plain(self).__reduce_ex__(protocol)


class _Pretending(TorchFunctionMode):
    """Sees the functions that make tensors from none, such as `torch.zeros(device="cuda")`."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return _call(function, args, kwargs or {})


@contextmanager
def pretended_gpu(monkeypatch) -> Iterator[Counter[str]]:
    """Let PyTorch behave as if there were one GPU; give the counter of what waits for it."""
    answers = {
        "is_available": True,
        "device_count": 1,
        "get_device_capability": (8, 0),
        "mem_get_info": (2**34, 2**34),
        "memory_reserved": 0,
        "memory_allocated": 0,
        "empty_cache": None,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    # It would ask the driver.
    check = "_accelerator_graph_capture_health_check"
    monkeypatch.setattr(torch.optim.Optimizer, check, lambda _: None, raising=False)
    # A graph holds kernels of a real GPU only.
    monkeypatch.setattr("nst.stylize.recorded.record", lambda net, inputs: net)
    run = threading.Thread.run

    def run_pretending(thread: threading.Thread) -> None:
        with _Pretending():  # the mode is of one thread only
            run(thread)

    monkeypatch.setattr(threading.Thread, "run", run_pretending)
    _waits.clear()
    with _Pretending():
        yield _waits


_waits: Counter[str] = Counter()


class _Event:
    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        _waits["event"] += 1


def _call(function, args: tuple, kwargs: dict):
    name = getattr(function, "__name__", "")
    if function is torch.device or name == "_parse_to":
        return function(*args, **kwargs)
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    pretended = [x for x in tensors if isinstance(x, PretendTensor)]
    if pretended:
        asked = getattr(getattr(function, "__self__", None), "__name__", "")
        if name == "__get__" and asked in PROPERTIES:
            return PROPERTIES[asked]
        if name == "get_device":
            return GPU.index
        if name in ("numpy", "__array__"):
            raise TypeError("cannot give a tensor of cuda:0 to numpy: use Tensor.cpu() first")
        if name == "pin_memory":
            raise RuntimeError("cannot pin a tensor of cuda:0, only those of the CPU")
        if name == "_has_compatible_shallow_copy_type":  # can a module's parameter stay itself?
            return len(pretended) == 2
        if name not in MIXED:
            _check(name, tensors)
    if name == "pin_memory":
        return args[0].clone()

    device = _wanted_device(name, args, kwargs)
    on_gpu = device.type == "cuda" if device else bool(pretended)
    if name in INTO:
        on_gpu = isinstance(args[0], PretendTensor)
    _count(name, args, kwargs, on_gpu, tensors, pretended)
    kwargs = {k: v for k, v in kwargs.items() if k != "pin_memory"}
    if kwargs.get("device") is not None:
        kwargs["device"] = CPU
    args = tuple(CPU if _names_gpu(x) else x for x in args)
    with torch._C.DisableTorchFunction():
        result = function(*args, **kwargs)
    return tree_map_only(torch.Tensor, _pretended if on_gpu else _plain, result)


def _names_gpu(x) -> bool:
    return isinstance(x, (torch.device, str)) and str(x).startswith("cuda")


def _wanted_device(name: str, args: tuple, kwargs: dict) -> torch.device | None:
    """Return the device that a call asks for, None where it follows its tensors."""
    if name in ("cpu", "cuda"):
        return torch.device(name)
    given = kwargs.get("device")
    if name in ("to", "type_as") and given is None:
        for x in args[1:]:
            if isinstance(x, torch.Tensor):
                return GPU if isinstance(x, PretendTensor) else CPU
            if isinstance(x, (torch.device, str)):
                given = x
    if isinstance(given, int):
        return GPU
    return torch.device(given) if given is not None else None


def _check(name: str, tensors: list[torch.Tensor]) -> None:
    if name == "__getitem__" and isinstance(tensors[0], PretendTensor):
        return  # CUDA takes indices that lie on the CPU; not the other way round
    # Numbers may come from anywhere.
    others = [tuple(x.shape) for x in tensors if x.ndim and not isinstance(x, PretendTensor)]
    if others:
        raise RuntimeError(
            f"expected all tensors on the same device: {name} got cuda:0 and, of the CPU, {others}"
        )


def _count(name: str, args: tuple, kwargs: dict, on_gpu: bool, tensors, pretended) -> None:
    """Count what makes the host wait: values that are read, copies between the devices."""
    if name in READS and pretended:
        _waits[name] += 1
    if name not in MOVES or kwargs.get("non_blocking"):
        return
    # Of `to` that is the only switch that stands alone among the arguments.
    if name in ("to", "copy_") and any(x is True for x in args[1:]):
        return
    source = tensors[-1] if name == "copy_" else tensors[0] if tensors else None
    if isinstance(source, PretendTensor) != on_gpu:
        _waits[f"{name}, {'up' if on_gpu else 'down'}"] += 1


def _pretended(x: torch.Tensor) -> torch.Tensor:
    return x if isinstance(x, PretendTensor) else x.as_subclass(PretendTensor)


def _plain(x: torch.Tensor) -> torch.Tensor:
    if not isinstance(x, PretendTensor):
        return x
    with torch._C.DisableTorchFunction():
        return x.as_subclass(torch.Tensor)
