"""What this machine has of what a suite needs; what is missing, where it goes and how to get it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.cli.finding import Check, State
from vtok_eval.cli.machine_checks import GIB, check_extras
from vtok_eval.cli.model_weights import weights_of
from vtok_eval.errors import DataError, MissingDependencyError, VtokEvalError
from vtok_eval.files.data_folder import DATA_VARIABLE, data_root
from vtok_eval.run.plan import build_benchmark
from vtok_eval.specs.grammar import parse_options

if TYPE_CHECKING:
    from vtok_eval.run.needs import NeededData, SuiteNeeds
    from vtok_eval.run.suite import BenchmarkEntry, Suite

_READER = "vtok-llava:"


def suite_checks(suite: Suite) -> list[Check]:
    """Look at everything that a suite says it needs, and at its benchmarks' data. Uses no network.

    Example:
        >>> from vtok_eval.run.suite import load_suite
        >>> [check.name for check in suite_checks(load_suite("mini"))]
        []
    """
    needs = suite.needs
    if needs is None:
        return []
    return [
        *_extras(needs),
        *_weights(needs),
        *(_training_data(data) for data in needs.data),
        *(_benchmark_data(entry) for entry in suite.benchmarks),
        *_readers(suite),
        *_machine(needs),
    ]


def missing_lines(checks: list[Check]) -> list[str]:
    """One line for each thing that is missing, with its remedy.

    Example:
        >>> missing_lines([Check("GPU", State.MISSING, "no device", "get one"), Check("a", State.OK, "")])
        ['missing: GPU: no device -> get one']
    """
    return [
        f"missing: {check.name}: {check.detail}" + (f" -> {check.remedy}" if check.remedy else "")
        for check in checks
        if check.status is State.MISSING
    ]


def _extras(needs: SuiteNeeds) -> Iterator[Check]:
    found = {check.name: check for check in check_extras()}
    for extra in needs.extras:
        check = found.get(f"extra [{extra}]")
        if check is None:
            detail = "the installed vtok-eval is older than this suite and does not know it"
            remedy = f'pip install --upgrade "vtok-eval[{extra}]"'
            yield Check(f"extra [{extra}]", State.MISSING, detail, remedy)
        else:
            yield Check(check.name, check.status, check.detail, check.remedy)


def _weights(needs: SuiteNeeds) -> Iterator[Check]:
    for needed in needs.weights:
        for weights in weights_of(needed.spec):
            found, licence = weights.find(), f"licence: {needed.licence}"
            if found is None:
                detail = f"{weights.file} ({weights.size}) is not on this machine; {licence}"
                yield Check(f"weights {needed.spec}", State.MISSING, detail, weights.get)
            else:
                yield Check(f"weights {needed.spec}", State.OK, f"{found}; {licence}")


def _training_data(data: NeededData) -> Check:
    folder = data_root() / data.folder
    absent = [pattern for pattern in data.files if not any(folder.glob(pattern))]
    title = f"training data {data.name}"
    if absent:
        source = f"{data.size}, from {data.url}; licence: {data.licence}"
        detail = f"{folder} has no {' and no '.join(absent)} ({source})"
        return Check(title, State.MISSING, detail, f"{data.fetch}; {DATA_VARIABLE} names the folder above it")
    return Check(title, State.OK, f"{folder}; licence: {data.licence}")


def _benchmark_data(entry: BenchmarkEntry) -> Check:
    title = f"benchmark {entry.id}"
    try:
        benchmark = build_benchmark(entry)
        # Only benchmarks whose data a person has to fetch have it.
        reason = getattr(benchmark, "missing_data", lambda: None)()
    except (MissingDependencyError, DataError) as error:
        reason = str(error)
    if reason is None:
        return Check(title, State.OK, "its data are there")
    return Check(title, State.MISSING, str(reason), f"vtok-eval data {entry.name} DIR says what to fetch")


def _readers(suite: Suite) -> Iterator[Check]:
    """The trained readers that the suite's systems are."""
    for system in suite.systems:
        if not system.spec.startswith(_READER):
            continue
        options = parse_options(system.spec.removeprefix(_READER), spec=system.spec, subject="language_model")
        folder = Path(options["language_model"]).expanduser()
        found = [*folder.glob("reader.json"), *folder.glob("seed-*/reader.json")]
        if found:
            yield Check(f"reader {system.name}", State.OK, f"{folder}, {len(found)} trained")
        else:
            detail = f"{folder} holds no trained reader"
            remedy = "train it: vtok-eval train reader, as docs/reproduce.md has it"
            yield Check(f"reader {system.name}", State.MISSING, detail, remedy)


def _machine(needs: SuiteNeeds) -> Iterator[Check]:
    if needs.disk_gb:
        yield _disk(needs.disk_gb)
    if needs.gpu_memory_gb:
        yield _gpu(needs.gpu_memory_gb)


def _disk(wanted_gb: float) -> Check:
    root = data_root()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    detail = f"{free:,.0f} GB free at {existing}, {wanted_gb:,.0f} GB needed before anything is fetched"
    if free < wanted_gb:
        remedy = f"set {DATA_VARIABLE} and HF_HOME to folders on a larger disk"
        return Check("disk", State.WARNING, detail, f"{remedy} (what is there already counts as used)")
    return Check("disk", State.OK, detail)


def _gpu(wanted_gb: float) -> Check:
    try:
        import torch
    except ImportError as error:
        return Check("GPU", State.MISSING, f"torch cannot be imported: {error}", "reinstall torch")
    needed = f"{wanted_gb:,.0f} GB of memory needed to train"
    if not torch.cuda.is_available():
        return Check("GPU", State.MISSING, f"no CUDA device; {needed}", "run on a machine with one")
    most = max(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))
    detail = f"{most / GIB:,.0f} GiB on the largest device; {needed}"
    if most < wanted_gb * 1e9:
        return Check(
            "GPU", State.WARNING, detail, "a smaller --micro-batch-size, or --gradient-checkpointing"
        )
    return Check("GPU", State.OK, detail)


def doctor_of(suite: Suite, *, fetch: bool) -> list[Check]:
    """The checks of a suite, after its weights were fetched if that is asked for.

    Raises:
        MissingDependencyError: weights cannot be downloaded; says why.
        VtokEvalError: the suite states nothing that it needs.
    """
    if suite.needs is None:
        raise VtokEvalError(f"suite {suite.name} needs nothing that pip does not bring: vtok-eval doctor")
    if fetch:
        from vtok_eval.cli.model_weights import fetch as fetch_weights

        fetch_weights([weights.spec for weights in suite.needs.weights])
    return suite_checks(suite)
