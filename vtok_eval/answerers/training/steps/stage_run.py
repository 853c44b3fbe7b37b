"""One stage of a training, by transformers' Trainer: begun, or continued where a killed process stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtok_eval.answerers.training.examples import ReaderCollator, ReaderExamples
from vtok_eval.answerers.training.recipe import ReaderRecipe, ReaderStage
from vtok_eval.answerers.training.steps.model import ReaderModel
from vtok_eval.answerers.training.steps.processes import LONGEST_WAIT_S, is_main_process, world_size
from vtok_eval.errors import MissingDependencyError, RunFolderError, SpecError
from vtok_eval.files.atomic import write_atomically, write_bytes

# Any: transformers' arguments and log entries, which have no types.

Shown = Callable[[str, int, Mapping[str, float]], None]
"""Called with the stage's name, the step in it and what was logged there."""

_WEIGHTS, _HISTORY = "trained.safetensors", "history.json"


@dataclass(frozen=True)
class StageRun:
    """One stage.

    folder: of its checkpoints and, once it is through, of what it trained. keeps: false writes none of them.
    logs: where TensorBoard's files go. seed: of dropout. name: of the reader, as W&B shows it.
    """

    recipe: ReaderRecipe
    stage: ReaderStage
    folder: Path
    keeps: bool
    seed: int
    device: torch.device
    name: str
    logs: Path | None = None

    def run(
        self,
        reader: ReaderModel,
        training: ReaderExamples,
        validation: ReaderExamples | None,
        collator: ReaderCollator,
        shown: Shown | None = None,
    ) -> list[dict[str, float]]:
        """Train, and return what was logged: entries with `step` and `loss` or `eval_loss`.

        A stage that is through already is loaded; one that was stopped goes on from its last checkpoint.
        """
        finished = self._finished(reader)
        if finished is not None:
            return finished
        from transformers import PrinterCallback, Trainer, TrainerCallback

        class Show(TrainerCallback):  # type: ignore[misc]  # transformers has no types
            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                if shown is not None and state.is_world_process_zero:
                    shown(run.stage.name, state.global_step, logs or {})

        run = self
        trainer = Trainer(
            model=reader,
            args=self._arguments(has_validation=validation is not None),
            data_collator=collator,
            train_dataset=training,
            eval_dataset=validation,
            callbacks=[Show(), *self._reporters()],
        )
        trainer.remove_callback(PrinterCallback)
        last = self._last_checkpoint()
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        if validation is not None and not any(
            "eval_loss" in entry and entry["step"] == self.stage.steps for entry in trainer.state.log_history
        ):
            trainer.evaluate()
        history: list[dict[str, float]] = list(trainer.state.log_history)
        if self.keeps:
            self._finish(trainer, history)
        return history

    def _arguments(self, *, has_validation: bool) -> Any:
        from transformers import TrainingArguments

        recipe, stage = self.recipe, self.stage
        arguments = TrainingArguments(
            output_dir=str(self.folder),
            max_steps=stage.steps,
            per_device_train_batch_size=recipe.micro_batch_size,
            per_device_eval_batch_size=recipe.micro_batch_size,
            gradient_accumulation_steps=recipe.accumulation(devices=world_size()),
            learning_rate=stage.learning_rate,
            lr_scheduler_type=stage.schedule,
            warmup_steps=stage.warmup_steps,
            weight_decay=stage.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            bf16=recipe.precision == "bf16",
            seed=self.seed,
            # The examples are in order already, the same on any number of devices.
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
            label_names=["labels"],
            prediction_loss_only=True,
            logging_steps=recipe.log_every,
            eval_strategy="steps" if has_validation else "no",
            eval_steps=recipe.evaluate_every,
            save_strategy="steps" if self.keeps else "no",
            save_steps=recipe.save_every,
            save_total_limit=2,
            report_to=[name for name in recipe.report_to if name != "tensorboard"] or "none",
            run_name=f"{self.name}-{stage.name}",
            use_cpu=self.device.type == "cpu",
            disable_tqdm=True,
            ddp_find_unused_parameters=False,
            ddp_timeout=LONGEST_WAIT_S,
            dataloader_pin_memory=self.device.type != "cpu",
            **_checkpointing(recipe.gradient_checkpointing),
        )
        if arguments.n_gpu > 1:
            # One process uses one device; several are used by several processes, which accelerate starts.
            arguments._n_gpu = 1
        return arguments

    def _reporters(self) -> list[Any]:
        """TensorBoard's callback, whose files outlive the checkpoints; W&B is Trainer's own affair."""
        if "tensorboard" not in self.recipe.report_to or not is_main_process():
            return []
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        assert self.logs is not None  # `need_reporters`
        return [TensorBoardCallback(SummaryWriter(str(self.logs / self.stage.name)))]

    def _last_checkpoint(self) -> Path | None:
        """The newest checkpoint that was written to its end; those that were not are removed."""
        found = sorted(
            (path for path in self.folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()),
            key=lambda path: int(path.name.rpartition("-")[2]),
            reverse=True,
        )
        whole = [path for path in found if _is_whole(path, n_processes=world_size())]
        if is_main_process():
            for path in found:
                if path not in whole:
                    shutil.rmtree(path)
        return whole[0] if whole else None

    def _finish(self, trainer: Any, history: Sequence[Mapping[str, float]]) -> None:
        """Keep what was trained and what was logged, then let go of the checkpoints."""
        from safetensors.torch import save_file

        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if not is_main_process():
            return
        weights = {name.removeprefix("module."): tensor.cpu().contiguous() for name, tensor in state.items()}
        write_atomically(self.folder / _WEIGHTS, lambda target: save_file(weights, target))
        # The history last: a stage that has one is through.
        write_bytes(self.folder / _HISTORY, json.dumps(list(history)).encode())
        for path in self.folder.glob("checkpoint-*"):
            shutil.rmtree(path)

    def _finished(self, reader: ReaderModel) -> list[dict[str, float]] | None:
        if not self.keeps or not (self.folder / _HISTORY).is_file():
            return None
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            history: list[dict[str, float]] = json.loads((self.folder / _HISTORY).read_bytes())
            weights: dict[str, Tensor] = load_file(self.folder / _WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise RunFolderError(
                f"{self.folder} is damaged ({error}); remove it, and the stage is trained again"
            ) from error
        reader.load_state_dict(weights, strict=False)
        reader.to(self.device)
        return history


def need_training_packages() -> None:
    """Raise unless transformers, peft and accelerate are there.

    Raises:
        MissingDependencyError: saying which extra brings them.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.version import Version

    for name in ("transformers", "peft", "accelerate"):
        try:
            found = version(name)
        except PackageNotFoundError:
            raise MissingDependencyError(
                f"training readers needs the package {name!r}: pip install 'vtok-eval[train]'"
            ) from None
        if name == "transformers" and Version(found) < Version("5.3"):
            raise MissingDependencyError(
                f"training readers needs transformers>=5.3, here is {found} (the vbench extra pins 4.33.2): "
                "make a second environment with 'vtok-eval[train]'"
            )


def need_reporters(names: Sequence[str], *, logs: Path | None) -> None:
    """Raise unless the packages are there that losses are reported to, and TensorBoard has a folder.

    Raises:
        MissingDependencyError: naming the package.
        SpecError: TensorBoard is asked for and no folder is named.

    Example:
        >>> need_reporters([], logs=None)
    """
    from importlib.util import find_spec

    for name in names:
        if find_spec(name) is None:
            raise MissingDependencyError(
                f"reporting to {name} needs the package {name!r}: pip install {name}"
            )
    if "tensorboard" in names and logs is None:
        raise SpecError("report_to tensorboard needs a folder for its files: logs=FOLDER")


def _checkpointing(wanted: bool) -> dict[str, Any]:
    """Trainer's arguments under the names that this version of transformers has."""
    from transformers import TrainingArguments

    if not wanted:
        return {}
    known = {field.name for field in fields(TrainingArguments)}
    name = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def _is_whole(checkpoint: Path, *, n_processes: int) -> bool:
    """Whether Trainer came to the end of writing a checkpoint: it writes trainer_state.json last."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    states = ["rng_state.pth"] if n_processes == 1 else [f"rng_state_{n}.pth" for n in range(n_processes)]
    return all((checkpoint / name).is_file() for name in states)
