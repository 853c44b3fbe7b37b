"""The form of messages between the harness and a worker; both ends use this module."""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Content = dict[str, Any]  # Any: what JSON holds
    Array = NDArray[Any]  # Any: every dtype

PROTOCOL = 1
"""The version of the messages; both ends must have the same."""
_LENGTH = struct.Struct("<Q")
PREFIX_BYTES = _LENGTH.size
_LONGEST_MESSAGE = 1 << 30
_ALIGNMENT = 64
_CHUNK_BYTES = 1 << 30  # Linux moves at most 2 GiB in one call
_NUMBERS = "biufc"


def pack(content: Content) -> bytes:
    """A message: the length of its JSON, then the JSON."""
    body = json.dumps(content).encode("utf-8")
    return _LENGTH.pack(len(body)) + body


def length_of(prefix: bytes) -> int:
    """The length of the JSON that follows.

    Raises:
        ValueError: no message is that long.
    """
    (length,) = _LENGTH.unpack(prefix)
    if length > _LONGEST_MESSAGE:
        raise ValueError(f"a message of {length} bytes")
    return int(length)


class Memory:
    """Arrays in a file that both ends have open; one message's arrays at a time.

    They are copied in and out with `pwrite` and `preadv`, never mapped: an array that was received stays as
    it is, and a full memory is an error instead of a signal.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, arrays: Mapping[str, Array]) -> Content:
        """Put the arrays into the file; returns where each of them is, as JSON can hold it.

        Raises:
            OSError: there is no memory left.
        """
        places, offset = {}, 0
        for name, array in arrays.items():
            view = _bytes_of(array)
            for start in range(0, len(view), _CHUNK_BYTES):
                chunk = view[start : start + _CHUNK_BYTES]
                done = 0
                while done < len(chunk):
                    done += os.pwrite(self.descriptor, chunk[done:], offset + start + done)
            places[name] = {"offset": offset, "dtype": array.dtype.str, "shape": list(array.shape)}
            offset += -(-len(view) // _ALIGNMENT) * _ALIGNMENT
        return places

    def read(self, places: Mapping[str, Content]) -> dict[str, Array]:
        """Copies of the arrays that the other end has put into the file.

        Raises:
            ValueError: the file is shorter than they are.
        """
        import numpy as np

        arrays = {}
        for name, place in places.items():
            array = np.empty([int(side) for side in place["shape"]], np.dtype(str(place["dtype"])))
            view, offset, done = _bytes_of(array), int(place["offset"]), 0
            while done < len(view):
                count = os.preadv(self.descriptor, [view[done : done + _CHUNK_BYTES]], offset + done)
                if count == 0:
                    raise ValueError(f"the array {name!r} is cut off after {done} of {len(view)} bytes")
                done += count
            arrays[name] = array
        return arrays

    def release(self) -> None:
        """Give the file's memory back."""
        os.ftruncate(self.descriptor, 0)


def _bytes_of(array: Array) -> memoryview:
    if array.nbytes == 0:
        return memoryview(b"")
    return array.reshape(-1).view("u1").data


def is_tensor(value: object) -> bool:
    """Whether it is a torch tensor; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_array(name: str, value: Any) -> tuple[Array, str]:
    """The numbers of a tensor or array, and its dtype where numpy has none like it, such as "bfloat16".

    Those travel as float32, which holds each of their values.

    Raises:
        TypeError: it does not hold numbers.
    """
    import numpy as np

    true_dtype = ""
    if is_tensor(value):
        value = value.detach().cpu()
        dtype = str(value.dtype).rpartition(".")[2]
        if value.is_floating_point() and dtype not in ("float16", "float32", "float64"):
            true_dtype, value = dtype, value.float()
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":  # jax has it as a numpy dtype
        true_dtype, array = "bfloat16", array.astype("float32")
    if array.dtype.kind not in _NUMBERS or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise TypeError(f"{name} has the dtype {array.dtype}")
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C"), true_dtype


def to_tensor(array: Array, true_dtype: str, device: Any) -> Any:  # Any: torch may not be there
    """The array as a torch tensor of its true dtype on a device."""
    import torch

    tensor = torch.from_numpy(array)
    return tensor.to(device, getattr(torch, true_dtype) if true_dtype else None)
