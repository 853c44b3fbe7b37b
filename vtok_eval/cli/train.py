"""The command line's part about decoders: `vtok-eval train decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtok_eval.errors import SpecError
from vtok_eval.run.suite import DEFAULT_SUITE
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    from vtok_eval.decoders.training import Recipe
    from vtok_eval.systems import System

app = typer.Typer(help="Train what the suite brings ready-made.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `decoder` a command of its own though it is the only one."""


@app.command()
def decoder(
    tokenizers: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOKENIZER...", help="Systems of the suite, or specs; default: all of them."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the decoders go.")] = Path("decoders"),
    suite: Annotated[str, typer.Option(help="The suite whose systems can be named.")] = DEFAULT_SUITE,
    clips: Annotated[int, typer.Option(min=1, help="Training clips.")] = 20_000,
    validation_clips: Annotated[int, typer.Option(min=1, help="Clips that choose the threshold.")] = 300,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 2_000,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips in a step.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of clips, weights and order.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a small decoder for each tokenizer: tokens of a rendered scene to a clip of 64 x 64 pixels.

    One that is there already is left alone; one that was stopped goes on where it was.
    """
    from vtok_eval.decoders.card import write_card
    from vtok_eval.decoders.catalogue import SUFFIX
    from vtok_eval.decoders.files import save_decoder
    from vtok_eval.decoders.training import DecoderTraining, Recipe, Split
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.results.store import folder_name
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.run.runners.runner import Runner

    recipe = Recipe(
        clips=clips, validation_clips=validation_clips, steps=steps, batch_size=batch_size, seed=seed
    )
    where = choose_device(device)
    systems = _systems(tokenizers or [], suite=suite, device=where, cache=cache_folder())
    out.mkdir(parents=True, exist_ok=True)
    training = DecoderTraining(
        recipe, Split.train(recipe), Split.validation(recipe), Runner(device=where), out
    )
    for system in systems:
        path = out / f"{folder_name(system.name)}{SUFFIX}"
        if _is_there(path, system, recipe):
            typer.echo(f"{path} is there")
            continue
        with _Progress(system.name, steps) as progress:
            trained = training.train(system, shown=progress.show)
        save_decoder(path, trained, system)
        found = trained.history["validation"]
        typer.echo(
            f"{path}: form {found['form']:.1%}, colour {found['colour']:.1%}, PSNR {found['psnr']:.1f} dB "
            f"on {found['clips']} validation clips"
        )
    typer.echo(f"card: {write_card(out)}")


def _is_there(path: Path, system: System, recipe: Recipe) -> bool:
    """Whether the very decoder that is asked for was trained before.

    Raises:
        SpecError: another file lies there, which would be lost.
    """
    from dataclasses import asdict

    from vtok_eval.decoders.files import described, tokenizer_fingerprint

    if not path.is_file():
        return False
    found = described(path)
    same = found is not None and found.tokenizer == tokenizer_fingerprint(system)
    if not same or found is None or found.facts["history"]["recipe"] != asdict(recipe):
        raise SpecError(f"{path} is a decoder of another tokenizer or recipe; name another folder with --out")
    return True


class _Progress:
    """A bar with the mean loss of late."""

    def __init__(self, name: str, steps: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=steps, desc=f"{name}: decoder", unit="step", leave=False)
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
