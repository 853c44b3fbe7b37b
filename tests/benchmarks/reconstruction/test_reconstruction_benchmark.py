"""The benchmark on small videos: outcomes, pieces, contracts, faults, seeds, sheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchmarks.reconstruction.benchmark import Reconstruction
from benchmarks.reconstruction.data.cutting import Whole
from benchmarks.reconstruction.data.video_part import VideoPart
from benchmarks.reconstruction.metrics.psnr import psnr_of
from tests.benchmarks.reconstruction.clips import noisy, pattern
from tests.benchmarks.reconstruction.tokenizers import Broken, Cropping, InWindows, Levels, Unchanged
from vtok_eval.benchmark import Context, Outcome
from vtok_eval.data import Clip, Clips
from vtok_eval.errors import MissingDependencyError, SuiteError, UnknownNameError, VideoError
from vtok_eval.inputs.fitted import fitted
from vtok_eval.run.runners.runner import Runner
from vtok_eval.systems import System, Tokenizer
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.made import ReconstructedVideos

CPU = torch.device("cpu")
FAST = "psnr,difference_error"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos of 10 frames, 48 x 64 pixels, one of them in a folder of its own."""
    place = tmp_path / "videos"
    (place / "deeper").mkdir(parents=True)
    for number, name in enumerate(("a.mp4", "deeper/b.mp4")):
        encode(Clip(pattern(n_frames=10, seed=number), 8.0), place / name, crf=0, codec="libx264rgb")
    return place


def _system(tokenizer: Tokenizer) -> System:
    return System("mine", "mine", "tokenizer", fitted(tokenizer))


def _context(tmp_path: Path) -> Context:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir(exist_ok=True)
    return Context(runner=Runner(CPU), device=CPU, seed=0, artifacts=artifacts, cache=tmp_path)


def _run(benchmark: Reconstruction, system: System, tmp_path: Path, *, batch: int = 8) -> dict[str, Outcome]:
    """The outcome of every sample by its id, a batch at a time."""
    samples = benchmark.samples(system)
    evaluator = benchmark.prepare(system, _context(tmp_path))
    found: dict[str, Outcome] = {}
    for start in range(0, len(samples), batch):
        part = samples[start : start + batch]
        clips: Clips | None = None
        if part[0].clip is not None:
            clips = Clips.stack([sample.clip.load() for sample in part if sample.clip is not None])
        outcomes: Sequence[Outcome] = evaluator.evaluate(part, clips)
        found |= {sample.id: outcome for sample, outcome in zip(part, outcomes, strict=True)}
    return found


def test_samples_are_windows_of_every_video_below_the_folder(folder: Path) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=2, sizes=[32, 48])
    samples = benchmark.samples(_system(Unchanged()))
    assert [sample.id for sample in samples] == [
        f"{video}/frames {frames}, {size} px"
        for video in ("a.mp4", "deeper/b.mp4")
        for frames, size in (("0-3", 32), ("6-9", 32), ("3-6", 48))
    ]
    assert {sample.cluster for sample in samples} == {"a.mp4", "deeper/b.mp4"}
    assert samples[0].clip is not None
    assert tuple(samples[0].clip.load().frames.shape) == (4, 3, 32, 32)


def test_an_unchanged_clip_has_infinite_psnr_and_is_counted(folder: Path, tmp_path: Path) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=1, sizes=32)
    for outcome in _run(benchmark, _system(Unchanged()), tmp_path).values():
        assert outcome.infinite == ("psnr",)
        assert outcome.values == {"difference_error": (0.0,)}
        # 4 x 32 x 32 tokens of 3 values of 32 bits: 96 bits for each pixel of each frame.
        assert outcome.cost["tokens"] == 4096
        assert outcome.cost["bits_per_pixel"] == 96
        assert outcome.cost["seconds"] > 0


def test_values_do_not_depend_on_the_batch(folder: Path, tmp_path: Path) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=3, sizes=32)
    system = _system(InWindows())
    together = _run(benchmark, system, tmp_path)
    alone = _run(benchmark, system, tmp_path, batch=1)
    assert {name: outcome.values for name, outcome in together.items()} == {
        name: outcome.values for name, outcome in alone.items()
    }


def test_a_video_in_pieces_equals_the_whole_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.reconstruction.metrics.chunks.PIXELS_AT_ONCE", 3 * 48 * 64)
    from benchmarks.reconstruction.evaluator import ReconstructionEvaluator
    from benchmarks.reconstruction.loading import choose, load_measures
    from benchmarks.reconstruction.protocols import named_protocol
    from benchmarks.reconstruction.round_trip import round_trip_of

    protocol = named_protocol("default")
    chosen = choose(protocol, "psnr,ssim,difference_error,frechet_transnetv2", lpips=None)
    measures = load_measures(chosen, protocol, device=CPU)
    system = _system(InWindows())
    [part] = Whole().parts(next(iter(_found(folder))))
    evaluator = ReconstructionEvaluator(round_trip_of(system, device=CPU), measures, {}, CPU)
    in_pieces = evaluator._streamed(part.part)
    clip = part.part.load()
    whole = evaluator._compared(Clips.stack([clip]), [])
    # What the contract itself makes of the whole clip: three windows of 4, the last one filled with 2.
    inner = system.subject
    decoded = inner.decode(inner.encode(Clips.stack([clip])))
    expected = [
        psnr_of(float((a.float() - b.float()).square().mean()))
        for a, b in zip(clip.frames, decoded.frames[0], strict=True)
    ]
    assert in_pieces.values == whole.values
    assert in_pieces.outputs == whole.outputs
    assert in_pieces.values["psnr"][0] == pytest.approx(sum(expected) / 10, abs=1e-4)
    assert in_pieces.cost["tokens"] == whole.cost["tokens"] == 12 * 48 * 64
    assert max(shape[0] for shape in inner.inner.shown) == 4


def _found(folder: Path) -> list[object]:
    from benchmarks.reconstruction.data.listing import list_videos

    return list(list_videos(folder))


def test_pieces_of_a_file_are_its_frames(folder: Path) -> None:
    part = VideoPart(folder / "a.mp4", most=7, short_side=24, only_smaller=True)
    whole = part.load()
    form = part.form()
    assert (form.n_frames, form.height, form.width) == (7, 24, 32) == (
        len(whole.frames), *whole.frames.shape[2:],
    )  # fmt: skip
    assert torch.equal(torch.cat(list(part.pieces(3))), whole.frames)
    assert [len(piece) for piece in part.pieces(3)] == [3, 3, 1]


def test_a_contract_that_crops_compares_what_is_left(folder: Path, tmp_path: Path) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=1, sizes=40)
    for outcome in _run(benchmark, _system(Cropping()), tmp_path).values():
        assert outcome.error is None
        assert outcome.cost["tokens"] == 4 * 32 * 32


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fewer frames", "decode gave 1 frames of 32 x 32 px for 4 of 32 x 32, which cannot be compared"),
        ("smaller", "decode gave 4 frames of 28 x 28 px for 4 of 32 x 32, which cannot be compared"),
        ("signed", "from -1 to 1; write (127.5 * (frames + 1)).round().to(torch.uint8)"),
        ("nan", "NaN"),
        ("two clips", "not 2 clips"),
        ("raises", "could not be reconstructed: RuntimeError: no luck"),
    ],
)
def test_faults_of_decode_are_one_line(folder: Path, tmp_path: Path, fault: str, reason: str) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=1, sizes=32)
    for outcome in _run(benchmark, _system(Broken(fault)), tmp_path).values():
        assert outcome.error is not None
        assert reason in outcome.error
        assert "\n" not in outcome.error


def test_a_clip_too_small_for_a_metric_says_so(folder: Path, tmp_path: Path) -> None:
    benchmark = Reconstruction("psnr,ms_ssim", data=str(folder), n_frames=4, windows=1, sizes=32)
    for outcome in _run(benchmark, _system(InWindows()), tmp_path).values():
        assert set(outcome.values) == {"psnr"}
        assert outcome.outputs["not_measured"] == {
            "ms_ssim": "needs frames of at least 176 px, these have 32"
        }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_frames": 11}, "has 10 frames, fewer than a window's 11 (--set n_frames=10)"),
        ({"sizes": 64}, "smaller than every size (64), and nothing is enlarged (--set sizes=[48])"),
    ],
)
def test_a_video_that_cannot_be_cut_is_a_sample_that_fails(
    folder: Path, options: dict[str, int], reason: str
) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), **{"n_frames": 4, **options})
    [first, _] = benchmark.samples(_system(Unchanged()))
    assert first.clip is not None
    with pytest.raises(VideoError, match=r"a\.mp4") as raised:
        first.clip.load()
    assert reason in str(raised.value)


def test_a_broken_video_is_a_sample_that_fails(folder: Path) -> None:
    (folder / "c.mp4").write_bytes(b"not a video")
    samples = Reconstruction(FAST, data=str(folder), n_frames=4, sizes=32).samples(_system(Unchanged()))
    broken = next(sample for sample in samples if sample.cluster == "c.mp4")
    assert broken.clip is not None
    with pytest.raises(VideoError, match=r"c\.mp4"):
        broken.clip.load()


def test_a_folder_of_pictures_is_a_video(folder: Path) -> None:
    from PIL import Image

    (folder / "bear").mkdir()
    frames = pattern(n_frames=12)
    for number, frame in enumerate(frames):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(folder / "bear" / f"{number}.png")
    samples = Reconstruction(FAST, data=str(folder), n_frames=12, sizes=48).samples(_system(Unchanged()))
    [bear] = [sample for sample in samples if sample.cluster == "bear"]
    assert bear.clip is not None
    assert torch.equal(bear.clip.load().frames, frames[..., 8:56])


def test_reconstructed_videos_are_compared_with_their_originals(folder: Path, tmp_path: Path) -> None:
    tokenizer = fitted(InWindows())
    source = VideoFolder(folder)
    videos = ReconstructedVideos(tokenizer, source, tmp_path / "made", CPU)
    system = System("mine", "reconstructed:mine@x", "videos", videos)
    benchmark = Reconstruction(FAST)
    assert benchmark.takes(system)
    assert not benchmark.takes(System("a", "videos:a", "videos", source))
    [(name, outcome)] = _run(benchmark, system, tmp_path).items()
    assert name == "a.mp4"
    clip = VideoPart(folder / "a.mp4").load()
    own = Reconstruction(FAST, data=str(folder), n_frames=10, sizes=48)
    assert own.samples(_system(InWindows()))
    decoded = tokenizer.decode(tokenizer.encode(Clips.stack([clip])))
    expected = [
        psnr_of(float((a.float() - b.float()).square().mean()))
        for a, b in zip(clip.frames, decoded.frames[0], strict=True)
    ]
    assert outcome.values["psnr"][0] == pytest.approx(sum(expected) / 10, abs=1e-4)
    assert outcome.cost["tokens"] == 12 * 48 * 64
    assert outcome.cost["bits_per_pixel"] == pytest.approx(96 * 12 / 10)


def test_codes_of_all_windows_are_counted_and_cost_their_bits(folder: Path, tmp_path: Path) -> None:
    # Ten frames are three windows of four, the last filled with two repeated frames.
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=10, windows=1, sizes=32)
    outcomes = _run(benchmark, _system(Levels()), tmp_path)
    clips = {sample.id: sample.clip for sample in benchmark.samples(_system(Levels()))}
    for name, outcome in outcomes.items():
        source = clips[name]
        assert source is not None
        frames = source.load().frames
        encoded = torch.cat([frames, frames[-1:], frames[-1:]]).long() // 16
        counts = outcome.outputs["codes"]
        assert counts["sizes"] == [16] * 3
        for channel in range(3):
            codes, expected = encoded[:, channel].unique(return_counts=True)
            assert counts["codes"][channel] == codes.tolist()
            assert counts["counts"][channel] == expected.tolist()
        # 12 bits a pixel, of 12 encoded frames for 10.
        assert outcome.cost["bits_per_pixel"] == pytest.approx(12 * 12 / 10)
        assert outcome.cost["bits_per_frame"] == pytest.approx(12 * 12 / 10 * frames[0, 0].numel())


def test_a_sheet_shows_original_reconstruction_and_error(folder: Path, tmp_path: Path) -> None:
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=4, windows=1, sizes=32)
    _run(benchmark, _system(InWindows()), tmp_path)
    place = tmp_path / "artifacts" / "reconstructions"
    sheet = json.loads((place / "sheet.json").read_text())
    assert [row["title"] for row in sheet["rows"]] == ["original", "mine", "mine, error x 4"] * 2
    assert all((place / name).is_file() for row in sheet["rows"] for name in row["frames"])
    assert [VideoPart(place / video["file"]).form().width for video in sheet["videos"]] == [96, 96]


def test_trained_decoders_are_fitted_and_every_seed_is_a_value(tmp_path: Path, folder: Path) -> None:
    from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

    context = BuildContext(device=CPU, cache=None, names={})
    system = System("frames-1", "frames-1", "tokenizer", build_tokenizer("frames-1", context))
    benchmark = Reconstruction(FAST, data=str(folder), n_frames=10, windows=1, sizes=48, seeds=2)
    for outcome in _run(benchmark, system, tmp_path).values():
        assert outcome.error is None
        assert len(outcome.values["psnr"]) == outcome.training_seeds == 2
        assert "seconds" not in outcome.cost


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"protocol": "tokenbanch"}, UnknownNameError, "did you mean 'tokenbench'"),
        ({"metrics": "psnrr"}, UnknownNameError, "did you mean 'psnr'"),
        ({"metrics": "ssim", "protocol": "larp"}, SuiteError, "ssim is not part of protocol larp"),
        ({"protocol": "larp", "n_frames": 8}, SuiteError, "protocol larp fixes n_frames"),
        ({"protocol": "vidtok", "lpips": "alex"}, SuiteError, "fixes LPIPS' network, vgg"),
        ({"lpips": "resnet"}, UnknownNameError, "unknown LPIPS network"),
        ({"preset": "davis2"}, UnknownNameError, "did you mean 'davis'"),
        ({"n_frames": 0}, SuiteError, "n_frames must be a whole number of at least 1"),
        ({"sizes": []}, SuiteError, "sizes must name at least one size"),
        ({"sizes": [128, "x"]}, SuiteError, r"sizes\[1\] must be a whole number"),
        ({"seeds": 0}, SuiteError, "seeds must be at least 1"),
        ({"decoders": "/nowhere"}, SuiteError, "there is no folder of decoders"),
        ({"metrics": "frechet_i3d"}, MissingDependencyError, "rFVD needs StyleGAN-V's I3D"),
    ],
)
def test_options_that_cannot_be(
    options: dict[str, object], error: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    with pytest.raises(error, match=reason):
        Reconstruction(**options)


def test_a_folder_without_videos_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(VideoError, match="holds no video"):
        Reconstruction(FAST, data=str(tmp_path)).samples(_system(Unchanged()))
    with pytest.raises(VideoError, match="there is no such folder"):
        Reconstruction(FAST, data=str(tmp_path / "gone")).describe()


def test_noise_of_the_helpers_is_noise() -> None:
    clip = pattern(n_frames=2)
    assert not torch.equal(noisy(clip), clip)
