"""The vbench package's own functions with their models loaded, to be timed next to ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.dimensions import DIMENSIONS
from benchmarks.vbench.package import vbench_module

if TYPE_CHECKING:
    import torch


QUALITY = tuple(entry.name for entry in DIMENSIONS if entry.group == "quality")
Reference = Callable[[Sequence[str]], list[dict[str, Any]]]


def references(device: torch.device) -> dict[str, Reference]:
    """The package's own functions with their models loaded, by dimension; each gives per-video results."""
    import clip
    import torch
    from easydict import EasyDict

    options = vbench_module("utils").init_submodules(list(QUALITY), local=True)
    module = {name: vbench_module(name) for name in QUALITY}
    dino = torch.hub.load(**options["subject_consistency"]).to(device)
    clip_b32, preprocess = clip.load(options["background_consistency"][0], device=device)
    clip_l14, _ = clip.load(options["aesthetic_quality"][0], device=device)
    head = module["aesthetic_quality"].get_aesthetic_model(options["aesthetic_quality"][1]).to(device)
    musiq = module["imaging_quality"].MUSIQ(pretrained_model_path=options["imaging_quality"]["model_path"])
    musiq.to(device).training = False
    amt = module["motion_smoothness"].MotionSmoothness(*options["motion_smoothness"].values(), device)
    raft_options = EasyDict(
        model=options["dynamic_degree"]["model"], small=False, mixed_precision=False, alternate_corr=False
    )
    raft = module["dynamic_degree"].DynamicDegree(raft_options, device)
    return {
        "subject_consistency": lambda paths: module["subject_consistency"].subject_consistency(
            dino, paths, device, False
        )[1],
        "background_consistency": lambda paths: module["background_consistency"].background_consistency(
            clip_b32, preprocess, paths, device, False
        )[1],
        "temporal_flickering": lambda paths: module["temporal_flickering"].temporal_flickering(paths)[1],
        "motion_smoothness": lambda paths: module["motion_smoothness"].motion_smoothness(amt, paths)[1],
        "dynamic_degree": lambda paths: module["dynamic_degree"].dynamic_degree(raft, paths)[1],
        "aesthetic_quality": lambda paths: module["aesthetic_quality"].laion_aesthetic(
            head, clip_l14, paths, device
        )[1],
        "imaging_quality": lambda paths: module["imaging_quality"].technical_quality(musiq, paths, device)[1],
    }


def reference_raft_weight(function: Reference) -> Any:
    """The last layer of the RAFT that the reference's function has in its closure."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return cells["raft"].cell_contents.model.update_block.flow_head.conv2.weight


@contextmanager
def scaled(weight: Any, factor: float) -> Iterator[None]:
    """With a parameter's values multiplied by a factor."""
    before = weight.data.clone()
    weight.data.mul_(factor)
    try:
        yield
    finally:
        weight.data.copy_(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the package prints and draws while it works; on both sides of the race."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
