"""The metric models' transformer blocks on a CPU: weights packed once, and only what is read computed.

torch hands a linear layer to MKL, which on an AMD processor gets three quarters out of it; oneDNN gets nearly
all, if it may lay the weights out for itself beforehand. And of the last block only the class token is read.
Both change a score by rounding alone; on a GPU the packages' own blocks are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Any: networks of the vbench package, which have no types.

Activation = Literal["none", "gelu", "quick_gelu"]

QUICK_GELU_SLOPE = 1.702
"""OpenAI's CLIP activates with `x sigmoid(1.702 x)`."""


def can_pack(device: torch.device) -> bool:
    """Whether this torch has oneDNN's packed linear layers, and the device is a CPU."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


@dataclass(frozen=True)
class BlockWeights:
    """One pre-norm block: `x + proj(attention(norm1(x)))`, then `x + fc2(act(fc1(norm2(x))))`.

    qkv: weight `(3 C, C)` and bias of queries, keys and values, in this order. proj, fc1, fc2: likewise.
    scale: what dot products of queries and keys are multiplied by.
    """

    norm1: nn.Module
    qkv: tuple[Tensor, Tensor | None]
    proj: tuple[Tensor, Tensor | None]
    norm2: nn.Module
    fc1: tuple[Tensor, Tensor | None]
    fc2: tuple[Tensor, Tensor | None]
    heads: int
    scale: float
    activation: Activation


class PackedBlock(nn.Module):
    """A block on float32 `(B, N, C)`; with `first_only` it gives `(B, 1, C)`, the first token alone."""

    def __init__(self, weights: BlockWeights, *, first_only: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = weights.norm1, weights.norm2
        self._heads, self._scale, self._first_only = weights.heads, weights.scale, first_only
        self._proj = _packed(*weights.proj)
        self._fc1, self._fc2 = _packed_mlp(weights)
        weight, bias = weights.qkv
        if first_only:
            width = weight.shape[1]
            self._query = _packed(weight[:width], None if bias is None else bias[:width])
            self._key_value = _packed(weight[width:], None if bias is None else bias[width:])
        else:
            self._query_key_value = _packed(weight, bias)

    def forward(self, x: Tensor, *ignored: object) -> Tensor:
        """The block's output. MUSIQ's blocks are given a mask too, which must hide nothing."""
        attended = self._attention(self.norm1(x))
        x = (x[:, :1] if self._first_only else x) + self._proj(attended)
        result: Tensor = x + self._fc2(self._fc1(self.norm2(x)))
        return result

    def _attention(self, x: Tensor) -> Tensor:
        count, length, width = x.shape
        if self._first_only:
            query = self._split(self._query(x[:, :1].contiguous()), 1)[0]
            key, value = self._split(self._key_value(x), 2)
        else:
            query, key, value = self._split(self._query_key_value(x), 3)
        found = scaled_dot_product_attention(query, key, value, scale=self._scale)
        return found.transpose(1, 2).reshape(count, 1 if self._first_only else length, width)

    def _split(self, stacked: Tensor, parts: int) -> Sequence[Tensor]:
        """`(B, N, parts C)` to `parts` tensors `(B, heads, N, C / heads)`."""
        count, length, width = stacked.shape
        heads = stacked.view(count, length, parts, self._heads, width // parts // self._heads)
        return heads.permute(2, 0, 3, 1, 4).unbind(0)


class _PackedLinear:
    """A linear layer and what follows it, by oneDNN on weights in the layout of its choice."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, activation: str, algorithm: str) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._bias = None if bias is None else bias.detach().clone()
        self._activation, self._algorithm = activation, algorithm

    def __call__(self, x: Tensor) -> Tensor:
        return cast(
            "Tensor",
            torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, self._activation, [], self._algorithm
            ),
        )


def _packed(weight: Tensor, bias: Tensor | None, activation: str = "none", algorithm: str = "") -> Any:
    return _PackedLinear(weight, bias, activation=activation, algorithm=algorithm)


def _packed_mlp(weights: BlockWeights) -> tuple[Any, Any]:
    """Both layers, the activation within the first.

    oneDNN has `swish(y) = y sigmoid(y)`: with y = 1.702 x that is 1.702 times CLIP's activation of x.
    """
    (weight1, bias1), (weight2, bias2) = weights.fc1, weights.fc2
    if weights.activation == "gelu":
        return _packed(weight1, bias1, "gelu", "none"), _packed(weight2, bias2)
    slope = QUICK_GELU_SLOPE
    steeper = None if bias1 is None else bias1 * slope
    return _packed(weight1 * slope, steeper, "swish"), _packed(weight2 / slope, bias2)


def pack_clip(clip: Any) -> None:
    """Give the image tower of an openai-clip model (a ViT) packed blocks, in place."""
    blocks = [_clip_block(block) for block in clip.visual.transformer.resblocks]
    clip.visual.transformer = _TokensFirst(_in_order(blocks))


def pack_vit(vit: Any) -> None:
    """Give a ViT of DINO's repository or of timm, of which the class token is read, packed blocks.

    Raises:
        ValueError: a block has parts that these do not have.
    """
    vit.blocks = _in_order([_vit_block(block) for block in vit.blocks])


def pack_musiq(musiq: Any) -> None:
    """Give pyiqa's MUSIQ packed blocks; it may then be given real patches only, none that is masked."""
    encoder = musiq.transformer_encoder
    blocks = _in_order([_musiq_block(block) for block in encoder.transformer.values()])
    encoder.transformer = nn.ModuleDict(
        {f"encoderblock_{place}": block for place, block in enumerate(blocks)}
    )


class _TokensFirst(nn.Module):
    """CLIP's transformer, whose tensors are `(N, B, C)`."""

    def __init__(self, blocks: nn.Sequential) -> None:
        super().__init__()
        self.resblocks = blocks

    def forward(self, x: Tensor) -> Tensor:
        """`(N, B, C)` to `(1, B, C)`: the class token."""
        return cast("Tensor", self.resblocks(x.permute(1, 0, 2).contiguous()).permute(1, 0, 2))


def _in_order(blocks: Sequence[BlockWeights]) -> nn.Sequential:
    last = len(blocks) - 1
    return nn.Sequential(*(PackedBlock(block, first_only=at == last) for at, block in enumerate(blocks)))


def _linear(layer: nn.Linear) -> tuple[Tensor, Tensor | None]:
    return layer.weight, layer.bias


def _clip_block(block: Any) -> BlockWeights:
    attention = block.attn
    return BlockWeights(
        norm1=block.ln_1,
        qkv=(attention.in_proj_weight, attention.in_proj_bias),
        proj=_linear(attention.out_proj),
        norm2=block.ln_2,
        fc1=_linear(block.mlp.c_fc),
        fc2=_linear(block.mlp.c_proj),
        heads=attention.num_heads,
        scale=attention.head_dim**-0.5,
        activation="quick_gelu",
    )


_VIT_PARTS = ("attn", "attn.proj", "attn.qkv", "mlp", "mlp.act", "mlp.fc1", "mlp.fc2", "norm1", "norm2")


def _vit_block(block: Any) -> BlockWeights:
    idle = (nn.Identity, nn.Dropout)
    parts = tuple(sorted(name for name, part in block.named_modules() if name and not isinstance(part, idle)))
    if parts != _VIT_PARTS or not isinstance(block.mlp.act, nn.GELU) or block.mlp.act.approximate != "none":
        raise ValueError(f"a vision transformer's block has other parts than expected: {', '.join(parts)}")
    return BlockWeights(
        norm1=block.norm1,
        qkv=_linear(block.attn.qkv),
        proj=_linear(block.attn.proj),
        norm2=block.norm2,
        fc1=_linear(block.mlp.fc1),
        fc2=_linear(block.mlp.fc2),
        heads=block.attn.num_heads,
        scale=block.attn.scale,
        activation="gelu",
    )


def _musiq_block(block: Any) -> BlockWeights:
    attention = block.attention
    three = (attention.query, attention.key, attention.value)
    return BlockWeights(
        norm1=block.norm1,
        qkv=(torch.cat([one.weight for one in three]), torch.cat([one.bias for one in three])),
        proj=_linear(attention.out),
        norm2=block.norm2,
        fc1=_linear(block.mlp.fc1),
        fc2=_linear(block.mlp.fc2),
        heads=attention.num_heads,
        scale=attention.scale,
        activation="gelu",
    )
