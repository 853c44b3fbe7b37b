"""VBench through the command line: what users may give it, good and bad; killed and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.vbench.dimensions import DIMENSIONS
from benchmarks.vbench.package import installed_version
from tests.benchmarks.vbench.conftest import write_frames
from vtok_eval.results.records import Record, Status
from vtok_eval.results.store import RunFolder

ROOT = Path(__file__).parents[3]
QUALITY = tuple(entry.name for entry in DIMENSIONS if entry.group == "quality")

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`vtok-eval run --only ...` in this process, in a folder of its own: its exit code and all it said."""
    from typer.testing import CliRunner

    from vtok_eval.cli.exit_codes import EXIT_USAGE
    from vtok_eval.cli.main import app
    from vtok_eval.errors import VtokEvalError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["run", "--only", *arguments])
        if isinstance(done.exception, VtokEvalError):
            return EXIT_USAGE, str(done.exception)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VBENCH_CACHE_DIR", "TORCH_HOME", "HF_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))


def moving(n_frames: int, *, height: int = 128, width: int = 128, seed: int = 0) -> np.ndarray:
    """Smooth noise that drifts: `(n, H, W, 3)`."""
    import cv2

    coarse = np.random.default_rng(seed).random((9, 9 + n_frames, 3))
    parts = [coarse[:, start : start + 9] for start in range(n_frames)]
    return np.stack([cv2.resize((255 * part).astype(np.uint8), (width, height)) for part in parts])


def write(path: Path, frames: np.ndarray, *, fps: int = 8, codec: str = "libx264") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_frames(path, frames, fps=fps, codec=codec)


def zero_rate(path: Path) -> None:
    """A video whose header states 0 frames a second, twice."""
    write(path, moving(4), codec="mpeg4")
    data = bytearray(path.read_bytes())
    whole, stream = data.find(b"avih"), data.find(b"strh")
    data[whole + 8 : whole + 12] = bytes(4)  # microseconds per frame
    data[stream + 28 : stream + 36] = bytes(8)  # scale and rate
    path.write_bytes(data)


def write_all_kinds(folder: Path) -> None:
    from PIL import Image

    write(folder / "good-0.mp4", moving(7))
    write(folder / "good-1.mp4", moving(6, width=144))
    write(folder / "no index.mp4", moving(5, seed=2))
    write(folder / "one frame-0.mp4", moving(1))
    write(folder / "two frames-0.mp4", moving(2))
    write(folder / "tiny-0.mp4", moving(5, height=32, width=32))
    zero_rate(folder / "no rate-0.avi")
    pictures = [Image.fromarray(frame) for frame in moving(4)]
    for duration in (100, 0):
        path = folder / f"gif-{duration}.gif"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=duration)
    (folder / "pictures-0").mkdir()
    for number, picture in enumerate(pictures, start=8):  # 8, 9, 10, 11: not in the order of their letters
        picture.save(folder / "pictures-0" / f"{number}.png")
    (folder / "odd pictures-0").mkdir()
    pictures[0].save(folder / "odd pictures-0" / "1.png")
    pictures[1].resize((64, 64)).save(folder / "odd pictures-0" / "2.png")
    (folder / "no video-0.mp4").write_text("not a video")
    (folder / "cut short-0.mp4").write_bytes((folder / "good-0.mp4").read_bytes()[:2500])
    (folder / "empty-0.mp4").touch()
    (folder / "notes.txt").write_text("not looked at")


def records_of(folder: Path) -> dict[str, Record]:
    return {record.sample_id: record for record in RunFolder.open(folder).raw_records()}


def not_run(folder: Path) -> str:
    """Why the one job was not run."""
    (entry,) = RunFolder.open(folder).run()["not_run"]
    return str(entry["reason"])


def test_each_bad_video_fails_where_it_must_and_the_rest_is_scored(
    command: Command, tmp_path: Path, stand_ins: Path
) -> None:
    write_all_kinds(tmp_path / "videos")
    arguments = ("--benchmark", f"vbench:{','.join(QUALITY)}", "--videos", "videos", "--out", "run")
    code, said = command(*arguments)
    assert code == 1
    records = records_of(tmp_path / "run")
    whole = {
        "good-0.mp4",
        "good-1.mp4",
        "no index.mp4",
        "no rate-0.avi",
        "gif-100.gif",
        "gif-0.gif",
        "pictures-0",
    }
    for name in whole:
        assert records[name].status is Status.OK, records[name].reason
        assert set(records[name].values) == set(QUALITY), name
    failed = {
        "one frame-0.mp4": ("has 1 frame; ", {"aesthetic_quality", "imaging_quality", "dynamic_degree"}),
        "two frames-0.mp4": (
            "has 2 frames; motion smoothness needs at least 3",
            {*QUALITY} - {"motion_smoothness"},
        ),
        "tiny-0.mp4": ("is 32 x 32; ", {*QUALITY} - {"motion_smoothness", "dynamic_degree"}),
        "odd pictures-0": ("2.png: this frame is of another size than the first", set()),
        "no video-0.mp4": ("no video-0.mp4", set()),
        "cut short-0.mp4": ("truncated", set()),
        "empty-0.mp4": ("is empty", set()),
    }
    assert set(records) == whole | set(failed)
    for name, (reason, scored) in failed.items():
        record = records[name]
        assert record.status is Status.FAILED
        assert reason in str(record.reason)
        assert set(record.values) == scored, name
        assert str(record.meta["failed_at"]).split(";") == [each for each in QUALITY if each not in scored]
        assert f"{name}: " in said
    scores = {score.metric.name: score for score in RunFolder.open(tmp_path / "run").scores()}
    # 14 videos. Flickering: the one of one frame and the four that cannot be read; smoothness two more.
    assert (scores["temporal_flickering"].n, scores["temporal_flickering"].n_failed) == (14, 5)
    assert (scores["motion_smoothness"].n, scores["motion_smoothness"].n_failed) == (14, 7)
    assert (scores["imaging_quality"].n, scores["imaging_quality"].n_failed) == (14, 4)
    assert scores["quality"].value == pytest.approx(published_quality({n: scores[n].value for n in QUALITY}))
    assert not {"semantic", "total"} & set(scores)
    before = [records[name].values for name in sorted(records)]
    assert command(*arguments)[0] == 1  # nothing to do
    assert [records_of(tmp_path / "run")[name].values for name in sorted(records)] == before


def published_quality(scores: dict[str, float | None]) -> float:
    """scripts/cal_final_score.py and constant.py of VBench, restated."""
    ranges = {
        "subject_consistency": (0.1462, 1.0),
        "background_consistency": (0.2615, 1.0),
        "temporal_flickering": (0.6293, 1.0),
        "motion_smoothness": (0.706, 0.9975),
    }
    total = weights = 0.0
    for name, score in scores.items():
        assert score is not None
        low, high = ranges.get(name, (0.0, 1.0))
        weight = 0.5 if name == "dynamic_degree" else 1.0
        total += weight * (score - low) / (high - low)
        weights += weight
    return total / weights


def test_frames_of_a_folder_score_as_the_video_they_are_of(
    command: Command, tmp_path: Path, stand_ins: Path
) -> None:
    """Lossless both; at 8 frames a second dynamic degree compares the same frames."""
    from PIL import Image

    frames = moving(10, height=128, width=136)
    write(tmp_path / "videos" / "x-0.mov", frames, codec="png")
    folder = tmp_path / "videos" / "y-0"
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")
    names = "background_consistency,temporal_flickering,motion_smoothness,dynamic_degree"
    assert command("--benchmark", f"vbench:{names}", "--videos", "videos", "--out", "run")[0] == 0
    records = records_of(tmp_path / "run")
    assert len(records) == 2
    for name, value in records["x-0.mov"].values.items():
        assert records["y-0"].values[name] == pytest.approx(value, abs=1e-6), name


def test_neither_workers_nor_batches_change_a_score(
    command: Command, tmp_path: Path, stand_ins: Path
) -> None:
    for number in range(3):
        write(tmp_path / "videos" / f"a cat-{number}.mp4", moving(4 + number, seed=number))
    found = []
    for workers, batch in (("1", "16"), ("2", "1"), ("2", "2")):
        out = f"run {workers} {batch}"
        code, _ = command(
            *("--benchmark", "vbench:background_consistency,motion_smoothness", "--videos", "videos"),
            *("--workers", workers, "--batch-size", batch, "--out", out),
        )
        assert code == 0
        found.append({name: record.values for name, record in records_of(tmp_path / out).items()})
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("no_weights")
def test_a_4k_video_comes_in_pieces(command: Command, tmp_path: Path) -> None:
    levels = np.repeat(np.array([0, 51, 102], dtype=np.uint8), 1)
    frames = np.broadcast_to(levels[:, None, None, None], (3, 2160, 3840, 3))
    write(tmp_path / "videos" / "large-0.mp4", frames)
    code, _ = command("--benchmark", "vbench:temporal_flickering", "--videos", "videos", "--out", "run")
    assert code == 0
    # Each step of 51 is a fifth of the range; YUV rounds.
    (score,) = RunFolder.open(tmp_path / "run").scores()
    assert score.value == pytest.approx(0.8, abs=0.01)


@pytest.mark.usefixtures("no_weights")
def test_what_is_missing_is_said_before_the_run_and_the_rest_runs(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "videos" / "a cat-0.mp4", moving(3))
    assert command("--benchmark", "vbench", "--videos", "videos", "--out", "run")[0] == 0
    metrics = [score.metric.name for score in RunFolder.open(tmp_path / "run").scores()]
    assert metrics == ["temporal_flickering"]
    (described,) = RunFolder.open(tmp_path / "run").run()["benchmarks"]
    lines = described["description"]["cost"]
    assert len(lines) == 15
    assert any(line.startswith("Dynamic degree: not run: weights missing in ") for line in lines)
    assert any("no prompt says which scene it asks for (option information)" in line for line in lines)
    assert command("--benchmark", "vbench:imaging_quality", "--videos", "videos", "--out", "none")[0] == 1
    assert "no chosen dimension can run: imaging_quality: weights missing in" in not_run(tmp_path / "none")


@pytest.mark.parametrize("damage", ["cut short", "another model's"])
def test_a_bad_checkpoint_ends_the_job_and_the_run_goes_on_once_it_is_mended(
    damage: str, command: Command, tmp_path: Path, stand_ins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "weights"
    good, path = stand_ins / "raft_model/models/raft-things.pth", cache / "raft_model/models/raft-things.pth"
    path.parent.mkdir(parents=True)
    if damage == "cut short":
        path.write_bytes(good.read_bytes()[:100_000])
    else:
        shutil.copyfile(stand_ins / "pyiqa_model/musiq_spaq_ckpt-358bb6af.pth", path)
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(cache))
    write(tmp_path / "videos" / "a-0.mp4", moving(3))
    arguments = (
        "--benchmark",
        "vbench:dynamic_degree,temporal_flickering",
        "--videos",
        "videos",
        "--out",
        "run",
    )
    assert command(*arguments)[0] == 1
    reason = not_run(tmp_path / "run")
    assert "raft-things.pth: " in reason
    assert ("cut short or damaged" if damage == "cut short" else "is a checkpoint of another model") in reason
    assert records_of(tmp_path / "run") == {}
    shutil.copyfile(good, path)
    assert command(*arguments)[0] == 0
    assert set(records_of(tmp_path / "run")["a-0.mp4"].values) == {"dynamic_degree", "temporal_flickering"}


PROMPTS = ["a cat", "the sea / at night"]


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    """A generator that fails at one seed, and a tokenizer that decodes the mean of each frame."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\n"
        "from vtok_eval.data import Clips, Tokens\n"
        "class Noise:\n"
        "    def generate(self, prompts, seeds):\n"
        "        if seeds[0] == 13 and 'cat' in prompts[0]: raise RuntimeError('out of paint')\n"
        "        draw = torch.Generator().manual_seed(seeds[0])\n"
        "        frames = torch.randint(0, 256, (1, 3, 3, 16, 16), generator=draw)\n"
        "        return Clips(frames.to(torch.uint8), torch.tensor([8.0]))\n"
        "class Means:\n"
        "    def encode(self, clips):\n"
        "        self.shape, self.fps = clips.frames.shape, clips.fps\n"
        "        return Tokens.of(clips.frames.float().mean(dim=(3, 4)))\n"
        "    def decode(self, tokens):\n"
        "        frames = tokens.values[:, :, :, None, None].round().to(torch.uint8).expand(self.shape)\n"
        "        return Clips(frames.contiguous(), self.fps)\n"
    )
    return path


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("mode", ["custom", "standard"])
def test_a_generator_makes_five_videos_of_each_prompt(
    mode: str, command: Command, tmp_path: Path, systems: Path
) -> None:
    if mode == "custom":
        (tmp_path / "prompts").write_text("\n".join(PROMPTS))
    else:
        entries: list[dict[str, Any]] = [
            {"prompt_en": prompt, "dimension": ["temporal_flickering"]} for prompt in PROMPTS
        ]
        entries.append({"prompt_en": "a dog", "dimension": ["scene"]})  # not for a chosen dimension
        (tmp_path / "prompts").write_text(json.dumps(entries))
    code, _ = command(
        *("--benchmark", "vbench:temporal_flickering", "--generator", f"{systems}:Noise", "--seed", "10"),
        *("--set", f"mode={mode}", "--set", "prompts=prompts", "--out", "run"),
    )
    assert code == 1
    records = records_of(tmp_path / "run")
    assert len(records) == 10
    assert {record.cluster for record in records.values()} == set(PROMPTS)
    failed = [record for record in records.values() if record.status is Status.FAILED]
    assert [record.sample_id for record in failed] == ["a cat-3.mp4"]
    assert "out of paint" in str(failed[0].reason)
    (folder,) = (tmp_path / "run/videos").iterdir()
    note = json.loads((folder / "a cat-4.json").read_text())
    assert (note["prompt"], note["index"], note["seed"]) == ("a cat", 4, 14)
    assert (folder / "a cat-4.mp4").is_file()
    # A prompt with a slash names no file: its videos are called after a hash, and know their prompt.
    hashed = [path for path in folder.glob("*.json") if not path.name.startswith("a cat")]
    assert {json.loads(path.read_text())["prompt"] for path in hashed} == {PROMPTS[1]}


@pytest.mark.usefixtures("no_weights")
def test_a_generator_needs_prompts(command: Command, tmp_path: Path, systems: Path) -> None:
    code, said = command("--benchmark", "vbench:temporal_flickering", "--generator", f"{systems}:Noise")
    assert code == 2
    assert "vbench needs prompts for a generator" in said
    assert "mode=standard" in said


@pytest.mark.usefixtures("no_weights")
def test_a_reconstruction_stands_beside_its_original(command: Command, tmp_path: Path, systems: Path) -> None:
    write(tmp_path / "videos" / "a cat-0.mp4", moving(4))
    write(tmp_path / "videos" / "a cat-1.mp4", moving(5, seed=3))
    code, _ = command(
        *("--benchmark", "vbench:temporal_flickering", "--reconstruct", "videos"),
        *("--tokenizer", f"{systems}:Means", "--out", "run"),
    )
    assert code == 0
    folder = RunFolder.open(tmp_path / "run")
    by_system: dict[str, dict[str, Record]] = {}
    for record in folder.raw_records():
        by_system.setdefault(record.system, {})[record.sample_id] = record
    assert len(by_system) == 2
    original, decoded = (by_system[name] for name in sorted(by_system, key=lambda name: "Means" in name))
    assert set(original) == set(decoded) == {"a cat-0.mp4", "a cat-1.mp4"}
    # What moves in the original is one flat colour in what is decoded: it flickers less.
    for name, record in decoded.items():
        assert (
            record.values["temporal_flickering"][0] > original[name].values["temporal_flickering"][0] + 0.01
        )
    assert {name: record.cost["tokens"] for name, record in decoded.items()} == {
        "a cat-0.mp4": 4,
        "a cat-1.mp4": 5,
    }


@pytest.mark.usefixtures("no_weights")
def test_videos_that_the_standard_prompts_miss_are_counted(command: Command, tmp_path: Path) -> None:
    entries = [{"prompt_en": prompt, "dimension": ["temporal_flickering"]} for prompt in ("a cat", "a dog")]
    (tmp_path / "prompts.json").write_text(json.dumps(entries))
    write(tmp_path / "videos" / "a cat-0.mp4", moving(3))
    write(tmp_path / "videos" / "a kat-0.mp4", moving(3))
    arguments = (
        *("--benchmark", "vbench:temporal_flickering", "--set", "mode=standard"),
        *("--set", "prompts=prompts.json", "--videos", "videos", "--out", "run"),
    )
    code, said = command(*arguments)
    assert code == 1
    (score,) = RunFolder.open(tmp_path / "run").scores()
    assert (score.n, score.n_failed) == (10, 9)
    missing = records_of(tmp_path / "run")["a dog-3.mp4"]
    assert missing.status is Status.FAILED
    assert "no such video file" in str(missing.reason)
    (tmp_path / "videos/a cat-0.mp4").rename(tmp_path / "videos/a cat.mp4")
    code, said = command(*arguments[:-1], "other")
    assert code == 2
    assert "no video is called after one of VBench's prompts" in said


@pytest.mark.usefixtures("no_weights")
def test_two_extensions_of_one_name_are_refused_before_the_run(command: Command, tmp_path: Path) -> None:
    for name in ("a cat-0.mp4", "a cat-0.avi"):
        write(tmp_path / "videos" / name, moving(3), codec="mpeg4")
    code, said = command("--benchmark", "vbench:temporal_flickering", "--videos", "videos", "--out", "run")
    assert code == 2
    assert "a cat-0.avi" in said
    assert "a cat-0.mp4 both claim to be video 0 of one prompt; keep one" in said
    assert not (tmp_path / "run").exists()


KILLED = ("background_consistency", "temporal_flickering", "motion_smoothness")


def test_a_run_of_several_dimensions_that_is_killed_goes_on(
    command: Command, tmp_path: Path, stand_ins: Path
) -> None:
    """SIGKILL while the third of four videos is being scored; resumed, the numbers are those of one go."""
    for number in range(4):
        write(tmp_path / "videos" / f"a cat-{number}.mp4", moving(4 + number, seed=number))
    arguments = ("--benchmark", f"vbench:{','.join(KILLED)}", "--videos", "videos", "--batch-size", "1")
    script = (
        "import os, signal, sys\n"
        "from benchmarks.vbench import evaluator\n"
        "score = evaluator._Attempt.finish\n"
        "def finish(attempt):\n"
        "    score(attempt)\n"
        "    if 'cat-2' in str(attempt.video): os.kill(os.getpid(), signal.SIGKILL)\n"
        "evaluator._Attempt.finish = finish\n"
        "begin = evaluator._Attempt.__init__\n"
        "def made(attempt, scorer, info, video):\n"
        "    attempt.video = video.path\n"
        "    begin(attempt, scorer, info, video)\n"
        "evaluator._Attempt.__init__ = made\n"
        "from vtok_eval.cli.main import app\n"
        "app(['run', '--only', *sys.argv[1:]])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments, "--out", "run"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert set(records_of(tmp_path / "run")) == {"a cat-0.mp4", "a cat-1.mp4"}
    assert command(*arguments, "--out", "run")[0] == 0
    assert command(*arguments, "--out", "whole")[0] == 0
    resumed, whole = (records_of(tmp_path / name) for name in ("run", "whole"))
    assert len(whole) == 4
    assert {name: record.values for name, record in resumed.items()} == {
        name: record.values for name, record in whole.items()
    }
    assert RunFolder.open(tmp_path / "run").scores() == RunFolder.open(tmp_path / "whole").scores()
