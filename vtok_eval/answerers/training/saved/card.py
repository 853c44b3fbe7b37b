"""The card of a trained reader: what it was trained on, how, and with which losses, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtok_eval.answerers.training.saved.schema import ReaderCheckpoint


def card_text(checkpoint: ReaderCheckpoint) -> str:
    """The card as Markdown."""
    facts = checkpoint.facts
    lines = [
        "# A reader of a video tokenizer's tokens",
        "",
        f"Trained by vtok-eval to answer questions from the tokens of `{checkpoint.tokenizer.spec}`. It "
        "loads with that tokenizer only: `vtok-llava:FOLDER`.",
        "",
    ]
    if checkpoint.caveats:
        lines += [f"**Mind: {', '.join(checkpoint.caveats)}.**", ""]
    base = checkpoint.base
    model = f"`{base['model']}`, weights {base['weights_sha256'][:16]}" if base else "in this folder"
    lines += [
        "| | |",
        "| --- | --- |",
        f"| language model | {model} |",
        f"| tokenizer | `{checkpoint.tokenizer.spec}`, identity {checkpoint.tokenizer.sha256[:16]} |",
        f"| data | {facts['conversations']:,} conversations, {facts['validation_conversations']:,} for "
        f"validation, SHA-256 {facts['data_sha256'][:16]} |",
        f"| seed | {checkpoint.seed} |",
        f"| batch | {checkpoint.recipe['batch_size']} conversations, {checkpoint.recipe['precision']} |",
        f"| versions | {', '.join(f'{name} {number}' for name, number in facts['versions'].items())} |",
        "",
        "| stage | trains | steps | learning rate | training loss | validation loss |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for stage in checkpoint.recipe["stages"]:
        training, validation = (_last(checkpoint, stage["name"], name) for name in _LOSSES)
        lines.append(
            f"| {stage['name']} | {stage['trains']} | {stage['steps']:,} | {stage['learning_rate']:g} | "
            f"{training} | {validation} |"
        )
    for name, value in sorted(checkpoint.card.items()):
        lines += ["", f"**{name}**: {value}"]
    return "\n".join(lines) + "\n"


_LOSSES = ("training_loss", "validation_loss")


def _last(checkpoint: ReaderCheckpoint, stage: str, name: str) -> str:
    """The last value of a loss in a stage, in nats a token; a dash where there is none."""
    values = [
        point[name] for point in checkpoint.curve if point["stage"] == stage and point[name] is not None
    ]
    return f"{values[-1]:.4f}" if values else "–"
