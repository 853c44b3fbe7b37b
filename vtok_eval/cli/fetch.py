"""`vtok-eval fetch SPEC...`: the one command that downloads weights."""

from __future__ import annotations

from typing import Annotated

import typer

from vtok_eval.results.json_document import json_text


def fetch(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...",
            help="What needs them, e.g. open_clip:ViT-L-14-336/openai, clip:ViT-B-32/openai, hf:OWNER/NAME.",
        ),
    ],
    as_json: bool = False,
) -> None:
    """Download weights of backbones, judges, answerers or sentence encoders; `run` never does."""
    from vtok_eval.cli.model_weights import fetch as fetch_weights

    paths = fetch_weights(specs)
    if as_json:
        typer.echo(json_text("fetch", {"files": [str(path) for path in paths]}))
        return
    for path in paths:
        typer.echo(path)
