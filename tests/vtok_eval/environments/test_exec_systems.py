"""Systems in a worker: what they give is what they would give here, and what they do wrong is one line."""

import dataclasses
import importlib.util
import signal
import sys
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.efficiency import measure
from vtok_eval.codes import Codes
from vtok_eval.data import Clip, Tokens, check_tokens
from vtok_eval.environments import client as client_module
from vtok_eval.environments import watch
from vtok_eval.environments.errors import WorkerError, WorkerMemoryError
from vtok_eval.environments.systems import (
    ExecAnswerer,
    ExecGenerator,
    ExecTokenizer,
    exec_answerer,
    exec_generator,
    exec_tokenizer,
)
from vtok_eval.errors import RunFolderError, SpecError, TokenizerError, UnknownNameError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.inputs.fitted import fitted
from vtok_eval.results.description import Caveat
from vtok_eval.run.runners.memory import is_out_of_memory
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.content import content_of
from vtok_eval.specs.object_identity import state_facts
from vtok_eval.specs.systems import VideoMaking, build_system
from vtok_eval.systems import CountingTokenizer, DecodingTokenizer, SystemKind, Tokenizer
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer

CPU = torch.device("cpu")
FOLDER = Path(__file__).parent
EXAMPLES = Path(__file__).parents[3] / "examples"


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def same(first, second) -> bool:
    names = ("values", "mask", "kind", "frame")
    pairs = [(getattr(first, name), getattr(second, name)) for name in names]
    return first.latent_shape == second.latent_shape and all(
        a.dtype is b.dtype and a.shape == b.shape and torch.equal(a, b) for a, b in pairs
    )


FLOP_OF_TWO_FRAMES = 2 * (4 * 4) * 8 * (3 * 4 * 4) * 2
"""16 x 16 pixels under 8 filters of 3 x 4 x 4 with stride 4: places x filters x weights, twice each."""


def torch_here():
    module_spec = importlib.util.spec_from_file_location("torch_systems", FOLDER / "torch_systems.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.Convolved()


class TestEqualResults:
    def test_numpy_alone(self, spec, clips):
        tokens = exec_tokenizer(spec("Mean", shift=0.5), CPU).encode(clips(1, 2))
        means = clips(1, 2).frames.numpy().astype(np.float32).mean(axis=(3, 4), dtype=np.float64) / 255 + 0.5
        assert torch.equal(tokens.values, torch.from_numpy(means.astype(np.float32)))
        assert tokens.frame.tolist() == [[0, 1, 2, 3]] * 2
        assert tokens.latent_shape == (4, 1, 1)
        check_tokens(tokens, n_clips=2)

    def test_torch_here_and_there_to_the_last_bit(self, spec, clips):
        """One worker for all of torch: importing it takes seconds."""
        here, there = torch_here(), exec_tokenizer(spec("Convolved", file="torch_systems"), CPU)
        for level, dtype in enumerate(here.dtypes):
            given = clips(level, 9, 200)
            with torch.inference_mode():
                tokens = here.encode(given)
                assert tokens.values.dtype is dtype
                assert same(there.encode(given), tokens)
                assert torch.equal(there.decode(tokens).frames, here.decode(tokens).frames)
        with torch.inference_mode(), pytest.raises(WorkerError, match=r"NotImplementedError: .*meta tensor"):
            there.encode(clips(len(here.dtypes)))
        assert measure.count_flops(lambda: there.encode(clips(0, n_frames=2))) == FLOP_OF_TWO_FRAMES

    def test_an_example_behind_its_contract(self, clips):
        """The same file in both: 5 frames of 12 pixels are fitted to multiples of 4 and 8, and back."""
        place = f"{EXAMPLES / 'block_vae.py'}:BlockVAE"
        context = BuildContext(device=CPU)
        given = clips(1, 2, n_frames=5, size=12)
        with torch.inference_mode():
            here, there = (
                build_tokenizer(text, context) for text in (place, f"exec:{sys.executable}@{place}")
            )
            tokens, others = here.encode(given), there.encode(given)
            assert same(tokens, others)
            assert torch.equal(here.decode(tokens).frames, there.decode(others).frames)
        assert describe_tokenizer(there)["accepts"] == describe_tokenizer(here)["accepts"]

    def test_clips_that_the_class_keeps_stay_as_they_were(self, spec, clips):
        tokenizer = exec_tokenizer(spec("Remembering"), CPU)
        first = tokenizer.encode(clips(1))
        assert same(tokenizer.encode(clips(2)), first)

    def test_large_arrays(self, spec, clips):
        tokens = exec_tokenizer(spec("Large", mib=64), CPU).encode(clips(1, 2))
        assert torch.equal(tokens.values.flatten(), torch.arange(2 * 64 << 18, dtype=torch.float32))

    def test_no_tokens_at_all(self, spec, clips):
        tokens = exec_tokenizer(spec("Odd", what="none"), CPU).encode(clips(1))
        assert tokens.values.shape == (1, 0, 4)

    def test_big_endian_numbers(self, spec, clips):
        tokens = exec_tokenizer(spec("Odd", what="big-endian"), CPU).encode(clips(1))
        assert same(tokens, exec_tokenizer(spec("Mean"), CPU).encode(clips(1)))


class TestCodes:
    @pytest.mark.parametrize("embedding", [False, True])
    def test_codes_go_there_and_back(self, spec, clips, embedding):
        tokenizer = exec_tokenizer(spec("Coded", embedding=embedding), CPU)
        tokens = tokenizer.encode(clips(1, 2))
        check_tokens(tokens, n_clips=2)
        codes = torch.arange(16).reshape(2, 4, 2) % 8
        tables = (
            [torch.arange(32.0).reshape(16, 2), torch.ones(8, 2, dtype=torch.float16)] if embedding else None
        )
        mask = torch.tensor([[True, True, True, False]] * 2)
        here = Tokens.codes(
            codes,
            codebook_size=(16, 8),
            embedding=tables,
            mask=mask,
            frame=torch.arange(4),
            latent_shape=(1, 2, 2),
        )
        assert same(tokens, here)
        assert torch.equal(tokens.indices, codes)
        assert tokens.bits().tolist() == [3 * 7.0] * 2  # log2 of 16 and of 8
        assert torch.equal(tokenizer.decode(tokens).frames[:, :, 0, 0, 0], codes.sum(dim=2).to(torch.uint8))

    def test_codes_out_of_their_book_are_refused(self, spec, clips):
        with pytest.raises(TokenizerError, match="codes"):
            exec_tokenizer(spec("Coded", size=2), CPU).encode(clips(1))

    def test_each_field_of_tokens_is_known(self):
        """A new field must be sent too."""
        known = {"values", "mask", "kind", "frame", "latent_shape", "encoded_as", "coded"}
        assert {field.name for field in dataclasses.fields(Tokens)} == known
        assert {field.name for field in dataclasses.fields(Codes)} == {"indices", "sizes", "embedding"}


class TestWhatItCanDo:
    def test_it_has_the_methods_that_its_class_has(self, spec, clips):
        mean, decoding = exec_tokenizer(spec("Mean"), CPU), exec_tokenizer(spec("Decoding"), CPU)
        assert isinstance(mean, Tokenizer)
        assert isinstance(mean, CountingTokenizer)
        assert not isinstance(mean, DecodingTokenizer)
        assert mean.token_count(7) == 7
        assert mean.accepts is None
        assert decoding.accepts.text() == 'frames="4k", size=8'
        decoded = decoding.decode(decoding.encode(clips(1, size=8)))
        assert (decoded.frames.shape, decoded.frames.dtype) == ((1, 4, 3, 8, 8), torch.uint8)
        assert isinstance(fitted(decoding), DecodingTokenizer)

    def test_its_description(self, spec, tmp_path, monkeypatch):
        weights = tmp_path / "w.pt"
        weights.write_bytes(b"weights")
        monkeypatch.setenv("PYTHONPATH", "/of/the/harness")
        tokenizer = exec_tokenizer(spec("Mean", shift=2, weights=weights, variables="(MINE=1)"), CPU)
        said = describe_tokenizer(tokenizer)
        assert said.caveats == (Caveat.RANDOM_WEIGHTS,)
        assert said.options == {"shift": 2.0, "note": None, "weights": str(weights)}
        assert said["class"] == "remote_systems.py:Mean"
        assert said["sampling_rule"] == "every frame"
        assert said["environment"] == {
            "protocol": 1,
            "python": ".".join(map(str, sys.version_info[:3])),
            "numpy": np.__version__,
            "torch": version("torch"),  # numpy alone does not load it
            "arrays": "numpy",
            "packages": {"numpy": np.__version__},
        }
        # What the class sees: not the harness's PYTHONPATH, its own variables, its own folder first.
        assert (said["PYTHONPATH"], said["MINE"], said["path"]) == (None, "1", str(FOLDER))
        assert said["sources"] == {"remote_systems.py": sha256_file(FOLDER / "remote_systems.py")}
        ((name, digest),) = content_of([tokenizer.client.spec.text]).files.items()
        assert (name, digest) == ("w.pt", sha256_file(weights))  # not the interpreter

    def test_weights_that_are_drawn_without_a_seed(self, spec):
        """They are those of every other worker, and of this process; their hash is in the description."""
        seeded = [describe_tokenizer(exec_tokenizer(spec("Drawn"), CPU)) for _ in range(2)]
        np.random.seed(0)
        weights = np.random.rand(3)
        assert seeded[0]["options"] == seeded[1]["options"] == {"first": float(weights[0])}
        here = types.SimpleNamespace(drawn=weights)
        assert {each["state_sha256"] for each in seeded} == {state_facts(here)["state_sha256"]}

    def test_a_python_path_of_its_own(self, spec):
        tokenizer = exec_tokenizer(spec("Mean", pythonpath="/a:/b"), CPU)
        assert describe_tokenizer(tokenizer)["PYTHONPATH"] == "/a:/b"

    def test_a_generator(self, spec):
        generator = exec_generator(spec("Pictures"), CPU)
        assert generator.generate(["a", "b"], [3, 4]).frames[:, 0, 0, 0, 0].tolist() == [3, 4]
        with pytest.raises(
            WorkerError, match=r"RuntimeError: no such prompt \(remote_systems.py, line \d+\)"
        ):
            generator.generate(["bad"], [1])

    def test_an_answerer(self, spec):
        answerer = exec_answerer(spec("Grey"), CPU)
        clip = Clip(torch.full((2, 3, 8, 8), 5, dtype=torch.uint8), fps=8.0)
        assert answerer.answer(clip, "how bright?", ["13", "20"]) == (0.0, -7.0)
        assert answerer.answer(None, "how bright?", []) == "blind: how bright?"

    @pytest.mark.parametrize(
        ("option", "name", "kind", "cls"),
        [
            ("", "Mean", SystemKind.TOKENIZER, ExecTokenizer),
            ("generator:", "Pictures", SystemKind.GENERATOR, ExecGenerator),
            ("answerer:", "Grey", SystemKind.ANSWERER, ExecAnswerer),
        ],
    )
    def test_it_is_a_system_of_a_suite(self, spec, tmp_path, option, name, kind, cls):
        entry = SystemEntry(name="it", spec=f"{option}{spec(name)}")
        system = build_system(entry, BuildContext(device=CPU), VideoMaking(tmp_path, seed=0))
        subject = system.subject.generator if kind is SystemKind.GENERATOR else system.subject
        assert isinstance(subject, cls)
        assert system.kind is kind
        assert system.description["class"] == f"remote_systems.py:{name}"
        assert system.description["environment"]["numpy"] == np.__version__


class TestFaults:
    """Each is one line; the next call goes to a worker that is well."""

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            ("raise", r"^ValueError: I do not like this clip \(remote_systems.py, line \d+\)$"),
            ("exit", 'worker of remote_systems.py:Faulty ended with exit code 1 in encode; .* "leaving"$'),
            ("os-exit", 'ended with exit code 7 in encode; its last words: "about to os-exit"$'),
            ("segfault", 'was killed by SIGSEGV in encode; its last words: "about to segfault"$'),
            (
                "kill",
                'killed by SIGKILL 3 times in encode; its last words: "about to kill"; .* memory runs out',
            ),
            ("fork-and-die", "ended with exit code 3 in encode"),
        ],
    )
    def test_an_exception_a_crash_and_an_exit(self, spec, clips, fault, message):
        tokenizer = exec_tokenizer(spec("Faulty", fault=fault), CPU)
        before = tokenizer.encode(clips(1))
        with pytest.raises(WorkerError, match=message) as raised:
            tokenizer.encode(clips(10))
        one_line(raised)
        assert same(tokenizer.encode(clips(1)), before)

    @pytest.mark.parametrize("fault", ["hang", "spin"])
    def test_a_hang_ends_at_the_limit(self, spec, clips, fault):
        tokenizer = exec_tokenizer(spec("Faulty", fault=fault, call_limit_s=0.3), CPU)
        with pytest.raises(
            WorkerError, match=r"silent for more than 0.3 s in encode; .*call_limit_s=SECONDS"
        ):
            tokenizer.encode(clips(10))
        tokenizer.client.spec = exec_tokenizer(
            spec("Faulty"), CPU
        ).client.spec  # any call may be slow on a busy machine
        check_tokens(tokenizer.encode(clips(1)), n_clips=1)

    def test_a_start_that_hangs_ends_at_its_own_limit(self, spec):
        with pytest.raises(WorkerError, match=r"than 1 s (in|while) .* start_limit_s=SECONDS"):
            exec_tokenizer(spec("Faulty", fault="hang", when="constructor", start_limit_s=1), CPU)

    def test_memory_that_runs_out_is_known_as_such(self, spec, clips):
        tokenizer = exec_tokenizer(spec("Faulty", fault="memory"), CPU)
        with pytest.raises(
            WorkerMemoryError, match=r"MemoryError: too much \(.*\); out of memory in the worker"
        ) as raised:
            tokenizer.encode(clips(10))
        assert is_out_of_memory(raised.value)

    def test_a_worker_that_somebody_kills_gets_the_call_again(self, spec, clips, tmp_path):
        tokenizer = exec_tokenizer(spec("KilledOnce", marker=tmp_path / "marker"), CPU)
        first = tokenizer.client.pid
        assert same(tokenizer.encode(clips(1)), exec_tokenizer(spec("Mean"), CPU).encode(clips(1)))
        assert tokenizer.client.pid != first

    def test_prints_of_every_kind_are_outside_the_protocol(self, spec, clips):
        tokenizer = exec_tokenizer(spec("Noisy"), CPU)
        for level in range(3):
            assert same(
                tokenizer.encode(clips(level)), exec_tokenizer(spec("Mean"), CPU).encode(clips(level))
            )

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            ("array", r"TypeError: encode must give Tokens, not ndarray \(1, 4, 3\)"),
            ("texts", "TypeError: values has the dtype <U"),
            ("huge", "MemoryError|memory"),
        ],
    )
    def test_what_cannot_be_sent_is_named(self, spec, clips, what, message):
        tokenizer = exec_tokenizer(spec("Odd", what=what), CPU)
        for _ in range(2):
            with pytest.raises(WorkerError, match=message):
                tokenizer.encode(clips(1))

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            ("nan", r"NaN or infinite in clips \[1\]"),
            ("int64", "must be floating point, not torch.int64"),
            ("bool", "must be floating point, not torch.bool"),
            ("complex64", "must be floating point, not torch.complex64"),
        ],
    )
    def test_tokens_that_break_the_protocol_arrive_and_are_refused(self, spec, clips, what, message):
        tokens = exec_tokenizer(spec("Odd", what=what), CPU).encode(clips(1, 2))
        with pytest.raises(TokenizerError, match=message):
            check_tokens(tokens, n_clips=2)


class TestStart:
    """What is wrong with the class is one line before the run begins."""

    @pytest.mark.parametrize(
        ("name", "options", "error", "message"),
        [
            (
                "Maen",
                {},
                UnknownNameError,
                "unknown class in .*remote_systems.py 'Maen'; did you mean 'Mean'?",
            ),
            ("Hopeless", {}, SpecError, r"Hopeless is not a tokenizer; it needs a method encode\(clips\)"),
            ("Mean", {"shfit": 1}, UnknownNameError, "'shfit'; did you mean 'shift'?"),
            ("Faulty", {"when": "constructor"}, SpecError, "cannot be built: ValueError: I do not like this"),
            (
                "Faulty",
                {"when": "constructor", "fault": "os-exit"},
                WorkerError,
                'ended with exit code 7 in the constructor; its last words: "about to os-exit"',
            ),
        ],
    )
    def test_the_class(self, spec, name, options, error, message):
        with pytest.raises(error, match=message) as raised:
            exec_tokenizer(spec(name, **options), CPU)
        one_line(raised)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("def f(:\n  pass", r"cannot be imported by .*: SyntaxError: invalid syntax \(mine.py, line 1\)"),
            ("import helper", r"NameError: name 'nothing' is not defined \(helper.py, line 2\)"),
            ("import no_such_package", r"No module named 'no_such_package' \(mine.py, line 1\)"),
            ("from vtok_eval import Harness", r"cannot import name 'Harness' from 'vtok_eval'"),
            ("import vtok_eval.tokenizers.vtok", "No module named 'vtok_eval.tokenizers'"),
            ("import sys; sys.exit(4)", "ended with exit code 4 while importing mine.py"),
            (
                "class Mine:\n accepts = 'everything'\n def encode(self, clips): ...",
                "accepts must be vtok_eval",
            ),
            ("class Mine:\n accepts = {'frame': 4}\n def encode(self, clips): ...", "argument 'frame'"),
            (
                "class Mine:\n arrays = 'jax'\n def encode(self, clips): ...",
                "arrays must be 'numpy' or 'torch'",
            ),
        ],
    )
    def test_the_file(self, tmp_path, source, message):
        (tmp_path / "mine.py").write_text(source)
        (tmp_path / "helper.py").write_text("\nnothing\n")
        with pytest.raises((SpecError, WorkerError), match=message) as raised:
            exec_tokenizer(f"exec:{sys.executable}@{tmp_path / 'mine.py'}:Mine", CPU)
        one_line(raised)

    @pytest.mark.parametrize("program", ["/bin/true", "/bin/cat"])
    def test_a_program_that_is_not_python(self, tmp_path, program):
        (tmp_path / "mine.py").touch()
        with pytest.raises(WorkerError, match=r"ended with exit code . while starting"):
            exec_tokenizer(f"exec:{program}@{tmp_path / 'mine.py'}:Mine", CPU)

    def test_another_version_of_the_protocol(self, spec, monkeypatch):
        monkeypatch.setattr(client_module, "PROTOCOL", 99)
        with pytest.raises(WorkerError, match="speaks version 1 of the protocol, this program version 99"):
            exec_tokenizer(spec("Mean"), CPU)

    def test_a_file_that_changes_during_the_run_ends_it(self, tmp_path, clips):
        path = tmp_path / "mine.py"
        path.write_text((FOLDER / "remote_systems.py").read_text())
        tokenizer = exec_tokenizer(f"exec:{sys.executable}@{path}:Mean", CPU)
        path.write_text(path.read_text() + "\n")
        check_tokens(tokenizer.encode(clips(1)), n_clips=1)  # the process that runs has not changed
        tokenizer.client.release()
        with pytest.raises(RunFolderError, match=r"mine.py was changed during the run; start the run again"):
            tokenizer.encode(clips(1))


class TestCosts:
    def test_what_numpy_computes_has_no_count(self, spec, clips):
        tokenizer = exec_tokenizer(spec("Mean"), CPU)
        assert measure.count_flops(lambda: tokenizer.encode(clips(1))) is None
        assert measure.peak_memory(lambda: tokenizer.encode(clips(1)), device=CPU) is None

    def test_moving_the_data_is_not_time_of_the_tokenizer(self, spec, clips, monkeypatch):
        tokenizer = exec_tokenizer(spec("Mean"), CPU)
        timed = measure.time_encode(tokenizer, clips(1), passes=1, device=CPU)
        assert timed.seconds[0] > 0
        with watch.watch_calls() as watched:
            tokenizer.encode(clips(1))
        (call,) = watched.calls
        assert call.seconds > 0
        assert call.moving_s > 0
        # A transport of 1000 s is taken off whole.
        monkeypatch.setattr(watch.Watch, "moving_s", 1000.0)
        assert measure.time_encode(tokenizer, clips(1), passes=1, device=CPU).seconds[0] < -900


def test_releasing_ends_the_worker_and_the_next_call_starts_another(spec, clips):
    tokenizer: ExecTokenizer = exec_tokenizer(spec("Mean"), CPU)
    before, pid = tokenizer.encode(clips(1)), tokenizer.client.pid
    tokenizer.client.release()
    assert tokenizer.client.pid is None
    assert same(tokenizer.encode(clips(1)), before)
    assert tokenizer.client.pid != pid


def test_signals_that_others_send_are_distinguished_from_the_class_own():
    assert -signal.SIGKILL in client_module._FROM_OUTSIDE
    assert -signal.SIGSEGV not in client_module._FROM_OUTSIDE
