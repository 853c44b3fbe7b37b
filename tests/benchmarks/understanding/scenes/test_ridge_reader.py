import json

import pytest
import torch

from benchmarks.understanding.scenes.benchmark import UnderstandingScenes
from benchmarks.understanding.scenes.reading import RidgeTraining
from vtok_eval.data import Tokens
from vtok_eval.errors import SuiteError


def ridge_of(fakes, *, n_clips=192, max_channels=None):
    return RidgeTraining(
        attributes=fakes.attributes,
        max_channels=max_channels,
        training=fakes.samples("train", n_clips),
        validation=fakes.samples("validation", 48),
    )


def evaluate(evaluator, samples, runner):
    return {sample.id: outcome for sample, outcome in runner.map(samples, evaluator.evaluate, description="")}


def mean_of(results, name):
    scores = [outcome.values[name][0] for outcome in results.values() if name in outcome.values]
    return sum(scores) / len(scores)


def test_reads_what_the_tokens_hold_with_one_value_per_clip(fakes, make_context):
    context = make_context()
    evaluator = ridge_of(fakes).prepare(fakes.system(fakes.Planted()), context)
    results = evaluate(evaluator, fakes.samples("test", 96), context.runner)
    for name in ("tone", "marks", "late"):
        assert mean_of(results, name) > 0.9
    outcome = next(iter(results.values()))
    assert all(len(value) == 1 for value in outcome.values.values())
    assert outcome.cost["tokens"] == 3.0
    assert outcome.cost["bits"] == 3 * 12 * 32
    facts = json.loads((context.artifacts / "training.json").read_text())
    assert (facts["seeds"], facts["steps"], facts["recipe"]) == ([], 0, None)
    assert facts["ridge_validation_score"] > 0.8


def test_no_tokens_mean_chance(fakes, make_context):
    context = make_context()
    evaluator = ridge_of(fakes).prepare(fakes.system(fakes.Blind()), context)
    results = evaluate(evaluator, fakes.samples("test", 96), context.runner)
    assert mean_of(results, "tone") < 0.45
    assert 0.35 < mean_of(results, "marks") < 0.65


def test_it_is_deterministic_and_company_changes_nothing(fakes, make_context):
    samples = fakes.samples("test", 24)
    found = []
    for size in (1, 7):
        context = make_context(batch_size=size, folder=f"run {size}/job", seed=size)
        evaluator = ridge_of(fakes).prepare(fakes.system(fakes.Planted()), context)
        found.append(evaluate(evaluator, samples, context.runner))
    assert found[0] == found[1]


def test_more_tokens_that_say_nothing_of_an_attribute_leave_its_reading_as_it_is(fakes, make_context):
    """Kernels look at kinds apart: what the key frame shows is read alike with and without residuals."""

    class Fewer(fakes.Planted):  # type: ignore[name-defined]
        def encode(self, clips):
            tokens = super().encode(clips)
            rest = slice(2, 3)  # the token of kind motion that holds the labels
            return Tokens(
                tokens.values[:, rest], tokens.mask[:, rest], tokens.kind[:, rest], tokens.frame[:, rest]
            )

    samples, scores = fakes.samples("test", 48), []
    for number, tokenizer in enumerate((Fewer(), fakes.Planted())):
        context = make_context(folder=f"run {number}/job")
        evaluator = ridge_of(fakes).prepare(fakes.system(tokenizer), context)
        assert evaluator.reader.fits["tone"].kernel.title == "motion"
        scores.append(mean_of(evaluate(evaluator, samples, context.runner), "tone"))
    assert scores[0] == scores[1]


def test_wide_tokens_are_reduced_for_it_too(fakes, make_context):
    context = make_context()
    evaluator = ridge_of(fakes, max_channels=11).prepare(fakes.system(fakes.Planted()), context)
    assert evaluator.preprocessing.widths == (11,)
    assert mean_of(evaluate(evaluator, fakes.samples("test", 48), context.runner), "tone") > 0.9


def test_probes_are_compared_with_it(fakes, make_context):
    from benchmarks.understanding.scenes.training import AttributeReading
    from vtok_eval.probes.training_clips.splits import Collected

    context = make_context()
    collected = Collected.of(
        fakes.system(fakes.Planted()),
        context,
        training=fakes.samples("train", 96),
        validation=fakes.samples("validation", 32),
        max_channels=None,
    )
    score = AttributeReading(fakes.attributes).ridge_score(*collected.splits)
    assert 0.5 < score <= 1.0


def test_the_option_is_checked_and_described():
    ridge = UnderstandingScenes(train_clips=2, validation_clips=2, test_clips=2, reader="ridge")
    described = ridge.describe()
    assert "kernel ridge" in described.facts["protocol"]
    assert "kernel ridge" in " ".join(described.cost)
    with pytest.raises(SuiteError, match="reader ridge has one solution: leave out probe_seeds"):
        UnderstandingScenes(reader="ridge", probe_seeds=2)
    with pytest.raises(SuiteError, match="option reader"):
        UnderstandingScenes(reader="linear")


def test_fitting_leaves_torchs_generator_alone(fakes, make_context):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    ridge_of(fakes, n_clips=48).prepare(fakes.system(fakes.Planted()), make_context())
    assert torch.equal(torch.get_rng_state(), before)
