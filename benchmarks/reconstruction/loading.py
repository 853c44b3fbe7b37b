"""Which metrics of a protocol can be computed here, and the metrics with their networks loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.reconstruction.frechet.i3d import I3DFeatures, why_no_i3d
from benchmarks.reconstruction.frechet.transnet import TransNetFeatures, why_no_transnet
from benchmarks.reconstruction.kinds import ALL
from benchmarks.reconstruction.metrics.changes import NAMES as CHANGES
from benchmarks.reconstruction.metrics.changes import Changes
from benchmarks.reconstruction.metrics.lpips_distance import Lpips, LpipsNetwork, trunk_place, why_no_lpips
from benchmarks.reconstruction.metrics.psnr import Psnr
from benchmarks.reconstruction.metrics.ssim import MultiScaleSsim, Ssim
from benchmarks.reconstruction.metrics.vmaf import Vmaf, why_no_vmaf
from benchmarks.reconstruction.protocols import ReconstructionProtocol
from vtok_eval.errors import MissingDependencyError, SuiteError, UnknownNameError

if TYPE_CHECKING:
    import torch

    from benchmarks.reconstruction.metrics.measure import Measure


@dataclass(frozen=True)
class Chosen:
    """metrics: what is computed, in the order of tables. missing: metric -> why it is not, where it could be.

    lpips: the network of LPIPS.
    """

    metrics: tuple[str, ...]
    missing: Mapping[str, str]
    lpips: LpipsNetwork


def choose(
    protocol: ReconstructionProtocol, metrics: str | Sequence[str], *, lpips: LpipsNetwork | None
) -> Chosen:
    """The metrics that were named; for "all" those of the protocol that can be computed here.

    Raises:
        UnknownNameError: there is no such metric or network.
        SuiteError: a metric is not part of the protocol, or the protocol fixes LPIPS' network.
        MissingDependencyError: a metric that was named cannot be computed here.
    """
    if lpips is not None:
        trunk_place(lpips)
        if protocol.name != "default" and lpips != protocol.lpips:
            raise SuiteError(
                f"reconstruction: protocol {protocol.name} fixes LPIPS' network, {protocol.lpips}; "
                f"leave lpips={lpips} out, or take protocol default"
            )
    network = lpips or protocol.lpips
    named = metrics.split(",") if isinstance(metrics, str) else list(metrics)
    if named == ["all"]:
        reasons = {name: why for name in protocol.metrics if (why := _why_not(name, network))}
        return Chosen(tuple(name for name in protocol.metrics if name not in reasons), reasons, network)
    for name in named:
        if name not in ALL:
            raise UnknownNameError(what="metric of reconstruction", name=name, known=("all", *ALL))
        if name not in protocol.metrics:
            raise SuiteError(
                f"reconstruction: {name} is not part of protocol {protocol.name}, which has "
                f"{', '.join(protocol.metrics)}"
            )
        if (reason := _why_not(name, network)) is not None:
            raise MissingDependencyError(f"reconstruction: {reason}")
    return Chosen(tuple(name for name in protocol.metrics if name in named), {}, network)


def load_measures(
    chosen: Chosen, protocol: ReconstructionProtocol, *, device: torch.device
) -> Mapping[str, Measure]:
    """The metrics by name, those that one pass gives together under one of their names.

    Raises:
        MissingDependencyError: a weight file is damaged or another network's.
    """
    found: dict[str, Measure] = {}
    for name in chosen.metrics:
        if name in CHANGES:
            found.setdefault("changes", Changes([each for each in chosen.metrics if each in CHANGES]))
        else:
            found[name] = _load(name, chosen, protocol, device)
    return found


def _load(name: str, chosen: Chosen, protocol: ReconstructionProtocol, device: torch.device) -> Measure:
    match name:
        case "psnr":
            return Psnr(protocol.psnr)
        case "ssim" if protocol.ssim is not None:
            return Ssim(protocol.ssim)
        case "ms_ssim":
            return MultiScaleSsim()
        case "lpips":
            return Lpips(chosen.lpips, device=device)
        case "vmaf":
            return Vmaf()
        case "frechet_transnetv2":
            return TransNetFeatures(device=device)
        case "frechet_i3d":
            return I3DFeatures(device=device, resizing=protocol.i3d)
    raise ValueError(f"no metric {name} in protocol {protocol.name}")


def _why_not(name: str, network: LpipsNetwork) -> str | None:
    """Why a metric cannot be computed here; None where it can."""
    checks = {
        "lpips": lambda: why_no_lpips(network),
        "vmaf": why_no_vmaf,
        "frechet_transnetv2": why_no_transnet,
        "frechet_i3d": why_no_i3d,
    }
    check = checks.get(name)
    return None if check is None else check()
