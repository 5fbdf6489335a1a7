"""What a result measures."""

from torch import Tensor

from nst.losses import gram_matrix, relative_error
from nst.tensors import to_uint8


def ssim(image: Tensor, reference: Tensor) -> float:
    """Return the structural similarity of two images (1, 3, H, W), mean over RGB.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
    with their Gaussian window of 11 pixels, computed by scikit-image.
    """
    from skimage.metrics import structural_similarity  # late: training runs without it

    return float(
        structural_similarity(
            to_uint8(image),
            to_uint8(reference),
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def style_distances(features: dict[str, Tensor], grams: dict[str, Tensor]) -> dict[str, float]:
    """Return the relative error of the Gram matrices, layer by layer.

    0 is the style itself, 1 what an all-zero picture's features would give.
    """
    errors = {k: relative_error(gram_matrix(features[k]), grams[k]) for k in grams}
    return {layer: float(error.mean()) for layer, error in errors.items()}
