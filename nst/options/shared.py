"""Options, help texts and choices of several commands."""

from functools import partial

from nst.options.field import option

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
SEED_HELP = "seed of all random numbers"
VGG_HELP = "VGG-19 weights; none looks for them and downloads them"
CHECKPOINT_HELP = "net made by train.py, or fast, any_style; none takes fast"
FLOW_HELP = "what estimates the motion: auto takes raft on a GPU that has its weights, else dis"
FLOW_SIDE_HELP = "longer side at which motion is estimated; none takes 512 for raft, 320 for dis"
# VGG-19's layers that tell a style, in training and in measuring.
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
# Shorter side, in pixels, of a style picture as it is learned, kept in a checkpoint and measured.
STYLE_PICTURE_SIDE = 768

machine_option = partial(option, group="machine")
device_option = partial(
    machine_option,
    "auto",
    help="auto, cpu, cuda, cuda:N, mps or xpu; auto takes CUDA when it is there",
    metavar="DEVICE",
    common=True,
)
precision_option = partial(
    machine_option,
    "auto",
    help="auto takes half precision where this machine computes it faster",
    choices=PRECISIONS,
)
quiet_option = partial(
    machine_option, False, help="show no progress, print no summary", common=True
)
rate_option = partial(
    option,
    25.0,
    help="frames per second of an input that is a folder of frames",
    metavar="FPS",
    low=0.01,
    high=1000,
)
