"""The runner: every sample comes out once, with its result or with the reason why it has none."""

from dataclasses import dataclass, replace
from threading import Event

import pytest
import torch

from vtok_eval.benchmark import NoResult, Sample
from vtok_eval.data import Clip, ClipForm, Clips
from vtok_eval.devices.deferred import Deferred
from vtok_eval.errors import MissingDependencyError, VideoError
from vtok_eval.run.runners.held import HeldClips, UnreadClips
from vtok_eval.run.runners.loading import BegunClips, load_ahead
from vtok_eval.run.runners.runner import Runner

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Numbered:
    """A clip with its number in every pixel."""

    number: int
    n_frames: int = 2
    broken: bool = False

    @property
    def key(self) -> str:
        return f"numbered/{self.number}/{self.n_frames}"

    def load(self) -> Clip:
        if self.broken:
            raise VideoError(f"clip {self.number} is broken")
        return Clip(torch.full((self.n_frames, 3, 4, 4), self.number, dtype=torch.uint8), fps=4.0)


def samples_of(*clips: Numbered) -> list[Sample]:
    return [Sample(id=str(clip.number), cluster=str(clip.number), clip=clip) for clip in clips]


def numbers(samples, clips):
    return [int(frames.float().mean()) for frames in clips.frames]


def run(samples, function, *, batch_size=4):
    runner = Runner(torch.device("cpu"), batch_size=batch_size)
    return {sample.id: result for sample, result in runner.map(samples, function, description="test")}


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_every_sample_gets_its_own_result_at_every_batch_size(batch_size):
    samples = samples_of(*(Numbered(i, n_frames=1 + i % 3) for i in range(20)))
    assert run(samples, numbers, batch_size=batch_size) == {str(i): i for i in range(20)}


def test_a_batch_holds_clips_of_one_length_and_at_most_batch_size():
    seen = []

    def note(samples, clips):
        seen.append((len(samples), clips.n_frames))
        return [0] * len(samples)

    run(samples_of(*(Numbered(i, n_frames=1 + i % 2) for i in range(10))), note, batch_size=4)
    # Five clips of each length: a full batch of 4 and a rest of 1 for each.
    assert sorted(seen) == [(1, 1), (1, 2), (4, 1), (4, 2)]


def test_a_broken_clip_fails_alone():
    clips = [Numbered(i, broken=i == 3) for i in range(6)]
    results = run(samples_of(*clips), numbers)
    assert results.pop("3") == NoResult("clip 3 is broken")
    assert results == {str(i): i for i in (0, 1, 2, 4, 5)}


def test_a_system_that_raises_on_one_clip_keeps_the_others_of_the_batch():
    def refuse_five(samples, clips):
        if 5 in numbers(samples, clips):
            raise RuntimeError("no fives\nplease")
        return numbers(samples, clips)

    results = run(samples_of(*map(Numbered, range(8))), refuse_five, batch_size=8)
    assert results.pop("5") == NoResult("RuntimeError: no fives please")
    assert results == {str(i): i for i in range(8) if i != 5}


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: no")],
)
def test_the_batch_is_halved_for_good_when_memory_runs_out(error):
    sizes = []

    def at_most_three(samples, clips):
        sizes.append(len(samples))
        if len(samples) > 3:
            raise error
        return numbers(samples, clips)

    assert run(samples_of(*map(Numbered, range(16))), at_most_three, batch_size=8) == {
        str(i): i for i in range(16)
    }
    # 8 fails, 4 fails, then 2 and 2; the other half of the first batch was cut as 4, which fails into
    # 2 and 2; the second eight are cut by 2 from the start.
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2, 2, 2, 2]


def test_a_wrong_number_of_results_is_a_failure_of_each_sample():
    results = run(samples_of(Numbered(0), Numbered(1)), lambda samples, clips: [1, 2, 3])
    assert set(results.values()) == {NoResult("ValueError: gave 3 results for 1 samples")}


def test_a_missing_package_ends_the_run():
    def needs_more(samples, clips):
        raise MissingDependencyError("needs vbench")

    with pytest.raises(MissingDependencyError):
        run(samples_of(Numbered(0)), needs_more)


def test_samples_without_clips_are_batched_too():
    samples = [Sample(id=str(i), cluster=str(i)) for i in range(5)]
    sizes = []

    def note(samples, clips):
        assert clips is None
        sizes.append(len(samples))
        return [sample.id for sample in samples]

    assert run(samples, note, batch_size=2) == {str(i): str(i) for i in range(5)}
    assert sizes == [2, 2, 1]


def test_the_function_runs_under_inference_mode():
    results = run(samples_of(Numbered(0)), lambda samples, clips: [torch.is_inference_mode_enabled()])
    assert results == {"0": True}


def test_no_more_clips_are_loaded_ahead_than_allowed():
    loaded = []

    def load(source):
        loaded.append(source.number)
        return source.load()

    stream = load_ahead(samples_of(*map(Numbered, range(20))), load, threads=2, ahead=3)
    next(stream)
    # The first is out, so at most it and three more can have been asked for.
    assert len(loaded) <= 4
    stream.close()
    assert len(loaded) < 20


def watched(numbers, loaded):
    """Clips that tell when they are loaded, by number."""

    @dataclass(frozen=True)
    class Watched(Numbered):
        def load(self) -> Clip:
            loaded[self.number].set()
            return super().load()

    loaded.update((number, Event()) for number in numbers)
    return samples_of(*map(Watched, numbers))


def test_the_next_passs_clips_are_loaded_while_this_one_computes():
    loaded: dict[int, Event] = {}
    samples = watched(range(6), loaded)
    runner = Runner(torch.device("cpu"), batch_size=2, begun=BegunClips(threads=1))

    def waits_for_the_next(batch, clips):
        assert loaded[5].wait(60)
        return numbers(batch, clips)

    first = runner.map(samples[:2], waits_for_the_next, description="test", then=samples[2:])
    assert [result for _, result in first] == [0, 1]
    for event in loaded.values():
        event.clear()
    second = runner.map(samples[2:], numbers, description="test")
    assert [result for _, result in second] == [2, 3, 4, 5]
    assert not any(event.is_set() for event in loaded.values())


def test_clips_that_were_loaded_for_a_pass_that_does_not_come_are_dropped():
    loaded: dict[int, Event] = {}
    samples = watched(range(4), loaded)
    begun = BegunClips(threads=1)
    runner = Runner(torch.device("cpu"), batch_size=2, begun=begun)
    list(runner.map(samples[:2], numbers, description="test", then=samples[2:]))
    assert len(begun) == 2
    # Another benchmark's samples may have the same ids.
    others = [replace(sample, clip=Numbered(7)) for sample in samples[2:]]
    assert [result for _, result in runner.map(others, numbers, description="test")] == [7, 7]
    list(runner.map(samples[:2], numbers, description="test", then=samples[2:]))
    list(runner.map(samples[:1], numbers, description="test"))
    assert len(begun) == 0


def test_no_more_clips_are_loaded_for_the_next_pass_than_there_is_room_for():
    begun = BegunClips(threads=1)
    samples = samples_of(*map(Numbered, range(20)))
    stream = load_ahead(samples[:2], Runner(CPU).load, threads=1, ahead=3, then=samples[2:], begun=begun)
    next(stream)
    # The other of the two is loaded, and one for the next pass; the one that was given leaves room later.
    assert len(begun) == 1
    next(stream)
    assert len(begun) == 2
    assert list(stream) == []
    assert len(begun) == 3


def test_a_broken_clip_that_was_loaded_for_the_next_pass_fails_there():
    samples = samples_of(Numbered(0), Numbered(1, broken=True), Numbered(2))
    runner = Runner(CPU, batch_size=2, begun=BegunClips(threads=1))
    assert len(list(runner.map(samples[:1], numbers, description="test", then=samples[1:]))) == 1
    found = {sample.id: result for sample, result in runner.map(samples[1:], numbers, description="test")}
    assert found == {"1": NoResult("clip 1 is broken"), "2": 2}


def test_a_defect_in_loading_is_not_swallowed():
    def load(source):
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        list(load_ahead(samples_of(Numbered(0)), load, threads=1, ahead=1))


def test_a_clip_is_loaded_once_for_all_its_samples_and_every_pass():
    from vtok_eval.video.clip_cache import ClipCache

    loaded = []

    @dataclass(frozen=True)
    class Counted(Numbered):
        def load(self) -> Clip:
            loaded.append(self.number)
            return super().load()

    samples = [Sample(f"{i}-{k}", str(i), Counted(i)) for i in range(4) for k in range(3)]
    runner = Runner(torch.device("cpu"), batch_size=2, clip_cache=ClipCache(2**20))
    for _ in range(2):
        assert len(list(runner.map(samples, numbers, description="test"))) == 12
    assert sorted(loaded) == [0, 1, 2, 3]


@dataclass(frozen=True)
class Recipe(Numbered):
    """A clip whose form is known before it is made."""

    def form_if_stored(self) -> ClipForm | None:
        return ClipForm(self.n_frames, 4, 4, 4.0) if self.number % 2 else None


def test_clips_that_need_not_be_looked_at_are_not_loaded_unless_somebody_looks():
    loaded, unloaded = [], []

    class Noted(Runner):
        def load(self, source):
            loaded.append(source.number)
            return super().load(source)

    samples = samples_of(*(Recipe(i, n_frames=1 + i % 3, broken=i == 7) for i in range(12)))
    runner = Noted(torch.device("cpu"), batch_size=4)

    def run_unread(function):
        pairs = runner.map(samples, function, description="t", unread=lambda source: source.form_if_stored())
        return {sample.id: result for sample, result in pairs}

    def forms(batch, clips):
        if isinstance(clips, UnreadClips):
            unloaded.extend(sample.clip.number for sample in batch)
        return [(clips.n_frames, clips.size, clips.key_of(row)) for row in range(len(clips))]

    found = run_unread(forms)
    assert found == {str(i): (1 + i % 3, (4, 4), f"numbered/{i}/{1 + i % 3}") for i in range(12)}
    assert sorted(loaded) == [0, 2, 4, 6, 8, 10]
    assert sorted(unloaded) == [1, 3, 5, 7, 9, 11]
    # Who looks gets the pixels; the broken one fails by itself and says why.
    looked = run_unread(numbers)
    assert looked.pop("7") == NoResult("clip 7 is broken")
    assert looked == {str(i): i for i in range(12) if i != 7}


def test_a_clip_made_of_anothers_frames_has_no_key():
    clip = Runner(torch.device("cpu")).load(Numbered(3))
    assert clip.key == "numbered/3/2"
    clips = Clips.stack([clip, clip])
    assert clips.keys == ("numbered/3/2",) * 2
    assert clips.part(0, 1).key_of(0) == clips.to(torch.device("cpu")).key_of(1) == "numbered/3/2"
    assert replace(clip, frames=clip.frames + 1).key is None
    assert replace(clips, frames=clips.frames + 1).keys == ()
    with pytest.raises(ValueError, match="1 keys for 2 clips"):
        clips.with_keys(["one"])


class Device:
    """What a GPU is to the runner: the results of a batch are there only when they are waited for."""

    def __init__(self, function=numbers) -> None:
        self.function = function
        self.did: list[str] = []

    def __call__(self, samples, clips):
        name = "+".join(sample.id for sample in samples)
        self.did.append(f"begin {name}")

        def finish():
            self.did.append(f"wait {name}")
            return self.function(samples, clips)

        return Deferred(finish, ready=lambda: False)


def test_the_next_batch_is_begun_before_the_last_one_is_waited_for():
    device = Device()
    assert run(samples_of(*map(Numbered, range(6))), device, batch_size=2) == {str(i): i for i in range(6)}
    assert device.did == ["begin 0+1", "begin 2+3", "wait 0+1", "begin 4+5", "wait 2+3", "wait 4+5"]


def test_results_that_are_there_are_given_at_once():
    did = []

    def function(samples, clips):
        did.append(samples[0].id)
        return Deferred(lambda: numbers(samples, clips))

    runner = Runner(torch.device("cpu"), batch_size=1)
    found = runner.map(samples_of(*map(Numbered, range(3))), function, description="test")
    assert next(found)[1] == 0
    assert did == ["0"]
    found.close()


def test_what_goes_wrong_on_the_way_is_isolated_and_halved_as_at_once():
    def refuse_five(samples, clips):
        if 5 in numbers(samples, clips):
            raise RuntimeError("no fives")
        if len(samples) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return numbers(samples, clips)

    results = run(samples_of(*map(Numbered, range(12))), Device(refuse_five), batch_size=4)
    assert results.pop("5") == NoResult("RuntimeError: no fives")
    assert results == {str(i): i for i in range(12) if i != 5}


def test_a_deferred_result_of_another_length_fails_its_samples():
    results = run(samples_of(Numbered(0), Numbered(1)), Device(lambda samples, clips: [1, 2, 3]))
    assert set(results.values()) == {NoResult("ValueError: gave 3 results for 1 samples")}


def test_single_frames_are_read_without_stacking_the_clips():
    """As a tokenizer of two frames reads them: nothing else is copied, or sent to a device."""
    clips = HeldClips.holding([Numbered(i, n_frames=5).load() for i in range(3)], torch.device("cpu"))
    pictures = clips.part(1, 3).pictures([(0, 4), (1, 0)])
    assert [int(picture[0, 0, 0]) for picture in pictures] == [1, 2]
    assert (len(clips), clips.n_frames, clips.size, clips.fps_of(2)) == (3, 5, (4, 4), 4.0)
    assert "frames" not in vars(clips)
    assert torch.equal(clips.frames, Clips.stack([Numbered(i, n_frames=5).load() for i in range(3)]).frames)


def test_a_batch_with_other_frames_is_an_ordinary_batch():
    held = HeldClips.holding([Numbered(7).load().with_key("seven")], torch.device("cpu"))
    unread = UnreadClips.of(
        [Numbered(7)], ClipForm(2, 4, 4, 4.0), lambda source: source.load(), held.fps.device
    )
    for clips in (held, unread):
        brighter = replace(clips, frames=clips.frames[:, :1] + 1)
        assert (len(brighter), brighter.n_frames, brighter.size, brighter.keys) == (1, 1, (4, 4), ())
        assert brighter.pictures([(0, 0)])[0].max() == 8
        assert brighter.part(0, 1).to(torch.device("cpu")).fps_of(0) == 4.0
