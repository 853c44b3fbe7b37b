"""Filmstrips show a run's own clips and what its systems decode; what cannot be shown is said."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

import vtok_eval
from tests.vtok_eval.run.mean_colour_runs import BENCHMARK, run, suite
from vtok_eval.data import Clip
from vtok_eval.registry import BENCHMARKS
from vtok_eval.run.sample_pictures import COLUMNS, MOST_FRAMES, SHORT_SIDE, SamplePictures, filmstrip
from vtok_eval.run.suite import SystemEntry

SOURCE = '''
from vtok_eval import Clips, Tokens

class Darker:
    """Decodes to half the level, or fails."""

    def encode(self, clips):
        return Tokens.of(clips.frames.float().mean(dim=(1, 3, 4))[:, None, :])

    def decode(self, tokens):
        import torch
        level = tokens.values[:, 0, 0]
        if level[0] == 30:
            raise RuntimeError("no thirty")
        frames = (level / 2)[:, None, None, None, None].expand(-1, 2, 3, 8, 8).to(torch.uint8)
        return Clips(frames=frames.contiguous(), fps=torch.full((len(level),), 4.0, dtype=torch.float64))
'''


def pixels(strip):
    content = base64.b64decode(str(strip["source"]).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)
    (tmp_path / "darker.py").write_text(SOURCE)
    chosen = suite("MeanColourTokenizer", broken=50).changed(
        add_systems=[SystemEntry(name="darker", spec=f"{tmp_path}/darker.py:Darker")]
    )
    run(chosen, tmp_path / "run")
    opened = vtok_eval.open_run(tmp_path / "run")
    return SamplePictures(opened, cache=tmp_path / "cache", device=torch.device("cpu"))


SYSTEMS = ["MeanColourTokenizer", "darker"]


def test_the_clip_and_what_is_decoded_are_shown(pictures):
    found = pictures.of("mean-colour", "flat-100", SYSTEMS)
    original, darker = found["strips"]
    assert (original["name"], darker["name"]) == ("original", "darker")
    assert abs(pixels(original).astype(int) - 100).max() <= 2
    assert abs(pixels(darker).astype(int) - 50).max() <= 2
    assert (original["n"], original["fps"]) == (2, 4.0)
    assert found["truth"] == {"level": 100}
    assert found["notes"] == []
    assert pictures.of("mean-colour", "flat-100", SYSTEMS) == found


def test_what_cannot_be_shown_is_said(pictures):
    assert pictures.of("mean-colour", "flat-30", SYSTEMS)["notes"] == [
        "darker could not decode: RuntimeError: no thirty"
    ]
    broken = pictures.of("mean-colour", "flat-50", SYSTEMS)
    assert broken["notes"] == ["the clip cannot be shown: flat clip 50 is broken"]
    assert broken["strips"] == []
    assert pictures.of("mean-colour", "nothing", SYSTEMS)["strips"] == []


def test_a_system_whose_file_is_gone_has_no_strip(pictures, tmp_path):
    (tmp_path / "darker.py").unlink()
    found = pictures.of("mean-colour", "flat-100", SYSTEMS)
    assert [strip["name"] for strip in found["strips"]] == ["original"]
    (note,) = found["notes"]
    assert note.startswith("darker cannot be built here: no file")


def test_long_and_large_clips_are_made_smaller():
    strip = filmstrip(Clip(torch.zeros(3 * MOST_FRAMES, 3, 400, 800, dtype=torch.uint8), fps=30.0))
    assert (strip["n"], strip["height"], strip["width"]) == (MOST_FRAMES, SHORT_SIDE, 2 * SHORT_SIDE)
    assert strip["fps"] == pytest.approx(10.0)
    assert pixels(strip).shape == (MOST_FRAMES // COLUMNS * SHORT_SIDE, COLUMNS * 2 * SHORT_SIDE, 3)


def test_frames_are_in_their_order():
    frames = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 16, 16) * 20
    strip = filmstrip(Clip(frames.contiguous(), fps=5.0))
    sheet = pixels(strip)
    for i in range(10):
        row, column = divmod(i, COLUMNS)
        assert abs(int(sheet[row * 16 + 8, column * 16 + 8, 0]) - 20 * i) <= 4
