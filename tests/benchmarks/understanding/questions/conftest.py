"""Tiny data sets of every benchmark, as fixtures."""

from __future__ import annotations

import io

import pytest

from tests.benchmarks.understanding.questions.tiny_layouts import LAYOUTS, TinyData
from tests.benchmarks.understanding.questions.tiny_training import write_bert
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.video.encode import encode


@pytest.fixture(scope="session")
def clip_bytes(tmp_path_factory) -> list[bytes]:
    """Two rendered clips as MP4: 8 frames of 32 x 32."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for i, source in enumerate(SceneSet(0, "test", 2, size=32, n_frames=8).clips()):
        encode(source.load(), folder / f"{i}.mp4")
        found.append((folder / f"{i}.mp4").read_bytes())
    return found


@pytest.fixture(scope="session")
def picture_bytes() -> list[bytes]:
    """Eleven pictures, each of one grey that says its number: 10 i."""
    from PIL import Image

    found = []
    for i in range(11):
        file = io.BytesIO()
        Image.new("RGB", (32, 24), (10 * i,) * 3).save(file, "JPEG", quality=95)
        found.append(file.getvalue())
    return found


@pytest.fixture
def tiny(tmp_path, clip_bytes, picture_bytes, monkeypatch):
    """Makes the tiny data set of a benchmark's name; the cache folder is under tmp_path."""
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VTOK_EVAL_DATA", raising=False)

    def make(name: str) -> TinyData:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        data = TinyData(folder, clip_bytes, picture_bytes)
        LAYOUTS[name](data)
        return data

    return make


@pytest.fixture(scope="session")
def other_clip_bytes(tmp_path_factory) -> list[bytes]:
    """Four rendered clips of another split: 8 frames of 32 x 32."""
    folder = tmp_path_factory.mktemp("others")
    found = []
    for i, source in enumerate(SceneSet(0, "train", 4, size=32, n_frames=8).clips()):
        encode(source.load(), folder / f"{i}.mp4")
        found.append((folder / f"{i}.mp4").read_bytes())
    return found


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a sentence encoder of random weights."""
    return write_bert(tmp_path_factory.mktemp("bert") / "tiny")
