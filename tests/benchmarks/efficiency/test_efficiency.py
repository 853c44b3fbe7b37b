import math
import sys
from types import SimpleNamespace

import pytest
import torch

from benchmarks.efficiency.benchmark import QUANTITIES, Efficiency
from vtok_eval.benchmark import Context
from vtok_eval.data import Tokens
from vtok_eval.errors import MissingDependencyError, SuiteError
from vtok_eval.results.description import Description
from vtok_eval.systems import System

CPU = torch.device("cpu")
FAKE = """
import torch
from vtok_eval.data import Tokens

WEIGHT = torch.ones(3, 6)

class PerFrame:
    '''Two tokens a frame: each frame's mean colour through one 3 x 6 matrix, and its negative.'''
    encodes = []

    def encode(self, clips):
        if clips.n_frames == 7:
            raise RuntimeError("seven frames\\nare too many")
        if clips.n_frames == 9:
            return Tokens.of(torch.full((len(clips), 1, 6), float("nan")))
        PerFrame.encodes.append((len(clips), clips.n_frames))
        colour = clips.frames.float().mean(dim=(3, 4)) @ WEIGHT
        return Tokens.of(torch.cat([colour, -colour], dim=1))
"""


@pytest.fixture
def fake(tmp_path):
    path = tmp_path / "fake_tokenizer.py"
    path.write_text(FAKE)
    spec = f"{path}:PerFrame"
    return System("fake", spec, "tokenizer", subject=None, description=Description())


def context(tmp_path, *, seed=0):
    return Context(runner=None, device=CPU, seed=seed, artifacts=tmp_path, cache=tmp_path)


def measured(benchmark, system, tmp_path, *, seed=0):
    """Outcomes by sample id, all samples in one batch."""
    evaluator = benchmark.prepare(system, context(tmp_path, seed=seed))
    samples = benchmark.samples(system)
    return dict(zip([s.id for s in samples], evaluator.evaluate(samples, None), strict=True)), evaluator


def small(**changes):
    options = {"lengths": [2, 4], "clip_size": 8, "repeats": 2, "passes": 2, "batch_size": 3}
    return Efficiency(**{**options, **changes})


class TestSamples:
    def test_one_for_each_length_and_repeat_with_stable_ids(self, fake):
        samples = small(lengths=[4, 2]).samples(fake)
        assert [s.id for s in samples] == [
            "frames-2/repeat-0",
            "frames-4/repeat-0",
            "frames-2/repeat-1",
            "frames-4/repeat-1",
        ]
        assert [s.cluster for s in samples] == [s.id for s in samples]
        assert dict(samples[1].meta) == {"n_frames": 4, "repeat": 0}
        assert all(s.clip is None for s in samples)

    def test_more_repeats_keep_the_ids_of_fewer(self, fake):
        few = [s.id for s in small(repeats=2).samples(fake)]
        many = [s.id for s in small(repeats=5).samples(fake)]
        assert many[: len(few)] == few
        assert len(set(many)) == len(many) == 10


class TestMetrics:
    def test_one_row_for_each_quantity_and_length(self):
        names = [metric.name for metric in small().metrics()]
        assert names == [f"{quantity.name}@{length}" for quantity in QUANTITIES for length in (2, 4)]

    def test_units_titles_and_directions(self):
        by_name = {metric.name: metric for metric in small().metrics()}
        assert by_name["latency_ms@4"].title == "latency, 4 frames"
        units = {name: metric.unit for name, metric in by_name.items() if name.endswith("@4")}
        assert units == {
            "tokens@4": "tokens",
            "bits@4": "bits",
            "gflop@4": "GFLOP",
            "latency_ms@4": "ms",
            "throughput_fps@4": "frames/s",
            "memory_mib@4": "MiB",
        }
        better_high = {name for name, metric in by_name.items() if metric.higher_is_better}
        assert better_high == {"throughput_fps@2", "throughput_fps@4"}
        # A clip that could not be encoded took no 0 ms: it stays out of the mean.
        assert all(metric.failed_as is None for metric in by_name.values())

    @pytest.mark.parametrize(
        ("lengths", "headline"), [((4, 8, 16, 32, 64), 16), ((4, 12), 12), ((64,), 64), ((20, 40), 20)]
    )
    def test_the_short_table_shows_tokens_and_latency_of_the_papers_clip_length(self, lengths, headline):
        shown = {metric.name for metric in Efficiency(lengths=lengths).metrics() if metric.headline}
        assert shown == {f"tokens@{headline}", f"latency_ms@{headline}"}


class TestMeasurements:
    def test_tokens_and_flops_by_hand(self, fake, tmp_path):
        outcomes, _ = measured(small(), fake, tmp_path)
        for repeat in (0, 1):
            for n_frames in (2, 4):
                values = outcomes[f"frames-{n_frames}/repeat-{repeat}"].values
                assert values[f"tokens@{n_frames}"] == (2.0 * n_frames,)
                # one clip: (n_frames x 3) @ (3 x 6) is 2 * n_frames * 6 * 3 operations
                assert values[f"gflop@{n_frames}"] == (36 * n_frames / 1e9,)

    def test_peak_memory_by_hand(self, fake, tmp_path):
        outcomes, _ = measured(small(), fake, tmp_path)
        # 4 frames of 3 x 8 x 8 as float32 are 3072 bytes; with their means (4 * 3 * 4 = 48) alive it is 3120.
        # The matrix product comes later, when the floats are gone, as do the tokens: all smaller.
        assert outcomes["frames-4/repeat-0"].values["memory_mib@4"] == (3120 / 2**20,)

    def test_values_are_those_of_the_sample_s_own_length(self, fake, tmp_path):
        outcomes, _ = measured(small(), fake, tmp_path)
        names = set(outcomes["frames-2/repeat-1"].values)
        assert names == {f"{quantity.name}@2" for quantity in QUANTITIES}

    def test_latency_is_the_median_and_throughput_counts_the_batch(self, fake, tmp_path):
        outcomes, _ = measured(small(passes=3), fake, tmp_path)
        outcome = outcomes["frames-4/repeat-0"]
        one, batch = (sorted(outcome.outputs[key]) for key in ("seconds_one_clip", "seconds_batch"))
        assert len(one) == len(batch) == 3
        assert outcome.values["latency_ms@4"] == (pytest.approx(1000 * one[1]),)
        # 3 clips of 4 frames in the middle one of three durations
        assert outcome.values["throughput_fps@4"] == (pytest.approx(12 / batch[1]),)

    def test_with_batches_of_one_the_same_passes_give_both(self, fake, tmp_path):
        outcomes, _ = measured(small(batch_size=1), fake, tmp_path)
        outcome = outcomes["frames-4/repeat-0"]
        assert outcome.outputs["seconds_batch"] == outcome.outputs["seconds_one_clip"]
        latency = outcome.values["latency_ms@4"][0]
        assert outcome.values["throughput_fps@4"] == (pytest.approx(4 / (latency / 1000)),)

    def test_counting_and_warm_up_happen_once_for_each_length_before_the_timed_passes(self, fake, tmp_path):
        benchmark = small(lengths=[4], repeats=2, passes=2, warmup=3, batch_size=5)
        evaluator = benchmark.prepare(fake, context(tmp_path))
        calls = _calls(evaluator)
        first, second = benchmark.samples(fake)
        evaluator.evaluate([first], None)
        # FLOPs, memory; warm-up 3 x (one clip, a batch of 5); then 2 passes of one clip and 2 of the batch
        assert calls == [(1, 4)] * 2 + [(1, 4), (5, 4)] * 3 + [(1, 4)] * 2 + [(5, 4)] * 2
        calls.clear()
        evaluator.evaluate([second], None)
        assert calls == [(1, 4)] * 2 + [(5, 4)] * 2

    def test_dry_run_announces_the_frames_that_are_then_encoded(self, fake, tmp_path):
        benchmark = small(warmup=2)
        evaluator = benchmark.prepare(fake, context(tmp_path))
        calls = _calls(evaluator)
        evaluator.evaluate(benchmark.samples(fake), None)
        frames = sum(n_clips * n_frames for n_clips, n_frames in calls)
        # (2 + (2 warm-up + 2 x 2 timed) x (1 + 3 clips)) x (2 + 4 frames) = 26 x 6
        assert frames == 156
        assert benchmark.describe()["cost"] == [
            "each system encodes 156 frames, none of them from the feature cache"
        ]

    def test_what_shares_the_batch_changes_no_count(self, fake, tmp_path):
        together, _ = measured(small(), fake, tmp_path)
        evaluator = small().prepare(fake, context(tmp_path))
        for sample in reversed(small().samples(fake)):
            (alone,) = evaluator.evaluate([sample], None)
            for quantity in ("tokens", "gflop", "memory_mib"):
                key = f"{quantity}@{sample.meta['n_frames']}"
                assert alone.values[key] == together[sample.id].values[key]

    def test_padding_is_not_counted_and_tokens_are_the_batch_s_mean(self, tmp_path):
        path = tmp_path / "ragged.py"
        path.write_text(
            "import torch\n"
            "from vtok_eval.data import Tokens\n"
            "class Ragged:\n"
            "    def encode(self, clips):\n"
            "        tokens = Tokens.of(torch.zeros(len(clips), 4, 2))\n"
            "        for i in range(len(clips)):\n"
            "            tokens.mask[i, 1 + i :] = False\n"
            "        return tokens\n"
        )
        system = System("ragged", f"{path}:Ragged", "tokenizer", None)
        outcomes, _ = measured(small(lengths=[2], batch_size=3), system, tmp_path)
        # clips of the batch keep 1, 2 and 3 tokens
        assert outcomes["frames-2/repeat-0"].values["tokens@2"] == (2.0,)
        assert outcomes["frames-2/repeat-0"].outputs["tokens"] == [1, 2, 3]

    def test_outcomes_hold_finite_numbers_and_what_measured_them(self, fake, tmp_path):
        outcomes, _ = measured(small(), fake, tmp_path)
        for outcome in outcomes.values():
            assert all(math.isfinite(value) and value >= 0 for (value,) in outcome.values.values())
            assert outcome.outputs["device"] == "cpu"
            assert outcome.outputs["threads"] == torch.get_num_threads()
            assert outcome.cost["seconds"] > 0


class TestFailures:
    def test_a_length_that_raises_fails_in_every_repeat_and_alone(self, fake, tmp_path):
        outcomes, _ = measured(small(lengths=[4, 7]), fake, tmp_path)
        for repeat in (0, 1):
            failed = outcomes[f"frames-7/repeat-{repeat}"]
            assert failed.error == "RuntimeError: seven frames are too many"
            assert not failed.values
            assert outcomes[f"frames-4/repeat-{repeat}"].error is None

    def test_tokens_that_are_not_finite_are_no_measurement(self, fake, tmp_path):
        outcomes, _ = measured(small(lengths=[9]), fake, tmp_path)
        assert outcomes["frames-9/repeat-0"].error == (
            "token values are NaN or infinite in clips [0] of the batch"
        )

    def test_running_out_of_memory_is_a_reason(self, fake, tmp_path):
        outcome = _with_error(fake, tmp_path, torch.OutOfMemoryError("no 3 GiB left"))
        assert outcome.error == "OutOfMemoryError: no 3 GiB left"

    def test_what_concerns_the_whole_run_is_not_swallowed(self, fake, tmp_path):
        with pytest.raises(MissingDependencyError, match="weights"):
            _with_error(fake, tmp_path, MissingDependencyError("no weights"))

    def test_ctrl_c_is_not_swallowed(self, fake, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            _with_error(fake, tmp_path, KeyboardInterrupt())


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"lengths": []}, "lengths must be a list"),
            ({"lengths": "16"}, "lengths must be a list"),
            ({"lengths": 16}, "lengths must be a list"),
            ({"lengths": [0]}, "lengths must be a whole number of at least 1, not 0"),
            ({"lengths": [2.5]}, "not 2.5"),
            ({"lengths": [True]}, "not True"),
            ({"lengths": [4, 4]}, r"lengths must differ, not \[4, 4\]"),
            ({"repeats": 0}, "repeats must be a whole number of at least 1, not 0"),
            ({"passes": 0}, "passes"),
            ({"warmup": -1}, "warmup must be a whole number of at least 0, not -1"),
            ({"batch_size": 0}, "batch_size"),
            ({"clip_size": "64"}, "clip_size must be a whole number of at least 1, not '64'"),
            ({"fps": 0}, "fps must be a positive number, not 0"),
            ({"fps": math.nan}, "fps"),
        ],
    )
    def test_bad_values_are_refused_by_name(self, options, message):
        with pytest.raises(SuiteError, match=message):
            Efficiency(**options)

    def test_provenance_keeps_every_option(self):
        described = small(warmup=0, fps=8).describe()
        options = described.options
        assert {key: options[key] for key in ("lengths", "clip_size", "fps", "repeats", "passes")} == {
            "lengths": [2, 4],
            "clip_size": 8,
            "fps": 8.0,
            "repeats": 2,
            "passes": 2,
        }
        assert (options["warmup"], options["batch_size"]) == (0, 3)
        assert all(note.endswith(".") for note in described.notes)


class TestRealTokenizers:
    """The growth that the paper claims, as measured: S + (T - 1) tokens against S * T."""

    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ("vtok:stride=1", {4: 16 + 3, 8: 16 + 7}),
            ("frames-64", {4: 16 * 4, 8: 16 * 8}),
            ("frames-2", {4: 32, 8: 32}),
            ("keyframe", {4: 16, 8: 16}),
            ("blind", {4: 0, 8: 0}),
        ],
    )
    def test_tokens(self, spec, expected, tmp_path):
        benchmark = small(lengths=list(expected), clip_size=64, repeats=1, passes=1, batch_size=1)
        outcomes, _ = measured(benchmark, System(spec, spec, "tokenizer", None), tmp_path)
        tokens = {n: outcomes[f"frames-{n}/repeat-0"].values[f"tokens@{n}"][0] for n in expected}
        assert tokens == expected

    def test_flops_follow_the_frames_that_pass_through_the_backbone(self, tmp_path):
        benchmark = small(lengths=[4, 8], clip_size=64, repeats=1, passes=1, batch_size=1)

        def gflop(spec):
            outcomes, _ = measured(benchmark, System(spec, spec, "tokenizer", None), tmp_path)
            return {n: outcomes[f"frames-{n}/repeat-0"].values[f"gflop@{n}"][0] for n in (4, 8)}

        every, two, blind = gflop("frames-64"), gflop("frames-2"), gflop("blind")
        # A backbone that filled its passes up to a fixed number of frames would make these all alike.
        assert every[8] == pytest.approx(2 * every[4], rel=1e-12)
        assert two[4] == two[8] == pytest.approx(every[4] / 2, rel=1e-12)
        assert blind == {4: 0.0, 8: 0.0}

    def test_the_tokens_are_those_of_the_system_save_for_the_last_bit(self):
        from benchmarks.efficiency.clips import moving_noise
        from benchmarks.efficiency.uncached import uncached_tokenizer
        from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

        clips = moving_noise(n_clips=2, n_frames=5, size=64, fps=4.0, seeds=(0,))
        own = build_tokenizer("vtok", BuildContext(CPU)).encode(clips)
        system = System("vtok", "vtok", "tokenizer", None)
        measured_one = uncached_tokenizer(system, CPU).encode(clips)
        assert torch.equal(measured_one.mask, own.mask)
        torch.testing.assert_close(measured_one.values, own.values, rtol=1e-2, atol=1e-2)

    def test_a_feature_cache_behind_the_system_is_not_used(self, tmp_path):
        used = SimpleNamespace(encode=lambda clips: pytest.fail("encoded through the system's own tokenizer"))
        system = System("keyframe", "keyframe", "tokenizer", used)
        outcomes, _ = measured(small(lengths=[2], clip_size=64), system, tmp_path)
        assert outcomes["frames-2/repeat-0"].values["gflop@2"][0] > 0

    def test_a_budget_matched_to_another_system_finds_it_by_name(self, tmp_path):
        names = {"ours": "vtok:stride=1"}
        system = System(
            "matched", "frames:budget=match:ours", "tokenizer", None, Description(facts={"names": names})
        )
        benchmark = small(lengths=[16], clip_size=64, repeats=1, passes=1, batch_size=1)
        outcomes, _ = measured(benchmark, system, tmp_path)
        # VTok: 16 + 15 = 31 tokens. Whole frames of g^2 tokens within 31: g=4 pays for 1 frame (16 tokens),
        # g=3 for 3 (27), g=2 for 7 (28), g=1 for all 16 (16): the most is 28.
        assert outcomes["frames-16/repeat-0"].values["tokens@16"] == (28.0,)


def _calls(evaluator):
    """(clips, frames) of every encode from now on."""
    calls = []
    encode = evaluator._tokenizer.encode

    def counted(clips) -> Tokens:
        calls.append((len(clips), clips.n_frames))
        return encode(clips)

    evaluator._tokenizer.encode = counted
    return calls


def _with_error(system, tmp_path, error):
    evaluator = small(lengths=[2]).prepare(system, context(tmp_path))

    def fails(clips):
        raise error

    evaluator._tokenizer.encode = fails
    (outcome,) = evaluator.evaluate(small(lengths=[2], repeats=1).samples(system), None)
    return outcome


def test_importing_the_benchmark_does_not_import_torch():
    import subprocess

    code = "import sys, benchmarks.efficiency.benchmark; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
