import pytest
import torch

from vtok_eval.data import Clips, TokenKind, Tokens
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import Statistics, build_table, extract_features, slots_of


def clips_of(n, n_frames=4):
    return Clips(torch.zeros(n, n_frames, 3, 2, 2, dtype=torch.uint8), torch.ones(n))


class Fixed:
    """Gives the tokens it was made with."""

    def __init__(self, tokens):
        self.tokens = tokens

    def encode(self, clips):
        return self.tokens


def ragged():
    """Two clips of 3 and 1 tokens of width 2, padded to 4 with garbage."""
    values = torch.tensor(
        [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [9e9, 9e9]], [[7.0, 8.0], [9e9, 0], [0, 9e9], [9e9, 9e9]]]
    )
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    kind = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0]])
    frame = torch.tensor([[0, 0, 3, 0], [0, 0, 0, 0]])
    return Tokens(values, mask, kind, frame)


def test_a_clips_features_hold_no_padding():
    first, second = extract_features(Fixed(ragged()), clips_of(2))
    assert (first.n_tokens, second.n_tokens) == (3, 1)
    assert first.groups[0].values.tolist() == [[[1, 2], [3, 4], [5, 6]]]
    assert second.groups[0].values.tolist() == [[[7, 8]]]
    assert first.groups[0].values.dtype == torch.float16


def test_a_table_pads_with_false_mask_and_gives_single_precision_back():
    table = build_table(extract_features(Fixed(ragged()), clips_of(2)), ["a", "b"])
    (group,), slot = table.select(torch.tensor([1, 0]), device=torch.device("cpu"))
    assert group.mask.tolist() == [[True, False, False], [True, True, True]]
    assert group.values.tolist() == [[[7, 8], [0, 0], [0, 0]], [[1, 2], [3, 4], [5, 6]]]
    assert group.values.dtype == torch.float32
    assert slot.tolist()[1] == [0, 1, 0]


def test_slots_count_the_tokens_of_the_same_frame_and_kind_over_all_groups():
    spatial, motion = int(TokenKind.SPATIAL), int(TokenKind.MOTION)
    first = Tokens(
        values=torch.zeros(1, 4, 3),
        mask=torch.tensor([[True, False, True, True]]),
        kind=torch.full((1, 4), spatial),
        frame=torch.tensor([[0, 0, 0, 1]]),
    )
    second = Tokens(
        values=torch.zeros(1, 3, 5),
        mask=torch.ones(1, 3, dtype=torch.bool),
        kind=torch.tensor([[motion, spatial, motion]]),
        frame=torch.tensor([[0, 0, 0]]),
    )
    # (frame, kind): (0,S) -, (0,S) (1,S) | (0,M) (0,S) (0,M); the masked one does not count.
    slots = slots_of((first, second))[0].tolist()
    assert [slots[i] for i in (0, 2, 3, 4, 5, 6)] == [0, 1, 0, 0, 2, 1]


def test_statistics_are_those_of_the_true_tokens_of_each_kind():
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(300, 5, generator=generator) < 0.7
    kind = torch.randint(0, 2, (300, 5), generator=generator)
    values = (
        torch.randn(300, 5, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.5]) + 10 * kind[..., None]
    )
    tokens = Tokens(values, mask, kind, torch.zeros(300, 5, dtype=torch.int64))
    table = build_table(extract_features(Fixed(tokens), clips_of(300)), [str(i) for i in range(300)])
    scaled = Statistics.of(table).standardise(table).groups[0]
    for number in (0, 1):
        chosen = scaled.values[scaled.mask & (scaled.kind == number)].double()
        assert torch.allclose(chosen.mean(0), torch.zeros(3).double(), atol=2e-3)
        assert torch.allclose(chosen.std(0, unbiased=False), torch.ones(3).double(), atol=2e-3)
    assert not scaled.values[~scaled.mask].any()


def test_a_constant_channel_stays_finite():
    tokens = Tokens.of(torch.cat([torch.full((8, 2, 1), 3.0), torch.randn(8, 2, 1)], dim=2))
    table = build_table(extract_features(Fixed(tokens), clips_of(8)), list("abcdefgh"))
    scaled = Statistics.of(table).standardise(table).groups[0].values
    assert scaled.isfinite().all()
    assert not scaled[..., 0].any()


def test_far_outliers_do_not_overflow_half_precision():
    values = torch.full((2, 50, 1), 1e-4)
    values[0, ::2] = -1e-4
    plain = Tokens.of(values)
    table = build_table(extract_features(Fixed(plain), clips_of(2)), ["a", "b"])
    extreme = Tokens.of(torch.full((1, 50, 1), 6e4))
    test_table = build_table(extract_features(Fixed(extreme), clips_of(1)), ["c"])
    assert Statistics.of(table).standardise(test_table).groups[0].values.isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": 4}, "token frame must be 0 to 3"),
        ({"frame": -1}, "token frame must be 0 to 3"),
        ({"kind": 2}, r"token kind must be one of 0 \(SPATIAL\), 1 \(MOTION\)"),
        ({"value": 1e6}, "beyond 65504"),
        ({"value": float("inf")}, "NaN or infinite in clips"),
    ],
)
def test_tokens_that_break_the_protocol_are_refused(change, message):
    tokens = Tokens.of(torch.zeros(2, 3, 4))
    frame, kind, values = tokens.frame.clone(), tokens.kind.clone(), tokens.values.clone()
    frame[1, 1], kind[1, 1] = change.get("frame", 0), change.get("kind", 0)
    values[1, 1, 0] = change.get("value", 0.0)
    with pytest.raises(TokenizerError, match=message):
        extract_features(Fixed(Tokens(values, tokens.mask, kind, frame)), clips_of(2))


def test_clips_of_different_widths_make_no_table():
    narrow = extract_features(Fixed(Tokens.of(torch.zeros(1, 3, 4))), clips_of(1))
    wide = extract_features(Fixed(Tokens.of(torch.zeros(1, 3, 6))), clips_of(1))
    with pytest.raises(TokenizerError, match="6 in second, 4 in first"):
        build_table(narrow + wide, ["first", "second"])
