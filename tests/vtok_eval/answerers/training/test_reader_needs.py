"""Predicted needs against numbers worked out by hand, and parameters against those of a real training."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers", minversion="5.3", reason="training readers needs transformers>=5.3")
pytest.importorskip("peft", reason="training readers needs the extra train")

from tests.vtok_eval.answerers.training import tiny_readers
from tests.vtok_eval.answerers.training.tiny_readers import recipe, stage, train
from vtok_eval.answerers.training.needs import (
    Accelerator,
    LanguageModelSize,
    ReaderWork,
    language_model_size,
    predict_needs,
)
from vtok_eval.errors import SpecError

SIZE = LanguageModelSize(parameters=1_000, computed=800, layers=2, width=10, words=20, linear_widths=50)
WORK = ReaderWork("x", clips=7, visual=30, text=20, learnt=4, token_bytes=100, token_width=5)


@pytest.mark.parametrize(
    ("trains", "checkpointing", "each"),
    [("projection", False, 4), ("lora", False, 4), ("all", False, 6), ("all", True, 8)],
)
def test_operations(trains, checkpointing, each):
    asked = recipe(stage(trains, steps=3), gradient_checkpointing=checkpointing)
    needs = predict_needs(SIZE, asked, WORK, Accelerator(peak=1e6, utilisation=0.5))
    # 3 steps of 4 conversations of 50 positions.
    assert needs.flops == each * 800 * 3 * 4 * 50
    assert needs.hours == pytest.approx(needs.flops / 5e5 / 3600)
    assert needs.disk_bytes == 700


def test_memory():
    """Weights and gradients and two moments at 4 bytes; activations of 4 x 50 positions; logits of 4 x 4."""
    needs = predict_needs(SIZE, recipe(stage("all")), WORK, Accelerator())
    trained = 1_000 + 6 * 10 + 11 * 10
    assert needs.trained == trained
    activations = 4 * 50 * 10 * 34 * 2 * 2
    assert needs.memory_bytes == 1_000 * 4 + trained * 12 + activations + 4 * 4 * 20 * 8
    half = predict_needs(SIZE, recipe(stage("lora"), precision="bf16"), WORK, Accelerator())
    adapters = 6 * 10 + 11 * 10 + 8 * 50
    assert half.memory_bytes == 1_000 * 2 + adapters * 12 + activations / 2 + 4 * 4 * 20 * 8


def test_parameters_are_those_that_are_trained(tmp_path):
    folder = tiny_readers.language_model_folder(tmp_path / "base")
    size = language_model_size(folder)
    model = tiny_readers.language_model()
    assert size.parameters == sum(each.numel() for each in model.parameters())
    assert size.computed == size.parameters - model.get_input_embeddings().weight.numel()
    trained = train(recipe=recipe(stage("lora", 1)))
    adapters = sum(
        each.numel() for name, each in trained.language_model.named_parameters() if "lora_" in name
    )
    assert size.adapters(rank=8) == adapters
    projection = sum(each.numel() for each in trained.projection.parameters())
    work = ReaderWork("x", 1, visual=4, text=20, learnt=4, token_bytes=1, token_width=3)
    assert predict_needs(size, recipe(stage("lora")), work, Accelerator()).trained == adapters + projection


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(SpecError, match="does not configure a language model"):
        language_model_size(tmp_path)
