"""Neural style transfer for pictures and video.

Each package answers one question, and imports only from those to its left (`tests/test_layers.py`):
`errors < core, options < media, models < motion < losses < styles < regions < stylize, optimize,
train < export < commands`. The conventions that every function keeps, said once:

- **Image**: float32 `(N, 3, H, W)`, RGB, sRGB-encoded, in [0, 1], always batched. uint8 lives only
  where pictures and videos are read and written; ImageNet statistics and other ranges only inside
  the wrapper that needs them. Nothing is changed in place.
- **To 8 bits**: round and clamp.
- **Size** is `(height, width)`; a user's size is one number, `long_side`, in pixels.
- **Mask**: `(N, 1, H, W)` in [0, 1], 1 = apply.
- **Style code**: `(D,)`, all scales and shifts of a net's norms; **codes**: `(K, D)`.
- **Style weights**: `(N, K)` for whole pictures or `(N, K, H, W)` for a map; they sum to 1 over K.
- **Features**: `dict[str, Tensor]` with the keys `relu1_1` ... `relu5_4`.
- **Gram matrix**: divided by C*H*W, in float32 whatever the autocast.
- **Time**: a frame carries its `pts`, a stream its `time_base`; rates are `Fraction`.
- **Randomness**: a seed or a `torch.Generator` passed in, made on the CPU.
- **Device and dtype** follow the input.
"""

__version__ = "0.1.0"
