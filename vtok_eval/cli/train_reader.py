"""`vtok-eval train reader`: language models that read tokenizers' tokens, all trained alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vtok_eval.errors import SpecError
from vtok_eval.run.suite import DEFAULT_SUITE
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    import torch

    from vtok_eval.answerers.training.comparison import ReaderComparison, ReadTokenizer
    from vtok_eval.answerers.training.data.loaded import LoadedReaderData
    from vtok_eval.answerers.training.needs import Accelerator
    from vtok_eval.answerers.training.recipe import ReaderRecipe


def reader(
    model: Annotated[str, typer.Option(help="The language model: a folder, or OWNER/NAME of the hub.")],
    data: Annotated[Path, typer.Option(help="The YAML file that names the training data (docs/readers.md).")],
    tokenizer: Annotated[
        list[str], typer.Option(help="A system of the suite or a spec, [NAME=]vtok:grid=4. May be repeated.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the readers go.")],
    suite: Annotated[str, typer.Option(help="The suite whose systems can be named.")] = DEFAULT_SUITE,
    seeds: Annotated[int, typer.Option(min=1, help="Readers for each tokenizer, from seed 0 on.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the second stage; default: one pass over the data.")
    ] = None,
    projection_steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of the first stage; default: a tenth of those; 0: none.")
    ] = None,
    trains: Annotated[
        Literal["lora", "all"], typer.Option(help="What the second stage trains besides the projection.")
    ] = "lora",
    batch_size: Annotated[int, typer.Option(min=1, help="Conversations in a step, over all devices.")] = 128,
    micro_batch_size: Annotated[int, typer.Option(min=1, help="Of these, on one device at once.")] = 16,
    rate: Annotated[float, typer.Option(help="Learning rate of the second stage.")] = 2e-4,
    projection_rate: Annotated[float, typer.Option(help="Learning rate of the first stage.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = 0.0,
    warmup: Annotated[float, typer.Option(min=0, help="Share of a stage in which its rate rises.")] = 0.03,
    schedule: Annotated[str, typer.Option(help="cosine, linear, constant, constant_with_warmup.")] = "cosine",
    lora_rank: Annotated[int, typer.Option(min=1, help="Rank of the adapters.")] = 64,
    lora_alpha: Annotated[float, typer.Option(help="Scale of the adapters.")] = 128.0,
    lora_dropout: Annotated[float, typer.Option(help="Dropout before the adapters.")] = 0.05,
    max_length: Annotated[int, typer.Option(min=1, help="Longest sequence, text and tokens.")] = 2048,
    template: Annotated[Literal["chat", "vicuna"], typer.Option(help="As for vtok-llava.")] = "chat",
    precision: Annotated[Literal["float32", "bf16"], typer.Option(help="Of the arithmetic.")] = "float32",
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute activations twice, to save memory.")
    ] = False,
    log_every: Annotated[int, typer.Option(min=1, help="Steps between training losses.")] = 10,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Steps between validation losses.")] = 100,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 100,
    report_to: Annotated[
        list[str] | None, typer.Option(help="tensorboard or wandb, if installed. May be repeated.")
    ] = None,
    tested: Annotated[
        list[str] | None,
        typer.Option(
            help="A benchmark whose clips must not be trained on: NAME, or NAME=FOLDER of its data."
        ),
    ] = None,
    leakage: Annotated[
        Literal["refuse", "drop"] | None, typer.Option(help="What is done if some are; default: the file's.")
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(help="Where clips' tokens are kept; default: OUT/tokens.")
    ] = None,
    tokens_only: Annotated[
        bool, typer.Option("--tokens-only", help="Encode the clips and stop before the training.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is trained on and what it needs, and stop.")
    ] = False,
    peak: Annotated[
        float, typer.Option(help="Operations a second of one device, for the prediction.")
    ] = 989e12,
    utilisation: Annotated[float, typer.Option(help="The share of them that a training reaches.")] = 0.35,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train readers: a projection and a language model that answer from a tokenizer's tokens.

    For every tokenizer and seed the same language model from the same start, data, order, steps and batch:
    first the projection alone, then the projection and the language model. Clips are encoded once; readers
    that are there are left alone, and a training that was stopped continues where it was. Several devices:
    `accelerate launch -m vtok_eval.cli.main train reader ...`. A reader is `vtok-llava:OUT/NAME`.
    """
    from vtok_eval.answerers.language_models.checkpoint_folder import checkpoint_folder, need_transformers
    from vtok_eval.answerers.training.comparison import ReaderComparison
    from vtok_eval.answerers.training.needs import Accelerator
    from vtok_eval.answerers.training.recipe import LoraSettings, ReaderRecipe, ReaderStage
    from vtok_eval.answerers.training.steps.processes import own_device
    from vtok_eval.answerers.training.steps.stage_run import need_training_packages
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.run.runners.runner import Runner

    need_transformers()
    loaded = _data(data, tested or [], leakage)
    for line in loaded.lines():
        _say(line)
    second = steps or math.ceil(len(loaded.data.training) / batch_size)
    first = max(1, round(second / 10)) if projection_steps is None else projection_steps
    shared = {"warmup": warmup, "schedule": schedule, "weight_decay": weight_decay}
    stages = [
        ReaderStage(name, trains=what, steps=count, learning_rate=speed, **shared)  # type: ignore[arg-type]
        for name, what, count, speed in (
            ("projection", "projection", first, projection_rate),
            ("language-model", trains, second, rate),
        )
        if count
    ]
    recipe = ReaderRecipe(
        stages=tuple(stages),
        batch_size=batch_size,
        micro_batch_size=min(micro_batch_size, batch_size),
        lora=LoraSettings(lora_rank, lora_alpha, lora_dropout),
        precision=precision,
        gradient_checkpointing=gradient_checkpointing,
        max_length=max_length,
        log_every=log_every,
        evaluate_every=evaluate_every,
        save_every=save_every,
        report_to=tuple(report_to or ()),
    )
    where = own_device(choose_device(device))
    systems = read_tokenizers(tokenizer, suite=suite, device=where)
    comparison = ReaderComparison(
        model=model,
        model_folder=checkpoint_folder(model),
        data=loaded,
        recipe=recipe,
        out=out,
        tokens=tokens or out / "tokens",
        device=where,
        template=template,
        say=_say,
    )
    _say_needs(comparison, systems, Accelerator("a device", peak, utilisation), seeds=seeds)
    if dry_run:
        return
    if not tokens_only:
        need_training_packages()
    encoded = comparison.encode(systems, Runner(device=where))
    if tokens_only:
        return
    # Seed by seed: what is there when time runs out is as many seeds of every tokenizer.
    for seed in range(seeds):
        for system in systems:
            with _Progress(f"{system.name}, seed {seed}", recipe) as progress:
                folder = comparison.train(system, encoded, seed=seed, shown=progress.show)
            _say(f"{folder}: {_losses(folder)}")


def read_tokenizers(names: Sequence[str], *, suite: str, device: torch.device) -> list[ReadTokenizer]:
    """The tokenizers that are named: systems of the suite, or specs, which may be given a name.

    Raises:
        SpecError, UnknownNameError: a name is neither a tokenizer of the suite nor a tokenizer's spec, or two
            have one name.
    """
    from vtok_eval.answerers.training.comparison import ReadTokenizer
    from vtok_eval.answerers.training.tokens.source import build_reader_tokenizer, matched_names
    from vtok_eval.run.suite import load_suite
    from vtok_eval.specs.grammar import split_name
    from vtok_eval.specs.systems import kind_of

    known = {
        entry.name: entry.spec
        for entry in load_suite(suite).systems
        if kind_of(entry.spec) is SystemKind.TOKENIZER
    }
    found: dict[str, ReadTokenizer] = {}
    for text in names:
        name, spec = split_name(text)
        spec = known.get(spec, spec)
        one = ReadTokenizer(
            name or text,
            spec,
            build_reader_tokenizer(spec, device, known),
            matched_names(spec, known),
        )
        if one.folder_name in found:
            raise SpecError(f"two tokenizers are called {one.name!r}; name one of them: NAME={text}")
        found[one.folder_name] = one
    return list(found.values())


def _data(path: Path, tested: Sequence[str], leakage: str | None) -> LoadedReaderData:
    from vtok_eval.answerers.training.data.data_file import read_data_file
    from vtok_eval.answerers.training.data.loaded import load_reader_data

    file = read_data_file(path)
    more: dict[str, str | None] = dict(file.tested)
    for text in tested:
        name, _, folder = text.partition("=")
        more[name] = str(Path(folder).absolute()) if folder else None
    update: Mapping[str, object] = {"tested": more, **({} if leakage is None else {"leakage": leakage})}
    return load_reader_data(file.model_copy(update=dict(update)), folder=path.parent)


def _say_needs(
    comparison: ReaderComparison, systems: Sequence[ReadTokenizer], accelerator: Accelerator, *, seeds: int
) -> None:
    """Print what each tokenizer's reader needs, and all of them together."""
    from vtok_eval.answerers.training.needs import language_model_size, predict_needs
    from vtok_eval.answerers.training.predict import predict_work

    size = language_model_size(comparison.model_folder)
    needs = [
        predict_needs(size, comparison.recipe, work, accelerator)
        for work in predict_work(comparison, systems)
    ]
    for each in needs:
        _say(each.line())
    hours = seeds * sum(each.hours for each in needs)
    _say(
        f"{seeds * len(needs)} readers: {hours:.2g} device-hours are predicted, at "
        f"{accelerator.utilisation:.0%} of {accelerator.peak:.3g} operations a second; the time to encode "
        "clips comes on top"
    )


def _losses(folder: Path) -> str:
    from vtok_eval.answerers.training.curves import LearningCurve
    from vtok_eval.answerers.training.saved.checkpoint import read_checkpoint

    curve = LearningCurve.of_json(read_checkpoint(folder).curve)
    training, validation = curve.last_training_loss, curve.last_validation_loss
    said = f"training loss {training:.4f}" if training is not None else "no training loss was logged"
    return said + ("" if validation is None else f", validation loss {validation:.4f}")


def _say(line: str) -> None:
    from vtok_eval.answerers.training.steps.processes import is_main_process

    if is_main_process():
        typer.echo(line)


class _Progress:
    """A progress bar over all stages with the last training loss."""

    def __init__(self, name: str, recipe: ReaderRecipe) -> None:
        from tqdm import tqdm

        from vtok_eval.answerers.training.steps.processes import is_main_process

        self._first = {}
        total = 0
        for stage in recipe.stages:
            self._first[stage.name] = total
            total += stage.steps
        self._bar = tqdm(
            total=total, desc=f"reader of {name}", unit="step", leave=False, disable=not is_main_process()
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()

    def show(self, stage: str, step: int, logs: Mapping[str, float]) -> None:
        """What was logged at a step of a stage."""
        if "loss" in logs:
            self._bar.set_postfix_str(f"loss {logs['loss']:.3f}", refresh=False)
        self._bar.update(self._first[stage] + step - self._bar.n)
