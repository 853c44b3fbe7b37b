"""GRiT's four dimensions against the package's own functions, with another detector in GRiT's place.

GRiT itself is run where detectron2 is installed, which it is not in this project's environments.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.vbench.evaluator import VBenchEvaluator, Video
from benchmarks.vbench.networks.metric_models import Networks
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.scorers.scorer import Request, scorer_class
from tests.benchmarks.vbench.conftest import write_frames

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

DIMENSIONS = ("object_class", "multiple_objects", "color", "spatial_relationship")
INFORMATION: Mapping[str, Mapping[str, Any]] = {
    "object_class": {"object": "dark"},
    "multiple_objects": {"object": "dark and small"},
    "color": {"color": "red"},
    "spatial_relationship": {
        "spatial_relationship": {"object_a": "dark", "object_b": "small", "relationship": "on the left of"}
    },
}
PROMPT = "a red dark"  # of which the object is what is left without "a " and "red"


class Detector:
    """Sees by a frame's brightness; gives descriptions, boxes and all names, as `DenseCaptioning` does."""

    sizes: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, device: object = None) -> None:
        self.task = ""

    def initialize_model(self, model_weight: str) -> None:
        self.task = "DenseCap"

    def initialize_model_det(self, model_weight: str) -> None:
        self.task = "ObjectDet"

    def run_caption_tensor(self, frame: np.ndarray) -> tuple[list[tuple[str, list[int], list[str]]], None]:
        self.sizes.append(frame.shape)
        mean = float(np.asarray(frame, dtype=np.float64).mean())
        names = [name for name, most in (("dark", 110), ("small", 90), ("large", 130)) if mean < most]
        left = int(mean) % 7
        boxes = [[left * place, 3 * place, 30 + 20 * place, 40 + place] for place in range(len(names))]
        if self.task == "DenseCap":
            spoken = ["a red thing" if int(mean) % 2 else "a blue thing", "a thing", "a red one"]
            return [(spoken[at], boxes[at], names) for at in range(len(names))], None
        return [(name, box, names) for name, box in zip(names, boxes, strict=True)], None


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Detector]]:
    """The package's modules with it in GRiT's place, which needs detectron2 to be imported; and ours."""
    vbench_module("utils")
    names = [f"vbench.{name}" for name in DIMENSIONS]
    stub = ModuleType("vbench.third_party.grit_model")
    vars(stub)["DenseCaptioning"] = Detector
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def grit(networks: Networks, task: str) -> Detector:
        made = Detector()
        made.task = task
        return made

    monkeypatch.setattr(Networks, "grit", grit)
    Detector.sizes = []
    yield Detector
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Fading videos with other brightnesses: some frames show nothing, some everything; one is large."""
    folder = tmp_path_factory.mktemp("fading")
    made = []
    for number, (start, end, shape, n_frames) in enumerate(
        [(40, 160, (96, 128), 20), (85, 115, (64, 64), 9), (135, 60, (770, 772), 3), (200, 220, (64, 64), 5)]
    ):
        levels = np.linspace(start, end, n_frames).astype(np.uint8)
        texture = np.random.default_rng(number).integers(-8, 8, (*shape, 3))
        frames = np.clip(levels[:, None, None, None] + texture, 0, 255).astype(np.uint8)
        made.append(write_frames(folder / f"{PROMPT}-{number}.mp4", frames, fps=8, codec="libx264"))
    return made


def package_scores(name: str, clips: list[Path], folder: Path, options: Any) -> dict[str, float]:
    import torch

    info = folder / "info.json"
    entry = {
        "prompt_en": PROMPT,
        "dimension": [name],
        "video_list": [str(path) for path in clips],
        "auxiliary_info": {name: INFORMATION[name]},
    }
    info.write_text(json.dumps([entry]))
    compute: Callable[..., Any] = getattr(vbench_module(name), f"compute_{name}")
    _, videos = compute(str(info), torch.device("cpu"), options)
    return {Path(video["video_path"]).name: video["video_results"] for video in videos}


def our_scores(name: str, clips: list[Path], *, batch: int) -> dict[str, float]:
    import torch

    device = torch.device("cpu")
    scorer = scorer_class(name)(Networks(device, batch))
    request = Request(PROMPT, INFORMATION)
    found = VBenchEvaluator({name: scorer}, device, frames_per_piece=batch).score(
        [Video(path, (name,), request) for path in clips]
    )
    assert not any(scores.failures for scores in found)
    return {
        path.name: scores.results[name].value
        for path, scores in zip(clips, found, strict=True)
        if name in scores.results
    }


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("name", DIMENSIONS)
def test_each_video_scores_as_the_package_has_it(
    name: str, batch: int, detector: type[Detector], clips: list[Path], tmp_path: Path
) -> None:
    expected = package_scores(name, clips, tmp_path, {"model_weight": "none"})
    theirs, detector.sizes = detector.sizes, []
    found = our_scores(name, clips, batch=batch)
    assert found == pytest.approx(expected, abs=1e-9)
    assert detector.sizes == theirs
    assert len(set(expected.values())) > 1, "a comparison that could not fail"


def test_a_video_without_the_object_has_no_colour(detector: type[Detector], clips: list[Path]) -> None:
    """The brightest video shows nothing dark: it has no score, which is not a failure."""
    assert set(our_scores("color", clips, batch=16)) == {path.name for path in clips[:3]}


def test_two_objects_are_named_with_and(detector: type[Detector], clips: list[Path]) -> None:
    import torch

    scorer = scorer_class("multiple_objects")(Networks(torch.device("cpu")))
    wrong = Request("two cats", {"multiple_objects": {"object": "cat, dog"}})
    evaluator = VBenchEvaluator({"multiple_objects": scorer}, torch.device("cpu"))
    (scores,) = evaluator.score([Video(clips[1], ("multiple_objects",), wrong)])
    assert "needs 'A and B' for 'two cats'" in scores.failures["multiple_objects"]


def test_objects_colours_and_relations_come_from_a_users_file(
    detector: type[Detector], clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the benchmark, as if detectron2 and the weights were here."""
    import torch

    from benchmarks.vbench.benchmark import VBench
    from vtok_eval.benchmark import Context
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.systems import System
    from vtok_eval.video.folder import VideoFolder

    monkeypatch.setattr("benchmarks.vbench.benchmark.why_not", lambda entry: None)
    monkeypatch.setattr("benchmarks.vbench.benchmark.missing_modules", lambda entry: [])
    file = tmp_path / "information.json"
    file.write_text(json.dumps({PROMPT: INFORMATION}))
    benchmark = VBench(DIMENSIONS, information=str(file), frames_at_once=3)
    system = System("clips", "clips", "videos", VideoFolder(clips[0].parent))
    device = torch.device("cpu")
    samples = benchmark.samples(system)
    prepared = benchmark.prepare(system, Context(Runner(device), device, 0, tmp_path, tmp_path))
    outcomes = prepared.evaluate(samples, None)
    for name in DIMENSIONS:
        expected = package_scores(name, clips, tmp_path, {"model_weight": "none"})
        found = {
            sample.id: outcome.values[name][0]
            for sample, outcome in zip(samples, outcomes, strict=True)
            if name in outcome.values
        }
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("detectron2") is None, reason="detectron2 is not installed")
def test_grit_itself_scores_as_the_package_has_it(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GRiT with random weights, its text decoder a layer deep."""
    import contextlib

    import torch

    from benchmarks.vbench.weight_files import GRIT
    from tools.vbench.stand_ins import write_bert_words, write_grit

    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    words = write_bert_words(tmp_path, 600)
    module = vbench_module("third_party.grit_src.image_dense_captions")
    given = module.get_parser

    def small(*arguments: Any, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = given(*arguments, **options)
        sizes = {"NUM_LAYERS": 1, "HIDDEN_SIZE": 64, "ATTENTION_HEADS": 2, "FEEDFORWARD_SIZE": 64}
        changes = [(f"TEXT_DECODER.{key}", value) for key, value in {**sizes, "VOCAB_SIZE": 602}.items()]
        found["opts"] = [*found["opts"], *(part for change in changes for part in change)]
        return found

    monkeypatch.setattr(module, "get_parser", small)
    torch.manual_seed(0)
    write_grit(tmp_path)
    bert = tmp_path / "bert-base-uncased"  # where transformers finds it, run from this folder
    bert.mkdir()
    (bert / "vocab.txt").write_text(words.read_text())
    options = {"model_weight": str(tmp_path / GRIT.path)}
    frame = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.float32)
    networks = Networks(torch.device("cpu"))
    for task in ("DenseCap", "ObjectDet"):
        with contextlib.chdir(tmp_path):
            theirs = vbench_module("third_party.grit_model").DenseCaptioning(torch.device("cpu"))
            (theirs.initialize_model if task == "DenseCap" else theirs.initialize_model_det)(**options)
        expected, _ = theirs.run_caption_tensor(frame)
        assert expected, "random weights that see nothing"
        assert networks.grit(task).run_caption_tensor(frame)[0] == expected
    seen = networks.grit("ObjectDet").run_caption_tensor(first_frame(clips[1]))[0][0][2][0]
    monkeypatch.setitem(INFORMATION, "object_class", {"object": seen})
    with contextlib.chdir(tmp_path):
        shares = package_scores("object_class", clips[1:2], tmp_path, options)
    assert next(iter(shares.values())) > 0
    assert our_scores("object_class", clips[1:2], batch=16) == pytest.approx(shares, abs=1e-9)


def first_frame(path: Path) -> np.ndarray:
    import decord

    decord.bridge.set_bridge("native")
    found: np.ndarray = decord.VideoReader(str(path))[0].asnumpy()
    return found.astype(np.float32)
