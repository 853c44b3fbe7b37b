import json
import logging

import pytest
import torch
from scipy import stats

from benchmarks.understanding.scenes.reading import ProbeTraining
from vtok_eval.benchmark import NoResult
from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.preparation import probe_seed

COST = {"tokens": 3.0, "bits": 3 * 12 * 32.0, "bits_per_frame": 288.0, "bits_per_pixel": 18.0}
"""Three tokens of 12 values in float32, of clips of 4 frames of 4 x 4 pixels."""


def training_of(fakes, *, n_probes=1, n_clips=192, n_validation=48, **recipe):
    return ProbeTraining(
        attributes=fakes.attributes,
        recipe=fakes.recipe(**recipe),
        n_probes=n_probes,
        training=fakes.samples("train", n_clips),
        validation=fakes.samples("validation", n_validation),
        facts={"data": "coded clips"},
    )


def evaluate(evaluator, samples, runner):
    return {
        sample.id: result for sample, result in runner.map(samples, evaluator.evaluate, description="test")
    }


def mean_of(results, name):
    values = [result.values[name][0] for result in results.values() if name in result.values]
    return sum(values) / len(values)


@pytest.fixture
def evaluated(fakes, make_context):
    """Train on made-up clips and evaluate 128 others."""

    def run(tokenizer, *, context=None, samples=None, **options):
        context = context or make_context()
        evaluator = training_of(fakes, **options).prepare(fakes.system(tokenizer), context)
        return evaluate(evaluator, samples or fakes.samples("test", 128), context.runner)

    return run


def test_reads_what_the_tokens_hold(fakes, evaluated):
    results = evaluated(fakes.Planted())
    for name in ("tone", "marks", "late"):
        assert mean_of(results, name) > 0.95, name


def test_outcomes_hold_scores_answers_and_cost_of_each_clip(fakes, evaluated):
    samples = fakes.samples("test", 6)
    results = evaluated(fakes.Planted(), samples=samples, n_probes=2, epochs=3)
    for sample in samples:
        outcome = results[sample.id]
        assert set(outcome.values) == set(sample.target)  # `late` applies to odd clips only
        assert all(len(values) == 2 for values in outcome.values.values())
        assert outcome.cost == COST
        for attribute in fakes.attributes:
            answers = outcome.outputs[attribute.name]
            assert len(answers) == 2
            if attribute.name in sample.target:
                truth = sample.target[attribute.name]
                scores = tuple(attribute.score(answer, truth) for answer in answers)
                assert outcome.values[attribute.name] == scores
        json.dumps(outcome.outputs)


def test_no_tokens_means_chance(fakes, evaluated):
    results = evaluated(fakes.Blind(), samples=fakes.samples("test", 400))
    right = [result.values["tone"][0] for result in results.values()]
    low, high = stats.binom.interval(0.9999, 400, 0.25)
    assert low <= sum(right) <= high
    assert all(set(result.cost.values()) == {0.0} for result in results.values())
    # It sees nothing, so it says the same of every clip.
    assert len({str(result.outputs) for result in results.values()}) == 1


def test_tokens_without_the_labels_mean_chance(fakes, evaluated):
    class Noise(fakes.Planted):  # type: ignore[name-defined]
        def encode(self, clips):
            tokens = super().encode(clips)
            tokens.values[:, 2] = 0
            return tokens

    results = evaluated(Noise(), samples=fakes.samples("test", 400), epochs=3)
    low, high = stats.binom.interval(0.9999, 400, 0.25)
    assert low <= sum(result.values["tone"][0] for result in results.values()) <= high


def test_company_and_order_change_nothing(fakes, make_context):
    tokenizer = fakes.Planted()
    evaluator = training_of(fakes, epochs=2).prepare(fakes.system(tokenizer), make_context())
    samples = fakes.samples("test", 21)
    alone = evaluate(evaluator, samples, make_context(batch_size=1).runner)
    together = evaluate(evaluator, samples[::-1], make_context(batch_size=21).runner)
    assert alone == together
    assert {1, 21} <= set(tokenizer.batch_sizes)


def test_training_does_not_depend_on_the_runners_batch_size(fakes, make_context):
    samples = fakes.samples("test", 16)
    outcomes = []
    for batch_size in (5, 64):
        context = make_context(batch_size=batch_size, folder=str(batch_size))
        evaluator = training_of(fakes, epochs=3).prepare(fakes.system(fakes.Planted()), context)
        outcomes.append((evaluate(evaluator, samples, context.runner), weights_of(evaluator)))
    assert outcomes[0][0] == outcomes[1][0]
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True))


def weights_of(evaluator, number=0):
    return list(evaluator.readers[number].reader.state_dict().values())


def test_same_seed_same_weights_and_another_seed_others(fakes, make_context):
    training = training_of(fakes, epochs=2, n_probes=2)
    runs = [
        training.prepare(fakes.system(fakes.Planted()), make_context(seed=seed, folder=folder))
        for seed, folder in ((0, "run a/job"), (0, "run b/job"), (1, "run c/job"))
    ]
    first, second, third = ([weights_of(run, number) for number in (0, 1)] for run in runs)
    for number in (0, 1):
        assert all(torch.equal(a, b) for a, b in zip(first[number], second[number], strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(first[number], third[number], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first[0], first[1], strict=True))


def accounts_of(context):
    return json.loads((context.artifacts / "training.json").read_text())


def test_systems_with_equal_tokens_share_one_training_and_agree_to_the_last_digit(
    fakes, make_context, monkeypatch
):
    training, samples = training_of(fakes, epochs=2, n_probes=2), fakes.samples("test", 24)
    one, other = make_context(folder="run/one"), make_context(folder="run/other")
    first = training.prepare(fakes.system(fakes.Planted(), "one"), one)

    def untrained(*args, **options):
        raise AssertionError("these tokens have a probe already")

    monkeypatch.setattr("vtok_eval.probes.preparation.train_reader", untrained)
    second = training.prepare(fakes.system(fakes.Planted(), "other"), other)
    assert evaluate(first, samples, one.runner) == evaluate(second, samples, other.runner)
    facts = [accounts_of(context) for context in (one, other)]
    assert facts[0]["tokens"] == facts[1]["tokens"]
    assert [each["taken_from"] for each in facts] == [[None, None], ["one", "one"]]
    # The other's job is whole by itself: it is found again when the first is gone.
    (one.artifacts / "probe-0.safetensors").unlink()
    again = training.prepare(fakes.system(fakes.Planted(), "other"), other)
    assert evaluate(again, samples, other.runner) == evaluate(second, samples, other.runner)


@pytest.mark.parametrize("change", ["tokens", "recipe", "run seed", "failed clips", "damaged file"])
def test_nothing_is_shared_where_anything_differs(fakes, make_context, change):
    training = training_of(fakes, epochs=2)
    one = make_context(folder="run/one")
    training.prepare(fakes.system(fakes.Planted(), "one"), one)

    class Shifted(fakes.Planted):  # type: ignore[name-defined]
        def encode(self, clips):
            tokens = super().encode(clips)
            tokens.values[:, 0, 0] += 0.5
            return tokens

    tokenizer = Shifted() if change == "tokens" else fakes.Planted()
    if change == "failed clips":
        tokenizer.bad_numbers = frozenset({5})
    if change == "damaged file":
        path = one.artifacts / "probe-0.safetensors"
        path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    if change == "recipe":
        training = training_of(fakes, epochs=3)
    other = make_context(folder="run/other", seed=int(change == "run seed"))
    training.prepare(fakes.system(tokenizer, "other"), other)
    assert accounts_of(other)["taken_from"] == [None]


def test_training_facts_say_how_training_went(fakes, make_context):
    context = make_context()
    training_of(fakes, epochs=3, n_probes=2, batch_size=50).prepare(fakes.system(fakes.Planted()), context)
    facts = accounts_of(context)
    assert facts["steps"] == 12  # 192 clips in 4 batches, 3 times
    assert facts["seeds"] == [probe_seed(0, 0), probe_seed(0, 1)]
    for name in ("training_loss", "validation_loss", "validation_score"):
        assert len(facts[name]) == 2
    for number, probe in enumerate(facts["probes"]):
        chosen = probe["chosen"]
        assert len(chosen["training_losses"]) == len(chosen["validation_losses"]) == 3
        assert facts["training_loss"][number] == chosen["training_losses"][-1]
        assert facts["validation_loss"][number] == chosen["validation_losses"][-1]
        assert 0 < facts["validation_loss"][number] < 1  # a guess without knowledge costs 1
    assert facts["input_widths"] == facts["widths"] == [12]


def test_the_last_epoch_or_the_best_one_is_kept(fakes, make_context):
    kept = {}
    for keep in ("last", "best"):
        context = make_context(folder=f"run {keep}/job")
        training_of(fakes, epochs=6, keep=keep, learning_rates=(0.1,)).prepare(
            fakes.system(fakes.Blind()), context
        )
        kept[keep] = accounts_of(context)["probes"][0]["chosen"]
    assert kept["last"]["epoch"] == 6
    # Without tokens the validation score only fluctuates, and the best of six is an earlier one.
    assert kept["best"]["epoch"] < 6
    assert kept["best"]["validation_score"] >= kept["last"]["validation_score"]
    assert kept["best"]["training_losses"] == kept["last"]["training_losses"]


def test_wide_tokens_are_reduced_and_a_projection_that_cannot_follow_is_left_alone(fakes, make_context):
    samples = fakes.samples("test", 96)
    context = make_context(folder="run/reduced")
    evaluator = training_of(fakes, max_channels=11).prepare(fakes.system(fakes.Planted()), context)
    assert (accounts_of(context)["input_widths"], accounts_of(context)["widths"]) == ([12], [11])
    assert mean_of(evaluate(evaluator, samples, context.runner), "tone") > 0.9
    # Read back with its reduction.
    again = training_of(fakes, max_channels=11).prepare(fakes.system(fakes.Planted()), context)
    assert evaluate(again, samples, context.runner) == evaluate(evaluator, samples, context.runner)

    own = make_context(folder="run/own")  # its projection has maps of 12 and 10 channels
    training_of(fakes, max_channels=11, epochs=1).prepare(fakes.system(_Projected(fakes)), own)
    assert accounts_of(own)["widths"] == [12, 10]

    class Following(_Projected):
        def new_projection(self, *, seed, widths=(12, 10)):
            torch.manual_seed(seed)
            module = _TwoMaps()
            module.maps = torch.nn.ModuleList([torch.nn.Linear(width, 8) for width in widths])
            return module

    following = make_context(folder="run/following")
    training_of(fakes, max_channels=11, epochs=1).prepare(fakes.system(Following(fakes)), following)
    assert accounts_of(following)["widths"] == [11, 10]


def test_training_leaves_torchs_generator_alone(fakes, make_context):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    training_of(fakes, epochs=1).prepare(fakes.system(fakes.Planted()), make_context())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_probe_is_used_again_without_a_look_at_the_clips(fakes, make_context):
    training, samples = training_of(fakes, epochs=2, n_probes=2), fakes.samples("test", 8)
    context = make_context()
    before = training.prepare(fakes.system(fakes.Planted()), context)
    tokenizer = fakes.Planted()
    after = training.prepare(fakes.system(tokenizer), context)
    assert tokenizer.calls == 0
    assert evaluate(before, samples, context.runner) == evaluate(after, samples, context.runner)


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_probe_is_trained_again_to_the_same_weights(fakes, make_context, damage):
    training, context = training_of(fakes, epochs=2, n_probes=2), make_context()
    before = training.prepare(fakes.system(fakes.Planted()), context)
    path = context.artifacts / "probe-1.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[-3] ^= 255
        path.write_bytes(content)
    else:
        path.unlink()
    tokenizer = fakes.Planted()
    after = training.prepare(fakes.system(tokenizer), context)
    assert tokenizer.calls > 0
    for number in (0, 1):
        pairs = zip(weights_of(before, number), weights_of(after, number), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert not list(context.artifacts.glob("*.partial"))


def test_a_probe_of_other_settings_is_not_used(fakes, make_context, caplog):
    context = make_context()
    training_of(fakes, epochs=2).prepare(fakes.system(fakes.Planted()), context)
    tokenizer = fakes.Planted()
    with caplog.at_level(logging.WARNING):
        training_of(fakes, epochs=1).prepare(fakes.system(tokenizer), context)
    assert tokenizer.calls > 0
    assert "other settings" in caplog.text


def test_failing_training_clips_are_counted_and_named(fakes, make_context, caplog):
    context = make_context(batch_size=32)
    with caplog.at_level(logging.WARNING):
        training_of(fakes, epochs=1, n_clips=64).prepare(
            fakes.system(fakes.Planted(bad_numbers=frozenset({3, 60}))), context
        )
    account = json.loads((context.artifacts / "training.json").read_text())
    assert list(account["failed_training_clips"]) == ["train/3", "train/60"]
    assert "NaN" in account["failed_training_clips"]["train/3"]
    assert account["training_clips"] == 62
    assert list(account["failed_validation_clips"]) == ["validation/3"]  # 48 clips
    assert "2 of 64 clips failed" in caplog.text


def test_a_tokenizer_that_always_fails_is_refused(fakes, make_context):
    system = fakes.system(fakes.Planted(bad_numbers=frozenset(range(256))))
    with pytest.raises(TokenizerError, match="all 192 clips failed"):
        training_of(fakes).prepare(system, make_context())


def test_nan_fails_only_the_clips_that_have_it(fakes, make_context):
    tokenizer, context = fakes.Planted(), make_context()
    evaluator = training_of(fakes, epochs=1).prepare(fakes.system(tokenizer), context)
    samples = fakes.samples("test", 12)
    sound = evaluate(evaluator, samples, context.runner)
    tokenizer.bad_numbers = frozenset({2, 7})
    results = evaluate(evaluator, samples, context.runner)
    failed = {name for name, result in results.items() if isinstance(result, NoResult)}
    assert failed == {"test/2", "test/7"}
    assert all(results[name] == sound[name] for name in results if name not in failed)


class _Widening:
    """A clip of number n has tokens of width 5, from `start` on of width 6."""

    def __init__(self, start):
        self.start = start

    def encode(self, clips: Clips) -> Tokens:
        wide = bool((clips.frames[:, 0, 0, 0, 0] >= self.start).any())
        return Tokens.of(torch.ones(len(clips), 2, 6 if wide else 5))


def test_a_width_that_changes_between_training_clips_is_refused(fakes, make_context):
    with pytest.raises(TokenizerError, match=r"same for every clip: 6 in train/96, 5 in train/0"):
        training_of(fakes, n_clips=100).prepare(fakes.system(_Widening(96)), make_context())


def test_a_width_that_changes_after_training_fails_those_clips(fakes, make_context):
    context = make_context(batch_size=4)
    evaluator = training_of(fakes, n_clips=40, n_validation=20, epochs=1).prepare(
        fakes.system(_Widening(50)), context
    )
    results = evaluate(evaluator, fakes.samples("test", 60)[48:52], context.runner)
    reasons = {name: result.reason for name, result in results.items() if isinstance(result, NoResult)}
    assert set(reasons) == {"test/50", "test/51"}
    assert "6 in test/50, 5 in training" in reasons["test/50"]


class _Projected:
    """A tokenizer with features of two widths; only its own projection turns the label's channel up."""

    trainable = True

    def __init__(self, fakes):
        self.planted = fakes.Planted()
        self.made = []

    def encode(self, clips: Clips) -> Tokens:
        return self.new_projection(seed=0)(self.features(clips))

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        tokens = self.planted.encode(clips)
        motion = Tokens(
            tokens.values[:, 2:, :10], tokens.mask[:, 2:], tokens.kind[:, 2:], tokens.frame[:, 2:]
        )
        noise = Tokens(tokens.values[:, :2], tokens.mask[:, :2], tokens.kind[:, :2], tokens.frame[:, :2])
        return noise, motion

    def new_projection(self, *, seed):
        torch.manual_seed(seed)
        module = _TwoMaps()
        self.made.append(module)
        return module


class _TwoMaps(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = torch.nn.ModuleList([torch.nn.Linear(12, 8), torch.nn.Linear(10, 8)])

    def forward(self, groups):
        return Tokens.concatenate(
            [
                Tokens(layer(group.values), group.mask, group.kind, group.frame)
                for layer, group in zip(self.maps, groups, strict=True)
            ]
        )


def test_a_tokenizers_own_projection_is_trained_with_the_probe(fakes, make_context):
    tokenizer, context = _Projected(fakes), make_context()
    evaluator = training_of(fakes).prepare(fakes.system(tokenizer), context)
    reader = evaluator.readers[0].reader
    fresh = tokenizer.new_projection(seed=probe_seed(0, 0))
    assert not torch.equal(reader.projection.maps[1].weight, fresh.maps[1].weight)
    results = evaluate(evaluator, fakes.samples("test", 128), context.runner)
    assert mean_of(results, "tone") > 0.95
    # Kept and read back with the projection's weights.
    again = training_of(fakes).prepare(fakes.system(tokenizer), context)
    assert evaluate(again, fakes.samples("test", 128), context.runner) == results


def test_a_frozen_projection_is_left_alone(fakes, make_context):
    tokenizer = _Projected(fakes)
    tokenizer.trainable = False
    evaluator = training_of(fakes, epochs=1).prepare(fakes.system(tokenizer), make_context())
    assert not any(name.startswith("projection") for name in evaluator.readers[0].reader.state_dict())


def test_what_a_false_mask_covers_changes_nothing(fakes, make_context):
    class Padded(fakes.Planted):  # type: ignore[name-defined]
        garbage = 0.0

        def encode(self, clips):
            tokens = super().encode(clips)
            extra = torch.full((len(clips), 1, 12), self.garbage)
            batch = len(clips)
            return Tokens(
                values=torch.cat([tokens.values[:, :1], extra, tokens.values[:, 1:], extra], dim=1),
                mask=torch.tensor([True, False, True, True, False]).expand(batch, 5),
                kind=torch.tensor([0, 9, 0, 1, -7]).expand(batch, 5),
                frame=torch.tensor([0, 99, 0, 2, -1]).expand(batch, 5),
            )

    outcomes = []
    for garbage in (0.0, 1e30, float("nan")):
        tokenizer, context = Padded(), make_context(folder=f"garbage {garbage}")
        tokenizer.garbage = garbage
        evaluator = training_of(fakes, epochs=2).prepare(fakes.system(tokenizer), context)
        outcomes.append(evaluate(evaluator, fakes.samples("test", 24), context.runner))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert next(iter(outcomes[0].values())).cost == COST


def test_probe_seeds_differ_by_run_and_number():
    seeds = {probe_seed(run, number) for run in range(20) for number in range(5)}
    assert len(seeds) == 100
