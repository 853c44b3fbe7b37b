"""The photos behind rendered scenes: files that scikit-image and scikit-learn carry in their wheels."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import MissingDependencyError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANVAS_PER_VIEW = 2.4
"""A photo's shorter side on its canvas, in output sides: room for every camera motion (see `scene.py`)."""


@dataclass(frozen=True)
class Photo:
    """One photo: where a package keeps it, and the SHA-256 of the bytes that scenes were defined with."""

    name: str
    split: str
    package: str
    path: str
    sha256: str
    grey: bool = False


PHOTOS: tuple[Photo, ...] = (
    Photo(
        "astronaut", "validation", "skimage", "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    Photo(
        "coffee", "train", "skimage", "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    Photo(
        "hubble_deep_field", "train", "skimage", "data/hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    Photo(
        "ihc", "train", "skimage", "data/ihc.png",
        "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    ),
    Photo(
        "motorcycle_left", "train", "skimage", "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    Photo(
        "brick", "train", "skimage", "data/brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf", grey=True,
    ),
    Photo(
        "gravel", "train", "skimage", "data/gravel.png",
        "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12", grey=True,
    ),
    Photo(
        "flower", "train", "sklearn", "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    Photo(
        "rocket", "validation", "skimage", "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    Photo(
        "retina", "train", "skimage", "data/retina.jpg",
        "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    ),
    Photo(
        "coins", "validation", "skimage", "data/coins.png",
        "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba", grey=True,
    ),
    Photo(
        "chelsea", "test", "skimage", "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    Photo(
        "grass", "test", "skimage", "data/grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89", grey=True,
    ),
    Photo(
        "china", "test", "sklearn", "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
)  # fmt: skip
SPLITS: tuple[str, ...] = ("train", "validation", "test")


def photos_of(split: str) -> tuple[Photo, ...]:
    """The photos of a split; no photo is in two.

    Raises:
        UnknownNameError: no such split.

    Example:
        >>> {photo.name for photo in photos_of("train")} & {photo.name for photo in photos_of("test")}
        set()
    """
    if split not in SPLITS:
        raise UnknownNameError(what="scene split", name=split, known=SPLITS)
    return tuple(photo for photo in PHOTOS if photo.split == split)


def photo_file(photo: Photo) -> Path:
    """The photo's path in this environment; its package is located but not imported.

    Raises:
        MissingDependencyError: the package or the file is not there.
    """
    found = importlib.util.find_spec(photo.package)
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / photo.path
        if path.is_file():
            return path
    distribution = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[photo.package]
    raise MissingDependencyError(
        f"scenes need the photo {photo.path} that {distribution} carries; "
        f"pip install --force-reinstall {distribution}"
    )


@lru_cache(maxsize=64)
def photo_canvas(name: str, size: int) -> NDArray[np.uint64]:
    """The photo resized for clips of `size` pixels: `(height, width)` uint64, shorter side 2.4 x `size`.

    Each element holds one pixel in four lanes of 16 bits (red lowest, then green, blue, nothing), so that one
    integer multiplication weighs all channels at once and rendering is exact to the bit on every machine.

    Raises:
        MissingDependencyError: the file is missing or is not the one scenes were defined with.
    """
    import io

    import numpy as np
    from PIL import Image

    photo = next(item for item in PHOTOS if item.name == name)
    path = photo_file(photo)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise MissingDependencyError(
            f"{path} is not the photo that scenes were defined with (SHA-256 {photo.sha256[:12]}...), "
            "the one in scikit-image 0.26 or scikit-learn 1.9"
        )
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = round(CANVAS_PER_VIEW * size) / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), dtype=np.uint64)
    result: NDArray[np.uint64] = (
        pixels[..., 0] | pixels[..., 1] << np.uint64(16) | pixels[..., 2] << np.uint64(32)
    )
    return result
