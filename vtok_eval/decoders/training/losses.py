"""What a decoder is trained for: its maps against the truth of the scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from vtok_eval.decoders.architecture import BACKDROP, CENTRE, COLOUR, FORM, OFFSET, PLACES, RADIUS
from vtok_eval.decoders.objects import RADIUS_UNIT, Truth, centre_heat, peaks

_WEIGHTS = {"centre": 1.0, "form": 1.0, "colour": 1.0, "offset": 2.0, "radius": 1.0, "backdrop": 2.0}

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Those from which `DETECTION_THRESHOLD` was chosen."""


@dataclass(frozen=True)
class MapAgreement:
    """How maps agree with the truth: shares of objects whose form and colour are right where their centre
    truly is, and the share of frames with as many objects as there are, at each threshold."""

    form: float
    colour: float
    count: dict[float, float]


def decoding_loss(maps: Tensor, truth: Truth, backdrop: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The loss, a scalar, and its parts as numbers, which are waited for. See `loss_parts`."""
    parts = loss_parts(maps, truth, backdrop)
    return weighted(parts), {name: float(part.detach()) for name, part in parts.items()}


def weighted(parts: Mapping[str, Tensor]) -> Tensor:
    """The loss of its parts, a scalar."""
    return torch.stack([_WEIGHTS[name] * part for name, part in parts.items()]).sum()


def loss_parts(maps: Tensor, truth: Truth, backdrop: Tensor) -> dict[str, Tensor]:
    """What a decoder is trained for, each a scalar on the maps' device.

    maps: `(N, C, PLACES, PLACES)`. truth: of as many frames, flat. backdrop: uint8 `(N, 3, PLACES, PLACES)`.
    Centres are learnt by the focal loss of CenterNet (Zhou et al., arXiv 1904.07850, equation 1), what an
    object is at the place of its true centre only.
    """
    frame, column, row, there = _at_centres(truth)
    values = maps[frame, :, row, column]
    colour, form = truth.colour[there], truth.form[there]
    radius = truth.radius[there] / RADIUS_UNIT
    away = truth.place[there] * PLACES - torch.stack([column, row], dim=1) - 0.5
    return {
        "centre": _focal(maps[:, CENTRE][:, 0], centre_heat(truth)),
        "form": _mean(functional.cross_entropy(values[:, FORM], form, reduction="none")),
        "colour": _mean(functional.cross_entropy(values[:, COLOUR], colour, reduction="none")),
        "offset": _mean(functional.smooth_l1_loss(values[:, OFFSET], away, reduction="none")),
        "radius": _mean(functional.smooth_l1_loss(values[:, RADIUS.start], radius, reduction="none")),
        "backdrop": functional.l1_loss(maps[:, BACKDROP], backdrop.float() / 127.5 - 1),
    }


def agreement(maps: Tensor, truth: Truth, *, thresholds: tuple[float, ...] = THRESHOLDS) -> MapAgreement:
    """See `MapAgreement`; maps and truth as for `decoding_loss`."""
    frame, column, row, there = _at_centres(truth)
    values = maps[frame, :, row, column]
    n_objects = truth.n_objects()
    return MapAgreement(
        form=float(_mean((values[:, FORM].argmax(1) == truth.form[there]).float())),
        colour=float(_mean((values[:, COLOUR].argmax(1) == truth.colour[there]).float())),
        count={
            one: float((peaks(maps, threshold=one).flatten(1).sum(1) == n_objects).float().mean())
            for one in thresholds
        },
    )


def _at_centres(truth: Truth) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of all objects: their frame, the column and row of their centre's place, and their position."""
    there = truth.form >= 0
    at = (truth.place[there] * PLACES).floor().long().clamp(0, PLACES - 1)
    return there.nonzero()[:, 0], at[:, 0], at[:, 1], there


def _mean(values: Tensor) -> Tensor:
    """The mean, or 0 if the frames show no object."""
    # As `max`, also where the number of objects is not known yet (under fake tensors).
    return values.sum() / cast("int", torch.sym_max(1, values.numel()))


def _focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Mean over objects; `logits` and `heat` are `(N, PLACES, PLACES)`, heat 1 at centres."""
    centre = heat == 1
    right = functional.logsigmoid(logits) * (1 - logits.sigmoid()) ** 2
    wrong = functional.logsigmoid(-logits) * logits.sigmoid() ** 2 * (1 - heat) ** 4
    return -torch.where(centre, right, wrong).sum() / centre.sum().clamp_min(1)
