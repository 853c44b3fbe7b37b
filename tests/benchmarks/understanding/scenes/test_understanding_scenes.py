import json
import math
import subprocess
import sys

import pytest
import torch

from benchmarks.understanding.scenes.benchmark import UnderstandingScenes
from vtok_eval.benchmark import NoResult
from vtok_eval.data import Tokens
from vtok_eval.errors import SuiteError
from vtok_eval.scenes.vocabulary import ATTRIBUTES, attribute

SMALL = {
    "train_clips": 32,
    "validation_clips": 16,
    "test_clips": 12,
    "epochs": 1,
    "clip_size": 32,
    "n_frames": 4,
}


class MeanColours:
    """One token a frame: its mean colour."""

    def encode(self, clips):
        means = clips.frames.float().mean(dim=(3, 4)) / 255
        return Tokens.of(means, frame=torch.arange(clips.n_frames))


def run(context, evaluator, samples):
    for sample, result in context.runner.map(samples, evaluator.evaluate, description="test"):
        yield sample.id, result


@pytest.fixture
def small():
    return UnderstandingScenes(**SMALL, probe_seeds=2, width=32, heads=4)


def test_a_benchmark_run_from_clips_to_outcomes(small, fakes, make_context):
    context, system = make_context(), fakes.system(MeanColours())
    samples = small.samples(system)
    evaluator = small.prepare(system, context)
    results = dict(run(context, evaluator, samples))
    assert not [result for result in results.values() if isinstance(result, NoResult)]
    known = {metric.name for metric in small.metrics() if not metric.mean_of}
    for sample in samples:
        outcome = results[sample.id]
        assert set(outcome.values) == set(sample.target) <= known
        assert all(len(values) == 2 for values in outcome.values.values())
        assert all(0 <= value <= 1 for values in outcome.values.values() for value in values)
        assert outcome.cost["tokens"] == 4
        assert set(outcome.outputs) == {item.name for item in ATTRIBUTES}
    account = json.loads((context.artifacts / "training.json").read_text())
    assert account["training_clips"] == 32
    assert len(account["probes"]) == 2


def test_samples_are_the_test_clips_whatever_the_system(small):
    samples = small.samples(None)
    assert len(samples) == len({sample.id for sample in samples}) == 12
    for sample in samples:
        assert sample.cluster == sample.clip.key
        assert sample.meta["n_frames"] == 4
        assert json.loads(json.dumps(sample.target)) == sample.target
        for name, label in sample.target.items():
            labels = attribute(name).labels
            assert label in labels if isinstance(label, str) else set(label) <= set(labels)
    assert tuple(samples[0].clip.load().frames.shape) == (4, 3, 32, 32)


def test_splits_share_no_clip(small):
    names = [{sample.id for sample in small._samples(split)} for split in ("train", "validation", "test")]
    assert len(set.union(*names)) == 32 + 16 + 12


def test_group_metrics_are_means_of_their_attributes_and_of_their_chances():
    metrics = {metric.name: metric for metric in UnderstandingScenes().metrics()}
    assert [name for name, metric in metrics.items() if metric.headline] == ["static", "temporal", "camera"]
    for group in ("static", "temporal", "camera"):
        parts = [metrics[name] for name in metrics[group].mean_of]
        assert {part.group for part in parts} == {group}
        assert math.isclose(metrics[group].chance, sum(part.chance for part in parts) / len(parts))
    assert {name for metric in metrics.values() for name in metric.mean_of} == {a.name for a in ATTRIBUTES}
    assert metrics["direction"].chance == 0.125
    assert metrics["shapes_present"].chance == 0.5
    assert all(metric.failed_as == 0.0 for metric in metrics.values())


def test_description_is_json_and_says_what_the_number_means(small):
    described = json.loads(json.dumps(small.describe().to_json()))
    assert described["options"]["train_clips"] == 32
    assert len(set(described["data"].values())) == 3
    assert "not how much information" in " ".join(described["notes"])
    assert not any("variance of training" in note for note in described["notes"])  # it has two seeds
    one_seed = UnderstandingScenes(**SMALL, probe_seeds=1).describe()
    assert any("no variance of training" in note for note in one_seed["notes"])


def test_data_seed_changes_data_and_fingerprint(small):
    other = UnderstandingScenes(**SMALL, data_seed=1)
    assert other.describe()["data"] != small.describe()["data"]
    assert other.samples(None)[0].target != small.samples(None)[0].target


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train_clips": 0}, "train_clips"),
        ({"test_clips": -3}, "test_clips"),
        ({"validation_clips": 1.5}, "validation_clips"),
        ({"n_frames": "many"}, "n_frames"),
        ({"epochs": True}, "epochs"),
        ({"optimizer": "sgd"}, "optimizer.*'muon' or 'adamw'"),
        ({"learning_rates": []}, "learning_rates"),
        ({"learning_rates": [0.1, -1]}, r"learning_rates\.1"),
        ({"width": 30, "heads": 8}, r"width \(30\) must be a multiple of heads \(8\)"),
        ({"clip_size": 1}, "clip_size"),
        ({"data_seed": -1}, "data_seed"),
        ({"probe_seeds": 0}, "probe_seeds"),
    ],
)
def test_a_bad_option_is_named(options, named):
    with pytest.raises(SuiteError, match=named) as caught:
        UnderstandingScenes(**options)
    assert "\n" not in str(caught.value)


def test_importing_the_benchmark_does_not_import_torch():
    code = "import sys, benchmarks.understanding.scenes.benchmark; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
