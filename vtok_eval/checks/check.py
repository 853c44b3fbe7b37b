"""Checks the tokenizer that a spec names, or an object, on the shipped clips."""

from __future__ import annotations

from vtok_eval.checks.clips import shipped_clips_of
from vtok_eval.checks.findings import CheckReport
from vtok_eval.checks.tokenizer import check_tokenizer
from vtok_eval.errors import SpecError
from vtok_eval.systems import Tokenizer


def check(
    tokenizer: str | Tokenizer, *, n_frames: int = 16, size: int = 64, device: str = "auto"
) -> CheckReport:
    """Check a tokenizer against the protocol on three real clips, as `vtok-eval check` does.

    Args:
        tokenizer: a spec such as `my_file.py:Mine`, or an object with `encode`.
        n_frames: frames of the clips.
        size: their height and width in pixels.
        device: "cpu", "cuda", "cuda:N" or "auto"; where the clips are, and what a spec is built on.

    Returns:
        The findings; `report.ok` says whether the protocol is kept, and the report prints as text.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: the spec or the object cannot be checked.

    Example:
        >>> import vtok_eval
        >>> vtok_eval.check("blind", device="cpu").ok
        True
    """
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

    chosen = choose_device(device)
    clips = shipped_clips_of(n_frames=n_frames, size=size, device=chosen)
    if isinstance(tokenizer, str):
        built = build_tokenizer(tokenizer, BuildContext(device=chosen))
        return check_tokenizer(built, clips, spec=tokenizer)
    name = (tokenizer if isinstance(tokenizer, type) else type(tokenizer)).__qualname__
    if isinstance(tokenizer, type) or not isinstance(tokenizer, Tokenizer):
        raise SpecError(f"{name} is not a tokenizer; check needs an object with encode(clips) -> Tokens")
    return check_tokenizer(tokenizer, clips, spec=name)
