"""The rows that a miniature's language model is given, against what a loop over tokens gives."""

from __future__ import annotations

import torch

from benchmarks.understanding.reader.visual import RowLayout, counts
from vtok_eval.data import TokenKind, Tokens
from vtok_eval.probes.features import FeatureTable, slots_of
from vtok_eval.probes.half_precision import N_KINDS


def table() -> FeatureTable:
    """Two clips: three spatial tokens of frame 0 and one or two motion tokens, narrower."""
    generator = torch.Generator().manual_seed(0)
    spatial = Tokens.of(
        torch.randn(2, 3, 6, generator=generator).half(), frame=torch.zeros(3, dtype=torch.int64)
    )
    motion = Tokens.of(torch.randn(2, 2, 4, generator=generator).half(), frame=torch.tensor([1, 3]))
    motion.kind[:] = TokenKind.MOTION
    motion.mask[1, 1] = False
    groups = (spatial, motion)
    return FeatureTable(groups=groups, slot=slots_of(groups))


def test_rows_hold_channels_kind_frame_and_slot():
    made = table()
    layout = RowLayout.of(made, n_frames=4)
    assert (layout.channels, layout.n_slots, layout.width) == (6, 3, 6 + N_KINDS + 4 + 3)
    rows = layout.rows(made)
    assert [len(row) for row in rows] == [5, 4]
    assert counts(rows) == (4, 5)
    for clip, found in enumerate(rows):
        place = 0
        for group in made.groups:
            for token in range(group.values.shape[1]):
                if not group.mask[clip, token]:
                    continue
                width = group.values.shape[2]
                row = found[place].float()
                assert torch.equal(row[:width], group.values[clip, token].float())
                assert not row[width:6].any()
                at = row[6:].nonzero().flatten().tolist()
                kind, frame = int(group.kind[clip, token]), int(group.frame[clip, token])
                slot = token if kind == TokenKind.SPATIAL else 0
                assert at == [kind, N_KINDS + frame, N_KINDS + 4 + slot]
                place += 1


def test_a_clip_without_tokens_has_no_rows():
    groups = (Tokens.of(torch.zeros(2, 0, 5).half()),)
    empty = FeatureTable(groups=groups, slot=slots_of(groups))
    layout = RowLayout.of(empty, n_frames=4)
    assert [row.shape for row in layout.rows(empty)] == [(0, layout.width)] * 2


def test_a_slot_beyond_those_of_training_shares_the_last():
    made = table()
    layout = RowLayout(channels=6, n_frames=4, n_slots=2)
    rows = layout.rows(made)[0].float()
    assert rows[1, 6 + N_KINDS + 4 + 1] == rows[2, 6 + N_KINDS + 4 + 1] != 0
