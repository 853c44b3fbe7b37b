"""Truth of scenes, maps made by hand from it, and the pictures drawn of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vtok_eval.decoders.architecture import (
    BACKDROP,
    CENTRE,
    COLOUR,
    FORM,
    N_CHANNELS,
    OFFSET,
    PLACES,
    RADIUS,
)
from vtok_eval.decoders.objects import RADIUS_UNIT, Truth, centre_heat, draw, objects_of
from vtok_eval.decoders.training.clips import VariedClip, true_backdrop
from vtok_eval.decoders.training.losses import agreement, decoding_loss
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.render import paint_shapes
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES


def clips(n: int, n_frames: int = 3) -> list[SceneClip]:
    return [SceneClip(0, "validation", index, n_frames=n_frames) for index in range(n)]


def perfect_maps(truth: Truth) -> torch.Tensor:
    """Maps that say exactly what is true, `(N, C, PLACES, PLACES)`, before a grey backdrop."""
    maps = torch.full((len(truth.form), N_CHANNELS, PLACES, PLACES), -9.0)
    maps[:, BACKDROP] = 0.0
    for frame, column in (truth.form >= 0).nonzero().tolist():
        place = truth.place[frame, column] * PLACES
        x, y = place.long().tolist()
        maps[frame, CENTRE, y, x] = 9.0
        maps[frame, FORM.start + truth.form[frame, column], y, x] = 9.0
        maps[frame, COLOUR.start + truth.colour[frame, column], y, x] = 9.0
        maps[frame, OFFSET, y, x] = place - torch.tensor([x, y]) - 0.5
        maps[frame, RADIUS, y, x] = truth.radius[frame, column] / RADIUS_UNIT
    return maps


def test_perfect_maps_give_the_scenes_objects_back() -> None:
    scenes = [clip.scene for clip in clips(12)]
    found = objects_of(perfect_maps(Truth.of(scenes, n_frames=3).flat()), threshold=0.5)
    for number, objects in enumerate(found):
        scene, time = scenes[number // 3], number % 3 / 2
        expected = [
            (item.shape, item.colour_at(time), *scene.position(index, time), item.radius)
            for index, item in enumerate(scene.objects)
            if item.visible(time)
        ]
        shown = [(item.shape, item.colour, item.x, item.y, item.radius) for item in objects]
        for one, other in zip(sorted(shown), sorted(expected), strict=True):
            assert one[:2] == other[:2]
            assert one[2:] == pytest.approx(other[2:], abs=1e-5)


def test_perfect_maps_have_hardly_any_loss_and_agree() -> None:
    truth = Truth.of([clip.scene for clip in clips(12)], n_frames=3).flat()
    backdrop = torch.full((len(truth.form), 3, PLACES, PLACES), 127, dtype=torch.uint8)
    loss, parts = decoding_loss(perfect_maps(truth), truth, backdrop)
    assert float(loss) < 0.02
    assert set(parts) == {"centre", "form", "colour", "offset", "radius", "backdrop"}
    found = agreement(perfect_maps(truth), truth)
    assert (found.form, found.colour, found.count[0.5]) == (1, 1, 1)


def test_frames_without_objects_have_a_finite_loss() -> None:
    truth = Truth.of([clip.scene for clip in clips(1)], n_frames=2).flat()
    truth.form[:] = -1
    maps = torch.zeros(2, N_CHANNELS, PLACES, PLACES)
    loss, _ = decoding_loss(maps, truth, torch.zeros(2, 3, PLACES, PLACES, dtype=torch.uint8))
    assert bool(loss.isfinite())
    assert agreement(maps, truth).form == 0


def test_each_mistake_costs_where_it_belongs() -> None:
    truth = Truth.of([clip.scene for clip in clips(8)], n_frames=2).flat()
    backdrop = torch.full((len(truth.form), 3, PLACES, PLACES), 127, dtype=torch.uint8)
    right = decoding_loss(perfect_maps(truth), truth, backdrop)[1]
    for name, channels in {"form": FORM, "colour": COLOUR, "radius": RADIUS, "backdrop": BACKDROP}.items():
        maps = perfect_maps(truth)
        maps[:, channels] = maps[:, channels].roll(1, dims=1) + 1.0
        wrong = decoding_loss(maps, truth, backdrop)[1]
        changed = {part for part in wrong if wrong[part] > right[part] + 1e-3}
        assert changed == {name}


def test_perfect_maps_are_drawn_as_the_renderer_draws_the_scene() -> None:
    """Before a grey backdrop and with unturned shapes, as decoders draw, pixels are the renderer's."""
    for clip in clips(6, n_frames=2):
        drawn = draw(perfect_maps(Truth.of([clip.scene], n_frames=2).flat()), side=64, threshold=0.5)
        expected = np.full((2, 3, 64, 64), 128, dtype=np.uint8)
        unturned = tuple(replace(item, angle=0.0) for item in clip.scene.objects)
        paint_shapes(expected, replace(clip.scene, objects=unturned))
        # A map's zero is level 127.5; places pass through single precision.
        assert float((drawn.int() - torch.from_numpy(expected).int()).abs().amax(dim=1).max()) <= 2


def test_heat_is_one_at_centres_and_less_around() -> None:
    truth = Truth.of([clip.scene for clip in clips(4)], n_frames=2).flat()
    heat = centre_heat(truth)
    assert torch.equal((heat == 1).flatten(1).sum(1), truth.n_objects())
    # One place aside exp(-1 / (2 * 0.8^2)) = 0.4578.
    assert float(heat[heat < 1].max()) == pytest.approx(0.4578, abs=1e-4)


def covered(clip: SceneClip) -> torch.Tensor:
    """Where a clip shows shapes, bool `(T, H, W)`: what is drawn differs from black or from white."""
    found = torch.zeros(clip.n_frames, clip.size, clip.size, dtype=torch.bool)
    for level in (0, 255):
        frames = np.full((clip.n_frames, 3, clip.size, clip.size), level, dtype=np.uint8)
        paint_shapes(frames, clip.scene)
        found |= torch.from_numpy((frames != level).any(axis=1))
    return found


def test_varied_clips_show_the_scenes_shapes_before_other_backdrops() -> None:
    changed = 0
    for index in range(20):
        varied, plain = VariedClip(0, "train", index, n_frames=2), SceneClip(0, "train", index, n_frames=2)
        frames, behind = varied.load().frames, torch.from_numpy(varied.backdrop())
        # Away from the shapes the clip is its backdrop; nothing else was drawn.
        assert bool((frames == behind).all(dim=1)[~covered(plain)].all())
        changed += int((behind != torch.from_numpy(true_backdrop(plain))).any())
        assert varied.key != plain.key
    assert 10 <= changed < 20


def test_a_varied_clip_is_the_same_bytes_again() -> None:
    one, other = (VariedClip(3, "train", 7, n_frames=2).load().frames for _ in range(2))
    assert torch.equal(one, other)


def test_truth_is_the_scenes_own() -> None:
    clip = clips(1)[0]
    truth = Truth.of([clip.scene], n_frames=3)
    item = clip.scene.objects[0]
    assert SHAPES[int(truth.form[0, 0, 0])] == item.shape
    assert COLOURS[int(truth.colour[0, 0, 0])] == item.colour
