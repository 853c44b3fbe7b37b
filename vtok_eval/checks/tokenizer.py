"""Checks a tokenizer against the protocol, promise by promise, on real clips."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vtok_eval.checks.contract_search import find_contract
from vtok_eval.checks.differences import difference_text, form_text, largest_difference, one_clip, shape_text
from vtok_eval.checks.findings import CheckReport, CheckStatus, Finding
from vtok_eval.checks.trial import Trial, attempt, encode
from vtok_eval.codes import describe_sizes
from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.environments.watch import watch_calls
from vtok_eval.inputs.fitted import fitted, unfitted
from vtok_eval.systems import DecodingTokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.systems import Tokenizer

BATCH_TOLERANCE = 1e-3
"""Largest difference between a clip alone and in a batch, as a share of the values' standard deviation."""
HALF_PRECISION_LIMIT = 65504.0


def check_tokenizer(tokenizer: Tokenizer, clips: Sequence[Clip], *, spec: str) -> CheckReport:
    """Check a tokenizer on clips of one length and size, at least two of them.

    Args:
        tokenizer: as its author wrote it, or behind its contract.
        clips: each uint8 `(T, 3, H, W)`.

    Returns:
        The findings; `report.ok` says whether the protocol is kept.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clip = Clip(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), fps=4.0)
        >>> check_tokenizer(Blind(), [clip, clip], spec="blind").ok
        True
    """
    return _Check(fitted(unfitted(tokenizer)), Clips.stack(clips), spec).report()


@dataclass
class _Check:
    tokenizer: Tokenizer
    clips: Clips
    spec: str
    measured: dict[str, float | str] = field(default_factory=dict)

    def report(self) -> CheckReport:
        return CheckReport(self.spec, tuple(self._findings()), self.measured)

    def _findings(self) -> Iterator[Finding]:
        first = encode(self.tokenizer, self._only(0))
        if first.value is None:
            yield self._does_not_encode(first.error)
            return
        yield Finding("encodes a clip", CheckStatus.OK, shape_text(first.value))
        self._measure_tokens(first.value)
        yield self._leaves_its_input()
        yield self._same("gives equal results twice in a row", first.value, self._only(0))
        yield from self._batch(first.value)
        yield self._no_state(first.value)
        yield from self._lengths(first.value)
        yield self._plain_pictures()
        yield self._half_precision(first.value)
        if isinstance(self.tokenizer, DecodingTokenizer):
            yield from self._decoding(self.tokenizer)
        self._measure_seconds()

    def _only(self, index: int) -> Clips:
        return Clips(frames=self.clips.frames[[index]], fps=self.clips.fps[[index]])

    def _does_not_encode(self, error: str) -> Finding:
        contract = find_contract(unfitted(self.tokenizer), self.clips)
        fix = "" if contract is None else f"accepts = vtok_eval.Accepts({contract.text()})"
        n_frames, _, height, width = self.clips.frames.shape[1:]
        return Finding(
            "encodes a clip",
            CheckStatus.BROKEN,
            f"{n_frames} frames of {height} x {width} px: {error}",
            fix or "encode(self, clips) must return Tokens; no other length or size worked either",
        )

    def _leaves_its_input(self) -> Finding:
        name = "leaves its input as it is"
        clips = self._only(0)
        frames = clips.frames.clone()
        attempt(lambda: self.tokenizer.encode(clips))
        if bool((frames == clips.frames).all()):
            return Finding(name, CheckStatus.OK)
        return Finding(
            name,
            CheckStatus.BROKEN,
            "encode changed clips.frames in place",
            "frames = clips.frames.clone()  # or .float(), which copies",
        )

    def _same(self, name: str, before: Tokens, clips: Clips, *, fix: str = "") -> Finding:
        again = encode(self.tokenizer, clips)
        if again.value is None:
            return Finding(name, CheckStatus.BROKEN, again.error, fix)
        difference = largest_difference(before, again.value)
        if difference == 0:
            return Finding(name, CheckStatus.OK)
        return Finding(
            name,
            CheckStatus.BROKEN,
            difference_text(before, difference),
            fix or "self.model.eval()  # no dropout; seed any noise from a fixed generator",
        )

    def _batch(self, first: Tokens) -> Iterator[Finding]:
        name = "gives a clip equal tokens alone and in a batch"
        batch = encode(self.tokenizer, self.clips)
        if batch.value is None:
            yield Finding(
                name, CheckStatus.BROKEN, batch.error, "encode must take any number of clips, (B, T, 3, H, W)"
            )
            return
        difference = largest_difference(first, one_clip(batch.value, 0, first.values.shape[1]))
        detail = difference_text(first, difference) if difference else ""
        if difference > BATCH_TOLERANCE:
            fix = "compute nothing over the batch dimension (no batch statistics, no sorting across clips)"
            yield Finding(name, CheckStatus.BROKEN, detail, fix)
        else:
            yield Finding(name, CheckStatus.NOTE if difference else CheckStatus.OK, detail)

    def _no_state(self, first: Tokens) -> Finding:
        """Other clips, and a clip that fails, must not change what the next call gives."""
        shorter = Clips(frames=self.clips.frames[[-1], :1], fps=self.clips.fps[[-1]])
        broken = Clips(frames=self.clips.frames[[0], :1, :, :1, :1], fps=self.clips.fps[[0]])
        encode(self.tokenizer, shorter)
        encode(unfitted(self.tokenizer), broken)
        return self._same(
            "keeps no state between calls, nor after a failed one",
            first,
            self._only(0),
            fix="clear what encode stores on self before each call (a causal VAE's feature cache, say)",
        )

    def _lengths(self, first: Tokens) -> Iterator[Finding]:
        name = "takes odd and even lengths"
        n_frames = self.clips.n_frames
        lengths = sorted({1, 2, 3, n_frames - 1, n_frames} - {0})
        failed: dict[int, str] = {}
        forms: dict[int, str] = {}
        for length in lengths:
            part = Clips(frames=self.clips.frames[[0], :length], fps=self.clips.fps[[0]])
            trial = encode(self.tokenizer, part)
            if trial.value is None:
                failed[length] = trial.error
            else:
                forms[length] = form_text(trial.value)
        yield _one_form(forms, expected=form_text(first))
        if not failed:
            yield Finding(name, CheckStatus.OK, ", ".join(map(str, lengths)) + " frames")
            return
        contract = find_contract(unfitted(self.tokenizer), self.clips)
        length, error = next(iter(failed.items()))
        yield Finding(
            name,
            CheckStatus.BROKEN,
            f"{', '.join(map(str, failed))} of {', '.join(map(str, lengths))} frames fail; {length}: {error}",
            f"accepts = vtok_eval.Accepts({contract.text()})" if contract else "",
        )

    def _plain_pictures(self) -> Finding:
        import torch

        name = "gives finite values for black, white and noise"
        shape = self._only(0).frames.shape
        generator = torch.Generator(device="cpu").manual_seed(0)
        noise = torch.randint(0, 256, tuple(shape), dtype=torch.uint8, generator=generator, device="cpu")
        pictures = {
            "black": torch.zeros(shape, dtype=torch.uint8, device="cpu"),
            "white": torch.full(shape, 255, dtype=torch.uint8, device="cpu"),
            "noise": noise,
        }
        for what, frames in pictures.items():
            clips = Clips(frames=frames.to(self.clips.frames.device), fps=self.clips.fps[:1])
            trial = encode(self.tokenizer, clips)
            if trial.value is None:
                fix = "add a small constant where a constant picture is divided by its deviation"
                return Finding(name, CheckStatus.BROKEN, f"{what}: {trial.error}", fix)
        return Finding(name, CheckStatus.OK)

    def _half_precision(self, tokens: Tokens) -> Finding:
        name = "has values that half precision holds"
        largest = float(tokens.values[tokens.mask].abs().max()) if bool(tokens.mask.any()) else 0.0
        if largest <= HALF_PRECISION_LIMIT:
            return Finding(name, CheckStatus.OK, f"largest magnitude {largest:.3g}")
        return Finding(
            name,
            CheckStatus.BROKEN,
            f"largest magnitude {largest:.3g}, above {HALF_PRECISION_LIMIT:g}",
            "divide the values by a constant (for a VAE, its scaling factor)",
        )

    def _decoding(self, tokenizer: DecodingTokenizer) -> Iterator[Finding]:
        name = "decodes to clips of the same length and size"
        psnr = []
        for index in range(len(self.clips)):
            given = self._only(index)
            decoded = _decode(tokenizer, given)
            if decoded.value is None:
                yield Finding(
                    name, CheckStatus.BROKEN, decoded.error, "decode(self, tokens) must return Clips"
                )
                return
            problem = _decoded_problem(decoded.value, given)
            if problem is not None:
                contract = find_contract(unfitted(tokenizer), self.clips)
                fix = f"accepts = vtok_eval.Accepts({contract.text()})" if contract else ""
                yield Finding(name, CheckStatus.BROKEN, problem[0], problem[1] or fix)
                return
            psnr.append(_psnr(given.frames, decoded.value.frames))
        yield Finding(name, CheckStatus.OK)
        self.measured["reconstruction PSNR, dB"] = ", ".join(f"{value:.2f}" for value in psnr)

    def _measure_tokens(self, tokens: Tokens) -> None:
        self.measured["tokens per clip"] = float(tokens.count()[0])
        self.measured["bits per clip"] = float(tokens.bits()[0])
        if tokens.coded is not None:
            self.measured["code book"] = describe_sizes(tokens.coded.sizes)
            self.measured["bits per token"] = tokens.bits_per_token
            self.measured["codes read through"] = (
                f"the tokenizer's embedding, {tokens.values.shape[2]} channels"
                if tokens.coded.embedding
                else "vectors that a probe learns"
            )
            return
        self.measured["width"] = float(tokens.values.shape[2])
        self.measured["precision"] = str(tokens.values.dtype).removeprefix("torch.")

    def _measure_seconds(self) -> None:
        seconds = []
        for _ in range(3):
            with watch_calls() as elsewhere:
                started = time.perf_counter()
                encode(self.tokenizer, self._only(0))
                seconds.append(time.perf_counter() - started - elsewhere.moving_s)
        self.measured["encode, seconds per clip"] = statistics.median(seconds)


def _decode(tokenizer: DecodingTokenizer, clips: Clips) -> Trial[Clips]:
    return attempt(lambda: tokenizer.decode(tokenizer.encode(clips)))


def _decoded_problem(decoded: Clips, given: Clips) -> tuple[str, str] | None:
    """What is wrong with decoded clips, and the line that fixes it; None if nothing is."""
    frames = getattr(decoded, "frames", None)
    if frames is None or getattr(decoded, "fps", None) is None:
        return f"decode gave {type(decoded).__name__}", "return Clips(frames=frames, fps=clips_fps)"
    if str(frames.dtype) != "torch.uint8":
        fix = "frames = ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)  # of [-1, 1]"
        return f"decode gave frames of {frames.dtype}, not torch.uint8", fix
    if tuple(frames.shape) != tuple(given.frames.shape):
        return f"decode gave {tuple(frames.shape)} of {tuple(given.frames.shape)}", ""
    return None


def _psnr(given: Tensor, decoded: Tensor) -> float:
    """In dB, over all pixels of the clip; infinite for equal clips."""
    from skimage.metrics import peak_signal_noise_ratio

    if bool((given == decoded).all()):
        return float("inf")
    return float(peak_signal_noise_ratio(given.cpu().numpy(), decoded.cpu().numpy(), data_range=255))


def _one_form(forms: Mapping[int, str], *, expected: str) -> Finding:
    """forms: by frames of the clip."""
    name = "gives every clip tokens of one width, or codes of the same code books"
    other = next(((length, form) for length, form in forms.items() if form != expected), None)
    if other is None:
        return Finding(name, CheckStatus.OK, expected)
    return Finding(
        name,
        CheckStatus.BROKEN,
        f"{other[1]} for a clip of {other[0]} frames, {expected} for the first",
        "use one latent width, and all quantisers with one codebook_size each, whatever the clip",
    )
