"""The card of a folder of decoders: what they are, how they were trained and measured, and their hashes."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path

from vtok_eval.decoders.files import DecoderFile, decoder_files
from vtok_eval.decoders.objects import DETECTION_THRESHOLD
from vtok_eval.files.atomic import write_bytes

CARD, CURVES, PICTURE = "CARD.md", "losses.csv", "losses.png"

_ABOUT = """\
# Decoders

Written by `vtok-eval train decoder` from the files in this folder.

Each turns the tokens of a rendered scene into a clip. From the tokens, blocks of attention predict a map of
16 x 16 places for every frame: where the centres of objects are, their form (6), colour (8), exact place
and size, and the colours of the backdrop. What is drawn is the backdrop, enlarged, and the objects by the
scenes' own renderer. So forms are always crisp: look at whether they are the right ones, at the right
place. A decoder knows the vocabulary of rendered scenes and nothing else.

All have one architecture, one recipe, the same clips and steps; a tokenizer's own projection is trained
with its decoder. There is one decoder for each kind of tokens and each training seed, which draws the
weights and the order of the clips: tokenizers that give the same tokens (`frames-1` and `keyframe`) share
theirs. The clips are rendered scenes (`VariedClip`) over photos of the train split, which scikit-image and
scikit-learn ship, in other colours, blended, or with gradients in their place. No third party's weights are
in these files; the tokenizers' frozen backbone is not.
"""
_MEASURED = """\
On frames of clips of the validation split (other photos): share of objects whose form and colour are right,
at the place where they truly are; share of frames with the right number of objects; PSNR of what is drawn
(of the first clips only). Mean over the seeds, and their standard deviation.
"""
_THRESHOLDS = """\
An object is drawn where its centre is at least as sure as a threshold, {chosen:g}, the same for every
decoder. It was chosen on the shipped decoders' validation clips, none of which any benchmark uses. Share of
frames with the right number of objects at each threshold, in percent (mean over seeds; the last row over
all decoders):
"""


def write_card(folder: Path) -> Path:
    """Write the card, the loss curves as CSV and as a picture, from what the decoders' files say.

    Raises:
        SpecError: a file is damaged.
        RunFolderError: the folder cannot be written.
    """
    files = decoder_files(folder)
    write_bytes(folder / CURVES, _curves(files).encode())
    write_bytes(folder / PICTURE, _picture(files))
    write_bytes(folder / CARD, _card(files).encode())
    return folder / CARD


def _card(files: Sequence[DecoderFile]) -> str:
    recipes = {_recipe_in_words(file) for file in files}
    kinds = _by_tokens(files)
    lines = [
        _ABOUT,
        *(f"Recipe: {recipe}." for recipe in sorted(recipes)),
        "",
        _MEASURED,
        "| decoder of | spec | seeds | form, % | colour, % | number, % | PSNR, dB |",
        "| --- | --- | --: | --: | --: | --: | --: |",
        *(_row(kind) for kind in kinds),
        "",
        _THRESHOLDS.format(chosen=DETECTION_THRESHOLD),
        *_threshold_table(kinds),
        "",
        "| file | bytes | SHA-256 |",
        "| --- | --: | --- |",
        *(f"| `{file.path.name}` | {file.path.stat().st_size:,} | `{file.sha256()}` |" for file in files),
        "",
        f"![Loss by step of every decoder]({PICTURE})",
        "",
        f"The curves are in `{CURVES}`.",
        "",
    ]
    return "\n".join(lines)


def mean_counts(files: Sequence[DecoderFile]) -> dict[float, float]:
    """Threshold -> share of validation frames with the right number of objects, mean over all decoders."""
    counts = [file.facts["history"]["validation"]["count"] for file in files]
    return {float(name): sum(count[name] for count in counts) / len(counts) for name in counts[0]}


def _by_tokens(files: Sequence[DecoderFile]) -> list[list[DecoderFile]]:
    kinds: dict[str, list[DecoderFile]] = {}
    for file in files:
        kinds.setdefault(file.tokens, []).append(file)
    return list(kinds.values())


def _recipe_in_words(file: DecoderFile) -> str:
    recipe = file.facts["history"]["recipe"]
    return ", ".join(f"{name} {value}" for name, value in recipe.items() if name != "seed")


def _row(kind: Sequence[DecoderFile]) -> str:
    measured = [file.facts["history"]["validation"] for file in kind]
    numbers = [one["count"][f"{DETECTION_THRESHOLD:g}"] for one in measured]
    cells = [
        f"`{kind[0].system}`",
        f"`{kind[0].spec}`",
        ", ".join(str(file.seed) for file in kind),
        _with_deviation([100 * one["form"] for one in measured]),
        _with_deviation([100 * one["colour"] for one in measured]),
        _with_deviation([100 * number for number in numbers]),
        _with_deviation([one["psnr"] for one in measured]),
    ]
    return f"| {' | '.join(cells)} |"


def _with_deviation(values: Sequence[float]) -> str:
    mean = statistics.fmean(values)
    return f"{mean:.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def _threshold_table(kinds: Sequence[Sequence[DecoderFile]]) -> list[str]:
    if not kinds:
        return []
    means = [(kind[0].system, mean_counts(kind)) for kind in kinds]
    every = mean_counts([file for kind in kinds for file in kind])
    head = " | ".join(f"{threshold:g}" for threshold in every)
    rows = [
        f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in counts.values())} |"
        for name, counts in [*((f"`{system}`", counts) for system, counts in means), ("all", every)]
    ]
    return [f"| decoder of | {head} |", f"| --- |{' --: |' * len(every)}", *rows]


def _curves(files: Sequence[DecoderFile]) -> str:
    text = io.StringIO()
    rows = [
        {"decoder": file.system, "seed": file.seed, **row}
        for file in files
        for row in file.facts["history"]["losses"]
    ]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["decoder"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _picture(files: Sequence[DecoderFile]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for number, kind in enumerate(_by_tokens(files)):
        style = ("-", "--", ":")[number // 7 % 3]
        for file in kind:
            losses = file.facts["history"]["losses"]
            steps = [row["step"] for row in losses]
            label = file.system if file is kind[0] else None
            colour = f"C{number}"
            axes.plot(steps, [row["loss"] for row in losses], style, color=colour, label=label, linewidth=0.9)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.set_yscale("log")
    if files:
        axes.legend(fontsize=7, ncols=2, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
