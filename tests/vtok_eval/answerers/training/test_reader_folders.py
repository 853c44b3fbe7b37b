"""A reader's folder: what is saved answers as before, with its own tokenizer and language model only."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers", minversion="5.3", reason="training readers needs transformers>=5.3")
pytest.importorskip("peft", reason="training readers needs the extra train")

from tests.vtok_eval.answerers.training import tiny_readers
from tests.vtok_eval.answerers.training.tiny_readers import recipe, stage, train
from vtok_eval.answerers.language_models.checkpoint_folder import describe_checkpoint
from vtok_eval.answerers.language_models.vtok_llava import build_vtok_llava
from vtok_eval.answerers.request import AnswerRequest, ReplicatedAnswerer
from vtok_eval.answerers.training.saved.checkpoint import save_checkpoint
from vtok_eval.answerers.training.saved.schema import BaseModel
from vtok_eval.data import Clip
from vtok_eval.errors import RunFolderError, SpecError

MODULE = "tests.vtok_eval.answerers.training.tiny_readers"
SPEC = f"{MODULE}:TwoGroups:shift=0.0"
WHOLE = f"{MODULE}:FirstPixels"


def shown(name: str) -> Clip:
    return Clip(tiny_readers.clips()[name].frames[0], 4.0)


def requests() -> list[AnswerRequest]:
    found = [AnswerRequest(shown(name), tiny_readers.QUESTION, ("red", "blue")) for name in ("a", "b")]
    return [*found, AnswerRequest(None, tiny_readers.QUESTION, ("red", "blue"))]


def built(spec: str):
    return build_vtok_llava(spec, device=tiny_readers.CPU)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seeds with adapters, and a reader with a language model of its own."""
    root = tmp_path_factory.mktemp("readers")
    base_folder = tiny_readers.language_model_folder(root / "base")
    base = BaseModel(str(base_folder), str(describe_checkpoint("base", base_folder)["weights_sha256"]))
    answers = []
    for seed in (0, 1):
        trained = train(
            tiny_readers.TwoGroups(),
            seed=seed,
            recipe=recipe(stage("projection", 2), stage("lora", 6, rate=2e-2)),
        )
        save_checkpoint(trained, root / "two" / f"seed-{seed}", spec=SPEC, base=base, card={"who": "a test"})
        answers.append(trained.answerer(scoring="options").answer_batch(requests()))
    whole = train(recipe=recipe(stage("all", 3)))
    save_checkpoint(whole, root / "whole", spec=WHOLE, base=None, card={})
    answers.append(whole.answerer(scoring="options").answer_batch(requests()))
    return SimpleNamespace(root=root, base=base, answers=answers, whole=whole)


def scores(answers) -> torch.Tensor:
    return torch.tensor([answer.scores for answer in answers])


class TestWhatIsSavedAnswersAsBefore:
    def test_adapters(self, made):
        for seed in (0, 1):
            one = built(f"{made.root}/two/seed-{seed},scoring=options")
            torch.testing.assert_close(
                scores(one.answer_batch(requests())), scores(made.answers[seed]), rtol=1e-4, atol=1e-4
            )

    def test_a_whole_language_model(self, made):
        one = built(f"{made.root}/whole,scoring=options")
        torch.testing.assert_close(
            scores(one.answer_batch(requests())), scores(made.answers[2]), rtol=1e-5, atol=1e-5
        )

    def test_seeds_are_replicates(self, made):
        both = built(f"{made.root}/two,scoring=options")
        assert isinstance(both, ReplicatedAnswerer)
        assert both.n_replicates == 2
        for found, expected in zip(both.answer_replicates(requests()), made.answers, strict=False):
            torch.testing.assert_close(scores(found), scores(expected), rtol=1e-4, atol=1e-4)
        # The adapters of the other seed are off again.
        torch.testing.assert_close(
            scores(both.answer_batch(requests())), scores(made.answers[0]), rtol=1e-4, atol=1e-4
        )
        assert not torch.allclose(scores(made.answers[0]), scores(made.answers[1]), atol=1e-3)


def test_the_description_and_the_card(made):
    description = built(f"{made.root}/two").describe()
    assert json.loads(json.dumps(dict(description))) == description
    assert [reader["seed"] for reader in description["readers"]] == [0, 1]
    assert description["tokenizer"]["spec"] == SPEC
    kept = json.loads((made.root / "two" / "seed-1" / "reader.json").read_text())
    assert kept["facts"]["seed"] == kept["seed"] == 1
    assert kept["curve"][-1]["step"] == 8
    card = (made.root / "two" / "seed-1" / "CARD.md").read_text()
    assert "| language-model" not in card  # the stages are called as the recipe calls them
    assert "| stage-lora | lora | 6 | 0.02 |" in card
    assert "**who**: a test" in card


class TestRefusals:
    def test_another_tokenizer(self, made):
        with pytest.raises(SpecError, match=r"trained on the tokens of .*options.shift is 2.0, was 0.0"):
            built(f"{made.root}/two,tokenizer=({MODULE}:TwoGroups:shift=2.0)")
        assert built(f"{made.root}/two,tokenizer=({SPEC})").n_replicates == 2

    def test_another_language_model(self, made, tmp_path):
        other = tiny_readers.language_model_folder(tmp_path / "other", seed=9)
        with pytest.raises(SpecError, match=r"is not the language model that .* was trained with"):
            built(f"{made.root}/two,base={other}")
        moved = shutil.copytree(made.base.model, tmp_path / "moved")
        assert built(f"{made.root}/two,base={moved}").answer(shown("a"), "Who?", ["a", "b"])
        with pytest.raises(SpecError, match="holds its whole language model: leave out base="):
            built(f"{made.root}/whole,base={other}")

    def test_options_of_an_untrained_reader(self, made):
        from vtok_eval.errors import UnknownNameError

        with pytest.raises(UnknownNameError, match="option of vtok-llava 'random'"):
            built(f"{made.root}/two,random=1")

    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda f: (f / "projection.safetensors").unlink(), "is incomplete: it has no projection"),
            (lambda f: (f / "projection.safetensors").write_bytes(b"x"), "its SHA-256 is another"),
            (lambda f: (f / "reader.json").write_text("{"), "cannot be read as a trained reader's"),
            (lambda f: rewrite(f, "format", 9), "is of format 9; this version reads up to 1"),
        ],
    )
    def test_damaged_folders(self, made, tmp_path, spoil, complaint):
        folder = shutil.copytree(made.root / "whole", tmp_path / "whole")
        spoil(folder)
        with pytest.raises(SpecError, match=complaint):
            built(str(folder))

    def test_readers_that_are_no_replicates(self, made, tmp_path):
        for seed in (0, 1):
            shutil.copytree(made.root / "two" / f"seed-{seed}", tmp_path / f"seed-{seed}")
        rewrite(tmp_path / "seed-1", "trains", "projection")
        with pytest.raises(SpecError, match=r"no replicate of .* \(trains is projection, was lora\)"):
            built(str(tmp_path))
        rewrite(tmp_path / "seed-1", "trains", "lora")
        rewrite(tmp_path / "seed-1", "seed", 0)
        with pytest.raises(SpecError, match="two readers of one seed"):
            built(str(tmp_path))

    def test_saving(self, made, tmp_path):
        with pytest.raises(RunFolderError, match="is there already"):
            save_checkpoint(made.whole, made.root / "whole", spec=WHOLE, base=None, card={})
        adapted = train(recipe=recipe(stage("lora", 1)))
        with pytest.raises(SpecError, match="is saved with its base"):
            save_checkpoint(adapted, tmp_path / "new", spec=WHOLE, base=None, card={})
        assert not (tmp_path / "new").exists()


def rewrite(folder, name: str, value: object) -> None:
    path = folder / "reader.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
