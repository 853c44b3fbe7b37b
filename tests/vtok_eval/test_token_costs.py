"""What a clip's tokens cost: the same number however they are read, and noted with what is made of them."""

import pytest
import torch

from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.data import Clips, Tokens
from vtok_eval.probes.bits import clip_bits, projected_bits_per_token
from vtok_eval.probes.clip_reading import ClipReading
from vtok_eval.probes.features import build_table, extract_features
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.token_costs import bits_per_token, noted_costs, summed_costs, token_costs
from vtok_eval.tokenizers.projection import LinearProjection


def clips_of(n=2, n_frames=4):
    frames = torch.arange(n * n_frames * 3 * 64) % 251
    return Clips(frames.reshape(n, n_frames, 3, 8, 8).to(torch.uint8), torch.ones(n, dtype=torch.float64))


class Values:
    dtype = torch.float32

    def encode(self, clips):
        return Tokens.of(clips.frames.flatten(2)[..., :5].to(self.dtype))


class Halves(Values):
    dtype = torch.float16


class Coded:
    def encode(self, clips):
        return Tokens.codes(clips.frames[:, :, :2, 0, 0].long() % 8, codebook_size=(8, 16))


class Projected:
    """Two groups of other widths, projected to 7 channels with the probe."""

    trainable = True

    def features(self, clips):
        values = clips.frames.flatten(2).float()
        return Tokens.of(values[..., :5]), Tokens.of(values[:, :1, :3])

    def new_projection(self, *, seed, widths=(5, 3)):
        return LinearProjection(widths, 7, seed=seed)

    def encode(self, clips):
        return self.new_projection(seed=0).eval()(self.features(clips))


@pytest.mark.parametrize(
    ("tokenizer", "bits"),
    [
        (Values(), 4 * 5 * 32.0),
        (Halves(), 4 * 5 * 16.0),
        (Coded(), 4 * (3 + 4.0)),
        (Projected(), 5 * 7 * 32.0),
    ],
)
def test_bits_are_those_of_what_encode_gives_also_where_a_probe_reads_features(tokenizer, bits):
    clips = clips_of()
    assert tokenizer.encode(clips).bits().tolist() == [bits] * 2
    for features in extract_features(tokenizer, clips):
        projected = projected_bits_per_token(tokenizer, features.widths)
        assert clip_bits(features, projected) == bits
        assert bits_per_token(tokenizer, clips) * features.n_tokens == bits


class Reading(ClipReading):
    def __init__(self, tokenizer, clips):
        self.tokenizer = tokenizer
        table = build_table(extract_features(tokenizer, clips), [str(i) for i in range(len(clips))])
        self.preprocessing = Preprocessing.of(table)

    @property
    def fitted(self):
        return self.preprocessing

    def outcome(self, sample, features):
        return Outcome(values={"read": (1.0,)}, outputs={"answer": "yes"})


def test_a_reading_evaluator_notes_costs_and_codes_of_each_clip():
    clips = clips_of()
    samples = [Sample(str(i), str(i)) for i in range(2)]
    outcomes = Reading(Coded(), clips).evaluate(samples, clips)
    for outcome, codes in zip(outcomes, Coded().encode(clips).indices, strict=True):
        assert outcome.cost == token_costs(clips.frames.shape, tokens=4.0, bits=28.0)
        assert outcome.outputs["answer"] == "yes"
        found = outcome.outputs["codes"]
        assert found["sizes"] == [8, 16]
        for quantiser in (0, 1):
            values, counts = codes[:, quantiser].unique(return_counts=True)
            assert found["codes"][quantiser] == values.tolist()
            assert found["counts"][quantiser] == counts.tolist()
    plain = Reading(Values(), clips).evaluate(samples, clips)[0]
    assert plain.cost["bits_per_pixel"] == 4 * 5 * 32 / (4 * 64)
    assert "codes" not in plain.outputs


def test_what_is_noted_with_a_video_comes_back_as_its_cost():
    assert noted_costs({"tokens": 4, "bits": 28.5, "prompt": "a cat"}) == {"tokens": 4.0, "bits": 28.5}
    assert noted_costs({"tokens": 4}) == {"tokens": 4.0}  # a note of an earlier version
    assert noted_costs({}) == {}


def test_costs_of_several_clips_add_up():
    one = token_costs(clips_of().frames.shape, tokens=4.0, bits=28.0)
    assert summed_costs([one, one]) == {"tokens": 8.0, "bits": 56.0}
