"""Which tokens stand nearest to a frame and a cell, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tests.vtok_eval.decoders.tiny_decoders import Uneven, system_of
from vtok_eval.data import Clips
from vtok_eval.decoders.layout import CELLS, TokenLayout
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import build_table, extract_features


def layout_of(spec: str, *, n_frames: int) -> TokenLayout:
    clips = Clips(torch.zeros(2, n_frames, 3, 64, 64, dtype=torch.uint8), torch.full((2,), 4.0))
    features = extract_features(system_of(spec).subject, clips)
    return TokenLayout.of(build_table(features, ["a", "b"]), n_frames=n_frames)


def test_the_key_frames_cells_stand_for_every_frame_and_each_residual_for_its_own() -> None:
    layout = layout_of("vtok:stride=1", n_frames=3)
    nearest = layout.nearest()
    # 16 spatial tokens of frame 0, then the motion tokens of frames 1 and 2: numbers 16 and 17; 18 is none.
    assert len(layout) == 18
    cells = list(range(16))
    assert nearest[0].T.tolist() == [cells, cells, [18] * 16, [16] * 16]
    assert nearest[1].T.tolist() == [cells, [18] * 16, [16] * 16, [16] * 16]
    assert nearest[2].T.tolist() == [cells, [18] * 16, [17] * 16, [17] * 16]


def test_a_frame_between_two_sampled_ones_has_both() -> None:
    nearest = layout_of("frames-2", n_frames=3).nearest()
    first, last, none = list(range(16)), list(range(16, 32)), [32] * 16
    assert nearest[0].T.tolist() == [first, first, none, none]
    assert nearest[1].T.tolist() == [first, last, none, none]
    assert nearest[2].T.tolist() == [last, last, none, none]


def test_a_coarser_grid_covers_several_cells() -> None:
    nearest = layout_of("frames-1:grid=2", n_frames=2).nearest()
    # Of a 2 x 2 grid the first token covers the upper left 2 x 2 cells of 4 x 4.
    assert nearest[0, :, 0].view(CELLS, CELLS).tolist() == [
        [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3],
    ]  # fmt: skip


def test_without_tokens_there_is_nothing_near() -> None:
    layout = layout_of("blind", n_frames=2)
    assert len(layout) == 0
    assert layout.nearest().unique().tolist() == [0]


def test_tokens_that_lie_otherwise_from_clip_to_clip_are_refused() -> None:
    frames = torch.zeros(2, 2, 3, 64, 64, dtype=torch.uint8)
    frames[1] = 3
    features = extract_features(Uneven(), Clips(frames, torch.full((2,), 4.0)))
    with pytest.raises(TokenizerError, match="the same number of tokens at the same places"):
        TokenLayout.of(build_table(features, ["a", "b"]), n_frames=2)


def test_a_layout_survives_json() -> None:
    import json
    from dataclasses import asdict

    layout = layout_of("vtok:stride=2", n_frames=4)
    assert TokenLayout.from_json(json.loads(json.dumps(asdict(layout)))) == layout
