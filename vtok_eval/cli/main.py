"""The front door: `vtok-eval run | report | list | doctor`, and what other packages bring (COMMANDS).

Exit codes: 0 done, 1 finished with failed samples or with something that could not be run, 2 bad usage.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtok_eval import __version__
from vtok_eval.cli.check import check
from vtok_eval.errors import SpecError, UnknownNameError, VtokEvalError
from vtok_eval.run.suite import DEFAULT_SUITE

if TYPE_CHECKING:
    from vtok_eval.run.harness import Harness, RunSummary
    from vtok_eval.run.plan import Plan
    from vtok_eval.run.suite import Suite

EXIT_INCOMPLETE = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="vtok-eval",
    help="Find out whether a video tokenizer's tokens are worth what they cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(check)


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    # Read when torch loads. Threads that wait by sleeping, not spinning, cost nothing on an idle machine and
    # keep loading clips beside computing, or another process, from stalling both (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", message="`torch.jit.interface` is deprecated")
    try:
        _refuse_undecodable(sys.argv)
        _add_commands_of_other_packages()
        app()
    except VtokEvalError as error:
        typer.echo(f"vtok-eval: {error}", err=True)
        sys.exit(EXIT_USAGE)


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Bytes that are no text could stand in no record of the run.

    Raises:
        SpecError: an argument has such bytes.
    """
    for text in arguments:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise SpecError(f"argument {text!r}: its bytes are no UTF-8 text") from error


def _add_commands_of_other_packages() -> None:
    from vtok_eval.registry import COMMANDS

    for name in COMMANDS:
        command = COMMANDS.resolve(name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vtok-eval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more while running.")] = False,
) -> None:
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("vtok_eval").setLevel(logging.DEBUG if verbose else logging.INFO)


@app.command()
def run(
    suite: Annotated[str, typer.Option(help="A shipped suite's name or a YAML file.")] = DEFAULT_SUITE,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option(help="One more tokenizer, e.g. frames-4 or my_file.py:Mine. May be repeated."),
    ] = None,
    videos: Annotated[
        list[str] | None,
        typer.Option(help="A folder of videos under test, in place of the suite's own. May be repeated."),
    ] = None,
    generator: Annotated[
        list[str] | None,
        typer.Option(help="A generator of videos under test, my_file.py:MyGenerator. May be repeated."),
    ] = None,
    reconstruct: Annotated[
        Path | None,
        typer.Option(help="Test this folder's videos beside what each --tokenizer decodes of them."),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Only this benchmark of the suite, or another one. May be repeated."),
    ] = None,
    answerer: Annotated[
        list[str] | None, typer.Option(help="One more answerer, e.g. replay:answers.jsonl. May be repeated.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the data of the named benchmarks lie; see `vtok-eval data`.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE: an option of the benchmarks. May be repeated."),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Leave out the suite's own systems.")] = False,
    baseline: Annotated[
        str | None, typer.Option(help="The system that the others are compared with; default: the suite's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; default: runs/SUITE.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many samples of each benchmark.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the suite's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[
        str | None,
        typer.Option(
            help="Run in a process for each device: auto, or a list such as cuda:0,cuda:1 or cpu*4."
        ),
    ] = None,
    mix_model: Annotated[
        list[str] | None,
        typer.Option(help="Let --devices mix GPU models: name each, as run.json does. May be repeated."),
    ] = None,
    threads: Annotated[
        int,
        typer.Option(min=1, help="Threads of torch on the CPU; may move a score's last digits."),
    ] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips per batch; never changes a score.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode ahead.")] = 2,
    clip_memory: Annotated[
        int, typer.Option(min=0, help="MiB of decoded clips kept in memory for the next question or system.")
    ] = 1200,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the samples again that failed before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its cost; run nothing.")
    ] = False,
) -> None:
    """Run a suite, or go on with one that was stopped; then print the comparison and write the report."""
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.run.harness import Harness, RunSettings
    from vtok_eval.run.lanes.devices import parse_devices

    if devices is not None and device != "auto":
        raise SpecError("--device is for one process, --devices for several; give one of them")
    chosen = _choose_suite(
        suite,
        systems=[
            *(_reconstructions(reconstruct, tokenizer or []) if reconstruct else tokenizer or []),
            *(answerer or []),
            *(f"videos:{folder}" for folder in videos or []),
            *(f"generator:{spec}" for spec in generator or []),
        ],
        benchmarks=benchmark or [],
        options=_options_of(set_ or [], data=data),
        only=only,
        baseline=baseline,
    )
    settings = RunSettings(
        device=device,
        devices=() if devices is None else parse_devices(devices),
        mixed_models=tuple(mix_model or ()),
        threads=threads,
        batch_size=batch_size,
        loader_threads=workers,
        clip_memory_bytes=clip_memory * 2**20,
        seed=seed,
        limit=limit,
        retry_failed=retry_failed,
        command=tuple(sys.argv),
    )
    harness = Harness(chosen, settings, cache=cache_folder())
    if dry_run:
        _print_plan(harness.plan())
        return
    _finish(harness, out or Path("runs") / chosen.name)


@app.command()
def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run folder, e.g. runs/mini; or several.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: RUN/report. Needed for several runs.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The system that the others are compared with; default: the run's.")
    ] = None,
) -> None:
    """Write the tables, plots and page of a run anew, or of several runs side by side."""
    from vtok_eval.registry import REPORTS

    paths = REPORTS.resolve("folder")(run_folders, out, baseline=baseline)
    typer.echo(REPORTS.resolve("terminal")(run_folders, baseline=baseline))
    typer.echo(f"report: {paths.html}")


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="tokenizers, backbones, benchmarks, answerers or suites.")] = "",
    data: Annotated[Path | None, typer.Option(help="Where the benchmarks' data are looked for.")] = None,
) -> None:
    """List what can be named: tokenizers, backbones, benchmarks, answerers and suites."""
    from vtok_eval.cli.listing import LISTINGS, render_listing

    if what and what not in LISTINGS:
        raise UnknownNameError(what="listing", name=what, known=LISTINGS)
    where = None if data is None else str(data)
    listed = [render_listing(name, data=where, details=bool(what)) for name in ([what] if what else LISTINGS)]
    typer.echo("\n\n".join(listed))


@app.command()
def doctor(
    what: Annotated[str, typer.Argument(help="Nothing for vtok-eval itself, or vbench.")] = "",
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is missing and can be.")] = False,
    hashes: Annotated[bool, typer.Option("--hash", help="Show the SHA-256 of files.")] = False,
) -> None:
    """Say what is present, what is missing and how to get it."""
    from vtok_eval.cli.doctor import checks, healthy, render
    from vtok_eval.registry import DOCTORS

    if what:
        raise typer.Exit(DOCTORS.resolve(what)(fetch=fetch, hashes=hashes))
    if fetch or hashes:
        raise SpecError(f"--fetch and --hash go with one of: {', '.join(DOCTORS)}")
    found = checks()
    typer.echo(render(found))
    if not healthy(found):
        raise typer.Exit(EXIT_INCOMPLETE)


def _choose_suite(
    name: str,
    *,
    systems: Sequence[str],
    benchmarks: Sequence[str],
    options: Mapping[str, object],
    only: bool,
    baseline: str | None,
) -> Suite:
    """The suite with what the command line adds to it or leaves out of it."""
    from vtok_eval.run.suite import SystemEntry, load_suite, parse_benchmark
    from vtok_eval.specs.systems import kind_of

    suite = load_suite(name)
    added = [SystemEntry(spec=spec) for spec in systems]
    # Who names videos means those, not the folder with which the suite shows what it can do.
    brings_videos = any(kind_of(entry.spec) in {"videos", "generator"} for entry in added)
    if only and not added:
        raise SpecError(
            "--only leaves no system to test; add --tokenizer, --answerer, --videos or --generator"
        )
    if options and not benchmarks:
        raise SpecError("--set and --data change options of the benchmarks named with --benchmark; name one")
    return suite.changed(
        add_systems=added,
        keep_systems=not only,
        without_kinds={"videos"} if brings_videos else (),
        benchmarks=[
            parse_benchmark(text, suite=suite).with_options(options)
            for texts in benchmarks
            for text in _split(texts)
        ],
        baseline=baseline,
    )


def _reconstructions(folder: Path, tokenizers: Sequence[str]) -> list[str]:
    """A folder of videos, and what each tokenizer makes of it, as system specs."""
    if not tokenizers:
        raise SpecError("--reconstruct needs the --tokenizer that decodes its tokens")
    return [f"videos:{folder}", *(f"reconstructed:{spec}@{folder}" for spec in tokenizers)]


def _split(benchmarks: str) -> list[str]:
    """Several benchmarks with commas between; after a colon the commas part one benchmark's parts."""
    return [benchmarks] if ":" in benchmarks else benchmarks.split(",")


def _options_of(settings: Sequence[str], *, data: Path | None) -> dict[str, object]:
    """Benchmark options from KEY=VALUE texts; values are read as YAML, so that numbers and lists work."""
    import yaml

    options: dict[str, object] = {} if data is None else {"data": str(data)}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise SpecError(f"--set {text}: write KEY=VALUE")
        options[key] = yaml.safe_load(value)
    return options


def _print_plan(plan: Plan) -> None:
    from vtok_eval.run.plan import render_plan

    typer.echo(render_plan(plan))


def _finish(harness: Harness, out: Path) -> None:
    """Run, print the table, write the report, and end with the exit code that says how it went."""
    from vtok_eval.registry import REPORTS

    summary = harness.run(out)
    paths = REPORTS.resolve("folder")(summary.folder, None)
    if summary.new_samples:
        typer.echo(REPORTS.resolve("terminal")(summary.folder))
    elif summary.not_run or summary.optional_not_run:
        typer.echo(f"nothing was run; {summary.n_done} jobs of {summary.folder} are done")
    else:
        typer.echo(f"nothing to do: all {summary.n_done} jobs of {summary.folder} are done")
    typer.echo(f"report: {paths.html}")
    _print_shortfall(summary)
    if not summary.complete:
        raise typer.Exit(EXIT_INCOMPLETE)


def _print_shortfall(summary: RunSummary, *, shown: int = 20) -> None:
    for entry in summary.optional_not_run:
        typer.echo(f"not run (optional): {entry.benchmark} on {entry.system}: {entry.reason}")
    for entry in summary.not_run:
        typer.echo(f"not run: {entry.benchmark} on {entry.system}: {entry.reason}", err=True)
    for record in summary.failed[:shown]:
        typer.echo(f"failed: {record.job}, {record.sample_id}: {record.reason}", err=True)
    if len(summary.failed) > shown:
        typer.echo(f"... and {len(summary.failed) - shown} more; all are in the report", err=True)
    if summary.failed:
        typer.echo(f"{len(summary.failed)} samples failed; --retry-failed tries them again", err=True)


if __name__ == "__main__":
    main()
