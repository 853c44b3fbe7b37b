"""Comparators: which tokens they give for a budget, worked out by hand, and what contains what."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.profiles import drawing
from vtok_eval.data import Clips, TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.systems import System
from vtok_eval.tokenizers.budgets import slow_and_fast
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.comparators.merged import Merged
from vtok_eval.tokenizers.comparators.merging import merge
from vtok_eval.tokenizers.comparators.motion_vectors import MotionVectors
from vtok_eval.tokenizers.comparators.pooled import Pooled, segments_of
from vtok_eval.tokenizers.comparators.slowfast import SlowFast
from vtok_eval.tokenizers.controls import Blind
from vtok_eval.tokenizers.relations import token_relations
from vtok_eval.tokenizers.vtok import VTok


class TestPooled:
    def test_each_token_is_the_mean_of_its_segment(self, pixels, random_clips) -> None:
        clips = random_clips(2, 5, (4, 4))
        (tokens,) = Pooled(backbone=pixels, segments=2, grid=2).features(clips)
        # 5 frames in 2 segments: frames 0-1 and 2-4, whose middles are 0 and 3.
        assert tokens.frame[0].tolist() == [0] * 4 + [3] * 4
        # Its second cell is the top right quarter.
        expected = clips.frames[1, 2:, :, :2, 2:].float().mean((0, 2, 3))
        assert tokens.values[1, 5].tolist() == pytest.approx(expected.tolist(), rel=1e-4)

    def test_a_short_clip_is_frame_sampling(self, context: BuildContext, random_clips) -> None:
        clips = random_clips(2, 3)
        pooled, sampled = (build_tokenizer(spec, context) for spec in ("pooled:segments=3", "frames-3"))
        assert torch.equal(pooled.encode(clips).values, sampled.encode(clips).values)

    def test_the_budget_buys_what_frame_sampling_buys(self, pixels) -> None:
        # As test_frame_sampling works it out: 31 tokens pay for 7 segments of 2 x 2 cells.
        assert Pooled(backbone=pixels, budget=VTok(backbone=pixels, stride=1)).plan(16) == (7, 2)

    @given(n_frames=st.integers(1, 200), count=st.integers(1, 200))
    def test_segments_cover_every_frame_once_and_are_even(self, n_frames: int, count: int) -> None:
        count = min(count, n_frames)
        segments = segments_of(n_frames, count)
        assert [frame for segment in segments for frame in range(*segment)] == list(range(n_frames))
        lengths = {after - first for first, after in segments}
        assert len(segments) == count
        assert max(lengths) - min(lengths) <= 1

    def test_options_that_do_not_fit(self, pixels) -> None:
        for options in ({}, {"segments": 2, "budget": 9}):
            with pytest.raises(SpecError, match="either"):
                Pooled(backbone=pixels, **options)
        with pytest.raises(SpecError, match="at least 1"):
            Pooled(backbone=pixels, segments=0)


class TestSlowFast:
    def test_two_sets_of_frames(self, pixels, random_clips) -> None:
        clips = random_clips(1, 9, (4, 4))
        slow, fast = SlowFast(backbone=pixels, slow=1, fast=3, grid=2).features(clips)
        assert slow.frame[0].tolist() == [0] * 4
        # linspace over 0..8 with three points.
        assert fast.frame[0].tolist() == [0, 4, 8]
        whole = clips.frames[0, 4].float().mean((1, 2))
        assert fast.values[0, 1].tolist() == pytest.approx(whole.tolist(), rel=1e-3)

    def test_31_tokens_are_one_fine_frame_and_15_coarse_ones(self, pixels) -> None:
        # 16 + 15 spends all; so does 2 frames of 3 x 3 and 13 coarse ones, with a coarser grid.
        assert SlowFast(backbone=pixels, budget=31).plan(16) == (1, 4, 15)
        # 64 tokens: 3 x 16 and all 16 frames, where 1 x 16 + 16 and 2 x 16 + 16 would leave some.
        assert SlowFast(backbone=pixels, budget=64).plan(16) == (3, 4, 16)

    @drawing(60)
    @given(
        tokens=st.integers(2, 120),
        n_frames=st.integers(1, 24),
        finest=st.integers(2, 5),
        coarse=st.integers(1, 2),
    )
    def test_no_division_spends_more(self, tokens: int, n_frames: int, finest: int, coarse: int) -> None:
        every = [
            (s * g * g + f * coarse**2, g, f)
            for g in range(coarse + 1, finest + 1)
            for s in range(1, n_frames + 1)
            for f in range(1, n_frames + 1)
            if s * g * g + f * coarse**2 <= tokens and (f > s or f == n_frames)
        ]
        if not every:
            with pytest.raises(SpecError, match="does not pay for a fine frame"):
                slow_and_fast(tokens, n_frames=n_frames, finest=finest, coarse=coarse)
            return
        slow, grid, fast = slow_and_fast(tokens, n_frames=n_frames, finest=finest, coarse=coarse)
        assert (slow * grid * grid + fast * coarse**2, grid, fast) == max(every)

    def test_options_that_do_not_fit(self, pixels) -> None:
        for options in ({}, {"slow": 1}, {"slow": 1, "fast": 8, "budget": 40}):
            with pytest.raises(SpecError, match="either"):
                SlowFast(backbone=pixels, **options)
        with pytest.raises(SpecError, match="must be coarser"):
            SlowFast(backbone=pixels, budget=31, fast_grid=4)


class TestMerging:
    def test_worked_out_by_hand(self) -> None:
        # Sets {0, 2} and {1, 3}. Cosines: 0-1 1, 0-3 0, 2-1 0, 2-3 1/sqrt(2): one step merges 0 with 1, as
        # (4 + 2) / 2; then the sets are {01, 3} and {2}: 01-2 0, 3-2 1/sqrt(2), so 2 and 3 merge.
        values = torch.tensor([[4.0, 0.0], [2.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
        merged, members, sizes = merge(values, count=3)
        assert merged.tolist() == [[3.0, 0.0], [0.0, 5.0], [1.0, 1.0]]
        assert members.tolist() == [0, 0, 1, 2]
        merged, members, sizes = merge(values, count=2)
        assert merged.tolist() == [[3.0, 0.0], [0.5, 3.0]]
        assert (members.tolist(), sizes.tolist()) == ([0, 0, 1, 1], [2, 2])

    def test_means_are_weighted_by_size(self) -> None:
        # Equal directions: all merge at last, into the mean of all, whatever the order of merging.
        values = torch.arange(1.0, 8.0)[:, None] * torch.tensor([[1.0, 2.0]])
        merged, _, sizes = merge(values, count=1)
        assert merged.tolist() == [[4.0, 8.0]]
        assert sizes.tolist() == [7]

    @drawing(40)
    @given(length=st.integers(1, 60), count=st.integers(1, 70), seed=st.integers(0, 99))
    def test_every_token_is_in_one_mean(self, length: int, count: int, seed: int) -> None:
        values = torch.randn(length, 5, generator=torch.Generator().manual_seed(seed))
        merged, members, sizes = merge(values, count=count)
        assert len(merged) == min(count, length)
        assert torch.bincount(members, minlength=len(merged)).tolist() == sizes.tolist()
        for number in range(len(merged)):
            torch.testing.assert_close(merged[number], values[members == number].mean(0))
        first = [int((members == number).nonzero()[0]) for number in range(len(merged))]
        assert first == sorted(first)

    def test_it_matches_a_plain_reading_of_the_paper(self) -> None:
        values = torch.randn(12, 4, generator=torch.Generator().manual_seed(3))
        # One step with r = 4, written as loops.
        unit = values / values.norm(dim=1, keepdim=True)
        best = {a: max(range(1, 12, 2), key=lambda b, a=a: float(unit[a] @ unit[b])) for a in range(0, 12, 2)}
        chosen = sorted(best, key=lambda a: -float(unit[a] @ unit[best[a]]))[:4]
        groups = [{b} | {a for a in chosen if best[a] == b} for b in range(1, 12, 2)]
        groups += [{a} for a in best if a not in chosen]
        expected = torch.stack([values[sorted(group)].mean(0) for group in sorted(groups, key=min)])
        torch.testing.assert_close(merge(values, count=8)[0], expected)


class TestMerged:
    def test_a_still_clip_merges_through_time_first(self, pixels) -> None:
        # Four cells of four colours in every frame: 16 cells become the 4 colours.
        colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], dtype=torch.uint8)
        frame = colours.T.reshape(3, 2, 2)
        clips = Clips(frame.expand(1, 4, 3, 2, 2).contiguous(), torch.tensor([4.0]).double())
        (tokens,) = Merged(backbone=pixels, count=4, grid=2).features(clips)
        assert tokens.values[0, :, :3].tolist() == colours.tolist()
        # Mean time is the middle; row and column are the cell's; four frames in each.
        places = tokens.values[0, :, 3:]
        assert places[:, 0].tolist() == [0.5] * 4
        assert places[:, 1:3].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert places[:, 3].tolist() == pytest.approx([math.log(4)] * 4)
        # The mean of frames 0 to 3 is 1.5; halves go to the even frame.
        assert tokens.frame[0].tolist() == [2] * 4

    def test_all_cells_where_there_are_fewer_than_asked_for(self, pixels, random_clips) -> None:
        clips = random_clips(1, 2, (4, 4))
        tokenizer = Merged(backbone=pixels, count=100, grid=2)
        (tokens,) = tokenizer.features(clips)
        assert tokens.count().tolist() == [8] == [tokenizer.token_count(2)]
        assert tokens.frame[0].tolist() == [0] * 4 + [1] * 4
        assert tokens.values[0, :, 6].tolist() == [0.0] * 8

    def test_options_that_do_not_fit(self, pixels) -> None:
        for options in ({}, {"count": 2, "budget": 9}):
            with pytest.raises(SpecError, match="either"):
                Merged(backbone=pixels, **options)
        with pytest.raises(SpecError, match="pays for no frame"):
            Merged(backbone=pixels, budget=Blind()).token_count(16)


class TestMotionVectors:
    def test_a_window_that_moves_over_a_picture(self, pixels) -> None:
        generator = torch.Generator().manual_seed(0)
        coarse = torch.randint(0, 256, (1, 3, 20, 20), generator=generator).float()
        whole = torch.nn.functional.interpolate(coarse, size=(160, 160), mode="bicubic").clamp(0, 255)[0]
        whole = whole.to(torch.uint8)
        frames = torch.stack([whole[:, 40:104, 30 + 2 * t : 94 + 2 * t] for t in range(5)])
        clips = Clips(frames[None], torch.tensor([8.0]).double())
        spatial, motion = MotionVectors(backbone=pixels, stride=2, grid=2, crf=18).features(clips)
        assert spatial.frame[0].tolist() == [0] * 4
        assert motion.frame[0].tolist() == [2, 4]
        assert motion.kind.unique().tolist() == [TokenKind.MOTION]
        # Two frames of 2 pixels to the left, of a width of 64; no motion up or down.
        shift_x, shift_y, length = motion.values[0, 0].view(5, 4)[:3]
        assert shift_x.tolist() == pytest.approx([-4 / 64] * 4, abs=0.012)
        assert shift_y.tolist() == pytest.approx([0.0] * 4, abs=0.012)
        assert length.tolist() == pytest.approx([4 / 64] * 4, abs=0.02)

    def test_the_budget_sets_the_stride(self, pixels) -> None:
        vtok = VTok(backbone=pixels, stride=1)
        assert MotionVectors(backbone=pixels, budget=vtok).stride_for(16) == 1
        # 20 tokens: 4 after the key frame's 16, for 15 frames: every fourth is 3, every third would be 5.
        assert MotionVectors(backbone=pixels, budget=20).stride_for(16) == 4
        assert MotionVectors(backbone=pixels, budget=20).token_count(16) == 19
        assert MotionVectors(backbone=pixels, budget=16).token_count(16) == 16
        with pytest.raises(SpecError, match="does not pay for the key frame's 16"):
            MotionVectors(backbone=pixels, budget=15).token_count(16)

    @drawing(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(n_frames=st.integers(1, 30), budget=st.integers(4, 40))
    def test_no_smaller_stride_keeps_to_the_budget(self, pixels, n_frames: int, budget: int) -> None:
        stride = MotionVectors(backbone=pixels, grid=2, budget=budget).stride_for(n_frames)
        counts = {
            each: MotionVectors(backbone=pixels, grid=2, stride=each).token_count(n_frames)
            for each in range(1, stride + 1)
        }
        assert counts[stride] <= budget
        assert all(count > budget for each, count in counts.items() if each < stride)

    def test_options_that_do_not_fit(self, pixels) -> None:
        for options in ({}, {"stride": 1, "budget": 40}):
            with pytest.raises(SpecError, match="either"):
                MotionVectors(backbone=pixels, **options)
        with pytest.raises(SpecError, match="crf must be from 0 to 51, not 52"):
            MotionVectors(backbone=pixels, stride=1, crf=52)


def test_what_contains_what(context: BuildContext) -> None:
    specs = (
        "keyframe", "frames-2", "frames-4", "slowfast:slow=1,fast=8", "slowfast:slow=2,fast=8",
        "pooled:segments=2", "pooled:segments=4", "merged:count=31", "motion-vectors:stride=1",
        "motion-vectors:stride=2", "vtok:stride=1",
    )  # fmt: skip
    systems = {}
    for spec in specs:
        tokenizer = build_tokenizer(spec, context)
        systems[spec] = System(spec, spec, "tokenizer", tokenizer, describe_tokenizer(tokenizer))
    found = {(relation.larger, relation.smaller) for relation in token_relations(systems, {})}
    with_first_frame = (
        "frames-2", "frames-4", "slowfast:slow=1,fast=8", "slowfast:slow=2,fast=8", "motion-vectors:stride=1",
        "motion-vectors:stride=2", "vtok:stride=1",
    )  # fmt: skip
    expected = {(larger, "keyframe") for larger in with_first_frame}
    expected |= {("frames-4", "frames-2"), ("slowfast:slow=2,fast=8", "frames-2")}
    # The same fast frames; the slow one is among two.
    expected |= {("slowfast:slow=2,fast=8", "slowfast:slow=1,fast=8")}
    # Means of segments and merged cells are in no other tokens, nor others in them.
    assert found == expected


def test_pooled_over_single_frames_is_the_same_as_frame_sampling(context: BuildContext) -> None:
    systems = {}
    for spec in ("pooled:segments=40", "frames-40"):
        tokenizer = build_tokenizer(spec, context)
        systems[spec] = System(spec, spec, "tokenizer", tokenizer, describe_tokenizer(tokenizer))
    (relation,) = token_relations(systems, {})
    assert relation.relation == "same"
