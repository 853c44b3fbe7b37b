"""`vtok-eval view`: a browser page for the samples of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.errors import SpecError
from vtok_eval.results.json_document import json_text


def view(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run folder, e.g. runs/mini; or several.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the page into this folder, for any web server, and end."),
    ] = None,
    clips: Annotated[
        int,
        typer.Option(min=0, help="With --out: show clips of so many samples a benchmark, the most disputed."),
    ] = 100,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")] = 0,
    device: Annotated[str, typer.Option(help="Where systems decode: auto, cpu, cuda or cuda:N.")] = "cpu",
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    as_json: bool = False,
) -> None:
    """Look at samples side by side: clips, what systems answered, and what their tokens show of each clip."""
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.registry import REPORTS
    from vtok_eval.results.run_view import open_run
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.run.sample_pictures import SamplePictures

    if as_json and out is None:
        raise SpecError("--json goes with --out: a page that is served until Ctrl-C has no end to describe")

    chosen, cache = choose_device(device), cache_folder()
    pictures = {path: SamplePictures(open_run(path), cache=cache, device=chosen) for path in run_folders}
    if out is not None:
        page = REPORTS.resolve("viewer")(run_folders, out, pictures, clips=clips)
        typer.echo(json_text("view", {"page": str(page)}) if as_json else f"samples: {page}")
        return
    server = REPORTS.resolve("viewer-server")(run_folders, pictures, port=port)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    typer.echo(f"samples: {address} (Ctrl-C ends)")
    if browser:
        import webbrowser

        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        server.server_close()
