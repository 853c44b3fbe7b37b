"""Weights of registered backbones, judges, answerers and sentence encoders: listed, fetched on request."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from vtok_eval.cli.finding import Check, State
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.files.weights import Weights, WeightsOf, in_bytes
from vtok_eval.registry import WEIGHTS


def efficientnet_weights(argument: str | None) -> WeightsOf:
    """What the embedded default backbone needs; doctor checks the file's hash on a separate line."""
    return WeightsOf("backbone", "efficientnet_lite0", note="its weights come with its package, see above")


def endpoint_weights(argument: str | None) -> WeightsOf:
    """What answerers and judges behind an endpoint need: a server."""
    return WeightsOf("answerer, judge", "endpoint", note="no weights here: they are on the server")


def replay_weights(argument: str | None) -> WeightsOf:
    """What replayed answers need: their file."""
    return WeightsOf("answerer", "replay", note="no weights: it reads a file of answers")


def check_weights() -> list[Check]:
    """A check for each backbone, judge, answerer and sentence encoder; reads the disk only."""
    checks: list[Check] = []
    for name in WEIGHTS:
        try:
            needs: WeightsOf = WEIGHTS.resolve(name)(None)
        except MissingDependencyError as error:
            checks.append(Check(f"weights of {name}", State.MISSING, str(error), required=False))
            continue
        checks += _checks_of(needs)
    return checks


def fetch(specs: Sequence[str]) -> list[Path]:
    """Download the weights that each spec names, unless they are on this machine; returns where they are.

    Raises:
        UnknownNameError: a spec begins with no registered name.
        SpecError: a spec names no weights.
        MissingDependencyError: they cannot be downloaded; says why.
    """
    wanted = [weights for spec in specs for weights in weights_of(spec)]
    return [_fetched(weights) for weights in wanted]


def weights_of(spec: str) -> Sequence[Weights]:
    """The weights that a backbone's, judge's, answerer's or sentence encoder's spec needs.

    Raises:
        UnknownNameError, SpecError: the spec names nothing that has weights to fetch.
    """
    name, colon, argument = spec.partition(":")
    needs: WeightsOf = WEIGHTS.resolve(name)(argument if colon else None)
    if not needs.weights:
        raise SpecError(f"{spec}: nothing to fetch ({needs.note})")
    return needs.weights


def _fetched(weights: Weights) -> Path:
    found = weights.find()
    if found is not None:
        return found
    sys.stderr.write(f"fetching {weights.file} ({weights.size})\n")
    try:
        return weights.fetch()
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        what = f"{weights.spec}: {weights.file}"
        raise MissingDependencyError(f"{what} cannot be downloaded: {reason}") from error


def _checks_of(needs: WeightsOf) -> list[Check]:
    title = f"{needs.kind} {needs.name}"
    several = len(needs.weights) > 1
    checks = []
    for weights in needs.weights:
        own = f" {weights.spec.rpartition(':')[2]}" if several else ""
        checks.append(_check(f"{title}{own}", weights))
    if needs.note:
        checks.append(Check(f"{title}, more" if checks else title, State.OK, needs.note, required=False))
    return checks


def _check(title: str, weights: Weights) -> Check:
    found = weights.find()
    if found is None:
        detail = f"{weights.spec}: {weights.file} ({weights.size}) is not on this machine"
        return Check(title, State.MISSING, detail, weights.get, required=False)
    size = f", {in_bytes(found.stat().st_size)}" if found.is_file() else ""
    return Check(title, State.OK, f"{weights.spec}: {found}{size}", required=False)
