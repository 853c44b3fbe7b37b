"""Rates of tokens: held against scipy, against numbers worked out by hand, and against simulation."""

import math

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from vtok_eval.results.records import Record, Status
from vtok_eval.results.statistics.code_use import (
    CODED,
    FIXED,
    all_rate_scores,
    code_lengths,
    entropy,
    rate_scores,
)


def record(number, codes=None, *, sizes=(4,), n_frames=4, n_pixels=64, status=Status.OK, cluster=None):
    """One clip; codes: for each quantiser the clip's codes."""
    bits = 1.0
    outputs = {}
    if codes is not None:
        bits = sum(len(each) * math.log2(size) for each, size in zip(codes, sizes, strict=True))
        found = [np.unique(each, return_counts=True) for each in codes]
        outputs["codes"] = {
            "sizes": list(sizes),
            "codes": [values.tolist() for values, _ in found],
            "counts": [counts.tolist() for _, counts in found],
        }
    return Record(
        job="b/s", system="s", benchmark="b", sample_id=str(number), cluster=cluster or str(number),
        status=status, outputs=outputs,
        cost={"bits": bits, "bits_per_frame": bits / n_frames, "bits_per_pixel": bits / n_frames / n_pixels},
    )  # fmt: skip


def values(records):
    return {score.metric.name: score.value for score in rate_scores(records)}


@pytest.mark.parametrize("counts", [[1], [5, 5], [7, 1, 0, 2], list(range(40))])
def test_entropy_is_scipys_and_the_correction(counts):
    counts = np.array(counts)
    plug_in = scipy_entropy(counts, base=2)
    n_codes = int((counts > 0).sum())
    assert entropy(counts) == pytest.approx(plug_in + (n_codes - 1) / (2 * counts.sum() * math.log(2)))


def test_the_correction_takes_most_of_the_bias():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(50))
    truth = scipy_entropy(shares, base=2)
    drawn = rng.multinomial(300, shares, size=400)
    corrected = np.mean([entropy(each) for each in drawn])
    plug_in = np.mean([scipy_entropy(each, base=2) for each in drawn])
    assert abs(corrected - truth) < 0.25 * abs(plug_in - truth)


def test_code_lengths_are_those_of_a_probability_over_the_whole_code_book():
    counts = np.array([3, 0, 1])
    lengths = code_lengths(counts, 8)
    # (n + 1/2) / (4 + 8/2): 3.5/8, 0.5/8, 1.5/8, and 0.5/8 for each of five codes that are not listed.
    assert (2.0**-lengths).tolist() == pytest.approx([3.5 / 8, 0.5 / 8, 1.5 / 8])
    assert (2.0**-lengths).sum() + 5 * 0.5 / 8 == pytest.approx(1.0)


def test_every_rate_by_hand():
    # Two clips of 4 frames x 64 pixels; a code book of 4 entries, of which 3 occur.
    found = values([record(0, [[0, 0, 0, 1]]), record(1, [[0, 0, 2, 2]])])
    assert found["token_bits_per_clip"] == 8.0
    assert found["token_bits_per_frame"] == 2.0
    assert found["token_bits_per_pixel"] == 8.0 / 256
    # Each clip is a half. Coded by the other: p = (n + 1/2) / (4 + 4/2).
    first = -3 * math.log2(2.5 / 6) - math.log2(0.5 / 6)  # by counts 2, 0, 2, 0
    second = -2 * math.log2(3.5 / 6) - 2 * math.log2(0.5 / 6)  # by counts 3, 1, 0, 0
    assert found["coded_bits_per_clip"] == pytest.approx((first + second) / 2)
    assert found["coded_bits_per_frame"] == pytest.approx((first + second) / 8)
    assert found["coded_bits_per_pixel"] == pytest.approx((first + second) / 512)
    assert found["code_book_used"] == 0.75
    assert found["dead_codes"] == 1
    # Counts 5, 1, 2: entropy 1.2988 bits, and (3 - 1) / (16 ln 2) = 0.1803.
    assert found["code_perplexity"] == pytest.approx(2 ** (1.2988 + 0.1803), rel=1e-4)


def test_quantisers_add_their_bits_and_share_their_code_books():
    sizes = (4, 16)
    first, second = [[0, 1, 0, 3], [5, 5, 5, 5]], [[2, 2, 1, 1], [6, 7, 5, 5]]
    both = values([record(0, first, sizes=sizes), record(1, second, sizes=sizes)])
    parts = [
        values([record(i, [clip[q]], sizes=sizes[q : q + 1]) for i, clip in enumerate((first, second))])
        for q in (0, 1)
    ]
    for name in ("token_bits_per_clip", "coded_bits_per_clip", "dead_codes"):
        assert both[name] == pytest.approx(sum(part[name] for part in parts))
    assert both["code_book_used"] == (4 + 3) / 20
    perplexities = [part["code_perplexity"] for part in parts]
    assert both["code_perplexity"] == pytest.approx(math.prod(perplexities) ** 0.5)


def clips(n, rng, shares, length=60):
    return [record(i, [rng.choice(len(shares), length, p=shares)], sizes=(len(shares),)) for i in range(n)]


def test_entropy_coded_bits_come_near_the_true_entropy_from_above():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(16, 0.5))
    found = values(clips(300, rng, shares))
    truth = 60 * scipy_entropy(shares, base=2)
    assert truth < found["coded_bits_per_clip"] < 1.02 * truth
    assert found["coded_bits_per_clip"] < found["token_bits_per_clip"]


def test_too_few_clips_for_the_code_book_are_not_made_to_look_cheap():
    rng = np.random.default_rng(2)
    found = values([record(i, [rng.integers(0, 4096, 50)], sizes=(4096,)) for i in range(6)])
    assert found["coded_bits_per_clip"] > found["token_bits_per_clip"]


def test_intervals_hold_the_rate_of_a_new_draw_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth = {
        "coded_bits_per_clip": [], "code_perplexity": [],
    }  # fmt: skip
    drawn = []
    for _ in range(60):
        # Clips differ: each has its own mixture of two sets of codes.
        mixtures = rng.random(40)
        codes = [
            np.where(rng.random(30) < share, rng.integers(0, 4, 30), rng.integers(4, 12, 30))
            for share in mixtures
        ]
        drawn.append(rate_scores([record(i, [each], sizes=(16,)) for i, each in enumerate(codes)]))
    for scores in drawn:
        for score in scores:
            if score.metric.name in truth:
                truth[score.metric.name].append(score)
    for found in truth.values():
        centre = np.mean([score.value for score in found])
        inside = np.mean([score.low <= centre <= score.high for score in found])
        assert inside >= 0.85


def test_no_order_of_the_clips_changes_a_rate():
    rng = np.random.default_rng(4)
    records = clips(130, rng, np.full(9, 1 / 9))
    assert rate_scores(records) == rate_scores(records[::-1])


def test_samples_that_share_a_clip_are_left_out_together():
    codes = [[0, 1]]
    one = rate_scores([record(i, codes, cluster="a") for i in range(5)])
    assert all(score.low is None and score.n_clusters == 1 for score in one)
    assert "one cluster" in one[0].method


def test_failed_samples_are_left_out_and_counted():
    failed = record(2, status=Status.FAILED)
    found = rate_scores([record(0, [[0, 1]]), record(1, [[0, 2]]), failed])
    assert {(score.n, score.n_failed, score.n_clusters) for score in found} == {(3, 1, 2)}


def test_values_have_fixed_rates_only_and_only_beside_codes():
    coded, plain = [record(i, [[0, 1]]) for i in range(3)], [record(i) for i in range(3)]
    found = all_rate_scores({"vq": coded, "vae": plain}, label="here")
    assert [score.metric for score in found["vq"]] == [*FIXED, *CODED]
    assert [score.metric for score in found["vae"]] == list(FIXED)
    assert {score.label for score in found["vae"]} == {"here"}
    assert all_rate_scores({"vae": plain}, label="") == {"vae": []}
    assert rate_scores([]) == []
