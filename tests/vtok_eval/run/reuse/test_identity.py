"""What a system's identity names: videos and sources by content, wherever they are."""

from __future__ import annotations

import os

import pytest

from vtok_eval.results.identity import identity_differences
from vtok_eval.run.reuse.identity import system_identity
from vtok_eval.run.reuse.own_code import code_of
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.systems import VideoMaking, build_system
from vtok_eval.tokenizers.build import BuildContext

DECODES = """
from vtok_eval.data import Clips, Tokens
class Mine:
    def encode(self, clips): return Tokens.of(clips.frames.float().mean(dim=(1, 3, 4))[:, None, :])
    def decode(self, tokens): ...
    def generate(self, prompts, seeds): ...
"""


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a cat-0.mp4", "a dog-0.mp4"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "mine.py").write_text(DECODES)
    return folder


def identity(tmp_path, spec: str, *, seed: int = 0):
    import torch

    context = BuildContext(torch.device("cpu"))
    return system_identity(
        build_system(SystemEntry(spec=spec), context, VideoMaking(tmp_path / "made", seed))
    )


def changes(before, now) -> list[str]:
    return [difference.text() for difference in identity_differences(before, now)]


@pytest.mark.parametrize("kind", ["videos:{0}", "reconstructed:{1}/mine.py:Mine@{0}"])
def test_a_video_replaced_with_its_size_and_time_is_another_system(tmp_path, videos, kind):
    spec = kind.format(videos, tmp_path)
    before = identity(tmp_path, spec)
    assert identity(tmp_path, spec) == before
    file = videos / "a cat-0.mp4"
    times = file.stat()
    file.write_bytes(b"A CAT-0.MP4")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_size == times.st_size
    assert changes(before, identity(tmp_path, spec)) == ["a cat-0.mp4 changed"]


def test_added_removed_and_renamed_videos_are_named(tmp_path, videos):
    before = identity(tmp_path, f"videos:{videos}")
    (videos / "a cat-0.mp4").rename(videos / "a cat-1.mp4")
    now = identity(tmp_path, f"videos:{videos}")
    assert changes(before, now) == ["a cat-0.mp4 is gone", "a cat-1.mp4 is new"]


def test_where_the_folder_is_does_not_count(tmp_path, videos):
    before = identity(tmp_path, f"videos:{videos}")
    moved = videos.rename(tmp_path / "elsewhere")
    assert changes(before, identity(tmp_path, f"videos:{moved}")) == []


def test_a_reconstruction_depends_on_its_tokenizers_code(tmp_path, videos):
    spec = f"reconstructed:{tmp_path}/mine.py:Mine@{videos}"
    before = identity(tmp_path, spec)
    (tmp_path / "mine.py").write_text(DECODES + "# edited\n")
    assert "mine.py changed" in changes(before, identity(tmp_path, spec))


def test_a_generators_videos_depend_on_the_seed(tmp_path, videos):
    spec = f"generator:{tmp_path}/mine.py:Mine"
    before = identity(tmp_path, spec)
    assert changes(before, identity(tmp_path, spec, seed=7)) == ["seed 0 before, 7 now"]


def test_own_code_counts_without_its_words(tmp_path, monkeypatch):
    from vtok_eval.run.reuse import own_code

    file = tmp_path / "module.py"
    file.write_text('"""Says."""\n\n\ndef f():\n    """Adds."""\n    # why\n    return 1\n')
    first = own_code._source_hash(file)
    other = tmp_path / "other.py"
    other.write_text('"""Says it better."""\ndef f():\n    """Adds one."""\n    return 1\n')
    assert own_code._source_hash(other) == first
    changed = tmp_path / "changed.py"
    changed.write_text("def f():\n    return 2\n")
    assert own_code._source_hash(changed) != first
    assert code_of(["benchmarks.understanding.scenes.benchmark"]).keys() > {"vtok_eval/probes"}
    assert code_of(["not_ours.module"]) == {}
