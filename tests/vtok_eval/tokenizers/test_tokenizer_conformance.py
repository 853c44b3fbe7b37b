"""The rules that every registered tokenizer follows."""

from __future__ import annotations

import json

import pytest
import torch

from vtok_eval.data import Clips, check_tokens
from vtok_eval.registry import TOKENIZERS
from vtok_eval.systems import CountingTokenizer, TrainableTokenizer
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.feature_cache import FeatureCache

SPECS = [
    "vtok",
    "vtok:pool=grid,stride=1",
    "vtok:key=middle,stride=2",
    "vtok:residual=off,stride=1",
    "frames-2",
    "frames-8:grid=2",
    "frames-3:sampling=interior",
    "frames:budget=match:(vtok:stride=1)",
    "pooled:segments=2",
    "pooled:budget=match:(vtok:stride=1)",
    "slowfast:slow=1,fast=5",
    "slowfast:budget=31,fast_grid=2",
    "merged:count=9",
    "merged:budget=match:(vtok:stride=1),grid=3",
    "motion-vectors:stride=2",
    "motion-vectors:budget=match:(vtok:stride=1)",
    "keyframe",
    "blind",
]
every_tokenizer = pytest.mark.parametrize("spec", SPECS)


def test_every_registered_tokenizer_is_here() -> None:
    # Codecs have no tokens, and diffusers' autoencoders no backbone: their own tests say what they keep.
    apart = {"codec", "diffusers"}
    assert {spec.split(":")[0].removesuffix("-2") for spec in SPECS} >= set(TOKENIZERS) - apart


@every_tokenizer
@pytest.mark.parametrize(("n_frames", "size"), [(16, (64, 64)), (1, (64, 64)), (3, (33, 47)), (2, (7, 5))])
def test_tokens_keep_the_protocol(spec, n_frames, size, context, random_clips) -> None:
    tokenizer = build_tokenizer(spec, context)
    tokens = tokenizer.encode(random_clips(2, n_frames, size))
    check_tokens(tokens, n_clips=2)
    assert isinstance(tokenizer, CountingTokenizer)
    assert tokens.count().tolist() == [tokenizer.token_count(n_frames)] * 2
    assert bool(((tokens.frame >= 0) & (tokens.frame < n_frames)).all())


@every_tokenizer
def test_a_clip_does_not_see_its_batch(spec, context, random_clips) -> None:
    tokenizer = build_tokenizer(spec, context)
    clips = random_clips(5, 7, (48, 40))
    together = tokenizer.encode(clips)
    for start, stop in ((0, 1), (1, 4), (4, 5)):
        alone = tokenizer.encode(Clips(clips.frames[start:stop], clips.fps[start:stop]))
        assert torch.equal(alone.values, together.values[start:stop])
        assert torch.equal(alone.frame, together.frame[start:stop])
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(
        tokenizer.encode(Clips(clips.frames[order], clips.fps[order])).values, together.values[order]
    )


@every_tokenizer
def test_cache_changes_no_bit(spec, context, random_clips, tmp_path) -> None:
    clips = random_clips(3, 6, (40, 56))
    cached = BuildContext(context.device, FeatureCache(tmp_path / "features"))
    expected = build_tokenizer(spec, context).encode(clips).values
    tokenizer = build_tokenizer(spec, cached)
    for _ in ("computed", "read"):
        assert torch.equal(tokenizer.encode(clips).values, expected)


@every_tokenizer
def test_trainable_ones_split_in_features_and_projection(spec, context, random_clips) -> None:
    tokenizer = build_tokenizer(spec, context)
    if spec == "blind":
        assert not isinstance(tokenizer, TrainableTokenizer)
        return
    assert isinstance(tokenizer, TrainableTokenizer)
    clips = random_clips(2, 5)
    groups = tokenizer.features(clips)
    assert all(not group.values.requires_grad and not group.values.is_inference() for group in groups)
    projected = tokenizer.new_projection(seed=0)(groups)
    torch.testing.assert_close(projected.values, tokenizer.encode(clips).values)


@every_tokenizer
def test_description_can_be_kept_as_json(spec, context) -> None:
    description = describe_tokenizer(build_tokenizer(spec, context))
    assert json.loads(json.dumps(dict(description))) == description
    assert description["sampling_rule"] != "not declared"
    if spec != "blind":
        assert len(description["backbone"]["weights_sha256"]) == 64
