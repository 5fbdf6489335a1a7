"""How far pictures, made by whatever tool, are from a painting: colors, strokes and content.

    python -m benchmarks.strokes --painting wave.jpg --results painted/ --photos photos/

For each result: the relative squared error of the means (color) and of the centered covariances
(strokes) of VGG-19's features, each averaged over relu1_1 to relu4_1, and with --photos, where the
originals have the results' names, the content distance at relu4_1. 0 is the painting, or the photo,
itself; 1 is what a picture without any features would have. A brush has another width in another
size, so the painting's shorter side (--style-size) and the results' longer one (--long-side) belong
to each figure.
"""

import argparse
from pathlib import Path
from statistics import fmean

import torch

from nst.core.tensors import fit, resize
from nst.errors import InputError
from nst.losses.perceptual import feature_moments, moment_errors, relative_error
from nst.media.folders import list_pictures
from nst.media.images import load_image
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.styles.pictures import load_style

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--painting", type=Path, required=True, help="the style picture")
    parser.add_argument("--results", type=Path, required=True, help="folder of stylized pictures")
    parser.add_argument("--photos", type=Path, help="folder of their originals")
    parser.add_argument("--style-size", type=int, default=768, help="pixels, shorter side")
    parser.add_argument("--long-side", type=int, default=640, help="pixels of the results")
    return parser.parse_args()


@torch.inference_mode()
def main() -> None:
    """Print a line for each result, then the mean."""
    given = options()
    vgg = VGGFeatures(load_vgg19())
    painting = vgg(load_style(given.painting, given.style_size), LAYERS)
    targets = {layer: feature_moments(features) for layer, features in painting.items()}
    photos = {photo.stem: photo for photo in list_pictures(given.photos)} if given.photos else {}
    rows = []
    print(f"{'result':32} {'means':>7} {'strokes':>7} {'content':>7}", flush=True)
    for file in list_pictures(given.results):
        result = load_image(file)
        size = fit(tuple(result.shape[-2:]), given.long_side)
        features = vgg(resize(result, size), LAYERS)
        row = [float(error) for error in moment_errors(features, targets)]
        if file.stem in photos:
            photo = vgg(resize(load_image(photos[file.stem]), size), ("relu4_1",))["relu4_1"]
            row.append(float(relative_error(features["relu4_1"], photo)))
        rows.append(row)
        print(f"{file.stem[:32]:32} " + " ".join(f"{value:7.3f}" for value in row), flush=True)
    if not rows:
        raise InputError(f"no pictures in {given.results}: check --results")
    columns = zip(*(row for row in rows if len(row) == max(map(len, rows))), strict=True)
    print(f"{'mean':32} " + " ".join(f"{fmean(column):7.3f}" for column in columns))


if __name__ == "__main__":
    main()
