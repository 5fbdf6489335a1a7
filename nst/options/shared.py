"""Help texts and choices that several commands share."""

DEVICE_HELP = "auto, cpu, cuda, cuda:N, mps or xpu; auto takes CUDA when it is there"
PRECISION_HELP = "auto takes half precision where this machine computes it faster"
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
QUIET_HELP = "show no progress, print no summary"
SEED_HELP = "seed of all random numbers"
VGG_HELP = "VGG-19 weights; none looks for them and downloads them"
CHECKPOINT_HELP = "net made by train.py, or fast, any_style; none takes "
FLOW_HELP = "what estimates the motion: auto takes raft on a GPU that has its weights, else dis"
FLOW_SIDE_HELP = "longer side at which motion is estimated; none takes 512 for raft, 320 for dis"
FRAME_RATE_HELP = "frames per second of an input that is a folder of frames"
# VGG-19's layers that tell a style, in training and in measuring.
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
# Shorter side, in pixels, of a style picture as it is learned, kept in a checkpoint and measured.
STYLE_PICTURE_SIDE = 768
