"""The network whose features the losses compare, by the progress of a run."""

import torch

from nst.models.small_vgg import SmallVGGFeatures, check_small_layers
from nst.models.vgg import VGGFeatures, check_layers
from nst.models.weights import load_vgg19
from nst.options.train import TrainConfig

LossNet = VGGFeatures | SmallVGGFeatures
# Where `both` changes from the small network to VGG-19: the small one finds the large shapes in a
# seventh of the time, but a net that is trained long on it learns to please it alone.
CHANGE = 0.5


class LossNets:
    """One network, or the small one and then VGG-19.

    Raises:
        InputError: VGG-19's weights cannot be had, or a layer is unknown.
    """

    def __init__(self, config: TrainConfig, device: torch.device, dtype: torch.dtype):
        kind = config.loss_net
        if kind == "auto":
            kind = "both" if device.type == "cpu" else "vgg19"
        layers = (*config.content_layers, *config.style_layers)
        self._nets: list[LossNet] = []
        if kind != "vgg19":
            check_small_layers(layers)
            self._nets.append(SmallVGGFeatures().to(device, dtype))
        if kind != "small":
            check_layers(layers)
            self._nets.append(VGGFeatures(load_vgg19(config.vgg)).to(device, dtype))

    def at(self, progress: float) -> LossNet:
        """Return the network for a step at this progress of the run, 0 to 1."""
        return self._nets[0] if progress < CHANGE else self._nets[-1]
