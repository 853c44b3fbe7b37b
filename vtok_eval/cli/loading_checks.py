"""Whether what is installed also loads: `vtok-eval doctor --imports`."""

from __future__ import annotations

import importlib
import importlib.metadata as metadata
import subprocess
import sys

from vtok_eval.cli.finding import Check, State

GIB = 2**30
IMPORT_TIMEOUT_S = 120.0


def check_torch_devices() -> Check:
    """What torch can compute on, by torch itself."""
    try:
        import torch
    except ImportError as error:
        return Check("torch devices", State.MISSING, f"torch cannot be imported: {error}", "reinstall torch")
    threads = f"CPU with {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return Check("torch devices", State.OK, f"{threads}; no CUDA device", required=False)
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    named = ", ".join(f"{device.name} ({device.total_memory / GIB:.0f} GiB)" for device in devices)
    return Check("torch devices", State.OK, f"{named}; {threads}")


def check_torchvision_loads() -> Check:
    """Whether torchvision loads: it needs the build of torch that it was made for."""
    try:
        importlib.import_module("torchvision.ops")
    except (ImportError, RuntimeError, OSError) as error:
        return Check(
            "torchvision loads",
            State.MISSING,
            f"cannot be imported: {_first_line(str(error))}",
            "install torch and torchvision together from PyPI",
        )
    return Check("torchvision loads", State.OK, "with this torch")


def import_problem(distribution: str) -> str:
    """Why a distribution's module cannot be imported, one line; empty where it can.

    Tried in a process of its own: a broken native library may end the process, and imports may be noisy.
    """
    module = _module_of(distribution)
    command = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"import {module} takes more than {IMPORT_TIMEOUT_S:.0f} s"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return f"import {module} fails: {said[-1] if said else f'exit status {done.returncode}'}"


def _module_of(distribution: str) -> str:
    """The distribution's top-level module; most are called alike, with - as _."""
    from packaging.utils import canonicalize_name

    wanted = canonicalize_name(distribution)
    modules = [
        module
        for module, owners in metadata.packages_distributions().items()
        if any(canonicalize_name(owner) == wanted for owner in owners)
    ]
    plain = distribution.replace("-", "_")
    return plain if plain in modules or not modules else min(modules)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
