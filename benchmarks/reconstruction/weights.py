"""Weights of the metrics of reconstruction: `vtok-eval doctor` lists them, `vtok-eval fetch` gets them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reconstruction.frechet.i3d import FILE, URL, i3d_place
from benchmarks.reconstruction.metrics.lpips_distance import TRUNKS, trunk_place
from vtok_eval.files.weights import Weights, WeightsOf, in_bytes


def lpips_weights(argument: str | None) -> WeightsOf:
    """What `lpips:NETWORK` needs; without an argument, what every network needs.

    Raises:
        UnknownNameError: there is no such network.
    """
    return WeightsOf("metric", "lpips", tuple(_trunk(name) for name in ([argument] if argument else TRUNKS)))


def i3d_weights(argument: str | None) -> WeightsOf:
    """What rFVD needs. No hash of the file is published; the network is tried when it is loaded."""
    weights = Weights(
        spec="i3d",
        file=f"{FILE} of StyleGAN-V, to {i3d_place()}",
        size="about 50 MB",
        find=lambda: i3d_place() if i3d_place().is_file() else None,
        fetch=lambda: _download(URL, i3d_place(), None),
    )
    return WeightsOf("metric", "i3d", (weights,))


def _trunk(network: str) -> Weights:
    place = trunk_place(network)
    trunk = TRUNKS[network]
    return Weights(
        spec=f"lpips:{network}",
        file=f"{trunk.url}, SHA-256 {trunk.sha256_start}..., to {place}",
        size=in_bytes(trunk.size),
        find=lambda: place if place.is_file() else None,
        fetch=lambda: _download(trunk.url, place, trunk.sha256_start),
    )


def _download(url: str, place: Path, sha256_start: str | None) -> Path:
    """Fetch a file; it takes its place only whole, and with the hash that it must have."""
    import torch

    place.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(place), hash_prefix=sha256_start)
    return place
