"""What a method of the user's class returned, as plain values and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stand_ins import PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .messages import Content


def _tokens(result: Any) -> tuple[Content, dict[str, Any]]:
    if not all(hasattr(result, name) for name in PER_TOKEN):
        raise TypeError(f"encode must give Tokens, not {_named(result)}")
    shape, coded = getattr(result, "latent_shape", None), getattr(result, "coded", None)
    plain: dict[str, Any] = {"latent_shape": None if shape is None else [int(side) for side in shape]}
    tensors = {name: getattr(result, name) for name in PER_TOKEN}
    if coded is not None:
        # The harness gives codes their vectors.
        del tensors["values"]
        plain["sizes"] = [int(size) for size in coded.sizes]
        tensors["indices"] = coded.indices
        tensors.update({f"embedding.{number}": table for number, table in enumerate(coded.embedding)})
    return {"plain": plain}, tensors


def _clips(made_by: str, result: Any) -> tuple[Content, dict[str, Any]]:
    if not (hasattr(result, "frames") and hasattr(result, "fps")):
        raise TypeError(f"{made_by} must give Clips, not {_named(result)}")
    return {}, {"frames": result.frames, "fps": result.fps}


def _answer(result: Any) -> tuple[Content, dict[str, Any]]:
    return {"plain": result if isinstance(result, str) else [float(score) for score in result]}, {}


RESULTS: Mapping[str, Callable[[Any], tuple[Content, dict[str, Any]]]] = {
    "encode": _tokens,
    "decode": lambda result: _clips("decode", result),
    "generate": lambda result: _clips("generate", result),
    "answer": _answer,
    "token_count": lambda result: ({"plain": int(result)}, {}),
}


def _named(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} {tuple(shape)}"
