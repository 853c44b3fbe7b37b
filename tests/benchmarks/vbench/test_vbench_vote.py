"""Dynamic degree's vote: stopped early, it is the reference's, and no pair is looked at for nothing."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.vbench.networks.flow_lengths import FlowLengths, most_different_first
from benchmarks.vbench.scorers.dynamic_degree import Vote

moving_pairs = st.lists(st.booleans(), max_size=40)


def reference(pairs: list[bool]) -> bool:
    """The reference's count over every pair, in order."""
    needed = round(4 * ((len(pairs) + 1) / 16.0))
    count = 0
    for moves in pairs:
        count += moves
        if count >= needed:
            return True
    return False


@given(moving_pairs, st.integers(1, 5), st.randoms(use_true_random=False))
def test_any_order_in_any_batches_gives_the_references_vote(
    pairs: list[bool], at_once: int, random: object
) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    vote = Vote.of(len(pairs) + 1)
    while vote.outcome is None:
        taken = min(at_once, vote.undecided_for)
        assert taken >= 1
        vote.count(shuffled[vote.seen : vote.seen + taken])
    assert vote.outcome == reference(pairs)
    assert vote.undecided_for == 0


@given(moving_pairs)
def test_no_pair_is_looked_at_that_could_not_matter(pairs: list[bool]) -> None:
    """Before each batch ends, some way of voting of its pairs leaves the vote open."""
    vote = Vote.of(len(pairs) + 1)
    while vote.outcome is None:
        fewest = vote.undecided_for
        for moves in (True, False):
            before = Vote(vote.pairs, vote.needed, vote.moving, vote.seen)
            before.count([moves] * (fewest - 1))
            assert before.outcome is None
        vote.count(pairs[vote.seen : vote.seen + fewest])


def test_sixteen_frames_by_hand() -> None:
    # 16 frames are 15 pairs, of which round(4 * 16 / 16) = 4 must move.
    vote = Vote.of(16)
    assert (vote.pairs, vote.needed, vote.undecided_for) == (15, 4, 4)
    vote.count([True] * 4)
    assert vote.outcome is True
    # Of a still video 12 pairs must be seen: with 3 left, 4 can no longer be reached.
    still = Vote.of(16)
    still.count([False] * 11)
    assert still.outcome is None
    still.count([False])
    assert still.outcome is False


def test_very_short_videos() -> None:
    # The reference's rounding: round(4 * 2 / 16) = round(0.5) = 0 pairs must move, and there is one.
    assert Vote.of(2).outcome is True
    # No pair at all: nothing moves.
    assert Vote.of(1).outcome is False


def test_the_most_different_pair_comes_first() -> None:
    import torch

    levels = torch.tensor([0, 10, 10, 90, 80], dtype=torch.uint8)
    frames = levels[:, None, None, None].expand(5, 3, 16, 16)
    # Differences 10, 0, 80, 10; the earlier of equal ones first.
    assert most_different_first(frames) == [2, 0, 3, 1]


def test_features_are_computed_once_while_they_fit() -> None:
    import torch

    class Counting:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def encode(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.seen += frames[:, 0, 0, 0].tolist()
            values = frames[:, 0, 0, :1].float()
            return values, values + 100

    frames = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 8, 8)
    counting = Counting()
    encoded = FlowLengths(counting, frames)
    for numbers in ([3, 1], [1, 2], [3]):
        features, context = encoded._encoded(numbers)
        assert features.flatten().tolist() == numbers
        assert context.flatten().tolist() == [number + 100 for number in numbers]
    assert sorted(counting.seen) == [1, 2, 3]
    encoded._most = 2
    encoded._encoded([4, 5])
    encoded._encoded([1])
    assert counting.seen.count(1) == 2
    assert len(encoded._kept) == 2
    assert math.isfinite(float(np.mean(counting.seen)))
