"""A net's pass recorded as a CUDA graph, so that its many small kernels are started as one.

A small net at a small size is limited by how fast Python starts its kernels, not by the GPU.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nst.core.progress import warn
from nst.models.transformer_net import TransformerNet

# More pixels than these keep a GPU busy for longer than it takes to start their kernels.
MAX_PIXELS = 4_000_000
WARM_UP = 2  # passes before one is recorded, in which cuDNN chooses its ways


class RecordedNet:
    """Calls a net; on CUDA a shape that comes again is recorded, and played from then on.

    Where recording fails, the net is called as ever.
    """

    def __init__(self, net: TransformerNet):
        self.net = net
        self._seen: set[tuple] = set()
        self._players: dict[tuple, Callable[..., Tensor]] = {}
        self._failed = net.output.weight.device.type != "cuda"

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return what the net gives for an image, codes and weights."""
        n, _, height, width = inputs[0].shape
        if self._failed or n * height * width > MAX_PIXELS:
            return self.net(*inputs)
        key = tuple((tuple(x.shape), x.dtype) for x in inputs)
        if key in self._players:
            return self._players[key](*inputs)
        if key in self._seen:
            try:
                self._players[key] = record(self.net, inputs)
                return self._players[key](*inputs)
            except torch.OutOfMemoryError:
                self._failed = True  # a recording keeps its memory: none can be spared
            except RuntimeError as error:
                self._failed = True
                reason = str(error).splitlines()[0]
                warn(f"the net's pass is not recorded on this GPU: {reason}")
        self._seen.add(key)
        return self.net(*inputs)


@torch.inference_mode()
def record(net: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    """Record a pass over inputs of these shapes; return what plays it over others."""
    places = [torch.empty_like(x).copy_(x) for x in inputs]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            net(*places)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Other threads go on with their own work meanwhile: pinned memory, copies.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = net(*places)

    @torch.inference_mode()
    def play(*values: Tensor) -> Tensor:
        for place, value in zip(places, values, strict=True):
            place.copy_(value, non_blocking=True)
        graph.replay()
        return result.clone()

    return play
