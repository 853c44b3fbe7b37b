"""A stand-in for a GPU: copies happen only when they are waited for, and memory is used again at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vtok_eval.devices.transfer import fill_batch


class SlowDevice:
    """A `Transfer` that does everything as late as it is allowed to.

    A batch holds its pictures only between `arrived` and `release`: before and after, it is full of 255. A
    download holds its values only once it was waited for. did: what was asked, in order.
    """

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.did: list[str] = []
        self.arrives = False
        self._uploads = 0

    def upload(self, pictures: Sequence[Tensor], size: int) -> SlowUpload:
        """Remember the pictures; the batch stays empty."""
        number, self._uploads = self._uploads, self._uploads + 1
        self.did.append(f"upload {number}")
        batch = torch.full((size, *pictures[0].shape), 255, dtype=pictures[0].dtype, device="cpu")
        return SlowUpload(self, number, batch, [picture.clone() for picture in pictures])

    def bring(self, pictures: Sequence[Tensor]) -> Tensor:
        """At once."""
        return torch.stack(list(pictures))

    def send(self, tensor: Tensor) -> Tensor:
        """At once."""
        return tensor.clone()

    def download(self, tensor: Tensor) -> SlowDownload:
        """Remember the tensor; what has arrived is nothing yet."""
        return SlowDownload(self, tensor)


class SlowUpload:
    def __init__(self, device: SlowDevice, number: int, batch: Tensor, pictures: Sequence[Tensor]) -> None:
        self._device, self._number, self._batch, self._pictures = device, number, batch, pictures

    def arrived(self) -> Tensor:
        self._device.did.append(f"compute {self._number}")
        fill_batch(self._batch, self._pictures)
        return self._batch

    def release(self) -> None:
        self._device.did.append(f"release {self._number}")
        self._batch.fill_(255)


class SlowDownload:
    def __init__(self, device: SlowDevice, tensor: Tensor) -> None:
        self._device, self._tensor = device, tensor
        self._waited = False

    @property
    def done(self) -> bool:
        return self._waited or self._device.arrives

    def wait(self) -> Tensor:
        self._waited = True
        return self._tensor.clone()
