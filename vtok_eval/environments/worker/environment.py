"""The environment that a worker runs in: its packages and versions, and the seeds of its generators."""

from __future__ import annotations

import random
import sys
import sysconfig


def version_of(package: str) -> str | None:
    """Of the module that is loaded, else of what is installed; None where it is not there.

    Example:
        >>> print(version_of("no-such-package"))
        None
    """
    from importlib import metadata

    if package in sys.modules:
        return str(sys.modules[package].__version__)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def packages() -> dict[str, str]:
    """The packages that are loaded besides the standard library, with their versions.

    Example:
        >>> import numpy
        >>> packages()["numpy"] == numpy.__version__
        True
    """
    standard = sysconfig.get_paths()["stdlib"]
    found = {}
    for name, module in sorted(sys.modules.items()):
        version, file = getattr(module, "__version__", None), getattr(module, "__file__", None)
        if not isinstance(version, str) or not file or "." in name:
            continue
        if "site-packages" in file or not file.startswith(standard):
            found[name] = version
    return found


def seed_generators() -> None:
    """Seed every generator: a constructor without a seed draws the weights that it draws in the harness."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
