"""A whole run of the benchmark: its scores, its report, and VBench of the same videos beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from reports.write import write_report
from tests.benchmarks.reconstruction.clips import pattern
from vtok_eval.data import Clip
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry
from vtok_eval.video.encode import encode

TOKENIZERS = Path(__file__).with_name("tokenizers.py")


def _videos(folder: Path) -> Path:
    folder.mkdir()
    for number in range(2):
        encode(Clip(pattern(n_frames=8, seed=number), 8.0), folder / f"v{number}.mp4")
    return folder


def _run(tmp_path: Path, systems: list[SystemEntry], benchmarks: list[BenchmarkEntry]) -> RunFolder:
    suite = Suite(name="s", label="made up", setting="custom", systems=systems, benchmarks=benchmarks)
    summary = Harness(suite, RunSettings(device="cpu"), tmp_path / "cache").run(tmp_path / "run")
    assert summary.complete
    return RunFolder.open(tmp_path / "run")


def test_a_run_says_how_many_values_are_infinite_and_reports_rate_and_clips(tmp_path: Path) -> None:
    options = {
        "metrics": "psnr,difference_error,frechet_transnetv2",
        "data": str(_videos(tmp_path / "videos")),
        "n_frames": 8,
        "windows": 1,
        "sizes": [48],
    }
    folder = _run(
        tmp_path,
        [
            SystemEntry(name="same", spec=f"{TOKENIZERS}:Unchanged"),
            SystemEntry(name="darker", spec=f"{TOKENIZERS}:InWindows"),
            SystemEntry(name="h264", spec="codec:libx264:crf=30"),
        ],
        [BenchmarkEntry(name="reconstruction", options=options)],
    )
    scores = {(score.system, score.metric.name): score for score in folder.scores()}
    assert (scores["same", "psnr"].value, scores["same", "psnr"].n_infinite) == (None, 2)
    assert scores["darker", "psnr"].n_infinite == 0
    assert (scores["darker", "psnr"].value or 0) > 10
    assert scores["darker", "frechet_transnetv2"].reservation == "n = 2, not meaningful below n = 449"
    assert scores["same", "frechet_transnetv2"].value == pytest.approx(0, abs=1e-6)

    paths = write_report(folder.path)
    text = paths.markdown.read_text()
    [row] = [line for line in text.splitlines() if line.startswith("| same ")][:1]
    assert "∞ (2 ∞)" in row
    assert "§ Frechet distance on TransNetV2 features: n = 2, not meaningful below n = 449" in text
    assert "clip by clip" in text
    page = paths.html.read_text()
    assert page.count('src="data:video/mp4;base64,') == 6
    assert "media-src data:" in page
    assert "protocol default" in page
    with (paths.folder / "reconstruction-against-bits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["system"] for row in rows if row["metric"] == "psnr"} == {"darker", "h264"}
    bits = {row["system"]: float(row["bits_per_pixel"]) for row in rows}
    # 3 values of 32 bits a pixel; two windows of 4 frames, none filled.
    assert bits["darker"] == 96
    assert 0 < bits["h264"] < 10
    assert (paths.folder / "reconstruction-against-seconds.png").is_file()
    about = json.loads((folder.path / "run.json").read_text())["benchmarks"][0]["description"]
    assert about["protocol"].startswith("reconstruction, protocol default: clips: windows of 8 frames")


@pytest.mark.vbench
def test_vbench_of_originals_and_reconstructions_is_in_one_table(tmp_path: Path) -> None:
    pytest.importorskip("vbench", reason="the extra vbench is not installed")
    videos = _videos(tmp_path / "videos")
    folder = _run(
        tmp_path,
        [
            SystemEntry(name="originals", spec=f"videos:{videos}"),
            SystemEntry(name="mine", spec=f"reconstructed:{TOKENIZERS}:InWindows@{videos}"),
        ],
        [
            BenchmarkEntry(name="reconstruction", options={"metrics": "psnr,difference_error"}),
            BenchmarkEntry(name="vbench", options={"dimensions": ["temporal_flickering"]}),
        ],
    )
    assert [job.id for job in folder.jobs()] == [
        "reconstruction/mine",
        "vbench/originals",
        "vbench/mine",
    ]
    paths = write_report(folder.path)
    text = paths.markdown.read_text()
    table = text[text.index("VBench of originals") :].splitlines()[2:6]
    assert table[0].startswith("| Videos | VBench Temporal flickering (%) | PSNR (dB) |")
    assert table[2].startswith("| originals (original) |")
    assert table[2].count("–") == 2
    assert table[3].startswith("| mine |")
    assert "has not begun" not in text
    # Each video was made once: one file for both benchmarks.
    assert len(list((folder.path / "videos" / "mine").glob("*.mp4"))) == 2
