"""Videos made for a run: generated from prompts, or decoded from a tokenizer's tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.errors import GenerationError, SpecError, UnknownNameError, VideoError
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.systems import VideoMaking, build_system, kind_of
from vtok_eval.tokenizers.build import BuildContext
from vtok_eval.video.decoding.decode import decode
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.made import GeneratedVideos, MadeVideo, ReconstructedVideos, how_made
from vtok_eval.video.sources import VideoFile

CPU = torch.device("cpu")


class Noise:
    """A generator whose clips depend on prompt and seed; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def generate(self, prompts, seeds):
        self.asked += list(zip(prompts, seeds, strict=True))
        clips = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            if "break" in prompt:
                raise RuntimeError("no such\nluck")
            generator = torch.Generator().manual_seed(seed + len(prompt))
            frames = torch.randint(0, 256, (3, 3, 32, 48), generator=generator, dtype=torch.uint8)
            clips.append(Clip(frames, 8.0))
        return Clips.stack(clips)


class Negative:
    """Tokens are a clip's frames, flattened; decoded as the negative."""

    def encode(self, clips):
        self.shape = clips.frames.shape
        self.fps = clips.fps
        return Tokens.of(clips.frames.flatten(2).float())

    def decode(self, tokens):
        return Clips(frames=(255 - tokens.values).to(torch.uint8).reshape(self.shape), fps=self.fps)


def random_clip(seed: int, *, n_frames: int = 4) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    return Clip(torch.randint(0, 256, (n_frames, 3, 32, 48), generator=generator, dtype=torch.uint8), 12.5)


def test_generated_videos_are_named_as_vbench_names_them_and_carry_their_seeds(tmp_path):
    generator = Noise()
    videos = GeneratedVideos(generator, tmp_path / "made", seed=7)
    entries = videos.entries_for(["a red cube", "two dogs"], per_prompt=3)
    assert [entry.path.name for entry in entries][:4] == [
        "a red cube-0.mp4", "a red cube-1.mp4", "a red cube-2.mp4", "two dogs-0.mp4",
    ]  # fmt: skip
    assert generator.asked == []
    assert not videos.path.exists()
    for entry in (entries[4], entries[0], entries[4]):
        videos.ensure(entry)
    assert generator.asked == [("two dogs", 8), ("a red cube", 7)]  # seed 7 + index; made once
    assert how_made(entries[4].path) == {"prompt": "two dogs", "index": 1, "seed": 8, "n_frames": 3}
    # What was made can be read back as any folder of videos.
    found = VideoFolder(videos.path).entries()
    assert [(entry.prompt, entry.index) for entry in found] == [("a red cube", 0), ("two dogs", 1)]
    assert len(decode(entries[0].path).frames) == 3


def test_another_process_goes_on_with_the_videos_that_are_there(tmp_path):
    first = GeneratedVideos(Noise(), tmp_path, seed=0)
    entry, other = first.entries_for(["a prompt"], per_prompt=2)
    first.ensure(entry)
    before = entry.path.read_bytes()
    generator = Noise()
    again = GeneratedVideos(generator, tmp_path, seed=0)
    again.ensure(entry)
    again.ensure(other)
    assert generator.asked == [("a prompt", 1)]
    assert entry.path.read_bytes() == before


def test_prompts_that_no_file_can_be_called_after(tmp_path):
    videos = GeneratedVideos(Noise(), tmp_path, seed=0)
    prompts = ["left/right", ".hidden", "x" * 300, "é" * 130, "two\nlines"]
    entries = videos.entries_for(prompts, per_prompt=1)
    assert len({entry.path for entry in entries}) == len(prompts)
    for entry, prompt in zip(entries, prompts, strict=True):
        videos.ensure(entry)
        assert entry.path.parent == tmp_path
        assert entry.path.is_file()
        assert how_made(entry.path)["prompt"] == prompt


def test_a_generator_that_raises_fails_its_own_video_in_one_line(tmp_path):
    videos = GeneratedVideos(Noise(), tmp_path, seed=0)
    bad, good = videos.entries_for(["break it", "fine"], per_prompt=1)
    with pytest.raises(
        GenerationError, match=r"no video of 'break it' \(seed 0\): RuntimeError: no such luck"
    ):
        videos.ensure(bad)
    assert not bad.path.exists()
    videos.ensure(good)


class Odd:
    def __init__(self, clips: object) -> None:
        self.clips = clips

    def generate(self, prompts, seeds):
        return self.clips


@pytest.mark.parametrize(
    ("clips", "error", "message"),
    [
        ("text", GenerationError, "must give Clips with one clip here, not str"),
        (Clips(torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8), torch.ones(2)), GenerationError, "not 2 clips"),
        (
            Clips(torch.zeros(1, 1, 3, 8, 8), torch.ones(1)),
            GenerationError,
            "must give Clips of uint8",
        ),
        (
            Clips(torch.zeros(1, 0, 3, 8, 8).byte(), torch.ones(1)),
            GenerationError,
            "must give Clips of uint8",
        ),
        (
            Clips(torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8), torch.full((1,), torch.nan)),
            GenerationError,
            "fps",
        ),
    ],
)
def test_clips_that_break_the_protocol(tmp_path, clips, error, message):
    videos = GeneratedVideos(Odd(clips), tmp_path, seed=0)
    (entry,) = videos.entries_for(["p"], per_prompt=1)
    with pytest.raises(error, match=message):
        videos.ensure(entry)
    assert not entry.path.exists()


@pytest.fixture
def originals(tmp_path) -> VideoFolder:
    folder = tmp_path / "originals"
    folder.mkdir()
    for number in range(2):
        encode(random_clip(number), folder / f"a clip-{number}.mp4", crf=0, codec="libx264rgb")
    return VideoFolder(folder)


def test_a_reconstruction_is_kept_without_loss_under_the_name_of_its_original(tmp_path, originals):
    videos = ReconstructedVideos(Negative(), originals, tmp_path / "made", CPU)
    entries = videos.entries()
    assert [(entry.path.name, entry.prompt, entry.index) for entry in entries] == [
        ("a clip-0.mp4", "a clip", 0),
        ("a clip-1.mp4", "a clip", 1),
    ]
    videos.ensure(entries[1])
    assert torch.equal(decode(entries[1].path).frames, 255 - random_clip(1).frames)
    assert decode(entries[1].path).fps == 12.5
    # 4 frames give 4 tokens here.
    shape = [4, *random_clip(1).frames.shape[2:]]
    assert how_made(entries[1].path) == {
        "original": "a clip-1.mp4",
        "tokens": 4,
        "bits": 4 * 3 * 32 * 48 * 32.0,  # each token is a frame's pixels in float32
        "n_frames": 4,
        "decoded": {"given": shape, "returned": shape},
    }
    assert videos.original(entries[1]).name == "a clip-1.mp4"
    assert not entries[0].path.exists()


def test_two_extensions_of_one_name_do_not_write_over_each_other(tmp_path, originals):
    first = originals.entries()[0].path
    first.with_suffix(".mkv").write_bytes(first.read_bytes())
    videos = ReconstructedVideos(Negative(), originals, tmp_path / "made", CPU)
    assert len({entry.path for entry in videos.entries()}) == 3


def test_a_broken_original_fails_by_itself(tmp_path, originals):
    broken = originals.entries()[0].path
    broken.write_bytes(b"nothing")
    videos = ReconstructedVideos(Negative(), originals, tmp_path / "made", CPU)
    bad, good = videos.entries()
    with pytest.raises(VideoError, match=r"a clip-0\.mp4"):
        videos.ensure(bad)
    videos.ensure(good)


def test_a_made_video_is_a_clip_source(tmp_path):
    videos = GeneratedVideos(Noise(), tmp_path, seed=0)
    (entry,) = videos.entries_for(["p"], per_prompt=1)
    source = MadeVideo(videos, entry, VideoFile(entry.path, max_frames=2))
    assert source.key == VideoFile(entry.path, max_frames=2).key
    assert source.load().frames.shape == (2, 3, 32, 48)


USER_FILE = """
import torch
from vtok_eval.data import Clips

class Flat:
    def __init__(self, grey: int = 7, device: torch.device = None):
        self.grey, self.device = grey, device

    def generate(self, prompts, seeds):
        frames = torch.full((len(prompts), 2, 3, 16, 16), self.grey, dtype=torch.uint8, device=self.device)
        return Clips(frames=frames, fps=torch.full((len(prompts),), 8.0))
"""


@pytest.fixture
def context() -> BuildContext:
    return BuildContext(CPU)


def build(spec: str, context: BuildContext, folder: Path):
    return build_system(SystemEntry(spec=spec), context, VideoMaking(folder, seed=3))


def test_a_users_generator_by_its_spec(tmp_path, context):
    file = tmp_path / "mine.py"
    file.write_text(USER_FILE)
    spec = f"generator:{file}:Flat:grey=9"
    system = build(spec, context, tmp_path / "made")
    assert (kind_of(spec), system.kind) == ("generator", "generator")
    assert system.subject.seed == 3
    assert system.subject.generator.device == CPU  # the run's
    assert system.description["options"]["grey"] == 9
    assert len(system.description["source_sha256"]) == 64
    with pytest.raises(UnknownNameError, match="did you mean 'Flat'"):
        build(f"generator:{file}:Flak", context, tmp_path)
    with pytest.raises(SpecError, match=r"not a generator; write generator:FILE\.py:Class"):
        build("generator:vtok", context, tmp_path)
    with pytest.raises(SpecError, match=r"needs a method generate\(prompts, seeds\)"):
        build("generator:tests.vtok_eval.run.mean_colour:MeanColour", context, tmp_path)


@pytest.mark.parametrize("spec", ["reconstructed:", "reconstructed:frames-1", "reconstructed:@shipped"])
def test_a_reconstruction_spec_names_tokenizer_and_folder(spec, tmp_path, context):
    with pytest.raises(SpecError, match="must be reconstructed:TOKENIZER@FOLDER"):
        build(spec, context, tmp_path)


def test_only_a_tokenizer_that_decodes_can_reconstruct(tmp_path, context, originals):
    with pytest.raises(SpecError, match="blind cannot decode"):
        build(f"reconstructed:blind@{originals.path}", context, tmp_path)
