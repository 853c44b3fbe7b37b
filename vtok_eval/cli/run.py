"""`vtok-eval run`: a suite's systems on its benchmarks, into a run folder."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtok_eval.cli.exit_codes import EXIT_INCOMPLETE
from vtok_eval.cli.json_output import prints_go_to_stderr, run_content
from vtok_eval.errors import SpecError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.json_document import json_text
from vtok_eval.run.suite import DEFAULT_SUITE, Suite, SystemEntry, load_suite, parse_benchmark
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    from vtok_eval.run.harness import Harness, RunSummary
    from vtok_eval.run.plan import Plan


def run(
    suite: Annotated[str, typer.Option(help="A shipped suite's name or a YAML file.")] = DEFAULT_SUITE,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option(help="One more tokenizer, e.g. frames-4 or mine=my_file.py:Mine. May be repeated."),
    ] = None,
    videos: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]FOLDER of videos under test, in place of the suite's. May be repeated."),
    ] = None,
    generator: Annotated[
        list[str] | None,
        typer.Option(help="A generator of videos under test, [NAME=]my_file.py:Mine. May be repeated."),
    ] = None,
    reconstruct: Annotated[
        Path | None,
        typer.Option(help="Test this folder's videos and each --tokenizer's reconstructions of them."),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Only this benchmark of the suite, or another one. May be repeated."),
    ] = None,
    answerer: Annotated[
        list[str] | None,
        typer.Option(help="One more answerer, e.g. replay:answers.jsonl. May be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the data of the named benchmarks is; see `vtok-eval data`.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE: an option of the benchmarks. May be repeated."),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Leave out the suite's own systems.")] = False,
    baseline: Annotated[
        str | None, typer.Option(help="The system that the others are compared with; default: the suite's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; default: runs/SUITE.")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE",
            help="Smoke test: only the first N samples of each benchmark, or a share such as 5%; trains on "
            "fewer clips alike.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the suite's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[
        str | None,
        typer.Option(
            help="Run in a process for each device: auto, or a list such as cuda:0,cuda:1 or cpu*4."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Run on a Ray cluster, a GPU for each process; without an address on one started here.",
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
    precision: Annotated[
        str,
        typer.Option(help="Of tokenizers' backbones: fp32, fp16 or bf16; auto is fp16 on CUDA, else fp32."),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Clips per batch; never changes a score.")] = 16,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that decode ahead; default: one for each core.")
    ] = None,
    clip_memory: Annotated[
        int, typer.Option(min=0, help="MiB of decoded clips kept in memory for the next question or system.")
    ] = 1200,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the samples again that failed before.")
    ] = False,
    budget: Annotated[
        BudgetUnit | None,
        typer.Option(help="What tables and plots count budgets in; default: what the suite says."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="At the end, print every table.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its cost; run nothing.")
    ] = False,
    as_json: bool = False,
) -> None:
    """Run a suite, or continue one that was stopped; then print the comparison and write the report."""
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.run.harness import Harness, RunSettings
    from vtok_eval.run.lanes.devices import parse_devices

    if as_json and (dry_run or full):
        raise SpecError(
            f"--json is for the end of a run; leave it out with --{'dry-run' if dry_run else 'full'}"
        )
    if device != "auto" and (devices is not None or ray is not None):
        raise SpecError("--device is for one process; leave it out with --devices or --ray")
    chosen = _choose_suite(
        suite,
        systems=[
            *_tokenizers(tokenizer or [], reconstruct=reconstruct),
            *(_answerer(text) for text in answerer or []),
            *(_videos(text) for text in videos or []),
            *(_entry(text, prefix="generator:") for text in generator or []),
        ],
        benchmarks=benchmark or [],
        options=_options_of(set_ or [], data=data),
        only=only,
        baseline=baseline,
        budget=budget,
    )
    settings = RunSettings(
        device=device,
        devices=() if devices is None else parse_devices(devices, on_ray=ray is not None),
        ray=ray,
        mixed_models=tuple(mix_model or ()),
        threads=threads,
        precision=precision,
        batch_size=batch_size,
        loader_threads=workers,
        clip_memory_bytes=clip_memory * 2**20,
        seed=seed,
        limit=None if limit is None else _limit(limit),
        retry_failed=retry_failed,
        command=tuple(sys.argv),
    )
    harness = Harness(chosen, settings, cache=cache_folder())
    if dry_run:
        _dry_run(chosen, harness)
        return
    _finish(harness, out or Path("runs") / chosen.name, full=full, as_json=as_json)


def _choose_suite(
    name: str,
    *,
    systems: Sequence[SystemEntry],
    benchmarks: Sequence[str],
    options: Mapping[str, object],
    only: bool,
    baseline: str | None,
    budget: BudgetUnit | None,
) -> Suite:
    """The suite with what the command line adds to it or leaves out of it."""
    from vtok_eval.specs.systems import kind_of

    suite = load_suite(name)
    # --videos and --generator replace the suite's example folder.
    brings_videos = any(kind_of(entry.spec) in {SystemKind.VIDEOS, SystemKind.GENERATOR} for entry in systems)
    if only and not systems:
        raise SpecError(
            "--only leaves no system to test; add --tokenizer, --answerer, --videos or --generator"
        )
    if options and not benchmarks:
        raise SpecError("--set and --data change options of the benchmarks named with --benchmark; name one")
    return suite.changed(
        add_systems=systems,
        keep_systems=not only,
        without_kinds={SystemKind.VIDEOS} if brings_videos else (),
        benchmarks=[
            parse_benchmark(text, suite=suite).with_options(options)
            for texts in benchmarks
            for text in _split(texts)
        ],
        baseline=baseline,
        budget=budget,
    )


def _entry(text: str, *, prefix: str = "", suffix: str = "") -> SystemEntry:
    """The system that `SPEC` or `NAME=SPEC` means, with what makes a whole spec of it."""
    from vtok_eval.specs.grammar import split_name

    name, spec = split_name(text)
    return SystemEntry(name=name, spec=f"{prefix}{spec}{suffix}")


def _tokenizers(texts: Sequence[str], *, reconstruct: Path | None) -> list[SystemEntry]:
    """The tokenizers; with `reconstruct`, that folder of videos and what each tokenizer makes of it."""
    if reconstruct is None:
        return [_entry(text) for text in texts]
    if not texts:
        raise SpecError("--reconstruct needs the --tokenizer that decodes its tokens")
    made = [_entry(text, prefix="reconstructed:", suffix=f"@{reconstruct}") for text in texts]
    return [_videos(str(reconstruct)), *made]


def _answerer(text: str) -> SystemEntry:
    """An answerer; a user's class, `FILE.py:Class`, gets the prefix that says what it is."""
    from vtok_eval.environments.spec import is_exec
    from vtok_eval.registry import ANSWERERS
    from vtok_eval.specs.grammar import parse_spec, split_name

    spec = split_name(text)[1]
    head = spec.partition(":")[0]
    if head in ANSWERERS or head == "answerer":
        return _entry(text)
    if not is_exec(spec):
        parse_spec(spec, known=ANSWERERS, what="answerer")
    return _entry(text, prefix="answerer:")


def _videos(text: str) -> SystemEntry:
    """A folder of videos; one that exists is taken by its whole name, whatever signs are in it."""
    return SystemEntry(spec=f"videos:{text}") if Path(text).is_dir() else _entry(text, prefix="videos:")


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


def _limit(text: str) -> int | float:
    """A number of samples, or a share of them: 20, 0.05 or 5%.

    Raises:
        SpecError: it is neither.

    Example:
        >>> _limit("20"), _limit("5%"), _limit("0.05")
        (20, 0.05, 0.05)
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if 0 < value < 1:
        return value
    if value >= 1 and value.is_integer() and not text.endswith("%"):
        return int(value)
    raise SpecError(f"--limit {text}: write a number of samples, such as 20, or a share below 1: 0.05 or 5%")


def _dry_run(suite: Suite, harness: Harness) -> None:
    """Print what is missing of what the suite needs, each on its line, or else the plan and its cost."""
    from vtok_eval.cli.suite_checks import missing_lines, suite_checks

    missing = missing_lines(suite_checks(suite))
    for line in suite.needs.cost if suite.needs else ():
        typer.echo(f"cost: {line}")
    if not missing:
        _print_plan(harness.plan())
        return
    for line in missing:
        typer.echo(line)
    typer.echo(f"{len(missing)} things are missing: vtok-eval doctor {suite.name} says what is there already")
    raise typer.Exit(EXIT_INCOMPLETE)


def _print_plan(plan: Plan) -> None:
    from vtok_eval.run.plan import render_plan

    typer.echo(render_plan(plan))


def _finish(harness: Harness, out: Path, *, full: bool, as_json: bool) -> None:
    """Run, write the report, print the answer (`full`: the tables), and end with the exit code."""
    from vtok_eval.registry import REPORTS

    with prints_go_to_stderr(as_json):
        summary = harness.run(out)
        paths = REPORTS.resolve("folder")(summary.folder, None)
    if as_json:
        typer.echo(json_text("run", run_content(summary, paths.html)))
    else:
        if summary.new_samples or summary.changes:
            typer.echo(REPORTS.resolve("terminal")(paths.report, full=full))
        else:
            _print_why_nothing(summary)
        typer.echo(f"report: {paths.html}")
        _print_shortfall(summary)
    if not summary.complete:
        raise typer.Exit(EXIT_INCOMPLETE)


def _print_why_nothing(summary: RunSummary) -> None:
    if summary.not_run or summary.optional_not_run:
        typer.echo(f"nothing was run; {summary.n_done} jobs of {summary.folder} are done")
    else:
        typer.echo(f"nothing to do: all {summary.n_done} jobs of {summary.folder} are done")


def _print_shortfall(summary: RunSummary, *, shown: int = 20) -> None:
    from vtok_eval.results.causes import failure_causes, not_run_lines

    for line in not_run_lines(summary.optional_not_run):
        typer.echo(f"not run (optional): {line}")
    for line in not_run_lines(summary.not_run):
        typer.echo(f"not run: {line}", err=True)
    causes = failure_causes(summary.failed)
    for cause in causes[:shown]:
        typer.echo(f"failed: {cause.text}", err=True)
    if len(causes) > shown:
        typer.echo(f"... and for {len(causes) - shown} more reasons; all are in the report", err=True)
    if summary.failed:
        typer.echo(f"{len(summary.failed)} samples failed; --retry-failed tries them again", err=True)
