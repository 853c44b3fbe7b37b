"""Pixels against the truth: determinism, batches, and measurements made on the pixels alone."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from skimage.measure import label as connected_components
from skimage.registration import phase_cross_correlation

from vtok_eval.benchmark import ClipSource
from vtok_eval.errors import MissingDependencyError
from vtok_eval.scenes import photos, render
from vtok_eval.scenes.dataset import SceneClip, SceneSet, labels
from vtok_eval.scenes.drawing import draw_scene
from vtok_eval.scenes.scene import Camera, Motion, Scene, SceneObject

STILL = Camera("still", 0.0)


def pixels(scene: Scene, *, size: int = 64, n_frames: int = 16) -> np.ndarray:
    """`(T, H, W, 3)` as float."""
    return render.render([scene], size=size, n_frames=n_frames)[0].permute(0, 2, 3, 1).numpy().astype(float)


def objects_only(scene: Scene, *, size: int = 64, n_frames: int = 16) -> np.ndarray:
    """Where a scene's shapes are, `(T, H, W)`: what differs from the same backdrop without shapes.

    Two backdrops, a dark and a bright one, since a pixel of a shape may happen to look like what it covers.
    """
    found = np.zeros((n_frames, size, size), dtype=bool)
    for brightness in (-200.0, 200.0):
        shown = replace(scene, camera=STILL, backdrop=replace(scene.backdrop, brightness=brightness))
        empty = replace(shown, objects=(replace(scene.objects[0], appears_at=2.0),), mover=0)
        both = [pixels(each, size=size, n_frames=n_frames) for each in (shown, empty)]
        found |= (both[0] != both[1]).any(axis=-1)
    return found


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import hashlib; from vtok_eval.scenes.dataset import SceneSet; "
        "print(*[hashlib.sha256(c.load().frames.numpy().tobytes()).hexdigest() "
        "for s in ('train', 'test') for c in reversed(SceneSet(5, s, 6).clips())])"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    here = [
        sha256(clip.load().frames.numpy().tobytes()).hexdigest()
        for split in ("train", "test")
        for clip in reversed(SceneSet(5, split, 6).clips())
    ]
    assert found.stdout.split() == here


@pytest.mark.parametrize(("size", "n_frames"), [(64, 16), (49, 5), (32, 2)])
def test_a_batch_equals_its_scenes_one_by_one(size: int, n_frames: int) -> None:
    scenes = [draw_scene(1, "validation", index) for index in range(12)]
    batch = render.render(scenes, size=size, n_frames=n_frames)
    assert batch.shape == (12, n_frames, 3, size, size)
    assert str(batch.dtype) == "torch.uint8"
    for index, scene in enumerate(scenes):
        assert (render.render([scene], size=size, n_frames=n_frames)[0] == batch[index]).all()
    assert (render.render(scenes[::-1], size=size, n_frames=n_frames).flip(0) == batch).all()


def test_the_first_frame_tells_nothing_of_what_happens() -> None:
    """Any motion, event and camera, swapped in from other scenes, leave the first frame's bytes."""
    scenes = [draw_scene(2, "train", index) for index in range(40)]
    for scene, donor in itertools.pairwise(scenes):
        opening = tuple(
            replace(item, disappears_at=None, recoloured_at=None, new_colour=None)
            for item in scene.objects
            if item.appears_at is None
        )
        newcomers = tuple(item for item in donor.objects if item.appears_at is not None)
        swapped = replace(
            scene,
            objects=(*opening, *newcomers),
            mover=len(opening) - 1,
            motion=donor.motion,
            camera=donor.camera,
        )
        assert (render.render([swapped])[0, 0] == render.render([scene])[0, 0]).all()


def test_the_moving_shape_goes_where_the_label_says() -> None:
    """Direction and speed measured as the centroid of what changes against the backdrop, shapes alone."""
    lengths: dict[str, list[float]] = {"slow": [], "medium": [], "fast": []}
    measured = 0
    for index in range(120):
        scene = draw_scene(3, "train", index)
        if scene.motion.path != "straight" or labels(scene)["direction"] is None:
            continue
        lone = replace(scene.objects[scene.mover], disappears_at=None, new_colour=None)
        masks = objects_only(replace(scene, objects=(lone,), mover=0))
        start, end = (np.argwhere(masks[frame]).mean(axis=0) for frame in (0, -1))
        dy, dx = end - start
        names = ["right", "down right", "down", "down left", "left", "up left", "up", "up right"]
        assert names[round(np.degrees(np.arctan2(dy, dx)) / 45) % 8] == labels(scene)["direction"]
        lengths[labels(scene)["speed"]].append(np.hypot(dx, dy) / 64)
        measured += 1
    assert measured > 20
    assert max(lengths["slow"]) < min(lengths["medium"]) < max(lengths["medium"]) < min(lengths["fast"])


def test_paths_as_measured() -> None:
    """Straight ends at its farthest, back and forth near its start; a circle encloses an area."""
    seen = set()
    for index in range(60):
        scene = draw_scene(4, "train", index)
        lone = replace(scene.objects[scene.mover], disappears_at=None, new_colour=None, shape="circle")
        masks = objects_only(replace(scene, objects=(lone,), mover=0))
        way = np.array([np.argwhere(mask).mean(axis=0) for mask in masks])
        far = np.linalg.norm(way - way[0], axis=1)
        spread = np.linalg.svd(way - way.mean(axis=0), compute_uv=False)
        path = (
            "circle"
            if spread[1] > 0.3 * spread[0]
            else "straight"
            if far[-1] > 0.9 * far.max()
            else "back and forth"
        )
        assert path == labels(scene)["path"], scene.name
        seen.add(path)
    assert len(seen) == 3


def test_the_count_is_the_number_of_connected_components() -> None:
    checked = 0
    for index in range(80):
        scene = draw_scene(6, "test", index)
        counts = [
            connected_components(mask, connectivity=2).max() for mask in objects_only(scene, size=128)[:1]
        ]
        assert counts == [sum(item.visible(0.0) for item in scene.objects)], scene.name
        if (truth := labels(scene)["count"]) is not None:
            assert truth == str(counts[0])
            checked += 1
    assert checked > 20


def test_events_change_the_frames_when_they_say() -> None:
    for index in range(80):
        scene = draw_scene(7, "test", index)
        if scene.event == "none":
            continue
        chosen = next(
            i for i, o in enumerate(scene.objects) if o.appears_at or o.disappears_at or o.new_colour
        )
        item = scene.objects[chosen]
        time = item.appears_at or item.disappears_at or item.recoloured_at
        shown = pixels(replace(scene, camera=STILL))
        for frame in (0, 15):
            x, y = (int(64 * value) for value in scene.position(chosen, frame / 15))
            around = shown[frame, y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3)
            there = (frame == 0) == (scene.event != "appears")
            colour = item.new_colour if frame and item.new_colour else item.colour
            distance = np.abs(around - render.RGB[colour]).max(axis=-1).min()
            if item.shape == "ring":
                continue  # its middle shows the backdrop
            if there or scene.event == "changes colour":
                assert distance < 2, scene.name
        half = "first half" if time < 0.5 else "second half"
        assert labels(scene)["event_time"] in (half, None)


@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("pan left", 1, 1), ("pan right", 1, -1), ("tilt up", 0, 1), ("tilt down", 0, -1)],
)
def test_pan_and_tilt_move_the_backdrop_the_other_way(motion: str, axis: int, sign: int) -> None:
    for flip in (False, True):
        scene = _backdrop_scene(Camera(motion, 0.3), flip=flip)
        shown = pixels(scene).mean(axis=-1)
        shift, _, _ = phase_cross_correlation(shown[4], shown[0], upsample_factor=10)
        # 0.3 sides of 64 pixels in 15 steps: 5.12 pixels after 4, by which frame 0 must move to match.
        assert shift[axis] == pytest.approx(sign * 5.12, abs=0.3)
        assert shift[1 - axis] == pytest.approx(0, abs=0.3)


def test_zoom_and_rotation_against_an_independent_warp() -> None:
    """The last frame is the first, warped by scipy, but for the blur of sampling twice."""
    for motion, amount, scale, turn in [
        ("zoom in", 1.3, 1 / 1.3, 0.0),
        ("rotate clockwise", 25.0, 1.0, np.radians(25)),
        ("rotate counter-clockwise", 25.0, 1.0, -np.radians(25)),
    ]:
        for flip in (False, True):
            shown = pixels(_backdrop_scene(Camera(motion, amount), flip=flip)).mean(axis=-1)
            grid = np.mgrid[:64, :64] - 31.5
            sample_x = scale * (np.cos(turn) * grid[1] - np.sin(turn) * grid[0]) + 31.5
            sample_y = scale * (np.sin(turn) * grid[1] + np.cos(turn) * grid[0]) + 31.5
            expected = map_coordinates(shown[0], [sample_y, sample_x], order=1)
            inner = (slice(16, 48), slice(16, 48))
            error = np.abs(expected - shown[-1])[inner].mean()
            assert error < 0.25 * np.abs(shown[0] - shown[-1])[inner].mean()


def test_zoom_out_is_zoom_in_seen_backwards() -> None:
    wide = pixels(_backdrop_scene(Camera("zoom out", 1.4)))[-1].mean(axis=-1)
    near = pixels(_backdrop_scene(STILL))[0].mean(axis=-1)
    grid = (np.mgrid[:64, :64] - 31.5) / 1.4 + 31.5
    error = np.abs(map_coordinates(wide, grid, order=1) - near).mean()
    assert error < 0.5 * np.abs(wide - near).mean()


def _backdrop_scene(camera: Camera, *, flip: bool = False) -> Scene:
    """Chelsea the cat in the middle of her photo, with no shape in sight."""
    scene = draw_scene(0, "test", 0)
    hidden = replace(scene.objects[0], appears_at=2.0)
    backdrop = replace(scene.backdrop, photo="chelsea", across=0.5, down=0.5, view=1.0, flip=flip)
    return replace(scene, objects=(hidden,), mover=0, camera=camera, backdrop=backdrop)


def test_bilinear_sampling_against_scipy() -> None:
    canvas = photos.photo_canvas("chelsea", 48)
    rng = np.random.default_rng(0)
    x = rng.integers(0, (canvas.shape[1] - 1) << 16, size=500)
    y = rng.integers(0, (canvas.shape[0] - 1) << 16, size=500)
    found = render._bilinear(canvas, x, y)
    for channel in range(3):
        plane = (canvas >> np.uint64(16 * channel) & np.uint64(255)).astype(float)
        expected = map_coordinates(plane, [y / 65536, x / 65536], order=1)
        assert np.abs(found[:, channel] - expected).max() < 2.5  # 8-bit weights: up to 255 / 256 and rounding


def test_the_camera_never_leaves_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def check(canvas: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert x.min() >= 0
        assert y.min() >= 0
        assert x.max() >> 16 < canvas.shape[1] - 1
        assert y.max() >> 16 < canvas.shape[0] - 1
        seen.append(1)
        return np.zeros((*x.shape, 3), dtype=np.uint8)

    monkeypatch.setattr(render, "_bilinear", check)
    limits = {"pan": 0.35, "tilt": 0.35, "zoom": 1.4, "rotate": 35.0}
    scene = draw_scene(0, "train", 0)
    for size in (32, 65):
        for motion in ("pan left", "pan right", "tilt up", "tilt down", "zoom out", "rotate clockwise"):
            for across, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
                edge = replace(scene.backdrop, across=across, down=down, view=1.15)
                camera = Camera(motion, limits[motion.split()[0]])
                render.render([replace(scene, backdrop=edge, camera=camera)], size=size, n_frames=2)
    assert seen


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        # In squared radii: pi; (2 * 0.86)^2; pi (1.07^2 - 0.33^2); two bars of 2.1 x 0.8 less the middle;
        # a triangle of inradius 0.62: 3 sqrt(3) 0.62^2; a pentagram of circumradius 1.38: 1.1225699 x 1.38^2.
        ("circle", np.pi),
        ("square", 2.9584),
        ("ring", np.pi * (1.07**2 - 0.33**2)),
        ("cross", 2 * 2.1 * 0.8 - 0.64),
        ("triangle", 3 * np.sqrt(3) * 0.62**2),
        ("star", 1.1225699 * 1.38**2),
    ],
)
@pytest.mark.parametrize("angle", [0.0, 10.0])
def test_anti_aliased_areas(shape: str, area: float, angle: float) -> None:
    item = SceneObject(shape, "red", 0.5, 0.5, 0.12, angle)
    grid = (np.arange(256, dtype=np.float32) + 0.5 - 128.3)[None]
    outer, inner = render._coverage(item, grid, grid, size=256)
    assert outer.sum() / (0.12 * 256) ** 2 == pytest.approx(area, rel=0.02)
    assert 0 < inner.sum() < outer.sum()
    assert ((outer > 0.05) & (outer < 0.95)).any()  # soft edges


def test_stars_and_triangles_point_up() -> None:
    grid = (np.arange(128, dtype=np.float32) + 0.5 - 64)[None]
    for shape in ("star", "triangle"):
        outer, _ = render._coverage(SceneObject(shape, "red", 0.5, 0.5, 0.3, 0.0), grid, grid, size=128)
        columns = np.flatnonzero(outer[0, 0].any(axis=0))
        drawn = np.flatnonzero(outer[0, 0].any(axis=1))
        top, bottom = (np.ptp(np.flatnonzero(outer[0, 0, row])) for row in (drawn[2], drawn[-3]))
        assert top < 0.15 * np.ptp(columns) < 0.5 * np.ptp(columns) < bottom


def test_a_clip_is_a_clip_source() -> None:
    clips = SceneSet(0, "test", 20).clips()
    source: ClipSource = clips[17]
    assert source.key == "scenes-v1/seed=0/test/17/64x16"
    clip = source.load()
    assert clip.frames.shape == (16, 3, 64, 64)
    assert clip.fps == 4.0
    assert replace(clips[17], fps=8.0).key == "scenes-v1/seed=0/test/17/64x16@8"
    assert SceneClip(0, "test", 17).scene == clips[17].scene


def test_fingerprints_tell_sets_apart() -> None:
    sets = [
        SceneSet(0, "test", 5),
        SceneSet(1, "test", 5),
        SceneSet(0, "train", 5),
        SceneSet(0, "test", 6),
        SceneSet(0, "test", 5, size=96),
        SceneSet(0, "test", 5, n_frames=8),
    ]
    assert len({item.fingerprint() for item in sets}) == len(sets)
    assert SceneSet(0, "test", 5).fingerprint() == sets[0].fingerprint()


def test_another_photo_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impostor = tmp_path / "coins.png"
    impostor.write_bytes(b"not the coins")
    monkeypatch.setattr(photos, "photo_file", lambda photo: impostor)
    photos.photo_canvas.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"coins\.png is not the photo"):
        photos.photo_canvas("coins", 64)


def test_motion_offsets_by_hand() -> None:
    out_and_back = Motion("back and forth", "fast", "down", 0.4, 90.0, turns_at=0.5)
    # At half time half the way, 0.2, has gone down; at the end it is back.
    assert out_and_back.offset(0.5) == pytest.approx((0.0, 0.2))
    assert out_and_back.offset(1.0) == pytest.approx((0.0, 0.0))
    circle = Motion("circle", None, None, 2 * np.pi * 0.1, 0.0, turns=1.0)
    # The hub is 0.1 to the right. Clockwise on the screen from its left is up: a quarter is (0.1, -0.1).
    assert circle.offset(0.25) == pytest.approx((0.1, -0.1))
    assert circle.offset(0.5) == pytest.approx((0.2, 0.0))
