"""The user's class in a worker: loaded, made, and its methods called."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import os
import platform
import sys
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .environment import packages, seed_generators, version_of
from .measured import CallMeter
from .messages import to_array, to_tensor
from .results import RESULTS
from .stand_ins import (
    PER_TOKEN,
    Accepts,
    Clip,
    Clips,
    Codes,
    Description,
    Tokens,
    VtokEvalError,
    provide_stand_ins,
)
from .weights import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .messages import Array, Content

# Any: what a user's file holds, in an environment without vtok-eval.

METHODS = ("encode", "decode", "token_count", "generate", "answer")
"""The methods of the user's class that the harness may call."""
_LONGEST_REASON = 2000


class Refused(Exception):
    """A request that cannot be served; `kind` says to the harness which error it is."""

    def __init__(self, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind, self.details = kind, details


class Served:
    """The user's file, class and object, and the calls of its methods."""

    def __init__(self) -> None:
        self.file = Path()
        self.cls: Any = None
        self.subject: Any = None
        self.device = "cpu"
        self.uses_torch = False

    def hello(self, request: Content) -> Content:
        """Nothing, where this environment has what a worker needs."""
        try:
            import numpy  # noqa: F401
        except ImportError as error:
            raise Refused(
                "missing", f"numpy cannot be imported ({error}); {sys.executable} -m pip install numpy"
            ) from error
        return {}

    def load(self, request: Content) -> Content:
        """Import the file and find the class; gives the constructor's parameters."""
        self.file = Path(request["file"])
        name, method = request["class"], request["method"]
        provide_stand_ins()
        module = self._import()
        self.cls = getattr(module, name, None)
        if not callable(self.cls):
            known = [key for key, value in vars(module).items() if callable(getattr(value, method, None))]
            raise Refused("unknown class", name, known=known)
        parameters = inspect.signature(self.cls).parameters.values()
        return {
            "parameters": [_parameter(each) for each in parameters],
            "class": "{}:{}".format(self.file.name, getattr(self.cls, "__qualname__", name)),
        }

    def make(self, request: Content) -> Content:
        """Make the object; gives what it can do and what it says about itself."""
        self.device = request["device"]
        self.uses_torch = "torch" in sys.modules or _imports_torch(self.file)
        if self.uses_torch:
            import torch  # noqa: F401 -- also where only a function of the file imports it
        arguments = {
            key: Path(value["path"]) if isinstance(value, dict) else value
            for key, value in request["arguments"].items()
        }
        if "device" in inspect.signature(self.cls).parameters and "device" not in arguments:
            arguments["device"] = self._device()
        seed_generators()
        with self._settings(request):
            self.subject = self.cls(**arguments)
        declared = getattr(self.subject, "arrays", None)
        if declared not in (None, "numpy", "torch"):
            raise Refused("spec", f"arrays must be 'numpy' or 'torch', not {declared!r}")
        self.uses_torch = declared == "torch" if declared else self.uses_torch or "torch" in sys.modules
        options = {
            name: _plain(getattr(self.subject, name))
            for name in inspect.signature(self.cls).parameters
            if hasattr(self.subject, name)
        }
        return {
            "methods": [name for name in METHODS if callable(getattr(self.subject, name, None))],
            "accepts": self._accepts(),
            "sampling_rule": str(getattr(self.subject, "sampling_rule", "not declared")),
            "options": options,
            "description": self._description(),
            "weights_sha256": weights_sha256(self.subject),
            "environment": {
                "python": platform.python_version(),
                "numpy": version_of("numpy"),
                "torch": version_of("torch"),
                "arrays": "torch" if self.uses_torch else "numpy",
                "packages": packages(),
            },
        }

    def log(self, request: Content) -> Content:
        """Print into another file from now on."""
        descriptor = os.open(request["path"], os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        return {}

    def _import(self) -> types.ModuleType:
        sys.path.insert(0, str(self.file.parent))
        name = self.file.stem if self.file.stem not in sys.modules else f"vtok_eval_user_{self.file.stem}"
        module = types.ModuleType(name)
        module.__file__ = str(self.file)
        # Before it runs: dataclasses, pickle and neighbours look the module up by its name.
        sys.modules[name] = module
        try:
            # Compiled here, past Python's cache: that takes a file changed within a second for the old one.
            exec(compile(self.file.read_bytes(), str(self.file), "exec"), vars(module))
        except Exception as error:
            raise Refused("import", self.reason(error)) from error
        return module

    def _accepts(self) -> Any:
        accepts = getattr(self.subject, "accepts", None)
        if accepts is None or isinstance(accepts, dict):
            return accepts
        if isinstance(accepts, Accepts):
            return accepts.contract
        raise Refused("spec", f"{self.cls.__name__}.accepts must be vtok_eval.Accepts(...), not {accepts!r}")

    def _description(self) -> Any:
        if not callable(getattr(self.subject, "describe", None)):
            return {}
        said = self.subject.describe()
        content = said.content if isinstance(said, Description) else said
        return json.loads(json.dumps(content, default=str))

    def _device(self) -> Any:
        if not self.uses_torch:
            return self.device
        import torch

        return torch.device(self.device)

    def call(self, request: Content, arrays: Mapping[str, Array]) -> tuple[Content, dict[str, Array]]:
        """Call a method; seconds are of the call alone, without what moves data to it and from it."""
        method = request["method"]
        arguments = self._arguments(request, arrays)
        with self._settings(request), self._measured(request) as measured:
            result = getattr(self.subject, method)(*arguments)
        content, tensors = RESULTS[method](result)
        dtypes: dict[str, str] = {}
        made: dict[str, Array] = {}
        for name, value in tensors.items():
            made[name], dtypes[name] = to_array(name, value)
        return {**content, "dtypes": dtypes, "measured": measured.numbers}, made

    def _arguments(self, request: Content, arrays: Mapping[str, Array]) -> list[Any]:
        dtypes = request.get("dtypes", {})
        values = {name: self._own(array, dtypes.get(name, "")) for name, array in arrays.items()}
        method, plain = request["method"], request.get("plain", {})
        if method == "encode":
            return [Clips(values["frames"], values["fps"])]
        if method == "decode":
            return [_tokens(values, plain)]
        if method == "answer":
            clip = Clip(values["frames"], float(plain["fps"])) if "frames" in values else None
            return [clip, plain["question"], plain["options"]]
        if method == "generate":
            return [plain["prompts"], plain["seeds"]]
        return [plain["n_frames"]]

    def _own(self, array: Array, true_dtype: str) -> Any:
        """An array as this class gets it: a tensor on its device, or as it is."""
        return to_tensor(array, true_dtype, self._device()) if self.uses_torch else array

    @contextlib.contextmanager
    def _settings(self, request: Content) -> Iterator[None]:
        """As the harness computes: without gradients, and with as many threads."""
        torch = sys.modules.get("torch")
        if torch is None or not self.uses_torch:
            yield
            return
        threads = request.get("threads")
        if threads and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        with torch.inference_mode(bool(request.get("inference", True))):
            yield

    def _measured(self, request: Content) -> CallMeter:
        return CallMeter(request.get("measure", ()), uses_torch=self.uses_torch, device=self.device)

    def reason(self, error: BaseException) -> str:
        """An error in one line, with the place in the user's files where it was raised."""
        message = " ".join(str(error).split())[:_LONGEST_REASON]
        if not isinstance(error, VtokEvalError):
            message = f"{type(error).__name__}: {message}" if message else type(error).__name__
        place = "" if isinstance(error, SyntaxError) else self._place(error)
        return f"{message} ({place})" if place else message

    def _place(self, error: BaseException) -> str:
        folder, found = str(self.file.parent), ""
        for frame in traceback.extract_tb(error.__traceback__):
            if os.path.dirname(os.path.abspath(frame.filename)).startswith(folder):
                found = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
        return found


def _tokens(values: Mapping[str, Any], plain: Content) -> Tokens:
    """The tokens that `decode` is called with."""
    shape, coded = plain.get("latent_shape"), None
    if "sizes" in plain:
        tables = [values[f"embedding.{number}"] for number in range(plain["n_tables"])]
        coded = Codes(values["indices"], plain["sizes"], tables)
    parts = {name: values[name] for name in PER_TOKEN}
    return Tokens(**parts, latent_shape=tuple(shape) if shape else None, coded=coded)


def _parameter(parameter: inspect.Parameter) -> Content:
    """A parameter as JSON: its annotation as text, its default where JSON holds that."""
    annotation, default = parameter.annotation, parameter.default
    text = "" if annotation is parameter.empty else annotation
    if not isinstance(text, str):
        text = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    return {
        "name": parameter.name,
        "kind": parameter.kind.name,
        "annotation": text,
        "required": default is parameter.empty,
        "default": default if isinstance(default, (bool, int, float, str)) else None,
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _imports_torch(file: Path) -> bool:
    """Whether the file imports torch anywhere, also inside functions that have not run yet."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
        if any(name.partition(".")[0] == "torch" for name in names):
            return True
    return False
