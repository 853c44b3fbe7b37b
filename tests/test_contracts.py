"""The promises between the packages: which may import which, what imports cost, the shared contracts."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from vtok_eval import registry
from vtok_eval.data import Clip, Clips, TokenKind, Tokens, check_tokens
from vtok_eval.errors import AmbiguousNameError, MissingDependencyError, TokenizerError, UnknownNameError
from vtok_eval.registry import BACKBONES, BENCHMARKS, TOKENIZERS, Registry
from vtok_eval.systems import CountingTokenizer, DecodingTokenizer, Tokenizer, TrainableTokenizer

ROOT = Path(__file__).parents[1]
PACKAGES = ("vtok_eval", "benchmarks", "tv_align", "reports")
ALLOWED = {
    "vtok_eval": {"vtok_eval"},
    "benchmarks": {"benchmarks", "vtok_eval"},
    "tv_align": {"tv_align", "vtok_eval"},
    "reports": {"reports", "vtok_eval.results", "vtok_eval.errors", "vtok_eval.version"},
}
"""Reports read run folders only; errors are what any of them may raise."""
CHEAP = (
    "vtok_eval",
    "vtok_eval.systems",
    "vtok_eval.benchmark",
    "vtok_eval.registry",
    "vtok_eval.results.records",
    "vtok_eval.files.cache_folder",
    "vtok_eval.cli.doctor",
    "vtok_eval.run.suite",
    "vtok_eval.run.plan",
    "vtok_eval.run.harness",
    "vtok_eval.cli.main",
    "benchmarks",
    "benchmarks.efficiency.benchmark",
    "benchmarks.vbench.benchmark",
    "reports",
    "tv_align",
)
STAND_INS = "vtok_eval.environments.worker.stand_ins"
"""Its classes are called as the real ones: a user's file imports them by name where vtok-eval is missing."""
HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "open_clip", "timm", "sklearn", "skimage", "vbench")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def our_modules() -> dict[str, Path]:
    return {
        module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
    }


MODULES = our_modules()


def imports(module: str, *, loading_only: bool = False) -> set[str]:
    """Modules that `module` imports, also inside functions; the ones while it loads, with `loading_only`."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if loading_only and (_is_function(node) or _is_type_checking(node)):
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            # "from package import module" loads the module; "from module import name" does not load a name
            names = {f"{source}.{alias.name}" for alias in node.names}
            found |= (names & MODULES.keys()) or {source}
    return found


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _source(module: str, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    is_package = MODULES[module].name == "__init__.py"
    base = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def bare_any(text: str) -> bool:
    """Whether source names `Any` other than as a mapping's value, and no comment says why."""
    if re.search(r"#.*\bAny: ", text):
        return False
    allowed = re.compile(r"\bstr, Any\]|Callable\[\.\.\., Any\]|\btqdm\[Any\]|\bimport\b")
    lines = text.splitlines()
    names = (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string == "Any")
    return any(not allowed.search(lines[token.start[0] - 1]) for token in names)


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


class TestArrows:
    def test_the_walk_sees_the_modules(self):
        assert {"vtok_eval.systems", "benchmarks.efficiency.benchmark", "reports"} <= MODULES.keys()
        assert "vtok_eval.errors" in imports("vtok_eval.data.tokens")
        assert "torch" in imports("vtok_eval.systems")
        assert "torch" not in imports("vtok_eval.systems", loading_only=True)

    @pytest.mark.parametrize("package", PACKAGES)
    def test_a_package_imports_only_what_it_may(self, package):
        wrong = [
            f"{module} imports {imported}"
            for module in MODULES
            if inside(module, package)
            for imported in imports(module)
            if any(inside(imported, ours) for ours in PACKAGES)
            # The bare package is its version number and nothing else.
            and imported != "vtok_eval"
            and not any(inside(imported, allowed) for allowed in ALLOWED[package])
        ]
        assert wrong == []

    def test_reports_never_import_torch(self):
        wrong = [
            module
            for module in MODULES
            if inside(module, "reports")
            for imported in imports(module)
            if inside(imported, "torch")
        ]
        assert wrong == []

    def test_a_public_class_has_a_name_of_its_own(self):
        homes: dict[str, list[str]] = {}
        for module, path in MODULES.items():
            if module == STAND_INS:
                continue
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, []).append(module)
        assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}

    def test_a_bare_any_has_a_reason(self):
        """Values of mappings may be `Any` (JSON); anything else needs a comment "Any: ..." in its module."""
        assert [module for module, path in MODULES.items() if bare_any(path.read_text("utf-8"))] == []

    def test_the_search_for_bare_any_finds_one(self):
        assert bare_any("from typing import Any\ndef f(x: Any) -> None: ...")
        assert not bare_any(
            "from typing import Any\n# Any: of a package without types\ndef f(x: Any) -> None: ..."
        )
        assert not bare_any("from typing import Any\ndef f(x: dict[str, Any]) -> None: ...")

    def test_no_module_imports_itself_by_way_of_others(self):
        """Imports inside functions and for type checking count: a circle that hides there is still one."""
        graph = {name: imports(name) & MODULES.keys() for name in MODULES}
        assert circle(graph) == []

    def test_the_search_for_circles_finds_one(self):
        assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
        assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of some circle, the first one again at the end; empty where there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for after in sorted(graph[node]):
            if found := visit(after, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := visit(start, []):
            return found
    return []


class TestCheapImports:
    def test_nothing_heavy_is_loaded(self):
        code = (
            "import importlib, sys\n"
            f"for name in {CHEAP!r}:\n"
            "    importlib.import_module(name)\n"
            f"    loaded = sorted(set({HEAVY!r}) & set(sys.modules))\n"
            "    if loaded: sys.exit(f'{name} loads {loaded}')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.stderr == ""
        assert done.returncode == 0

    def test_the_package_itself_loads_nothing_of_others(self):
        """`import vtok_eval` is standard library only, so that it takes a few milliseconds."""
        code = (
            "import sys; before = set(sys.modules); import vtok_eval\n"
            "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
            "print(sorted(names - set(sys.stdlib_module_names) - {'vtok_eval'}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert done.stdout.strip() == "[]"


class TestPublicNames:
    def test_every_public_name_is_what_its_module_holds(self):
        import vtok_eval

        assert dir(vtok_eval) == sorted(set(vtok_eval.__all__))
        for name in vtok_eval.__all__:
            assert getattr(vtok_eval, name) is not None
        assert vtok_eval.Clip is Clip
        assert vtok_eval.Tokenizer is Tokenizer

    def test_every_protocol_of_the_harness_is_public(self):
        import vtok_eval
        from vtok_eval import benchmark, systems

        protocols = {
            name
            for module in (benchmark, systems)
            for name, value in vars(module).items()
            if getattr(value, "_is_protocol", False) and value.__module__ == module.__name__
        }
        used_by_the_harness_alone = {"ClipRunner", "DerivesScores", "ScalesTraining"}
        assert protocols - used_by_the_harness_alone <= set(vtok_eval.__all__)

    def test_an_unknown_name_is_an_attribute_error(self):
        import vtok_eval

        with pytest.raises(AttributeError, match="no attribute 'Tokenzier'"):
            _ = vtok_eval.Tokenzier

    def test_every_package_of_the_wheel_is_typed(self):
        import tomllib

        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
            "wheel"
        ]
        assert set(wheel["packages"]) == set(PACKAGES)
        assert not {"exclude", "only-include", "include"} & wheel.keys()
        for package in wheel["packages"]:
            assert (ROOT / package / "py.typed").is_file()


def entries(monkeypatch, *pairs):
    """Sets what other packages register."""

    def entry_points(*, group):
        return (
            [EntryPoint(name, value, group) for name, value in pairs] if group == "vtok_eval.things" else []
        )

    monkeypatch.setattr(registry, "entry_points", entry_points)


class TestRegistry:
    @pytest.mark.parametrize("known", [TOKENIZERS, BACKBONES, BENCHMARKS])
    def test_every_built_in_name_resolves_and_is_summed_up(self, known):
        assert known.summaries.keys() == known.built_in.keys()
        for name in known.built_in:
            assert callable(known.resolve(name))

    def test_an_unknown_name_gets_the_nearest(self):
        with pytest.raises(
            UnknownNameError, match=r"unknown benchmark 'efficency'; did you mean 'efficiency'\?"
        ):
            BENCHMARKS.resolve("efficency")

    def test_a_name_near_to_nothing_gets_the_choice(self):
        things = Registry("thing", {"b": "os:sep", "a": "os:sep"})
        with pytest.raises(UnknownNameError, match="unknown thing 'zzzz'; there are: a, b"):
            things.resolve("zzzz")

    def test_an_empty_registry_says_so(self):
        with pytest.raises(UnknownNameError, match="there are: none"):
            Registry("thing", {}).resolve("x")

    def test_other_packages_add_names(self, monkeypatch):
        import math

        entries(monkeypatch, ("theirs", "math:pi"))
        things = Registry("thing", {"ours": "os:sep"})
        assert list(things) == ["ours", "theirs"]
        assert "theirs" in things
        assert things.resolve("theirs") == math.pi

    def test_a_name_that_two_claim_is_no_silent_winner(self, monkeypatch):
        entries(monkeypatch, ("ours", "math:pi"))
        with pytest.raises(AmbiguousNameError, match="'ours' is claimed by os:sep and math:pi"):
            Registry("thing", {"ours": "os:sep"}).resolve("ours")

    def test_the_same_claim_twice_is_none(self, monkeypatch):
        entries(monkeypatch, ("pi", "math:pi"), ("pi", "math:pi"))
        assert list(Registry("thing", {})) == ["pi"]

    def test_our_packages_win_over_others_of_their_name(self, tmp_path):
        """As beside fairscale, which installs a top-level `benchmarks`."""
        (tmp_path / "benchmarks").mkdir()
        (tmp_path / "benchmarks" / "__init__.py").write_text("THEIRS = True")
        script = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "import benchmarks; assert benchmarks.THEIRS\n"
            "from vtok_eval.registry import BENCHMARKS; print(BENCHMARKS.resolve('efficiency').name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == "efficiency", done.stderr

    def test_a_package_that_is_not_installed_is_named(self, monkeypatch, tmp_path):
        (tmp_path / "needs_more.py").write_text("import no_such_package")
        monkeypatch.syspath_prepend(tmp_path)
        things = Registry("thing", {"far": "needs_more:Thing"})
        with pytest.raises(MissingDependencyError, match="thing 'far' needs the package 'no_such_package'"):
            things.resolve("far")

    def test_a_name_that_stands_for_no_module_is_a_defect_not_a_missing_package(self):
        with pytest.raises(ModuleNotFoundError, match="no_such_package"):
            Registry("thing", {"far": "no_such_package.module:Thing"}).resolve("far")


def tokens(**changes) -> Tokens:
    """Two clips of three tokens of width 4, and what is changed of it."""
    good = {
        "values": torch.zeros(2, 3, 4),
        "mask": torch.ones(2, 3, dtype=torch.bool),
        "kind": torch.zeros(2, 3, dtype=torch.int64),
        "frame": torch.zeros(2, 3, dtype=torch.int64),
    }
    return Tokens(**{**good, **changes})


class TestCheckTokens:
    def test_good_ones_pass(self):
        check_tokens(tokens(), n_clips=2)
        check_tokens(tokens(values=torch.zeros(2, 3, 4, dtype=torch.float16)), n_clips=2)

    def test_no_tokens_at_all_pass(self):
        check_tokens(Tokens.of(torch.zeros(2, 0, 4)), n_clips=2)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"values": torch.zeros(3, 3, 4)}, r"must be \(2, L, D\), not \(3, 3, 4\)"),
            ({"values": torch.zeros(2, 3)}, r"must be \(2, L, D\), not \(2, 3\)"),
            ({"values": torch.zeros(2, 3, 4, dtype=torch.int64)}, "floating point, not torch.int64"),
            ({"mask": torch.ones(2, 2, dtype=torch.bool)}, r"mask must be \(2, 3\) .* not \(2, 2\)"),
            ({"mask": torch.ones(2, 3)}, "mask must be bool, not torch.float32"),
            ({"kind": torch.zeros(3, dtype=torch.int64)}, r"kind must be \(2, 3\) .* not \(3,\)"),
            ({"frame": torch.zeros(2, 4, dtype=torch.int64)}, r"frame must be \(2, 3\) .* not \(2, 4\)"),
        ],
    )
    def test_each_kind_of_bad_one_is_named(self, changes, message):
        with pytest.raises(TokenizerError, match=message):
            check_tokens(tokens(**changes), n_clips=2)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    def test_values_that_are_not_finite_name_their_clip(self, bad):
        values = torch.zeros(2, 3, 4)
        values[1, 2, 3] = bad
        with pytest.raises(TokenizerError, match=r"in clips \[1\] of the batch"):
            check_tokens(tokens(values=values), n_clips=2)

    def test_what_stands_under_a_false_mask_is_ignored(self):
        values = torch.zeros(2, 3, 4)
        values[1, 2] = float("nan")
        mask = torch.ones(2, 3, dtype=torch.bool)
        mask[1, 2] = False
        check_tokens(tokens(values=values, mask=mask), n_clips=2)


class TestTokens:
    def test_of_fills_in_the_rest(self):
        made = Tokens.of(torch.zeros(2, 3, 4), frame=torch.tensor([5, 6, 7]), kind=TokenKind.MOTION)
        assert made.frame.tolist() == [[5, 6, 7]] * 2
        assert made.kind.tolist() == [[1, 1, 1]] * 2
        assert made.count().tolist() == [3, 3]
        assert len(made) == 2

    def test_concatenate_keeps_order_and_counts_only_what_the_mask_keeps(self):
        first = tokens(mask=torch.tensor([[True, True, False], [True, False, False]]))
        second = Tokens.of(torch.ones(2, 1, 4), kind=TokenKind.MOTION)
        joined = Tokens.concatenate([first, second])
        assert joined.values.shape == (2, 4, 4)
        assert joined.kind.tolist() == [[0, 0, 0, 1]] * 2
        assert joined.count().tolist() == [3, 2]

    def test_groups_of_two_widths_cannot_be_joined(self):
        with pytest.raises(RuntimeError):
            Tokens.concatenate([Tokens.of(torch.zeros(1, 1, 2)), Tokens.of(torch.zeros(1, 1, 3))])


class TestClips:
    def test_stacking(self):
        clip = Clip(frames=torch.zeros(5, 3, 8, 8, dtype=torch.uint8), fps=24.0)
        clips = Clips.stack([clip, clip])
        assert (len(clips), clips.n_frames) == (2, 5)
        assert clips.fps.tolist() == [24.0, 24.0]
        assert clips.frames.dtype == torch.uint8

    def test_clips_of_two_lengths_cannot_be_stacked(self):
        short = Clip(frames=torch.zeros(4, 3, 8, 8, dtype=torch.uint8), fps=24.0)
        long = Clip(frames=torch.zeros(5, 3, 8, 8, dtype=torch.uint8), fps=24.0)
        with pytest.raises(RuntimeError):
            Clips.stack([short, long])


class TestProtocols:
    def test_one_method_makes_a_tokenizer_and_no_more(self):
        class Mine:
            def encode(self, clips):
                return Tokens.of(torch.zeros(len(clips), 1, 2))

        assert isinstance(Mine(), Tokenizer)
        assert not isinstance(Mine(), TrainableTokenizer | CountingTokenizer | DecodingTokenizer)

    def test_without_encode_it_is_none(self):
        assert not isinstance(object(), Tokenizer)
