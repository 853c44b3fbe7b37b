"""The GPUs that NVIDIA's driver knows, and what torch was built for; torch is not loaded."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

_LIBRARY = "libcuda.so.1"
_NO_DEVICE = 100
_NAME_BYTES = 256


@dataclass(frozen=True)
class GpuDevice:
    """A GPU of this machine."""

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class GpuDriver:
    """NVIDIA's driver. devices: those that this process may use. cuda: the newest version it knows."""

    devices: tuple[GpuDevice, ...]
    cuda: str

    @property
    def cuda_major(self) -> int:
        """The first number of the version."""
        return int(self.cuda.partition(".")[0])


@dataclass(frozen=True)
class TorchBuild:
    """What the installed torch was built for; None where it was not built for such GPUs."""

    version: str
    cuda: str | None = None
    rocm: str | None = None

    @property
    def cuda_major(self) -> int:
        """The first number of its version of CUDA; 0 without."""
        return int((self.cuda or "0").partition(".")[0])


def torch_build(folder: Path) -> TorchBuild:
    """Read torch's own `version.py` in its package folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "version.py"
        ...     _ = path.write_text("__version__ = '2.15.0+cu132'\\ncuda: str | None = '13.2'\\nhip = None")
        ...     torch_build(Path(folder))
        TorchBuild(version='2.15.0+cu132', cuda='13.2', rocm=None)
    """
    path = folder / "version.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = {
        name: match[1]
        for name in ("__version__", "cuda", "hip")
        if (match := re.search(rf"^{name}\b[^=]*= *['\"]([^'\"]+)['\"]", text, re.MULTILINE))
    }
    return TorchBuild(found.get("__version__", "of an unknown version"), found.get("cuda"), found.get("hip"))


def nvidia_driver() -> GpuDriver | None:
    """The driver with its devices; None where there is none, or it does not work."""
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    status = cuda.cuInit(0)
    version = ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    known = f"{version.value // 1000}.{version.value % 1000 // 10}"
    if status == _NO_DEVICE:
        return GpuDriver((), known)
    count = ctypes.c_int()
    if status != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return None
    return GpuDriver(tuple(_device(cuda, number) for number in range(count.value)), known)


def _device(cuda: ctypes.CDLL, number: int) -> GpuDevice:
    device, name, size = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), number)
    cuda.cuDeviceGetName(name, _NAME_BYTES, device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    return GpuDevice(name.value.decode(errors="replace"), size.value)
