"""Tiny sentence encoders, training files and tokenizers, for probes on questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from vtok_eval.benchmark import Context
from vtok_eval.data import Clips, Tokens
from vtok_eval.results.records import Record
from vtok_eval.run.plan import PlannedJob
from vtok_eval.run.recording import record_of
from vtok_eval.run.runners.runner import Runner
from vtok_eval.systems import System
from vtok_eval.video.clip_cache import ClipCache

BERT: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "intermediate_size": 32,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
}


def write_bert(folder: Path) -> Path:
    """A BERT with random weights under BERT's own names, whose vocabulary spells any ASCII word."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += ["ball", "what", "the", "##ing", "red"]
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (folder / "config.json").write_text(json.dumps({**BERT, "vocab_size": len(pieces)}))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}')
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true}')
    from safetensors.torch import save_file

    save_file(bert_weights(len(pieces)), folder / "model.safetensors")
    return folder


def bert_weights(vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    width, inner = BERT["hidden_size"], BERT["intermediate_size"]
    weights = {
        "embeddings.word_embeddings.weight": draw(vocabulary, width),
        "embeddings.position_embeddings.weight": draw(BERT["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": draw(2, width),
        "embeddings.position_ids": torch.arange(BERT["max_position_embeddings"])[None],
    }
    shapes = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (inner, width),
        "output.dense": (width, inner),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(BERT["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}."
        for name, shape in shapes.items():
            weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"] = draw(*shape), draw(shape[0])
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
    for name in norms:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = 1 + draw(width), draw(width)
    weights["pooler.dense.weight"], weights["pooler.dense.bias"] = draw(width, width), draw(width)
    return weights


class MeanColours:
    """One token a frame: its mean colour, from 0 to 1, in two channels more than it needs."""

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, clips: Clips) -> Tokens:
        self.n_encoded += len(clips)
        means = clips.frames.float().mean(dim=(3, 4)) / 255
        values = torch.cat([means, means[:, :, :2]], dim=2)
        return Tokens.of(values, frame=torch.arange(clips.n_frames))


class NoTokens:
    """Sees nothing."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(torch.zeros(len(clips), 0, 5))


def write_training(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def evaluate_tokenizer(
    benchmark: QuestionAnswering, tokenizer: object, artifacts: Path, *, batch_size: int = 4
) -> list[Record]:
    """The records of a job, as the harness makes them; ordered by sample id."""
    artifacts.mkdir(parents=True, exist_ok=True)
    device = torch.device("cpu")
    runner = Runner(device=device, batch_size=batch_size, loader_threads=1, clip_cache=ClipCache(2**28))
    system = System("tokens", "test", "tokenizer", tokenizer)
    assert "tokenizer" in benchmark.accepts
    job = PlannedJob("job", system, benchmark.name, benchmark, benchmark.samples(system))
    context = Context(runner=runner, device=device, seed=0, artifacts=artifacts, cache=artifacts)
    evaluator = benchmark.prepare(system, context)
    done = runner.map(job.samples, evaluator.evaluate, description="job")
    return sorted(
        (record_of(job, sample, result) for sample, result in done), key=lambda record: record.sample_id
    )
