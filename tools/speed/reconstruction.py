"""Time of all default metrics of a clip against the libraries' own calls, and memory for a long video.

python tools/speed/reconstruction.py [--frames 17] [--side 256] [--repeats 5] [--long]

Prints the medians of alternating repeats and their ratio; the bar is 1.5. --long reconstructs a 1080p video
of 10 seconds in pieces and prints the process's peak memory. Measure on a quiet machine.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.reconstruction.comparing import compare_clip
from benchmarks.reconstruction.data.video_part import VideoPart
from benchmarks.reconstruction.evaluator import ReconstructionEvaluator
from benchmarks.reconstruction.loading import choose, load_measures
from benchmarks.reconstruction.protocols import named_protocol
from benchmarks.reconstruction.round_trip import OwnRoundTrip, Returned
from vtok_eval import Accepts, Clips, Tokens
from vtok_eval.data import Clip, ClipForm
from vtok_eval.inputs.fitted import fitted
from vtok_eval.systems import DecodingTokenizer
from vtok_eval.video.encode import encode

CPU = torch.device("cpu")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        if options.long:
            _say_memory()
        else:
            _say_times(options.frames, options.side, options.repeats)


def _say_times(n_frames: int, side: int, repeats: int) -> None:
    original, decoded = _pair(n_frames, side)
    protocol = named_protocol("default")
    chosen = choose(protocol, "all", lpips=None)
    measures = load_measures(chosen, protocol, device=CPU)
    form = ClipForm(n_frames, side, side, 25.0)

    def ours() -> None:
        piece = Returned(original, (decoded,), tokens=1, bits=1.0, seconds=None)
        compare_clip([piece], form, measures, training_seeds=0)

    libraries = [_library_call(name, original, decoded, measures) for name in measures]

    def theirs() -> None:
        for call in libraries:
            call()

    ours()  # the first calls load what is loaded late
    theirs()
    own, other = [], []
    for _ in range(repeats):
        own.append(_seconds(ours))
        other.append(_seconds(theirs))
    a, b = statistics.median(own), statistics.median(other)
    _say(f"metrics: {', '.join(measures)}")
    times = f"ours {a:.3f} s, the libraries' calls {b:.3f} s, ratio {a / b:.2f}"
    _say(f"{n_frames} frames of {side} x {side}: {times}")


def _library_call(name: str, original: Tensor, decoded: Tensor, measures: object) -> Callable[[], object]:
    """What a user would call for one metric of a whole clip."""
    from torchmetrics.functional import image

    first, second = original.float(), decoded.float()
    match name:
        case "psnr":
            return lambda: image.peak_signal_noise_ratio(
                second, first, data_range=255.0, dim=(1, 2, 3), reduction="none"
            )
        case "ssim":
            return lambda: image.structural_similarity_index_measure(second, first, data_range=255.0)
        case "ms_ssim":
            return lambda: image.multiscale_structural_similarity_index_measure(
                second, first, data_range=255.0
            )
        case "changes":
            return lambda: ((second[1:] - second[:-1]) - (first[1:] - first[:-1])).abs().mean()
    # Where the library is called through a wrapper of ours (a process, a network), the call itself.
    one = measures[name]  # type: ignore[index]

    def wrapped() -> object:
        form = ClipForm(len(original), int(original.shape[2]), int(original.shape[3]), 25.0)
        run = one.begin(form)
        try:
            run.add(original, decoded)
            return run.finish()
        finally:
            run.close()

    return wrapped


class _Windows:
    """Gives back what it is given, 17 frames at a time."""

    accepts = Accepts(frames=17, most=17)

    def encode(self, clips: Clips) -> Tokens:
        """Every value as a token of half precision."""
        values = clips.frames.permute(0, 1, 3, 4, 2).flatten(1, 3).half()
        return Tokens.of(values, latent_shape=(clips.n_frames, *clips.size))

    def decode(self, tokens: Tokens) -> Clips:
        """The clips that were encoded."""
        assert tokens.latent_shape is not None
        frames = tokens.values.unflatten(1, tokens.latent_shape).permute(0, 1, 4, 2, 3).to(torch.uint8)
        return Clips(frames, torch.full((len(frames),), 30.0, dtype=torch.float64))


def _say_memory() -> None:
    protocol = named_protocol("default")
    chosen = choose(protocol, "psnr,ssim,difference_error,detail_kept,frechet_transnetv2", lpips=None)
    measures = load_measures(chosen, protocol, device=CPU)
    tokenizer = fitted(_Windows())
    assert isinstance(tokenizer, DecodingTokenizer)
    evaluator = ReconstructionEvaluator(OwnRoundTrip(tokenizer, CPU), measures, {}, CPU)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        frames, _ = _pair(30, 1080, width=1920)
        encode(Clip(frames.repeat(10, 1, 1, 1), 30.0), path)
        del frames
        before = _peak_mib()
        seconds = _seconds(lambda: evaluator._streamed(VideoPart(path)))
    _say(f"300 frames of 1920 x 1080: {seconds:.0f} s; peak {_peak_mib():.0f} MiB, {before:.0f} before")


def _pair(n_frames: int, height: int, *, width: int | None = None) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (height, width or height)
    coarse = torch.rand(1, 3, height // 8, (width or height) // 8, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")[0]
    frames = torch.stack([picture.roll(step, dims=2) for step in range(n_frames)])
    original = (frames * 255).round().to(torch.uint8)
    noise = torch.randint(-8, 9, (3, *size), generator=generator)
    return original, (original.short() + noise).clamp(0, 255).to(torch.uint8)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
