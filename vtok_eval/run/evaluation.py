"""`vtok_eval.evaluate`: what `vtok-eval run` does, called from Python, with objects as systems under test."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.files.cache_folder import cache_folder
from vtok_eval.results.causes import failure_causes, not_run_lines
from vtok_eval.results.run_view import RunView, open_run
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.score_logs import LogTarget, log_scores
from vtok_eval.run.suite import DEFAULT_SUITE, Suite, SystemEntry, load_suite, parse_benchmark
from vtok_eval.specs.live_objects import LiveObject, live_object

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


def evaluate(
    systems: Mapping[str, object] | Sequence[str],
    *,
    benchmarks: Sequence[str] | str | None = None,
    options: Mapping[str, object] | None = None,
    suite: str | Suite = DEFAULT_SUITE,
    suite_systems: bool = False,
    baseline: str | None = None,
    out: str | Path | None = None,
    limit: int | float | None = None,
    seed: int | None = None,
    device: str | None = None,
    devices: Sequence[str] = (),
    batch_size: int = 16,
    retry_failed: bool = False,
    identity: Mapping[str, str] | None = None,
    step: int | None = None,
    log_to: LogTarget | None = None,
) -> RunView:
    """Measure systems on benchmarks, into a run folder, and return the run.

    Called again with the same folder, it measures only what is new or has changed. Modules of torch among the
    objects are in evaluation mode during the call and as they were after it; the global random generators are
    left as they are.

    Args:
        systems: by name, each a spec string as `vtok-eval run --tokenizer` takes it (`frames-2`,
            `my_file.py:Mine`, `videos:FOLDER`) or an object that satisfies `Tokenizer`, `Generator` or
            `Answerer`, or the `Path` of a folder of videos; or a sequence of specs, their own names.
        benchmarks: names, with parts after a colon if any (`vbench:temporal_flickering`); None for all of the
            suite's.
        options: of the benchmarks that are named, as `--set` takes them.
        suite: a shipped suite's name, the path of a YAML file, or a `Suite`.
        suite_systems: measure the suite's own systems too.
        baseline: the system that the others are compared with; None for the suite's, if it is measured.
        out: the run folder; None for `runs/NAME` of the suite (`runs/custom` for a choice of systems).
        limit: how many samples of each benchmark are taken or, below 1, which share of them and of training
            clips: a smoke test, marked as such.
        seed: another than the suite's.
        device: "cpu", "cuda", "cuda:N" or "auto"; None for the device of the objects' weights, else "auto".
        devices: a worker process for each device, as `--devices`; not with objects.
        batch_size: clips in a batch; never changes a score.
        retry_failed: try the samples again that failed before.
        identity: by name, what you call this version of an object; for those not named, a hash of their code
            and weights tells whether they have changed.
        step: of a training. Each object is measured as a system of its own, `NAME@step-N`.
        log_to: "tensorboard" or "wandb", or an object with `add_scalar(tag, value, step)` or
            `log({tag: value}, step=)`: the headline scores of the objects are written there.

    Raises:
        VtokEvalError: a system, benchmark, option or folder is wrong; one line says what.

    Example:
        >>> import vtok_eval
        >>> run = vtok_eval.evaluate(
        ...     {"mine": MyTokenizer(model), "frames-2": "frames-2"},
        ...     benchmarks=["understanding-scenes"],
        ...     limit=200,
        ... )  # doctest: +SKIP
        >>> run.compare("mine", "frames-2")  # doctest: +SKIP
    """
    named = dict(systems) if isinstance(systems, Mapping) else _by_spec(systems)
    objects = _objects(named, identity or {}, step=step)
    if objects and devices:
        raise SpecError(
            f"{min(objects)} is an object of this process; `devices` needs specs, such as my_file.py:Mine"
        )
    if step is not None and not objects:
        raise SpecError("step= counts the training of an object; none of the systems is one")
    chosen = _choose(
        load_suite(suite) if isinstance(suite, str) else suite,
        [_entry(name, objects.get(name, system)) for name, system in named.items()],
        suite_systems=suite_systems,
        benchmarks=[benchmarks] if isinstance(benchmarks, str) else benchmarks or (),
        options=options or {},
        baseline=baseline,
    )
    settings = RunSettings(
        device=device or _device_of(objects.values()),
        devices=tuple(devices),
        batch_size=batch_size,
        seed=seed,
        limit=limit,
        retry_failed=retry_failed,
        command=("vtok_eval.evaluate",),
    )
    folder = Path(out) if out is not None else Path("runs") / chosen.name
    with _in_evaluation_mode(objects.values()), _same_random_state():
        harness = Harness(chosen, settings, cache=cache_folder(), objects=tuple(objects.values()))
        summary = harness.run(folder)
    for line in not_run_lines(summary.not_run):
        log.warning("not run: %s", line)
    for cause in failure_causes(summary.failed):
        log.warning("failed: %s", cause.text)
    run = open_run(folder)
    if log_to is not None:
        tags = {live.name: name for name, live in objects.items()}
        log_scores(run.scores(), tags, log_to, step=step, folder=folder)
    return run


def _by_spec(systems: Sequence[str]) -> dict[str, object]:
    if isinstance(systems, str):
        raise SpecError(f"systems must be a list of specs or a mapping from names; write [{systems!r}]")
    for system in systems:
        if not isinstance(system, str):
            raise SpecError(f"a {type(system).__qualname__} has no name; pass {{'mine': it}}, a mapping")
    return {system: system for system in systems}


def _objects(
    systems: Mapping[str, object], identity: Mapping[str, str], *, step: int | None
) -> dict[str, LiveObject]:
    """The objects among the systems, by the name that the user gave each."""
    given = {name: system for name, system in systems.items() if not isinstance(system, str | Path)}
    for name in identity:
        if name not in given:
            raise UnknownNameError(what="object in identity", name=name, known=given)
    with _in_evaluation_mode(given.values()):
        return {
            name: live_object(
                system,
                name=name if step is None else f"{name}@step-{step}",
                identity=identity.get(name),
            )
            for name, system in given.items()
        }


def _entry(name: str, system: object) -> SystemEntry:
    if isinstance(system, LiveObject):
        return SystemEntry(name=system.name, spec=system.spec)
    if isinstance(system, Path):
        return SystemEntry(name=name, spec=f"videos:{system}")
    return SystemEntry(name=name, spec=str(system))


def _choose(
    suite: Suite,
    entries: Sequence[SystemEntry],
    *,
    suite_systems: bool,
    benchmarks: Sequence[str],
    options: Mapping[str, object],
    baseline: str | None,
) -> Suite:
    if not entries and not suite_systems:
        raise SpecError("no systems to measure; pass at least one, or suite_systems=True")
    if options and not benchmarks:
        raise SpecError("options change the benchmarks that are named; name one in benchmarks=[...]")
    return suite.changed(
        add_systems=entries,
        keep_systems=suite_systems,
        benchmarks=[parse_benchmark(name, suite=suite).with_options(options) for name in benchmarks],
        baseline=baseline,
    )


def _modules(subjects: Iterable[object]) -> Iterator[torch.nn.Module]:
    """The modules of torch that the objects are, or hold as attributes."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for subject in subjects:
        own = subject.subject if isinstance(subject, LiveObject) else subject
        held = [own] if isinstance(own, torch.nn.Module) else list(getattr(own, "__dict__", {}).values())
        yield from (module for module in held if isinstance(module, torch.nn.Module))


def _device_of(objects: Iterable[object]) -> str:
    """The device of the first weight that the objects hold; "auto" where they hold none."""
    devices = (str(weight.device) for module in _modules(objects) for weight in module.parameters())
    return next(devices, "auto")


@contextmanager
def _in_evaluation_mode(subjects: Iterable[object]) -> Iterator[None]:
    """Every module in evaluation mode (no dropout, fixed statistics), and as it was afterwards."""
    parts = [(part, part.training) for module in _modules(subjects) for part in module.modules()]
    try:
        for part, _ in parts:
            part.training = False
        yield
    finally:
        for part, was_training in parts:
            part.training = was_training


@contextmanager
def _same_random_state() -> Iterator[None]:
    """The global generators of Python, numpy and torch are afterwards as they were before."""
    import numpy as np
    import torch

    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
