"""`vtok_eval.evaluate`: objects and specs are measured, kept, measured anew if changed, and logged."""

from __future__ import annotations

import random
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

import vtok_eval
from tests.vtok_eval.run.mean_colour_runs import BENCHMARK, MODULE
from vtok_eval import Clips, Tokens
from vtok_eval.errors import MissingDependencyError, RunFolderError, SpecError, UnknownNameError
from vtok_eval.registry import BENCHMARKS

SPEC = f"{MODULE}:MeanColourTokenizer"


class Scaled(torch.nn.Module):
    """The mean grey level times a weight; draws from every global generator while it encodes."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))
        self.dropout = torch.nn.Dropout(0.9)

    @torch.no_grad()
    def encode(self, clips: Clips) -> Tokens:
        assert not self.training
        random.random()
        np.random.rand()
        torch.rand(1)
        return Tokens.of(self.dropout(clips.frames.float().mean(dim=(1, 3, 4)))[:, None, :] * self.scale)


class Wrapper:
    """Holds a module without being one."""

    def __init__(self, module: Scaled) -> None:
        self.module = module

    def encode(self, clips: Clips) -> Tokens:
        return self.module.encode(clips)


class WandbRun:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, float], int | None]] = []

    def log(self, data: dict[str, float], step: int | None = None) -> None:
        self.logged.append((data, step))


@pytest.fixture(autouse=True)
def _mean_colour(monkeypatch, tmp_path):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))


def evaluate(systems, tmp_path, **options):
    return vtok_eval.evaluate(
        systems, benchmarks="mean-colour", out=tmp_path / "run", device="cpu", **options
    )


def values(run) -> dict[str, float]:
    return dict(zip(run.scores()["system"], run.scores()["value"], strict=True))


def test_objects_and_specs_stand_in_one_run(tmp_path):
    run = evaluate({"mine": Wrapper(Scaled()), "half": Scaled(0.5), "file": SPEC}, tmp_path, baseline="file")
    # Of 12 levels 0, 10, .., 110 four are read rightly; half of a level is right for 0 alone.
    assert values(run) == pytest.approx({"mine": 4 / 12, "half": 1 / 12, "file": 4 / 12})
    assert list(run.scores()["tokens"]) == [1.0, 1.0, 1.0]
    (row,) = run.compare("half", "mine").to_dict("records")
    assert row["difference"] == pytest.approx(-3 / 12)
    assert (row["system"], row["baseline"], row["benchmark"]) == ("half", "mine", "mean-colour")
    samples = run.samples("mean-colour", "mine")
    assert len(samples) == 12
    assert samples["value.level"].sum() == 4
    assert {"output.level", "cost.tokens", "meta.n_frames"} <= set(samples.columns)


def test_what_is_in_the_folder_is_not_measured_again(tmp_path):
    first = evaluate({"mine": Scaled(), "file": SPEC}, tmp_path)
    again = evaluate({"mine": Scaled(), "file": SPEC}, tmp_path)
    assert len(again.info["sessions"]) == len(first.info["sessions"]) == 1


def test_each_step_is_a_system_of_its_own(tmp_path):
    logged = []

    class Writer:
        def add_scalar(self, tag, value, step):
            logged.append((tag, value, step))

    module = Scaled(0.5)
    evaluate({"mine": module, "file": SPEC}, tmp_path, step=0, log_to=Writer())
    with torch.no_grad():
        module.scale += 0.5
    run = evaluate({"mine": module, "file": SPEC}, tmp_path, step=10, log_to=Writer())
    assert values(run) == pytest.approx({"mine@step-0": 1 / 12, "mine@step-10": 4 / 12, "file": 4 / 12})
    means = [entry for entry in logged if entry[0] == "mine/mean-colour/level"]
    assert means == [
        ("mine/mean-colour/level", pytest.approx(1 / 12), 0),
        ("mine/mean-colour/level", pytest.approx(4 / 12), 10),
    ]
    assert {tag.rpartition("/")[2] for tag, _, _ in logged} == {"level", "low", "high"}


def test_modes_and_generators_are_left_as_they_were(tmp_path):
    module = Scaled()
    module.dropout.eval()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    expected = (random.Random(0).random(), np.random.RandomState(0).rand())
    drawn = torch.rand(1, generator=torch.Generator().manual_seed(0))
    evaluate({"mine": module}, tmp_path)
    assert (module.training, module.dropout.training) == (True, False)
    assert (random.random(), np.random.rand()) == expected
    assert torch.equal(torch.rand(1), drawn)


def test_a_run_of_wandb_gets_every_value_at_once(tmp_path):
    run = WandbRun()
    evaluate({"mine": Scaled()}, tmp_path, step=3, log_to=run)
    ((data, step),) = run.logged
    assert (step, data["mine/mean-colour/level"]) == (3, pytest.approx(4 / 12))


def test_tensorboard_files_can_be_read(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    evaluate({"mine": Scaled()}, tmp_path, step=7, log_to="tensorboard")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    (event,) = events.Scalars("mine/mean-colour/level")
    assert (event.step, event.value) == (7, pytest.approx(4 / 12))


def test_wandb_continues_the_run_of_the_training(tmp_path, monkeypatch):
    package = ModuleType("wandb")
    package.run = WandbRun()
    monkeypatch.setitem(sys.modules, "wandb", package)
    evaluate({"mine": Scaled()}, tmp_path, step=1, log_to="wandb")
    ((data, step),) = package.run.logged
    assert (step, data["mine/mean-colour/level"]) == (1, pytest.approx(4 / 12))


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_log_whose_package_is_missing_is_one_line(name, tmp_path, monkeypatch):
    for module in ("tensorboard", "wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f"needs the package '{name}'"):
        evaluate({"mine": Scaled()}, tmp_path, log_to=name)


@pytest.mark.parametrize(
    ("systems", "options", "line"),
    [
        ("frames-2", {}, r"write \['frames-2'\]"),
        ([Scaled()], {}, "a Scaled has no name; pass {'mine': it}"),
        ({}, {}, "no systems to measure"),
        ({"mine": Scaled()}, {"devices": ["cpu", "cpu"]}, "mine is an object of this process"),
        ({"file": SPEC}, {"step": 3}, "step= counts the training of an object"),
        ({"mine": Scaled()}, {"identity": {"yours": "v1"}}, "unknown object in identity 'yours'"),
        ({"mine": Scaled()}, {"log_to": "tensorbord"}, "did you mean 'tensorboard'"),
        ({"mine": Scaled()}, {"log_to": 3}, "log_to: int has neither add_scalar nor log"),
        ({"mine": Scaled()}, {"baseline": "frames-2"}, "unknown baseline system 'frames-2'"),
    ],
)
def test_wrong_arguments_are_one_line(systems, options, line, tmp_path):
    with pytest.raises((SpecError, UnknownNameError), match=line):
        evaluate(systems, tmp_path, **options)


def test_wrong_names_are_one_line(tmp_path):
    run = evaluate({"mine": Scaled(), "file": SPEC}, tmp_path)
    with pytest.raises(UnknownNameError, match="unknown system of this run 'mein'; did you mean 'mine'"):
        run.compare("mein", "file")
    with pytest.raises(UnknownNameError, match="unknown benchmark of this run"):
        run.samples("other")
    with pytest.raises(UnknownNameError, match=r"unknown picture 'radar'; .*against tokens"):
        run.plot("radar")
    with pytest.raises(RunFolderError, match="no finished results of both mine and mine"):
        run.compare("mine", "mine")
    assert run.report().is_file()


def test_a_picture_is_a_figure(tmp_path):
    import matplotlib.figure

    run = evaluate({"mine": Scaled(), "file": SPEC}, tmp_path)
    assert isinstance(run.plot("scores against tokens"), matplotlib.figure.Figure)
