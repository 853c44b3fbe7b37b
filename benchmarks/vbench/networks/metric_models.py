"""The metric models of the vbench package with their weights, each built once for all dimensions."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.vbench import weight_files as files
from benchmarks.vbench.networks.checkpoints import CheckpointError, load_into, read_tensors
from benchmarks.vbench.networks.correlation import kept_bytes
from benchmarks.vbench.networks.weights import find, places
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.weight_files import WeightFile
from vtok_eval.errors import MissingDependencyError

if TYPE_CHECKING:
    import torch
    from torch import nn

# Any: networks of the vbench package, which have no types.

Model = TypeVar("Model")

_log = logging.getLogger(__name__)

FLOW_MEMORY_BYTES = {"cpu": 1 * 2**30, "cuda": 12 * 2**30}
"""What an optical-flow model may keep of correlations, by kind of device."""


@dataclass
class Networks:
    """Builds models on demand, from files only: nothing is ever downloaded here.

    batch: frames or pairs of frames that go through a model at once, at most.
    cpu_batch: the same, on a CPU, for models that a single frame or pair keeps busy: there a larger batch
        only spills out of the caches (measured: MUSIQ needs a third more time a frame with 2 than with 1).
    flow_memory: bytes, in place of the device's `FLOW_MEMORY_BYTES`.

    Every method raises MissingDependencyError where a file or package is missing, and CheckpointError where a
    checkpoint is damaged or belongs to another model.
    """

    device: torch.device
    batch: int = 16
    cpu_batch: int = 1
    flow_memory: int | None = None
    _built: dict[str, Any] = field(default_factory=dict)

    @property
    def flow_room(self) -> int:
        """Bytes that an optical-flow model may keep of correlations."""
        if self.flow_memory is not None:
            return self.flow_memory
        return FLOW_MEMORY_BYTES.get(self.device.type, FLOW_MEMORY_BYTES["cpu"])

    def pairs_at_once(self, *, height: int, width: int, volumes: int) -> int:
        """How many pairs of frames may go through an optical-flow model at once: where even one does not fit,
        one, of which it keeps a part (see `correlation.py`).

        volumes: all-pairs correlations that the model makes of a pair.
        """
        of_pair = volumes * kept_bytes(height=height, width=width)
        return max(1, min(self.large_batch, self.flow_room // of_pair))

    @property
    def large_batch(self) -> int:
        """How many frames may go at once through a model that a single one keeps busy."""
        return self.cpu_batch if self.device.type == "cpu" else self.batch

    def clip(self, file: WeightFile) -> nn.Module:
        """OpenAI's CLIP, in half precision on CUDA as the reference runs it."""

        def build() -> nn.Module:
            import clip

            path = _path(file)
            try:
                model, _ = clip.load(str(path), device=self.device)
            except (RuntimeError, KeyError, EOFError, OSError) as error:
                reason = " ".join(str(error).split())[:200]
                raise CheckpointError(f"{path}: cannot be read as CLIP weights ({reason})") from error
            return self._packed(_frozen(model), "pack_clip")

        return self._once(file.path, build)

    def dino(self) -> nn.Module:
        """DINO ViT-B/16, its code from the repository that torch.hub keeps in the cache folder."""

        def build() -> nn.Module:
            import torch

            repository = _path(files.DINO_REPOSITORY).parent
            model = torch.hub.load(str(repository), "dino_vitb16", source="local", pretrained=False)
            path = _path(files.DINO)
            load_into(model, read_tensors(path), path=path)
            return self._packed(_frozen(model.to(self.device)), "pack_vit")

        return self._once("dino", build)

    def aesthetic_head(self) -> nn.Module:
        """LAION's linear head on CLIP L/14 features, 768 to 1."""

        def build() -> nn.Module:
            from torch import nn

            head = nn.Linear(768, 1)
            path = _path(files.AESTHETIC)
            load_into(head, read_tensors(path), path=path)
            return _frozen(head.to(self.device))

        return self._once("aesthetic", build)

    def musiq(self) -> nn.Module:
        """MUSIQ as pyiqa has it, with one output, an opinion score; for patches of which none is masked."""

        def build() -> nn.Module:
            from pyiqa.archs.musiq_arch import MUSIQ

            model = MUSIQ(pretrained=False)
            path = _path(files.MUSIQ)
            load_into(model, _without_prefix(read_tensors(path), "module."), path=path)
            return self._packed(_frozen(model.to(self.device)), "pack_musiq")

        return self._once("musiq", build)

    def amt(self) -> nn.Module:
        """AMT-S, which predicts the frame between two."""

        def build() -> nn.Module:
            network = vbench_module("third_party.amt.networks.AMT-S")
            # The defaults of its class are the parameters in the package's AMT-S.yaml.
            model = network.Model(corr_radius=3, corr_lvls=4, num_flows=3)
            path = _path(files.AMT)
            load_into(model, read_tensors(path, within="state_dict"), path=path)
            return _frozen(model.to(self.device))

        return self._once("amt", build)

    def raft(self) -> nn.Module:
        """RAFT, the full one, trained on FlyingThings."""

        def build() -> nn.Module:
            from easydict import EasyDict

            options = EasyDict(small=False, mixed_precision=False, alternate_corr=False)
            model = vbench_module("third_party.RAFT.core.raft").RAFT(options)
            path = _path(files.RAFT)
            load_into(model, _without_prefix(read_tensors(path), "module."), path=path)
            return _frozen(model.to(self.device))

        return self._once("raft", build)

    def viclip(self) -> nn.Module:
        """ViCLIP-L/14."""

        def build() -> nn.Module:
            words = _path(files.VICLIP_WORDS)  # its module downloads the file on import where it is missing
            tokenizer = vbench_module("third_party.ViCLIP.simple_tokenizer").SimpleTokenizer(str(words))
            model = vbench_module("third_party.ViCLIP.viclip").ViCLIP(tokenizer=tokenizer, pretrain=None)
            path = _path(files.VICLIP)
            load_into(model, read_tensors(path, within="model"), path=path)
            # It trades memory for a second forward while training; without gradients that is only overhead.
            model.vision_encoder.transformer.checkpoint_num = 0
            return _frozen(model.to(self.device))

        return self._once("viclip", build)

    def tag2text(self) -> nn.Module:
        """Tag2Text with a Swin-B, which captions pictures of 384 x 384."""

        def build() -> nn.Module:
            module = vbench_module("third_party.tag2Text.tag2text")
            with bert_without_hub(module, _path(files.BERT_WORDS)):
                model = module.Tag2Text_Caption(image_size=384, vit="swin_b")
            path = _path(files.TAG2TEXT)
            own = model.state_dict()
            # Buffers are computed. What else a checkpoint holds, of its training, the reference passes over.
            found = {name: one for name, one in read_tensors(path, within="model").items() if name in own}
            computed = frozenset(name for name in own if name.endswith(_COMPUTED))
            load_into(model, found, path=path, may_lack=computed)
            return _frozen(model.to(self.device))

        return self._once("tag2text", build)

    def grit(self, task: str) -> Any:
        """GRiT-B through the package's DenseCaptioning; task: "ObjectDet" or "DenseCap"."""

        def build() -> Any:
            model = vbench_module("third_party.grit_model").DenseCaptioning(self.device)
            begin = model.initialize_model_det if task == "ObjectDet" else model.initialize_model
            with bert_words(_path(files.BERT_WORDS)):
                # detectron2 would unpickle whatever the file holds, and pass over tensors that do not fit.
                begin(model_weight="")
            path = _path(files.GRIT)
            load_into(model.demo.predictor.model, read_tensors(path, within="model"), path=path)
            return model

        return self._once(f"grit {task}", build)

    def umt(self) -> nn.Module:
        """UMT ViT-L/16 on 16 frames, 400 actions."""

        def build() -> nn.Module:
            network = vbench_module("third_party.umt.models.modeling_finetune")
            model = network.vit_large_patch16_224(
                num_classes=400,
                all_frames=16,
                tubelet_size=1,
                use_learnable_pos_emb=False,
                drop_path_rate=0.2,
                use_mean_pooling=True,
                init_scale=0.001,
            )
            path = _path(files.UMT)
            # Its positions are computed, so checkpoints may or may not carry them.
            load_into(model, read_tensors(path), path=path, may_lack=frozenset({"pos_embed"}))
            return _frozen(model.to(self.device))

        return self._once("umt", build)

    def _packed(self, model: nn.Module, pack: str) -> nn.Module:
        """The model with blocks that are faster on a CPU, where there are such for it."""
        from benchmarks.vbench.networks import vision_blocks

        if vision_blocks.can_pack(self.device):
            try:
                getattr(vision_blocks, pack)(model)
            except ValueError as error:  # a repository of DINO's that is not its authors': right, only slower
                _log.warning("VBench: %s; it runs as it is", error)
        return model

    def _once(self, name: str, build: Callable[[], Model]) -> Model:
        if name not in self._built:
            # Some of the packages' constructors talk to the terminal.
            with redirect_stdout(io.StringIO()):
                self._built[name] = build()
        model: Model = self._built[name]
        return model


_COMPUTED = ("relative_position_index", "attn_mask", "position_ids")


@contextmanager
def bert_words(words: Path) -> Iterator[None]:
    """Where a model's code asks the hub for BERT's tokenizer, it gets one of the words in this file."""
    from transformers import BertTokenizer

    def local(cls: Any, /, name: str, **options: Any) -> Any:
        return cls(vocab_file=str(words), **options)

    fetching = BertTokenizer.__dict__.get("from_pretrained")
    BertTokenizer.from_pretrained = classmethod(local)
    try:
        yield
    finally:
        if fetching is None:
            del BertTokenizer.from_pretrained
        else:
            BertTokenizer.from_pretrained = fetching


@contextmanager
def bert_without_hub(module: Any, words: Path) -> Iterator[None]:
    """The same for Tag2Text, whose code also begins with BERT's weights; its checkpoint has its own."""

    class Untrained(module.BertModel):  # type: ignore[misc]  # a class of the package, which has no types
        @classmethod
        def from_pretrained(cls, name: str, *, config: Any, **options: Any) -> Any:
            return cls(config=config, **options)

    from_hub = module.BertModel
    module.BertModel = Untrained
    try:
        with bert_words(words):
            yield
    finally:
        module.BertModel = from_hub


def _path(file: WeightFile) -> Path:
    found = find(file)
    if found is None:
        raise MissingDependencyError(
            f"VBench: {places(file)[0]} is missing; `vtok-eval doctor vbench` says how to get it"
        )
    return found


def _frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def _without_prefix(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
