"""`vtok-eval train`: the group of its commands, and `vtok-eval train decoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtok_eval.cli.train_reader import reader
from vtok_eval.errors import SpecError
from vtok_eval.run.suite import DEFAULT_SUITE
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    from vtok_eval.decoders.training.recipe import DecoderRecipe
    from vtok_eval.systems import System

app = typer.Typer(help="Train decoders and readers of tokenizers' tokens.", no_args_is_help=True)
app.command()(reader)


@app.command()
def decoder(
    tokenizers: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOKENIZER...", help="Systems of the suite, or specs; default: all of them."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the decoders go.")] = Path("decoders"),
    suite: Annotated[str, typer.Option(help="The suite whose systems can be named.")] = DEFAULT_SUITE,
    clips: Annotated[int, typer.Option(min=1, help="Training clips.")] = 6_000,
    validation_clips: Annotated[
        int, typer.Option(min=1, help="Clips on which decoders are measured.")
    ] = 2_000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 800,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips in a step.")] = 32,
    seeds: Annotated[int, typer.Option(min=1, help="Decoders for each tokenizer, from seed 0 on.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train small decoders for each tokenizer: tokens of a rendered scene to a clip of 64 x 64 pixels.

    Tokenizers with the same tokens share theirs. Decoders that are in the folder already are left alone; a
    training that was stopped continues where it was.
    """
    from vtok_eval.decoders.card import write_card
    from vtok_eval.decoders.files import file_name, save_decoder
    from vtok_eval.decoders.training.recipe import DecoderRecipe, DecoderSplit
    from vtok_eval.decoders.training.trainer import DecoderTraining
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.run.runners.runner import Runner

    recipe = DecoderRecipe(clips=clips, validation_clips=validation_clips, steps=steps, batch_size=batch_size)
    where = choose_device(device)
    systems = _systems(tokenizers or [], suite=suite, device=where, cache=cache_folder())
    out.mkdir(parents=True, exist_ok=True)
    training = DecoderTraining(
        recipe, DecoderSplit.train(recipe), DecoderSplit.validation(recipe), Runner(device=where), out
    )
    left = _left(_distinct(systems, recipe), recipe, seeds, out)
    tables = training.tables([system for system, _ in left]) if left else []
    # Seed by seed: what is there when time runs out is as many seeds of every tokenizer.
    for seed in range(seeds):
        for table, (system, missing) in zip(tables, left, strict=True):
            if seed not in missing:
                continue
            path = out / file_name(system.name, seed=seed)
            with _Progress(f"{system.name}, seed {seed}", steps) as progress:
                trained, taken = training.train(table, seed=seed, shown=progress.show)
            save_decoder(path, trained, system)
            taken.forget()
            found = trained.history["validation"]
            typer.echo(
                f"{path}: form {found['form']:.1%}, colour {found['colour']:.1%}, PSNR "
                f"{found['psnr']:.1f} dB on {found['clips']} validation clips"
            )
    typer.echo(f"card: {write_card(out)}")


def _distinct(systems: Sequence[System], recipe: DecoderRecipe) -> list[System]:
    """The first system of each kind of tokens; says which others share its decoders."""
    from vtok_eval.tokenizers.identity import tokens_key

    first: dict[str, System] = {}
    for system in systems:
        other = first.setdefault(tokens_key(system, n_frames=recipe.n_frames), system)
        if other is not system:
            typer.echo(f"{system.name} has the tokens of {other.name} and shares its decoders")
    return list(first.values())


def _left(
    systems: Sequence[System], recipe: DecoderRecipe, seeds: int, out: Path
) -> list[tuple[System, list[int]]]:
    """The systems whose decoders are not all trained yet, with the missing seeds.

    Raises:
        SpecError: a file that would be written is a decoder of other tokens or of another recipe.
    """
    left = []
    for system in systems:
        missing = [seed for seed in range(seeds) if not is_trained(system, replace(recipe, seed=seed), out)]
        if missing:
            left.append((system, missing))
    return left


def is_trained(system: System, recipe: DecoderRecipe, folder: Path) -> bool:
    """Whether the folder has the decoder that is asked for, named after any tokenizer with these tokens.

    Raises:
        SpecError: it has another decoder under the file name of this one, which would be lost.
    """
    from vtok_eval.decoders.files import decoder_files, file_name
    from vtok_eval.tokenizers.identity import tokens_key

    tokens, name = tokens_key(system, n_frames=recipe.n_frames), file_name(system.name, seed=recipe.seed)
    for one in decoder_files(folder):
        if one.tokens == tokens and one.facts["history"]["recipe"] == asdict(recipe):
            typer.echo(f"{one.path} is there")
            return True
    if (folder / name).exists():
        raise SpecError(
            f"{folder / name} is a decoder of other tokens or of another recipe; name another folder "
            "with --out"
        )
    return False


class _Progress:
    """A progress bar with the mean of the last losses."""

    def __init__(self, name: str, steps: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=steps, desc=f"decoder of {name}", unit="step", leave=False)
        self._loss: float | None = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()

    def show(self, step: int, parts: Mapping[str, float]) -> None:
        """One more step."""
        self._loss = parts["loss"] if self._loss is None else 0.98 * self._loss + 0.02 * parts["loss"]
        self._bar.set_postfix_str(f"loss {self._loss:.3f}", refresh=False)
        self._bar.update(step + 1 - self._bar.n)


def _systems(names: list[str], *, suite: str, device: object, cache: Path) -> list[System]:
    """The systems that are named, or all tokenizers of the suite.

    Raises:
        SpecError, UnknownNameError: a name is neither a system of the suite nor a tokenizer's spec.
    """
    from vtok_eval.run.suite import SystemEntry, load_suite
    from vtok_eval.specs.systems import VideoMaking, build_system, kind_of
    from vtok_eval.tokenizers.build import BuildContext
    from vtok_eval.tokenizers.feature_cache import FeatureCache

    known = {
        entry.name: entry
        for entry in load_suite(suite).systems
        if kind_of(entry.spec) is SystemKind.TOKENIZER
    }
    entries = [known.get(name) or SystemEntry(spec=name) for name in names] or list(known.values())
    context = BuildContext(
        device=device,  # type: ignore[arg-type]
        cache=FeatureCache(cache / "features", max_bytes=20 * 2**30),
        names={name: entry.spec for name, entry in known.items()},
    )
    making = VideoMaking(folder=cache, seed=0)
    return [build_system(entry, context, making) for entry in entries]
