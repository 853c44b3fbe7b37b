"""The track show: originals as the ceiling, tokenizers that decode, those that do not, and bad decoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.prompts import scene_prompts
from tv_align.tracks.reconstructions.benchmark import TVAlignShow
from vtok_eval.errors import SuiteError, UnknownNameError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import Suite

CODE = """
import torch
from vtok_eval.data import Clips, Tokens

class Lossless:
    '''Every pixel of a frame is its token's value.'''

    def encode(self, clips):
        return Tokens.of(clips.frames.float().flatten(2), frame=torch.arange(clips.n_frames))

    def decode(self, tokens):
        side = int((tokens.values.shape[2] / 3) ** 0.5)
        frames = tokens.values.round().to(torch.uint8).unflatten(2, (3, side, side))
        return Clips(frames=frames, fps=torch.full((len(frames),), 4.0, dtype=torch.float64))

class FirstFrame(Lossless):
    '''Only the first frame's pixels; shown for 16 frames.'''

    def encode(self, clips):
        return super().encode(Clips(clips.frames[:, :1], clips.fps))

    def decode(self, tokens):
        clips = super().decode(tokens)
        return Clips(clips.frames.repeat(1, 16, 1, 1, 1), clips.fps)

class Moody(Lossless):
    '''Cannot decode what begins with a bright pixel; gives floats where the option says so.'''

    def __init__(self, floats: bool = False):
        self.floats = floats

    def decode(self, tokens):
        if bool((tokens.values[:, 0, 0] > 170).any()):
            raise RuntimeError("too\\nbright")
        clips = super().decode(tokens)
        return Clips(clips.frames.float(), clips.fps) if self.floats else clips

class Cuts(Lossless):
    '''Gives back 13 frames of 16, 8 pixels smaller; the rate as a float where the option says so.'''

    def __init__(self, float_rate: bool = False):
        self.float_rate = float_rate

    def decode(self, tokens):
        clips = super().decode(tokens)
        return Clips(clips.frames[:, :13, :, :-8, :-8], 4.0 if self.float_rate else clips.fps)

class EncodesOnly:
    def encode(self, clips):
        return Tokens.of(clips.frames.float().mean(dim=(3, 4)), frame=torch.arange(clips.n_frames))
"""

STILL = ("counting", "attribute", "spatial")
"""Categories whose questions one frame answers."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def run(folder: Path, *specs: tuple[str, str], **options: Any) -> tuple[Any, RunFolder]:
    suite = Suite.model_validate(
        {
            "name": "t", "label": "test", "setting": "custom", "baseline": specs[0][0],
            "systems": [{"name": name, "spec": spec} for name, spec in specs],
            "benchmarks": [{"name": "tv-align-show", "options": {"per_level": 1, **options}}],
        }
    )  # fmt: skip
    summary = Harness(suite, RunSettings(device="cpu"), folder / "cache").run(folder / "run")
    return summary, RunFolder.open(folder / "run")


def test_reconstructions_beside_their_ceiling(code: Path, tmp_path: Path) -> None:
    """Every pixel kept: the originals' verdicts. The first frame alone: places are right, motion is not."""
    summary, kept = run(
        tmp_path, ("originals", "originals"), ("all", f"{code}:Lossless"), ("first", f"{code}:FirstFrame")
    )
    assert summary.complete
    found = {(score.system, score.metric.name): score for score in kept.scores()}
    assert found["originals", "prompt_accuracy"].value == found["all", "prompt_accuracy"].value == 1
    assert found["first", "prompt_accuracy:spatial"].value == 1
    assert found["first", "prompt_accuracy:direction"].value == 0
    # The judge's own errors, from the calibration that ships with the oracle, beside each category.
    for system in ("originals", "first"):
        for rate in ("judge_sensitivity", "judge_specificity"):
            score = found[system, f"{rate}:spatial"]
            assert score.value is not None
            assert score.low is not None
            assert score.low < score.value <= 1
        assert found[system, "corrected_accuracy:spatial"].low is not None
    replies = {
        system: [
            [each["reply"] for each in record.outputs["verdicts"]]
            for record in kept.raw_records()
            if record.system == system
        ]
        for system in ("originals", "all")
    }
    assert replies["originals"] == replies["all"]
    tokens = {record.system: record.cost.get("tokens") for record in kept.raw_records()}
    assert tokens == {"originals": None, "all": 16.0, "first": 1.0}
    lost = {(each.system, each.metric): each.difference for each in kept.comparisons()}
    assert lost["first", "prompt_accuracy:direction"] == -1
    notes = " ".join(kept.run()["benchmarks"][0]["description"]["notes"])
    assert "re-creation" in notes
    assert "the row of the originals is the ceiling" in notes


def test_clips_are_decoded_alone_whatever_the_batch(code: Path, tmp_path: Path) -> None:
    """The bright ones fail alone and with their reason; the other outcomes are those of all pixels kept."""
    summary, kept = run(tmp_path, ("moody", f"{code}:Moody"), ("all", f"{code}:Lossless"))
    reasons = {record.reason for record in summary.failed}
    assert reasons == {"could not be reconstructed: RuntimeError: too bright"}
    assert 0 < len(summary.failed) < 16
    failed = {record.sample_id for record in summary.failed}
    outputs: dict[str, dict[str, Any]] = {"moody": {}, "all": {}}
    for record in kept.raw_records():
        if record.sample_id not in failed:
            outputs[record.system][record.sample_id] = [v["reply"] for v in record.outputs["verdicts"]]
    assert outputs["moody"] == outputs["all"]
    score = next(s for s in kept.scores() if (s.system, s.metric.name) == ("moody", "prompt_accuracy"))
    assert (score.n, score.n_failed) == (16, len(summary.failed))


def test_the_sheet_has_each_clip_above_what_its_tokens_show(code: Path, tmp_path: Path) -> None:
    """Every pixel kept: equal PNGs. Moody: what it cannot decode is left out."""
    import numpy as np
    from PIL import Image

    _, kept = run(tmp_path, ("all", f"{code}:Lossless"), ("moody", f"{code}:Moody"))
    (sheet,) = (kept.path / "artifacts").glob("*all*/reconstructions/sheet.json")
    rows = json.loads(sheet.read_text())["rows"]
    shown = [s for s in TVAlignShow(per_level=1).samples(None) if s.meta["level"] == "basic"]
    shown = [s for s in shown if s.meta["category"] in ("counting", "direction", "camera", "action")]
    assert [(row["clip"], row["title"]) for row in rows] == [
        (CATEGORIES[sample.meta["category"]], what) for sample in shown for what in ("original", "all")
    ]
    for sample, original, decoded in zip(shown, rows[::2], rows[1::2], strict=True):
        assert sample.clip is not None
        first = sample.clip.load().frames[0].permute(1, 2, 0).numpy()
        for row in (original, decoded):
            with Image.open(sheet.parent / row["frames"][0]) as picture:
                assert np.array_equal(np.asarray(picture), first)
    failed = {record.sample_id for record in kept.raw_records() if record.status == "failed"}
    (sheet,) = (kept.path / "artifacts").glob("*moody*/reconstructions/sheet.json")
    left = [sample for sample in shown if sample.id not in failed]
    assert len(json.loads(sheet.read_text())["rows"]) == 2 * len(left)


def test_without_a_decoder_it_is_not_run_and_the_command_is_told(code: Path, tmp_path: Path) -> None:
    summary, kept = run(tmp_path, ("originals", "originals"), ("mine", f"{code}:EncodesOnly"))
    (stopped,) = summary.not_run
    assert stopped.system == "mine"
    assert f"vtok-eval train decoder '{code}:EncodesOnly' --out FOLDER" in stopped.reason
    assert "--set decoders=FOLDER" in stopped.reason
    assert {record.system for record in kept.raw_records()} == {"originals"}
    with pytest.raises(SuiteError, match="no folder of decoders nowhere"):
        TVAlignShow(decoders="nowhere")


def test_a_decoder_that_gives_no_pixels_is_told_so(code: Path, tmp_path: Path) -> None:
    summary, _ = run(tmp_path, ("floats", f"{code}:Moody:floats=true"))
    assert len(summary.failed) == 16
    assert any(
        "decode must give Clips of uint8 (1, T, 3, H, W), not torch.float32 (1, 16, 3, 64, 64)"
        in record.reason
        for record in summary.failed
    )


def test_what_a_decoder_gives_back_is_compared_with_what_it_was_given(code: Path, tmp_path: Path) -> None:
    from reports.run_report import gather
    from reports.text.notes import table_notes

    summary, kept = run(
        tmp_path,
        ("all", f"{code}:Lossless"),
        ("cut", f"{code}:Cuts"),
        ("rate", f"{code}:Cuts:float_rate=true"),
    )
    named = "decode must give Clips whose fps is a floating-point tensor (1,), not the float 4.0"
    assert len(summary.failed) == 16
    assert all(named in record.reason for record in summary.failed)
    changed = {"given": [16, 64, 64], "returned": [13, 56, 56]}
    assert {str(r.outputs["decoded"]) for r in kept.raw_records() if r.system == "cut"} == {str(changed)}
    said = "cut: its decode gave back 13 of 16 frames, 56 x 56 of 64 x 64 pixels (all 16 clips)"
    for _ in ("from the journal", "from Parquet"):
        (benchmark,) = gather(kept.path).benchmarks
        assert benchmark.decoded.keys() == {"cut"}
        assert [note for note in table_notes(benchmark, baseline=None) if "gave back" in note] == [
            f"{said}; its scores are of what came back."
        ]
        (kept.path / "journal.sqlite").unlink(missing_ok=True)


def test_a_category_in_which_the_judge_is_near_chance_is_not_shown(tmp_path: Path) -> None:
    from tv_align.calibration.report import Calibration, CategoryRow, Rate, write_calibration
    from tv_align.judges.oracle.judge import Oracle

    good, bad = Rate(99, 100), Rate(50, 100)
    rows = tuple(
        CategoryRow(name, *((bad,) * 4 if name == "camera" else (good, Rate(1, 100), good, Rate(1, 100))), 50)
        for name in dict.fromkeys(item.category for item in scene_prompts(per_level=1))
    )
    write_calibration(
        Calibration("oracle", "made up", rows, Oracle().describe().identity()), tmp_path / "c.json"
    )
    benchmark = TVAlignShow(per_level=1, calibration=str(tmp_path / "c.json"))
    names = {metric.name for metric in benchmark.metrics()}
    assert "question_accuracy:camera" not in names
    assert "question_accuracy:action" in names
    samples = benchmark.samples(None)
    assert len(samples) == 14
    assert {sample.meta["category"] for sample in samples}.isdisjoint({"camera"})
    assert "camera: no score" in " ".join(benchmark.describe()["notes"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"per_level": 0}, SuiteError, "tv-align-show: per_level must be at least 1, not 0"),
        ({"seeds": 0}, SuiteError, "tv-align-show: seeds must be at least 1, not 0"),
        ({"judge": "orakel"}, UnknownNameError, "did you mean 'oracle'"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TVAlignShow(**options)


def test_equal_tokens_are_decoded_and_judged_once_and_agree_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`frames-1` and `keyframe` give the same tokens: the second is neither decoded nor judged."""
    from vtok_eval.decoders.catalogue import SHIPPED
    from vtok_eval.decoders.decoder import TokenizerDecoders
    from vtok_eval.decoders.files import decoder_files

    seeds = len({file.seed for file in decoder_files(SHIPPED)})
    decoded: list[int] = []
    whole = TokenizerDecoders.reconstruct

    def counted(self: TokenizerDecoders, clips: Any) -> Any:
        decoded.append(len(self.decoders))
        return whole(self, clips)

    monkeypatch.setattr(TokenizerDecoders, "reconstruct", counted)
    summary, kept = run(tmp_path, ("frames-1", "frames-1"), ("keyframe", "keyframe"))
    assert summary.complete
    in_sheets = 2 * 4
    assert decoded == [seeds] * (16 + in_sheets)
    scores: dict[str, dict[str, Any]] = {"frames-1": {}, "keyframe": {}}
    for score in kept.scores():
        scores[score.system][score.metric.name] = (score.value, score.low, score.high, score.seeds)
    assert scores["frames-1"] == scores["keyframe"]
    assert scores["frames-1"]["question_accuracy"][3] == seeds
    assert all(each.difference == 0 for each in kept.comparisons())


def test_scores_are_means_over_seeds_and_one_seeds_failure_fails_the_clip() -> None:
    from tv_align.tracks.reconstructions.evaluator import joined
    from vtok_eval.benchmark import Outcome

    def outcome(value: float, reply: str) -> Outcome:
        verdict = {"question_id": "q", "question": "?", "expected": "yes", "reply": reply, "raw": {"a": 1}}
        return Outcome(
            values={"question_accuracy": (value,)},
            outputs={"judge": "oracle", "verdicts": [verdict]},
            cost={"judge_seconds": 0.5, "tokens": 16.0},
        )

    both = joined([outcome(1.0, "yes"), outcome(0.0, "no")])
    assert both.values == {"question_accuracy": (1.0, 0.0)}
    assert both.cost == {"judge_seconds": 1.0, "tokens": 16.0}
    assert both.outputs["verdicts"][0]["raw"] == {"a": 1}
    assert both.outputs["other_seeds"] == [[{"question_id": "q", "expected": "yes", "reply": "no"}]]
    assert joined([outcome(1.0, "yes"), Outcome(error="broken")]).error == "broken"


@pytest.mark.slow
def test_the_shipped_decoders_show_what_stands_still(tmp_path: Path) -> None:
    """The oracle on what they decode, six clips a category: eight frames show most, one frame enough."""
    summary, kept = run(tmp_path, ("frames-8", "frames-8"), ("keyframe", "keyframe"), per_level=3)
    assert summary.complete
    scores = {(score.system, score.metric.name): score.value for score in kept.scores()}
    for system, least in (("frames-8", 0.85), ("keyframe", 0.8)):
        still = [scores[system, f"question_accuracy:{name}"] or 0.0 for name in STILL]
        assert sum(still) / len(still) >= least
