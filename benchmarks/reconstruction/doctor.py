"""What each metric of reconstruction needs, where it is looked for, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.reconstruction.frechet.i3d import URL, i3d_place, why_no_i3d
from benchmarks.reconstruction.frechet.transnet import why_no_transnet
from benchmarks.reconstruction.metrics.lpips_distance import TRUNKS, trunk_place, why_no_lpips
from benchmarks.reconstruction.metrics.vmaf import why_no_vmaf
from vtok_eval.errors import MissingDependencyError
from vtok_eval.files.hashing import sha256_file


def doctor(*, fetch: bool, hashes: bool) -> int:
    """Print what the metrics need and whether it is there.

    fetch: refused; `vtok-eval fetch` gets single files.

    Returns:
        The exit code: 0 where what the default protocol needs without downloads is there, else 1.

    Raises:
        MissingDependencyError: files were to be fetched.
    """
    import typer

    if fetch:
        raise MissingDependencyError(
            "doctor reconstruction fetches nothing: vtok-eval fetch lpips:vgg (or alex, squeeze) and i3d do"
        )
    for line in lines(hashes=hashes):
        typer.echo(line)
    return int(why_no_transnet() is not None)


def lines(*, hashes: bool = False) -> list[str]:
    """One line for each metric or weight file."""
    return [
        "psnr, ssim, ms_ssim, changes in time, detail: ready, they need no weights",
        _line("frechet_transnetv2", why_no_transnet),
        _line("vmaf", why_no_vmaf),
        *_lpips(hashes=hashes),
        *_i3d(hashes=hashes),
    ]


def _line(name: str, why_not: Callable[[], str | None]) -> str:
    return f"{name}: {why_not() or 'ready'}"


def _lpips(*, hashes: bool) -> Iterator[str]:
    for network, trunk in TRUNKS.items():
        missing = why_no_lpips(network)
        if missing is not None or not hashes:
            yield f"lpips={network}: {missing or f'ready: {trunk_place(network)}'}"
            continue
        found = sha256_file(trunk_place(network))
        intact = found.startswith(trunk.sha256_start)
        fault = "" if intact else f": NOT the published file, whose SHA-256 begins {trunk.sha256_start}"
        yield f"lpips={network}: {trunk_place(network)}, SHA-256 {found}{fault}"


def _i3d(*, hashes: bool) -> Iterator[str]:
    missing = why_no_i3d()
    if missing is not None or not hashes:
        yield f"frechet_i3d: {missing or f'ready: {i3d_place()}'}"
        return
    digest = sha256_file(i3d_place())
    yield f"frechet_i3d: {i3d_place()}, SHA-256 {digest} (none is published; from {URL})"
