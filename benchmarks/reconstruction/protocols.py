"""Named protocols: each fixes the clips, every metric's convention, and says them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from benchmarks.reconstruction.data.cutting import Consecutive, Cutting, FirstSeconds, Middle, Windows
from benchmarks.reconstruction.frechet.i3d import Resizing
from benchmarks.reconstruction.metrics.changes import NAMES as CHANGES
from benchmarks.reconstruction.metrics.lpips_distance import TRUNKS, LpipsNetwork
from benchmarks.reconstruction.metrics.psnr import PsnrConvention
from benchmarks.reconstruction.metrics.ssim import SsimConvention
from vtok_eval.errors import SuiteError, UnknownNameError


@dataclass(frozen=True)
class CutOptions:
    """What a suite may say about cutting; None leaves it to the protocol."""

    n_frames: int | None = None
    windows: int | None = None
    sizes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ReconstructionProtocol:
    """A protocol. metrics: what it measures, in the order of tables; others are not part of it.

    differs: where it cannot be followed to the letter. meant_for: its data set.
    """

    name: str
    source: str
    metrics: tuple[str, ...]
    cutting: Callable[[CutOptions], Cutting]
    psnr: PsnrConvention
    ssim: SsimConvention | None
    lpips: LpipsNetwork
    i3d: Resizing
    biased: bool = False
    differs: tuple[str, ...] = ()
    meant_for: str = ""

    def text(self, metrics: tuple[str, ...], cutting: Cutting) -> tuple[str, ...]:
        """The conventions in words: the clips, then each of these metrics."""
        said = [
            f"clips: {cutting.text()}",
            "originals and reconstructions are compared as 8-bit RGB in memory",
        ]
        if "psnr" in metrics:
            said.append(self.psnr.value)
        if "ssim" in metrics and self.ssim is not None:
            said.append(self.ssim.value)
        if "ms_ssim" in metrics:
            said.append("MS-SSIM over 5 scales, clips from 176 px; mean over frames")
        if "lpips" in metrics:
            said.append(f"LPIPS 0.1 with {TRUNKS[self.lpips].title}, values in [-1, 1]; mean over frames")
        if "vmaf" in metrics:
            said.append("VMAF v0.6.1 of 4:2:0 frames; mean over frames; clips from 32 px with even sides")
        covariance = "n" if self.biased else "n - 1"
        if "frechet_transnetv2" in metrics:
            said.append(
                "Frechet distance on TransNetV2 features (448, mean over time and space after each of three "
                f"stacks), paired clips, covariance over {covariance}; it is not FVD"
            )
        if "frechet_i3d" in metrics:
            resizing = "to 224 x 224" if self.i3d == "squash" else "shorter side 224, centre 224 x 224"
            said.append(
                f"rFVD on StyleGAN-V's I3D (400 logits), {resizing}, bilinear without antialiasing, up to "
                f"300 frames, at least 10, covariance over {covariance}"
            )
        return (*said, *self.differs)


def named_protocol(name: str) -> ReconstructionProtocol:
    """The protocol of this name.

    Raises:
        UnknownNameError: there is none.

    Example:
        >>> named_protocol("larp").psnr.value
        'PSNR of the mean squared error of the whole clip'
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(what="reconstruction protocol", name=name, known=PROTOCOLS)
    return PROTOCOLS[name]


def _default(options: CutOptions) -> Cutting:
    return Windows(
        n_frames=options.n_frames or 16, windows=options.windows or 4, sizes=options.sizes or (128, 256)
    )


def _vidtok(options: CutOptions) -> Cutting:
    _refuse("vidtok", windows=options.windows, sizes=options.sizes)
    return Consecutive(n_frames=options.n_frames or 17)


def _fixed(name: str, cutting: Cutting) -> Callable[[CutOptions], Cutting]:
    """The cutting of a protocol that leaves nothing to options."""

    def cut(options: CutOptions) -> Cutting:
        _refuse(name, **asdict(options))
        return cutting

    return cut


def _refuse(name: str, **options: object) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise SuiteError(
            f"reconstruction: protocol {name} fixes {' and '.join(given)}; leave that out, or take default"
        )


_UNROUNDED = "encodes and compares unrounded values; here both clips are 8 bits"

PROTOCOLS: Mapping[str, ReconstructionProtocol] = {
    each.name: each
    for each in (
        ReconstructionProtocol(
            name="default",
            source="vtok-eval's own",
            metrics=(
                "psnr",
                "ssim",
                "ms_ssim",
                "lpips",
                "vmaf",
                *CHANGES,
                "frechet_transnetv2",
                "frechet_i3d",
            ),
            cutting=_default,
            psnr=PsnrConvention.FRAMES,
            ssim=SsimConvention.GAUSSIAN,
            lpips="alex",
            i3d="squash",
        ),
        ReconstructionProtocol(
            name="tokenbench",
            source="https://github.com/NVlabs/TokenBench (metrics_cli.py, fvd.py, preprocessing_script.py)",
            metrics=("psnr", "ssim", "lpips", "frechet_i3d"),
            cutting=_fixed("tokenbench", FirstSeconds()),
            psnr=PsnrConvention.CLIP_PLUS_EPSILON,
            ssim=SsimConvention.UNIFORM,
            lpips="vgg",
            i3d="crop",
            differs=(
                "TokenBench's scripts read both videos from MP4 files; here nothing is compressed in "
                "between, so its published PSNR has a ceiling that ours has not",
            ),
            meant_for="tokenbench",
        ),
        ReconstructionProtocol(
            name="vidtok",
            source="https://github.com/microsoft/VidTok (scripts/inference_evaluate.py)",
            metrics=("psnr", "ssim", "lpips", "frechet_i3d"),
            cutting=_vidtok,
            psnr=PsnrConvention.FRAMES_PLUS_EPSILON,
            ssim=SsimConvention.GAUSSIAN_POOLED,
            lpips="vgg",
            i3d="squash",
            differs=(
                f"VidTok {_UNROUNDED}",
                "VidTok's script computes no FVD, so how its published FVD was computed is not known",
            ),
            meant_for="mcl-jcv",
        ),
        ReconstructionProtocol(
            name="larp",
            source="https://github.com/hywang66/LARP (eval/rfvd_evaluator.py)",
            metrics=("psnr", "lpips", "frechet_i3d"),
            cutting=_fixed("larp", Middle()),
            psnr=PsnrConvention.CLIP,
            ssim=None,
            lpips="vgg",
            i3d="squash",
            biased=True,
            differs=(f"LARP {_UNROUNDED}",),
            meant_for="ucf101",
        ),
    )
}
