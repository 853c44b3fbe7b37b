"""Our runner against the package's own compute functions: same random weights, same real clips."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.vbench.benchmark import VBench
from benchmarks.vbench.evaluator import VBenchEvaluator, Video
from benchmarks.vbench.frames.decoders import DecodingTask, open_video
from benchmarks.vbench.networks.metric_models import Networks
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.result_files import PER_VIDEO_SCALE
from benchmarks.vbench.scorers.captions import SceneCaptions
from benchmarks.vbench.scorers.scorer import SCORERS, Request, Scorer, scorer_class
from vtok_eval.benchmark import Context
from vtok_eval.systems import System
from vtok_eval.video.folder import VideoFolder

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.slow,
    # The package's and torch's words to each other: checkpointing, autocast, meshgrid, nan casts.
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

RUN = [name for name, place in SCORERS.items() if "detections" not in place]
"""All but GRiT's four, which need detectron2 (test_vbench_detections.py)."""

Information = Mapping[str, Mapping[str, Any]]
WHOLE = {"scene"}
"""A video's frames go through these together, whatever the batch size: once is enough."""
BOOLEAN = {"dynamic_degree", "human_action"}
BOUND = 1e-5
"""Ten times closer than the issue asks for; differences seen are below 1e-6."""

Reference = Callable[[str], tuple[float, Mapping[str, Any]]]
Ours = Callable[[int], Mapping[str, Mapping[str, Any]]]


@pytest.fixture(scope="module")
def information(stand_ins: Path, real_clips: tuple[Path, ...]) -> Information:
    """What every prompt asks for. The scene is one that random weights see in some of the frames."""
    return {
        "appearance_style": {"appearance_style": "Van Gogh style"},
        "scene": {"scene": {"scene": _telling_word(real_clips)}},
    }


def _telling_word(clips: tuple[Path, ...]) -> str:
    """The word whose share of the captions differs most between clips: which one rounding may decide."""
    import numpy as np
    import torch

    scene = SceneCaptions(Networks(torch.device("cpu")))
    said = []
    for path in clips:
        _, batches = open_video(DecodingTask(path, "decord384", pick=scene.pick))
        frames = np.concatenate([array for array, _ in batches(16)])
        with torch.inference_mode():
            said.append(scene.captions(frames))
    words = {word for captions in said for caption in captions for word in caption.split()}
    shares = {word: [sum(word in one for one in captions) for captions in said] for word in sorted(words)}
    return max(shares, key=lambda word: float(np.std(shares[word])))


@pytest.fixture(scope="module")
def reference(
    stand_ins: Path,
    real_clips: tuple[Path, ...],
    information: Information,
    tmp_path_factory: pytest.TempPathFactory,
    bert_folder: Path,
) -> Reference:
    """The package's score of a dimension, and each video's by file name; every dimension computed once."""
    import torch

    info = tmp_path_factory.mktemp("info") / "full_info.json"
    entries = [
        {
            "prompt_en": path.stem.removesuffix("-0"),
            "dimension": RUN,
            "video_list": [str(path)],
            "auxiliary_info": information,
        }
        for path in real_clips
    ]
    info.write_text(json.dumps(entries))
    known: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def compute(dimension: str) -> tuple[float, Mapping[str, Any]]:
        if dimension not in known:
            module = vbench_module(dimension)
            options = importlib.import_module("vbench.utils").init_submodules([dimension], local=True)
            function = getattr(module, f"compute_{dimension}")
            with contextlib.chdir(bert_folder):
                score, videos = function(str(info), torch.device("cpu"), options[dimension])
            found = {Path(entry["video_path"]).name: entry["video_results"] for entry in videos}
            known[dimension] = float(score), found
        return known[dimension]

    return compute


@pytest.fixture(scope="module")
def bert_folder(stand_ins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which transformers finds "bert-base-uncased", so that it asks no hub for it."""
    import torch

    folder = tmp_path_factory.mktemp("hub")
    bert = folder / "bert-base-uncased"
    shutil.copytree(stand_ins / "caption_model/bert-base-uncased", bert)
    torch.save({"nothing": torch.zeros(1)}, bert / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def ours(stand_ins: Path, real_clips: tuple[Path, ...], information: Information) -> Ours:
    """Our results at a batch size, by file name and dimension; all dimensions in one pass."""
    known: dict[int, Mapping[str, Mapping[str, Any]]] = {}

    def compute(batch: int) -> Mapping[str, Mapping[str, Any]]:
        if batch not in known:
            names = [name for name in RUN if batch == 3 or name not in WHOLE]
            results = evaluator(names, batch=batch).score(videos(real_clips, names, information))
            assert not any(found.failures for found in results)
            known[batch] = {path.name: found.results for path, found in zip(real_clips, results, strict=True)}
        return known[batch]

    return compute


def evaluator(
    names: list[str], *, batch: int, depth: int = 2, flow_memory: int | None = None
) -> VBenchEvaluator:
    import torch

    device = torch.device("cpu")
    networks = Networks(device, batch, cpu_batch=batch, flow_memory=flow_memory)
    scorers: dict[str, Scorer] = {name: scorer_class(name)(networks) for name in names}
    return VBenchEvaluator(scorers, device, frames_per_piece=batch, depth=depth)


def videos(paths: tuple[Path, ...], names: list[str], information: Information | None = None) -> list[Video]:
    known = information or {}
    return [Video(path, tuple(names), Request(path.stem.removesuffix("-0"), known)) for path in paths]


@pytest.mark.parametrize(
    ("dimension", "batch"),
    [(name, batch) for name in RUN for batch in (1, 3, 16) if batch == 3 or name not in WHOLE],
)
def test_each_video_scores_as_the_package_has_it(
    dimension: str, batch: int, reference: Reference, ours: Ours, real_clips: tuple[Path, ...]
) -> None:
    _, expected = reference(dimension)
    found = ours(batch)
    assert set(found) == set(expected) == {path.name for path in real_clips}
    for name, value in expected.items():
        score = found[name][dimension].value
        if dimension in BOOLEAN:
            assert score == float(value), name
        else:
            assert score == pytest.approx(value / PER_VIDEO_SCALE.get(dimension, 1.0), abs=BOUND), name


@pytest.mark.parametrize("dimension", RUN)
def test_the_weighted_mean_is_the_packages_score(dimension: str, reference: Reference, ours: Ours) -> None:
    score, _ = reference(dimension)
    results = [found[dimension] for found in ours(3).values()]
    mean = sum(result.value * result.weight for result in results) / sum(result.weight for result in results)
    assert mean == pytest.approx(score, abs=BOUND)


def test_the_comparison_can_fail(reference: Reference) -> None:
    """The clips' scores lie apart by far more than the bound, and both booleans occur."""
    for dimension in RUN:
        values = [float(value) for value in reference(dimension)[1].values()]
        assert max(values) - min(values) > 20 * BOUND, (dimension, values)


def test_flow_is_as_long_as_the_packages(stand_ins: Path, real_clips: tuple[Path, ...]) -> None:
    """Dynamic degree is a vote; here the number behind each vote."""
    import torch
    from easydict import EasyDict

    from benchmarks.vbench.networks.flow_lengths import FlowLengths
    from benchmarks.vbench.networks.raft import RaftFlow

    module = vbench_module("dynamic_degree")
    checkpoint = str(stand_ins / "raft_model/models/raft-things.pth")
    options = EasyDict(model=checkpoint, small=False, mixed_precision=False, alternate_corr=False)
    theirs = module.DynamicDegree(options, torch.device("cpu"))
    frames = theirs.get_frames(str(real_clips[0]))[:4]
    with torch.no_grad():
        expected = []
        for first, second in itertools.pairwise(frames):
            padded = module.InputPadder(first.shape).pad(first, second)
            _, flow = theirs.model(*padded, iters=20, test_mode=True)
            expected.append(theirs.get_score(padded[0], flow))
        networks = Networks(torch.device("cpu"))
        raft = RaftFlow(networks.raft(), room=networks.flow_room)
        flow = FlowLengths(raft, torch.cat(frames).to(torch.uint8))
        found = flow.largest([(2, 3), (0, 1), (1, 2)], share=0.05)
    assert found == pytest.approx([expected[2], expected[0], expected[1]], rel=1e-4)


def test_a_dimension_alone_scores_as_among_others(ours: Ours, real_clips: tuple[Path, ...]) -> None:
    """Decoded by itself it may seek to its frames, and temporal flickering is the package's own function."""
    for name in ("overall_consistency", "temporal_flickering", "human_action"):
        alone = evaluator([name], batch=3, depth=1).score(videos(real_clips, [name]))
        for path, found in zip(real_clips, alone, strict=True):
            assert found.results[name].value == pytest.approx(ours(3)[path.name][name].value, abs=1e-6)


def test_what_is_kept_of_correlations_changes_no_score(ours: Ours, real_clips: tuple[Path, ...]) -> None:
    """Nothing kept, and the coarser scales alone (18 x 23 places of the largest clip): large frames' ways."""
    names = ["motion_smoothness", "dynamic_degree"]
    for room in (0, 2 * 4 * (18 * 23) * (9 * 11)):
        tight = evaluator(names, batch=3, flow_memory=room).score(videos(real_clips, names))
        for path, found in zip(real_clips, tight, strict=True):
            for name in names:
                assert found.results[name].value == pytest.approx(ours(3)[path.name][name].value, abs=BOUND)


def test_bad_videos_fail_by_themselves(
    ours: Ours, real_clips: tuple[Path, ...], tmp_path: Path, stand_ins: Path
) -> None:
    names = ["background_consistency", "temporal_flickering"]
    text, cut = tmp_path / "text.mp4", tmp_path / "cut.mp4"
    text.write_text("no video")
    cut.write_bytes(real_clips[0].read_bytes()[:1500])
    paths = (text, real_clips[0], tmp_path / "gone.mp4", cut, real_clips[1])
    results = evaluator(names, batch=3).score(videos(paths, names))
    for place, reason in ((0, "text.mp4"), (2, "no such video file"), (3, "cut.mp4")):
        assert not results[place].results
        assert set(results[place].failures) == set(names)
        for said in results[place].failures.values():
            assert reason in said
            assert paths[place].name in said
    for place in (1, 4):
        found = results[place].results
        for name in names:
            assert found[name].value == pytest.approx(ours(3)[paths[place].name][name].value, abs=1e-6)


def test_through_the_benchmark(
    stand_ins: Path,
    real_clips: tuple[Path, ...],
    tmp_path: Path,
    ours: Ours,
    information: Information,
) -> None:
    import torch

    from vtok_eval.run.runners.runner import Runner

    known = tmp_path / "information.json"
    prompts = [path.stem.removesuffix("-0") for path in real_clips]
    known.write_text(json.dumps(dict.fromkeys(prompts, information)))
    chosen = ["appearance_style", "imaging_quality"]
    benchmark = VBench(chosen, information=str(known), frames_at_once=3)
    system = System("clips", "clips", "videos", VideoFolder(real_clips[0].parent))
    device = torch.device("cpu")
    context = Context(Runner(device), device, 0, tmp_path, tmp_path)
    samples = benchmark.samples(system)
    outcomes = benchmark.prepare(system, context).evaluate(samples, None)
    assert benchmark.describe()["dimensions"]["appearance_style"] == "run"
    for sample, outcome in zip(samples, outcomes, strict=True):
        assert outcome.error is None
        expected = {name: (ours(3)[sample.id][name].value,) for name in chosen}
        assert outcome.values == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}
