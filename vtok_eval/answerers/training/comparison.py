"""Readers of several tokenizers, trained alike: clips encoded once, then a reader for each seed."""

from __future__ import annotations

import gc
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.language_models.checkpoint_folder import describe_checkpoint, load_language_model
from vtok_eval.answerers.language_models.generation import end_ids
from vtok_eval.answerers.language_models.text_prompt import Template
from vtok_eval.answerers.training.data.loaded import LoadedReaderData, problem_lines
from vtok_eval.answerers.training.encoding import ConversationEncoder
from vtok_eval.answerers.training.recipe import ReaderRecipe
from vtok_eval.answerers.training.saved.checkpoint import is_checkpoint, read_checkpoint, save_checkpoint
from vtok_eval.answerers.training.saved.schema import BaseModel
from vtok_eval.answerers.training.steps.processes import is_main_process, rank, wait_for_all, world_size
from vtok_eval.answerers.training.steps.stage_run import Shown
from vtok_eval.answerers.training.tokens.source import identity_sha256, tokenizer_identity
from vtok_eval.answerers.training.tokens.table import FilledTable, StoredTokens, TokenTable, fill_table
from vtok_eval.answerers.training.train import train_reader
from vtok_eval.errors import RunFolderError
from vtok_eval.files.atomic import write_bytes

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import ClipRunner
    from vtok_eval.systems import Tokenizer

# Any: transformers' models and tokenizers, which have no types.

PROBLEMS = "problems.txt"
_MOST_LISTED = 20
"""Conversations that were left out, so many of which are in a reader's card."""


@dataclass(frozen=True)
class ReadTokenizer:
    """A tokenizer whose readers are trained. names: the systems that its spec matches by name.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> ReadTokenizer("my blind", "blind", Blind()).folder_name
        'my-blind'
    """

    name: str
    spec: str
    tokenizer: Tokenizer
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder_name(self) -> str:
        """The name as a folder's."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.name).strip("-.") or "reader"


@dataclass(frozen=True)
class ReaderComparison:
    """Trains readers that differ in their tokenizer and their seed alone.

    model: the language model's folder, or its name on the hub; model_folder: where that is.
    tokens: the folder of the token tables. out: `NAME/seed-N` is written there for each reader.
    say: told what is done, a line at a time.
    """

    model: str
    model_folder: Path
    data: LoadedReaderData
    recipe: ReaderRecipe
    out: Path
    tokens: Path
    device: torch.device
    template: Template = "chat"
    say: Callable[[str], object] = print

    def encode(self, systems: Sequence[ReadTokenizer], runner: ClipRunner) -> EncodedData:
        """The clips' tokens for each tokenizer, encoded where they are not in the tables yet.

        A clip that one of the tokenizers has no tokens of is left out for all, so that all see the same data.
        Processes that train together encode a part each.

        Raises:
            TokenizerError: a tokenizer fails on every clip.
            RunFolderError: the tables cannot be written.
        """
        self.data.prepare()
        samples = self.data.samples()
        filled: dict[str, FilledTable] = {}
        for system in systems:
            table = self._table(system)
            if world_size() > 1:
                fill_table(table, system.tokenizer, part_of(samples), runner, description=system.name)
                wait_for_all(self.device)
            filled[system.name] = fill_table(
                table, system.tokenizer, samples, runner, description=system.name
            )
            table.close()
            self.say(
                f"{system.name}: tokens of {len(filled[system.name].keys):,} clips, of which "
                f"{filled[system.name].encoded:,} were encoded now"
            )
        failed: dict[str, str] = {}
        for name, table_of in filled.items():
            failed |= {clip: f"{name}: {reason}" for clip, reason in table_of.failures.items()}
        data = self.data.without(failed)
        if is_main_process():
            self.out.mkdir(parents=True, exist_ok=True)
            lines = "".join(f"{line}\n" for line in problem_lines(data.problems))
            write_bytes(self.out / PROBLEMS, lines.encode())
        sources = {system.name: self._table(system).view(filled[system.name].keys) for system in systems}
        return EncodedData(data, sources)

    def train(
        self, system: ReadTokenizer, encoded: EncodedData, *, seed: int, shown: Shown | None = None
    ) -> Path:
        """The folder of a trained reader; one that is there already is left as it is.

        Raises:
            RunFolderError: there is a reader of another training under this name.
            DataError, SpecError, MissingDependencyError: as `train_reader`.
        """
        folder = self.out / system.folder_name / f"seed-{seed}"
        if is_checkpoint(folder):
            self._check_same(folder, system, encoded)
            self.say(f"{folder} is there")
            return folder
        dtype = "bfloat16" if self._loads_half else "float32"
        model, text_tokenizer = load_language_model(self.model_folder, dtype, _cpu())
        trained = train_reader(
            language_model=model,
            text_tokenizer=text_tokenizer,
            tokenizer=system.tokenizer,
            tokens=encoded.sources[system.name],
            data=encoded.data.data,
            recipe=self.recipe,
            seed=seed,
            template=self.template,
            device=self.device,
            folder=self.out / "unfinished" / system.folder_name / f"seed-{seed}",
            logs=self.out / "logs" / system.folder_name / f"seed-{seed}",
            encoder=encoded.encoder(text_tokenizer, self.template, end_ids(model, text_tokenizer)),
            shown=shown,
        )
        if is_main_process():
            left_out = dict(list(trained.left_out.items())[:_MOST_LISTED])
            card = {"conversations left out": len(trained.left_out), "left_out": left_out}
            card |= {"compared with the clips under test of": list(encoded.data.tested) or "no benchmark"}
            save_checkpoint(
                trained, folder, spec=system.spec, base=self._base(), card=card, names=system.names
            )
            self._forget(system, seed)
        wait_for_all(self.device)
        del trained, model
        gc.collect()
        return folder

    @property
    def _loads_half(self) -> bool:
        """Whether the language model is held in bfloat16: where it is frozen but for adapters."""
        return self.recipe.precision == "bf16" and all(s.trains != "all" for s in self.recipe.stages)

    def _base(self) -> BaseModel:
        description = describe_checkpoint(self.model, self.model_folder)
        snapshot = description.get("snapshot")
        return BaseModel(
            model=str(Path(self.model).absolute()) if Path(self.model).is_dir() else self.model,
            weights_sha256=str(description["weights_sha256"]),
            revision=None if snapshot is None else str(snapshot),
        )

    def _table(self, system: ReadTokenizer) -> TokenTable:
        digest = identity_sha256(tokenizer_identity(system.tokenizer))
        return TokenTable(self.tokens / digest[:16], tokenizer=digest)

    def _check_same(self, folder: Path, system: ReadTokenizer, encoded: EncodedData) -> None:
        kept = read_checkpoint(folder)
        now = {
            "tokenizer": identity_sha256(tokenizer_identity(system.tokenizer)),
            "data": encoded.data.data.sha256(),
            "recipe": json.loads(json.dumps(asdict(self.recipe))),  # lists for tuples, as in a file
        }
        before = {
            "tokenizer": kept.tokenizer.sha256,
            "data": kept.facts["data_sha256"],
            "recipe": kept.recipe,
        }
        differing = [name for name in now if now[name] != before[name]]
        if differing:
            raise RunFolderError(
                f"{folder} is a reader of another training ({' and '.join(differing)} differ); name another "
                "folder with --out"
            )

    def _forget(self, system: ReadTokenizer, seed: int) -> None:
        """Remove what a training that is through has left, and folders that are empty then."""
        place = self.out / "unfinished" / system.folder_name
        shutil.rmtree(place / f"seed-{seed}", ignore_errors=True)
        for folder in (place, place.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


@dataclass
class EncodedData:
    """The data that all tokenizers have tokens of. sources: tokenizer's name -> its clips' tokens."""

    data: LoadedReaderData
    sources: Mapping[str, StoredTokens]
    _encoder: ConversationEncoder | None = field(default=None, repr=False)

    def encoder(self, text_tokenizer: Any, template: Template, ends: frozenset[int]) -> ConversationEncoder:
        """The texts' encoder, the same for all readers, so that each text is encoded once."""
        if self._encoder is None:
            self._encoder = ConversationEncoder(text_tokenizer, template=template, ends=ends)
        return self._encoder


def part_of(samples: Sequence[Any]) -> Sequence[Any]:
    """The samples that this process encodes: every n-th, of n processes.

    Example:
        >>> part_of(["a", "b"])
        ['a', 'b']
    """
    return samples[rank() :: world_size()]


def _cpu() -> torch.device:
    import torch

    return torch.device("cpu")
