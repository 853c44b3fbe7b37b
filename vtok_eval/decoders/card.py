"""The card of a folder of decoders: what they are, how they were trained and measured, and their hashes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vtok_eval.decoders.files import DecoderFile, decoder_files
from vtok_eval.files.atomic import write_bytes

CARD, CURVES, PICTURE = "CARD.md", "losses.csv", "losses.png"

_ABOUT = """\
# Decoders

Written by `vtok-eval train decoder` from the files beside it.

Each turns one tokenizer's tokens of a rendered scene into a clip. From the tokens, three blocks of attention
predict for every frame a 16 x 16 map: where objects' centres are, their form (6), colour (8), exact place and
size, and the backdrop's colours. What is drawn is the backdrop, enlarged, and the objects by the scenes' own
renderer. So forms are always crisp: look at whether they are the right ones, at the right place. A decoder
knows the vocabulary of rendered scenes and nothing else.

All have one architecture, one recipe, the same clips and steps; a tokenizer's own projection is trained with
its decoder. The clips are rendered scenes (`VariedClip`) over photos of the train split, which scikit-image
and scikit-learn ship, in other colours, blended, or with gradients in their place. No third party's weights
are in these files; the tokenizers' frozen backbone is not.
"""
_MEASURED = """\
On clips of the validation split (other photos): share of objects whose form and colour are right, at the
place where they truly are; share of frames with the right number of objects; PSNR of what is drawn. How sure
an object must be to be drawn was chosen on these clips, so the share of right numbers is a bit too good.
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
    recipes: dict[str, list[str]] = {}
    for file in files:
        recipe = ", ".join(f"{name} {value}" for name, value in file.facts["history"]["recipe"].items())
        recipes.setdefault(recipe, []).append(file.system)
    lines = [
        _ABOUT,
        *(f"Recipe of {', '.join(names)}: {recipe}." for recipe, names in recipes.items()),
        "",
        _MEASURED,
        "| decoder | for | form | colour | number | PSNR, dB | bytes | SHA-256 |",
        "| --- | --- | --: | --: | --: | --: | --: | --- |",
        *(_row(file) for file in files),
        "",
        f"![Loss by step of every decoder]({PICTURE})",
        "",
        f"The curves are in `{CURVES}`.",
        "",
    ]
    return "\n".join(lines)


def _row(file: DecoderFile) -> str:
    measured: Mapping[str, Any] = file.facts["history"]["validation"]
    count = measured["count"][f"{file.facts['threshold']:g}"]
    cells = [
        f"`{file.path.name}`",
        f"`{file.spec}`",
        f"{measured['form']:.1%}",
        f"{measured['colour']:.1%}",
        f"{count:.1%}",
        f"{measured['psnr']:.1f}",
        f"{file.path.stat().st_size:,}",
        f"`{file.sha256()}`",
    ]
    return f"| {' | '.join(cells)} |"


def _curves(files: Sequence[DecoderFile]) -> str:
    text = io.StringIO()
    rows = [{"decoder": file.system, **row} for file in files for row in file.facts["history"]["losses"]]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["decoder"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _picture(files: Sequence[DecoderFile]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for number, file in enumerate(files):
        losses = file.facts["history"]["losses"]
        steps = [row["step"] for row in losses]
        style = ("-", "--", ":")[number // 7 % 3]
        axes.plot(steps, [row["loss"] for row in losses], style, label=file.system, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.set_yscale("log")
    if files:
        axes.legend(fontsize=7, ncols=2, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
