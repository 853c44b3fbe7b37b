from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.profiles import drawing
from vtok_eval.data import TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.tokenizers.controls import Blind
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.vtok import VTok


def test_cells_of_each_sampled_frame_in_order(pixels, random_clips) -> None:
    clips = random_clips(2, 5, (4, 4))
    (tokens,) = FrameSampling(backbone=pixels, count=3, grid=2).features(clips)
    # linspace over 0..4 with three points: frames 0, 2, 4; four cells each.
    assert tokens.frame[0].tolist() == [0] * 4 + [2] * 4 + [4] * 4
    assert tokens.kind.unique().tolist() == [TokenKind.SPATIAL]
    # The second token of frame 2 is the mean of the top right 2 x 2 pixels.
    expected = clips.frames[1, 2, :, :2, 2:].float().mean((1, 2))
    assert tokens.values[1, 5].tolist() == pytest.approx(expected.tolist())


def test_short_clip_gives_all_its_frames(pixels, random_clips) -> None:
    tokenizer = FrameSampling(backbone=pixels, count=8)
    tokens = tokenizer.encode(random_clips(1, 4))
    assert tokens.count().tolist() == [4 * 16] == [tokenizer.token_count(4)]
    assert tokens.frame.unique().tolist() == [0, 1, 2, 3]


def test_31_tokens_buy_seven_frames_of_four_cells(pixels) -> None:
    # 4x4: 1 frame, 16 tokens. 3x3: 3 frames, 27. 2x2: 7 frames, 28. 1x1: 16 frames, 16. The most is 28.
    assert FrameSampling(backbone=pixels, budget=31).plan(16) == (7, 2)


def test_ties_go_to_the_finer_grid(pixels) -> None:
    # 32 tokens: 2 frames of 4x4 and 8 frames of 2x2 both spend all of it.
    assert FrameSampling(backbone=pixels, budget=32).plan(16) == (2, 4)


def test_budget_of_another_tokenizer(pixels, random_clips) -> None:
    vtok = VTok(backbone=pixels, stride=1)
    matched = FrameSampling(backbone=pixels, budget=vtok)
    assert matched.token_count(16) == 28 <= vtok.token_count(16) == 31
    assert matched.encode(random_clips(1, 16)).count().tolist() == [28]
    # One frame: VTok has its 16 spatial tokens only, which pay for the one frame.
    assert matched.token_count(1) == 16 == vtok.token_count(1)


@drawing(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.integers(1, 300), n_frames=st.integers(1, 40), grid=st.integers(1, 6))
def test_no_other_choice_spends_more_of_the_budget(pixels, budget: int, n_frames: int, grid: int) -> None:
    count, side = FrameSampling(backbone=pixels, budget=budget, grid=grid).plan(n_frames)
    everything = [
        (k * g * g, g) for g in range(1, grid + 1) for k in range(1, n_frames + 1) if k * g * g <= budget
    ]
    assert (count * side * side, side) == max(everything)
    assert 1 <= count <= n_frames


def test_budget_that_buys_nothing_is_refused(pixels) -> None:
    with pytest.raises(SpecError, match="pays for no frame"):
        FrameSampling(backbone=pixels, budget=0).plan(16)
    with pytest.raises(SpecError, match="pays for no frame"):
        FrameSampling(backbone=pixels, budget=Blind()).plan(16)


def test_count_or_budget_but_not_both(pixels) -> None:
    for options in ({}, {"count": 2, "budget": 32}):
        with pytest.raises(SpecError, match="either"):
            FrameSampling(backbone=pixels, **options)


def test_interior_sampling(pixels, random_clips) -> None:
    (tokens,) = FrameSampling(backbone=pixels, count=3, grid=1, sampling="interior").features(
        random_clips(1, 16)
    )
    # 16 / 4 = 4: the points 4, 8, 12.
    assert tokens.frame[0].tolist() == [4, 8, 12]
