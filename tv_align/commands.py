"""The command line's part about TV-Align: `vtok-eval tv-align sheet | agree | calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.errors import SpecError

app = typer.Typer(
    help="TV-Align: labelling sheets, raters' agreement, judges' calibration.", no_args_is_help=True
)


@app.command()
def sheet(
    videos: Annotated[list[str], typer.Option(help="NAME=FOLDER of a system's videos. May be repeated.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where sheet.html and key.json go.")],
    prompts: Annotated[str, typer.Option(help="open, scenes, or a prompt file.")] = "open",
    seed: Annotated[int, typer.Option(help="Of the order in which videos are shown.")] = 0,
) -> None:
    """Write a labelling sheet: one page with the videos, shuffled, without prompts or systems' names."""
    from tv_align.judges.human.sheet import sheet_videos, write_sheet
    from tv_align.prompts.load import load_prompts
    from vtok_eval.video.sources import VideoFolder

    suite = load_prompts(prompts)
    shown = []
    for text in videos:
        name, equals, folder = text.partition("=")
        if not equals:
            raise SpecError(f"--videos {text}: write NAME=FOLDER")
        shown += sheet_videos(name, VideoFolder(Path(folder)), suite.prompts)
    written = write_sheet(shown, out, seed=seed)
    for path, reason in written.unreadable.items():
        typer.echo(f"left out: {path}: {reason}", err=True)
    typer.echo(f"{written.page}: {written.n_questions} questions; keep {written.key} from the raters")


@app.command()
def agree(
    key: Annotated[Path, typer.Argument(help="The sheet's key.json.")],
    labels: Annotated[list[Path], typer.Argument(help="The raters' CSV files.")],
) -> None:
    """Say how far raters agree (Krippendorff's alpha), and what their majority gives each system."""
    from tv_align.judges.human.labels import agreement, human_scores, read_labels

    read = read_labels(key, labels)
    typer.echo(f"{'category':<12} {'alpha':>6} {'questions':>10} {'shared':>7} {'ties':>5} {'unsure':>7}")
    for row in agreement(read):
        alpha = "-" if row.alpha is None else f"{row.alpha:.3f}"
        typer.echo(
            f"{row.category or 'all':<12} {alpha:>6} {row.n_questions:>10} {row.n_shared:>7} "
            f"{row.n_ties:>5} {row.n_unsure:>7}"
        )
    for score in human_scores(read):
        if score.value is not None and score.metric.headline:
            low, high = score.low or 0.0, score.high or 0.0
            interval = "" if score.low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
            typer.echo(f"{score.system}: {score.metric.title} {100 * score.value:.1f} %{interval}")


@app.command()
def calibrate(
    judge: Annotated[str, typer.Option(help="A judge's spec, e.g. oracle.")],
    control_set: Annotated[
        Path | None, typer.Option(help="CSV of path,category,question,truth; default: rendered scenes.")
    ] = None,
    per_level: Annotated[int, typer.Option(min=1, help="Rendered clips a category and level.")] = 25,
    split: Annotated[
        str, typer.Option(help="Of the rendered scenes: whose photos are behind.")
    ] = "validation",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the rendered scenes.")] = None,
    degradation: Annotated[
        str, typer.Option(help="What is done to rendered clips: none, crf28 or blur+noise.")
    ] = "none",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the calibration here.")] = None,
) -> None:
    """Print a judge's sensitivity and specificity by category, on clips whose truth is known.

    Rendered clips are of the validation split unless another is named, so none is one of the prompts' own.
    """
    from tv_align.calibration.calibrate import calibrate as measure
    from tv_align.calibration.control_set import read_control_set, scenes_control_set
    from tv_align.calibration.report import calibration_table, write_calibration
    from tv_align.judges.registry import build_judge
    from tv_align.scenes.prompts import SEED

    if control_set is None:
        chosen = SEED if seed is None else seed
        items = scenes_control_set(per_level=per_level, split=split, seed=chosen, degradation=degradation)
        name = f"rendered scenes, {split} split, seed {chosen}"
        name += "" if degradation == "none" else f", {degradation}"
    else:
        items, name = read_control_set(control_set), str(control_set)
    found = measure(build_judge(judge), items, control_set=name, progress=True)
    typer.echo(calibration_table(found))
    if out is not None:
        write_calibration(found, out)
        typer.echo(f"written: {out}")
