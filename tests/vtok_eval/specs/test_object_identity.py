"""An object's hash tells apart whatever changes what it computes, and nothing else."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from vtok_eval import Accepts
from vtok_eval.errors import SpecError
from vtok_eval.specs.object_identity import object_sha256

ROOT = Path(__file__).parents[3]


@dataclass
class Holder:
    value: object
    more: list[object] = field(default_factory=list)


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def network(seed: int = 0, width: int = 3) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.BatchNorm1d(width), torch.nn.ReLU())


def trained() -> torch.nn.Module:
    found = network()
    with torch.no_grad():
        found[0].weight[0, 0] += 1e-6
    return found


def with_buffer() -> torch.nn.Module:
    found = network()
    found[1].running_mean[0] = 1.0
    return found


def with_hook() -> torch.nn.Module:
    found = network()
    found[0].register_forward_hook(lambda module, given, result: result * 2)
    return found


def add(x: int, by: int = 1) -> int:
    return x + by


DISTINCT = {
    "int": lambda: Holder(1),
    "float": lambda: Holder(1.0),
    "text": lambda: Holder("1"),
    "nested": lambda: Holder([1, [2]]),
    "nested otherwise": lambda: Holder([[1], 2]),
    "mapping": lambda: Holder({"a": 1, "b": None}),
    "tuple": lambda: Holder((1,)),
    "attribute elsewhere": lambda: Holder(None, [1]),
    "array": lambda: Holder(np.arange(4)),
    "array, shape": lambda: Holder(np.arange(4).reshape(2, 2)),
    "array, dtype": lambda: Holder(np.arange(4, dtype=np.float64)),
    "tensor": lambda: Holder(torch.arange(4)),
    "tensor, bfloat16": lambda: Holder(torch.arange(4, dtype=torch.bfloat16)),
    "network": network,
    "network, other weights": lambda: network(1),
    "network, one weight moved": trained,
    "network, buffer": with_buffer,
    "network, evaluation mode": lambda: network().eval(),
    "network, hook": with_hook,
    "network in an object": lambda: Holder(network()),
    "function": lambda: Holder(add),
    "partial": lambda: Holder(functools.partial(add, by=2)),
    "partial, other value": lambda: Holder(functools.partial(add, by=3)),
    "lambda": lambda: Holder(lambda x: x + 1),
    "lambda, other constant": lambda: Holder(lambda x: x + 2),
    "slots": lambda: Slotted(1),
    "slots, other value": lambda: Slotted(2),
    "generator of numbers": lambda: Holder(np.random.default_rng(0)),
    "generator, other seed": lambda: Holder(np.random.default_rng(1)),
    "pattern": lambda: Holder(re.compile("a+")),
    "contract": lambda: Holder(Accepts(frames="4k")),
    "device": lambda: Holder(torch.device("cpu")),
}


def test_equal_objects_have_equal_hashes_and_others_do_not():
    hashes = {name: object_sha256(make(), what=name) for name, make in DISTINCT.items()}
    assert {name: object_sha256(make(), what=name) for name, make in DISTINCT.items()} == hashes
    assert len(set(hashes.values())) == len(DISTINCT)


def test_an_object_that_holds_itself_ends():
    one, other = Holder(1), Holder(1)
    one.more.append(one)
    other.more.append(other)
    assert object_sha256(one, what="one") == object_sha256(other, what="other")


CLIENTS = {
    "generator": lambda: (n for n in range(3)),
    "standard output": lambda: sys.__stdout__,
    "lock": threading.Lock,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_what_cannot_be_read_is_named(name):
    with pytest.raises(SpecError, match=r"the content of mine\.value\['client'\] cannot be identified"):
        object_sha256(Holder({"client": CLIENTS[name]()}), what="mine")


SCRIPT = textwrap.dedent(
    """
    import sys
    from vtok_eval.specs.object_identity import object_sha256

    FACTOR = {factor}

    def helper(x):
        return x * FACTOR {comment}

    class Mine:
        names = frozenset({{"a", "b", "c"}})

        def encode(self, clips):
            return [helper(clip) for clip in clips if clip not in {{"x", "y", "z"}}]

    print(object_sha256(Mine(), what="mine"))
    """
)


def run_script(**parts: str) -> str:
    """The hash that a fresh process prints, as a notebook's kernel would: the class is in __main__."""
    script = SCRIPT.format(**parts)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_class_of_a_notebook_is_known_by_its_code_and_what_it_calls():
    first = run_script(factor="2", comment="")
    assert run_script(factor="2", comment="# a comment") == first
    assert run_script(factor="3", comment="") != first
    assert run_script(factor="2", comment="+ 1") != first
