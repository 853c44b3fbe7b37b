"""Training through transformers' Trainer: what moves, what is learnt, and that it goes on after a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", minversion="5.3", reason="training readers needs transformers>=5.3")
pytest.importorskip("peft", reason="training readers needs the extra train")

from tests.vtok_eval.answerers.training import tiny_readers
from tests.vtok_eval.answerers.training.tiny_readers import recipe, stage, train
from vtok_eval.answerers.request import AnswerRequest
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.train import ReaderData
from vtok_eval.errors import DataError, SpecError
from vtok_eval.tokenizers.controls import Blind

ROOT = Path(__file__).parents[4]


def answers(trained, tokens) -> dict[str, str]:
    answerer = trained.answerer(max_new_tokens=12)
    request = AnswerRequest(None, tiny_readers.QUESTION)
    return {name: answerer.answer_tokens(tokens.of(name), [request])[0].text for name in tiny_readers.ANSWERS}


@pytest.mark.parametrize("name", tiny_readers.CLASSES)
def test_answers_are_learnt_by_heart(name):
    """By each class of model; what tells the clips apart is in their tokens alone."""
    tokenizer = tiny_readers.TwoGroups()
    trained = train(
        tokenizer,
        model=tiny_readers.language_model(name),
        recipe=recipe(stage(steps=120, rate=1e-2), evaluate_every=120),
        data=tiny_readers.data(),
    )
    losses = [point.training_loss for point in trained.curve.points if point.training_loss is not None]
    assert losses[-1] < 0.05 < 1 < losses[0]
    assert trained.curve.last_validation_loss < 0.05
    assert answers(trained, tiny_readers.tokens_of(tokenizer)) == tiny_readers.ANSWERS
    # The same through clips: the trained tokenizer gives what the reader was trained on, to half precision.
    from vtok_eval.data import Clip

    clip = tiny_readers.clips()["b"]
    assert (
        trained.answerer(max_new_tokens=12).answer(Clip(clip.frames[0], 4.0), tiny_readers.QUESTION, ())
        == "blue"
    )


def test_blind_cannot_tell_the_clips_apart():
    trained = train(Blind(), recipe=recipe(stage("projection", 5), stage("all", 20)))
    assert len(set(answers(trained, tiny_readers.tokens_of(Blind())).values())) == 1
    assert {point.stage for point in trained.curve.points} == {"stage-all"}
    assert min(point.step for point in trained.curve.points) > 5


class TestStages:
    def test_the_first_moves_the_projection_alone(self):
        model = tiny_readers.language_model()
        before = tiny_readers.weights(model)
        trained = train(tiny_readers.TwoGroups(), model=model, recipe=recipe(stage("projection", 5)))
        after = tiny_readers.weights(trained.language_model)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        untrained = train(
            tiny_readers.TwoGroups(), recipe=recipe(stage("projection", 1, rate=1e-30, warmup=0.0))
        )
        for part in ("projection", "token_projection"):
            start, end = (tiny_readers.weights(getattr(each, part)) for each in (untrained, trained))
            assert not any(torch.equal(start[name], end[name]) for name in start)

    def test_adapters_leave_the_language_model_as_it_is(self):
        model = tiny_readers.language_model()
        before = tiny_readers.weights(model)
        trained = train(model=model, recipe=recipe(stage("projection", 3), stage("lora", 5)))
        after = {
            name.removeprefix("base_model.model.").replace("base_layer.", ""): value
            for name, value in tiny_readers.weights(trained.language_model).items()
        }
        adapters = [name for name in after if "lora_" in name]
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert len(adapters) == 2 * 2 * 7  # two matrices for each of seven linear layers of two blocks
        assert all(after[name].abs().sum() > 0 for name in adapters)
        assert not any("lm_head" in name for name in adapters)

    def test_adapters_learn(self):
        model = tiny_readers.language_model()
        with torch.no_grad():
            for parameter in model.parameters():
                # What a head of the usual tiny scale is multiplied with cannot make it decided.
                parameter.mul_(6 if parameter.ndim > 1 else 1)
        trained = train(model=model, recipe=recipe(stage("projection", 5), stage("lora", 40, rate=1e-2)))
        losses = [point.training_loss for point in trained.curve.points if point.training_loss is not None]
        assert losses[-1] < 0.7 * losses[0]

    def test_everything_is_trained_with_gradients_checkpointed(self):
        plain = train(recipe=recipe(stage(steps=3)))
        saving = train(recipe=recipe(stage(steps=3), gradient_checkpointing=True))
        torch.testing.assert_close(
            tiny_readers.weights(plain.language_model), tiny_readers.weights(saving.language_model)
        )


class TestTheSameForEveryTokenizer:
    def test_seed_alone_decides_start_and_order(self):
        one, again, other = (train(seed=seed, recipe=recipe(stage(steps=5))) for seed in (0, 0, 1))
        assert one.curve == again.curve != other.curve
        torch.testing.assert_close(
            tiny_readers.weights(one.projection), tiny_readers.weights(again.projection), rtol=0, atol=0
        )

    def test_the_scale_of_tokens_does_not_matter(self):
        """Tokens are standardised at the start; a shift by 1 is exact enough in half precision."""
        one = train(recipe=recipe(stage(steps=5)))
        shifted = train(tiny_readers.FirstPixels(shift=1.0), recipe=recipe(stage(steps=5)))
        assert shifted.curve.points[0].training_loss == pytest.approx(
            one.curve.points[0].training_loss, rel=2e-3
        )

    def test_how_a_batch_is_divided_does_not_matter(self):
        whole = train(recipe=recipe(stage(steps=4)))
        parts = train(recipe=recipe(stage(steps=4), micro_batch_size=1))
        torch.testing.assert_close(
            tiny_readers.weights(whole.projection),
            tiny_readers.weights(parts.projection),
            rtol=2e-4,
            atol=2e-5,
        )
        # The validation loss is a mean over conversations, whatever is computed together.
        assert parts.curve.last_validation_loss == pytest.approx(whole.curve.last_validation_loss, rel=1e-4)

    def test_global_generators_are_left_alone(self):
        model = tiny_readers.language_model()
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)
        train(model=model, recipe=recipe(stage("lora", steps=1)))
        drawn = random.random(), np.random.rand(), torch.rand(1).item()
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)
        assert drawn == (random.random(), np.random.rand(), torch.rand(1).item())


class TestReporting:
    def test_tensorboard_has_the_losses(self, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        told = recipe(stage(steps=10), report_to=("tensorboard",))
        trained = train(recipe=told, logs=tmp_path)
        events = EventAccumulator(str(tmp_path / "stage-all")).Reload()
        found = [(event.step, event.value) for event in events.Scalars("train/loss")]
        expected = [(point.step, point.training_loss) for point in trained.curve.points]
        assert found == [(step, pytest.approx(loss, rel=1e-5)) for step, loss in expected]

    def test_without_a_folder(self):
        with pytest.raises(SpecError, match="needs a folder for its files"):
            train(recipe=recipe(stage(steps=1), report_to=("tensorboard",)))


class TestRefusals:
    def test_nothing_to_train_on(self):
        asked = Conversation.asked("x", clip="unknown", pairs=[("Who?", "me")])
        with pytest.raises(DataError, match="on; x: clip unknown: there are no tokens"):
            train(data=ReaderData((asked,)))

    def test_a_folder_of_another_training(self, tmp_path):
        train(recipe=recipe(stage(steps=1)), folder=tmp_path)
        with pytest.raises(SpecError, match=r"another training \(seed differs\)"):
            train(recipe=recipe(stage(steps=1)), folder=tmp_path, seed=1)

    def test_a_trained_projection_without_a_width(self):
        tokenizer = tiny_readers.TwoGroups()
        vars(tokenizer)["width"] = None
        with pytest.raises(SpecError, match="needs an attribute `width`"):
            train(tokenizer, tokens=tiny_readers.tokens_of(tiny_readers.TwoGroups()))

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"batch_size": 5}, "a batch of 5 is not a multiple of the 4"),
            ({"save_every": 7}, "save_every must be a multiple of log_every"),
            ({"report_to": ("paper",)}, "none of tensorboard, wandb"),
            ({"max_length": 0}, "max_length must be at least 1"),
        ],
    )
    def test_recipes(self, options, complaint):
        with pytest.raises(SpecError, match=complaint):
            recipe(**options)

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"steps": 0}, "steps must be at least 1"),
            ({"rate": 0.0}, "learning rate must be positive"),
            ({"warmup": 1.0}, "warmup is a share"),
            ({"schedule": "up"}, "none of constant"),
        ],
    )
    def test_stages(self, options, complaint):
        with pytest.raises(SpecError, match=complaint):
            stage(**options)

    def test_devices_that_cannot_share_a_batch(self):
        assert recipe(batch_size=8).accumulation(devices=2) == 1
        with pytest.raises(SpecError, match="cannot be divided among 3 devices"):
            recipe(batch_size=8).accumulation(devices=3)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.vtok_eval.answerers.training import tiny_readers

def shown(stage, step, logs):
    if (stage, step) == ("stage-lora", 15) and "loss" in logs:
        os.kill(os.getpid(), signal.SIGKILL)

tiny_readers.train(recipe=tiny_readers.resumed(), folder=Path(sys.argv[1]), shown=shown)
"""


@pytest.mark.slow
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    place = tmp_path / "killed" / "stage-lora"
    assert sorted(path.name for path in place.iterdir()) == ["checkpoint-10", "checkpoint-5"]
    # As a process leaves it that is killed while it writes: weights without Trainer's state.
    (place / "checkpoint-15").mkdir()
    (place / "checkpoint-15" / "model.safetensors").write_bytes(b"half")
    steps = []
    again = train(
        recipe=tiny_readers.resumed(), folder=tmp_path / "killed", shown=lambda *told: steps.append(told[:2])
    )
    assert steps[0] == ("stage-lora", 15)  # neither the first stage nor ten steps of the second
    whole = train(recipe=tiny_readers.resumed())
    assert again.curve == whole.curve
    for part in ("language_model", "projection"):
        expected, found = (tiny_readers.weights(getattr(each, part)) for each in (whole, again))
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    # Once it is through, it is loaded.
    loaded = train(
        recipe=tiny_readers.resumed(), folder=tmp_path / "killed", shown=lambda *told: pytest.fail("trained")
    )
    assert loaded.curve == whole.curve
    assert all(
        torch.equal(value, tiny_readers.weights(loaded.language_model)[name])
        for name, value in tiny_readers.weights(whole.language_model).items()
    )


TOGETHER = """
import sys
from pathlib import Path
import torch
from tests.vtok_eval.answerers.training import tiny_readers
from vtok_eval.answerers.training.steps.processes import is_main_process

trained = tiny_readers.train(
    tiny_readers.TwoGroups(),
    recipe=tiny_readers.recipe(
        tiny_readers.stage("projection", 4), tiny_readers.stage("all", 6), micro_batch_size=2, log_every=1
    ),
    folder=Path(sys.argv[1]),
)
if is_main_process():
    torch.save(
        {
            "weights": tiny_readers.weights(trained.language_model),
            "losses": [point.training_loss for point in trained.curve.points],
            "validation": trained.curve.last_validation_loss,
        },
        sys.argv[2],
    )
"""


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path):
    """Stated tolerance: losses to 1e-4, weights to 1e-4 of their scale; sums are rounded in another order."""
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    launched = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"),
            *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
            *("--num_cpu_threads_per_process", "1", "--main_process_port", "0"),
            *(str(script), str(tmp_path / "job"), str(tmp_path / "two.pt")),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr.decode()[-3000:]
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    one = train(
        tiny_readers.TwoGroups(),
        recipe=recipe(stage("projection", 4), stage("all", 6), micro_batch_size=2, log_every=1),
    )
    losses = [point.training_loss for point in one.curve.points]
    assert two["losses"] == pytest.approx(losses, rel=1e-4)
    assert two["validation"] == pytest.approx(one.curve.last_validation_loss, rel=1e-4)
    torch.testing.assert_close(two["weights"], tiny_readers.weights(one.language_model), rtol=1e-3, atol=1e-4)


def test_the_language_model_of_a_llava_is_trained_and_its_eyes_are_not(tmp_path):
    from tests.vtok_eval.answerers.language_models import tiny_models
    from vtok_eval.answerers.language_models.checkpoint_folder import load_language_model
    from vtok_eval.answerers.training.needs import language_model_size

    folder = tiny_models.llava_next_video(tmp_path / "llava")
    model, text_tokenizer = load_language_model(folder, "float32", tiny_readers.CPU)
    trained = train(
        model=model,
        text_tokenizer=text_tokenizer,
        template="vicuna",
        recipe=recipe(stage("lora", 10, rate=1e-2), gradient_checkpointing=True),
    )
    adapters = {name: each for name, each in trained.language_model.named_parameters() if "lora_" in name}
    assert not any("vision" in name for name in adapters)
    assert sum(each.numel() for each in adapters.values()) == language_model_size(folder).adapters(rank=8)
    losses = [point.training_loss for point in trained.curve.points if point.training_loss is not None]
    assert losses[-1] < losses[0]
