"""Tokenizers, generators and answerers whose class lives in another Python environment.

`exec:PYTHON@FILE.py:Class[:options]`; the class is called in a worker process there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.environments.client import Client
from vtok_eval.environments.options import read_options
from vtok_eval.environments.spec import parse_exec
from vtok_eval.environments.tokens import received, sent
from vtok_eval.errors import SpecError
from vtok_eval.files.content_hash import content_sha256
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.results.description import Description
from vtok_eval.specs.sources import sources_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ExecSystem:
    """A system whose class lives in another environment; `client` has its worker."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def describe(self) -> Description:
        """What provenance keeps: class, options, the environment's versions, hashes of sources and weights.

        Raises:
            SpecError: what the class's own `describe` gives is not a description.
        """
        spec, made = self.client.spec, self.client.made
        try:
            own = Description.of(made.content["description"])
        except (TypeError, ValueError, AttributeError) as error:
            raise SpecError(f"{spec.name}.describe(): {error}") from error
        facts: dict[str, object] = {
            "class": made.class_name,
            "environment": dict(made.environment),
            "source_sha256": content_sha256(spec.file),
            "sources": sources_of(spec.file).files,
        }
        if made.content["weights_sha256"]:
            facts["state_sha256"] = made.content["weights_sha256"]
        if "encode" in made.methods:
            facts["sampling_rule"] = made.content["sampling_rule"]
        return own | Description(options=made.content["options"], facts=facts)


class ExecTokenizer(ExecSystem):
    """A tokenizer in another environment."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.accepts = _contract(client)

    def encode(self, clips: Clips) -> Tokens:
        """Tokens of each clip, on the clips' device."""
        plain, tensors = self.client.call("encode", tensors={"frames": clips.frames, "fps": clips.fps})
        return received(plain, tensors, clips.frames.device)


class _Decoding(ExecTokenizer):
    def decode(self, tokens: Tokens) -> Clips:
        """Clips of the tokens' frames, on the tokens' device."""
        plain, tensors = sent(tokens)
        _, made = self.client.call("decode", plain, tensors)
        return Clips(**_moved(made, tokens.values.device))


class _Counting(ExecTokenizer):
    def token_count(self, n_frames: int) -> int:
        """Tokens of a clip of `n_frames` frames."""
        count, _ = self.client.call("token_count", {"n_frames": n_frames})
        return int(count)


class ExecGenerator(ExecSystem):
    """A generator in another environment."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> Clips:
        """One clip for each prompt and seed."""
        plain = {"prompts": list(prompts), "seeds": [int(seed) for seed in seeds]}
        _, made = self.client.call("generate", plain)
        return Clips(**made)


class ExecAnswerer(ExecSystem):
    """An answerer in another environment."""

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """The answer's text, or one score per option."""
        plain = {"question": question, "options": list(options), "fps": None if clip is None else clip.fps}
        answer, _ = self.client.call("answer", plain, {} if clip is None else {"frames": clip.frames})
        return answer if isinstance(answer, str) else tuple(float(score) for score in answer)


def exec_tokenizer(spec: str, device: torch.device, run_folder: Path | None = None) -> ExecTokenizer:
    """Start the worker of a tokenizer, `exec:PYTHON@FILE.py:Class[:options]`.

    It has `decode` and `token_count` where the class does.

    Raises:
        SpecError, UnknownNameError: the spec, the file, the class or an option is wrong.
        MissingDependencyError: the environment lacks numpy.
        WorkerError: the worker died, or was silent for too long.
    """
    client = _client(spec, "encode", device, run_folder)
    return _class_for(tuple(name in client.made.methods for name in ("decode", "token_count")))(client)


def exec_generator(spec: str, device: torch.device, run_folder: Path | None = None) -> ExecGenerator:
    """Start the worker of a generator.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError, WorkerError: as `exec_tokenizer`.
    """
    return ExecGenerator(_client(spec, "generate", device, run_folder))


def exec_answerer(spec: str, device: torch.device, run_folder: Path | None = None) -> ExecAnswerer:
    """Start the worker of an answerer.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError, WorkerError: as `exec_tokenizer`.
    """
    return ExecAnswerer(_client(spec, "answer", device, run_folder))


_WANTED = {
    "encode": "tokenizer; it needs a method encode(clips) -> Tokens",
    "generate": "generator; it needs a method generate(prompts, seeds) -> Clips",
    "answer": "answerer; it needs a method answer(clip, question, options)",
}


def _client(text: str, method: str, device: torch.device, run_folder: Path | None) -> Client:
    spec = parse_exec(text)
    client = Client(
        spec,
        method=method,
        device=device,
        bind=lambda parameters: read_options(spec, parameters),
        run_folder=run_folder,
    )
    if method not in client.made.methods:
        client.release()
        raise SpecError(f"{spec.text}: {spec.class_name} is not a {_WANTED[method]}")
    return client


@cache
def _class_for(capabilities: tuple[bool, ...]) -> type[ExecTokenizer]:
    """A class with only the methods that the tokenizer has, since these show what it can do."""
    bases = [base for base, able in zip((_Decoding, _Counting), capabilities, strict=True) if able]
    return type("ExecTokenizer", tuple(bases) or (ExecTokenizer,), {})


def _contract(client: Client) -> Accepts | None:
    contract = client.made.content["accepts"]
    if contract is None:
        return None
    if isinstance(contract.get("size"), list):
        contract = {**contract, "size": tuple(contract["size"])}
    try:
        return Accepts(**contract)
    except TypeError as error:
        raise SpecError(f"{client.spec.name}.accepts: {error}") from error


def _moved(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Any]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}
