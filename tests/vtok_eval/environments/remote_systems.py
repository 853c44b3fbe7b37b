"""Systems that run in a worker: sound ones, and ones that misbehave on request. Python 3.8, numpy alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from vtok_eval import Accepts, Caveat, Clips, Description, Tokens


class Mean:
    """One token per frame: its mean colour, float32, 0 to 1."""

    sampling_rule = "every frame"

    def __init__(self, shift: float = 0.0, note: str | None = None, weights: Path | None = None):
        self.shift, self.note, self.weights = shift, note, weights

    def encode(self, clips):
        values = clips.frames.astype(np.float32).mean(axis=(3, 4), dtype=np.float64) / 255 + self.shift
        frame = np.arange(clips.n_frames)
        return Tokens.of(values.astype(np.float32), frame=frame, latent_shape=(clips.n_frames, 1, 1))

    def token_count(self, n_frames):
        return n_frames

    def describe(self):
        facts = {
            "PYTHONPATH": os.environ.get("PYTHONPATH"),
            "MINE": os.environ.get("MINE"),
            "path": sys.path[0],
        }
        return Description(caveats=(Caveat.RANDOM_WEIGHTS,), facts=facts)


class Decoding(Mean):
    """Decodes to flat pictures of 8 pixels."""

    accepts = Accepts(frames="4k", size=8)

    def decode(self, tokens):
        assert tokens.latent_shape == (tokens.values.shape[1], 1, 1)
        frames = np.round(tokens.values * 255).astype(np.uint8)[..., None, None]
        frames = np.broadcast_to(frames, (*frames.shape[:3], 8, 8))  # not contiguous
        return Clips(frames=frames, fps=np.full(len(tokens), 8.0))


def misbehave(fault: str) -> None:
    """Do what `fault` says to this process."""
    print("about to", fault)  # noqa: T201
    if fault == "raise":
        raise ValueError("I do not like\nthis clip")
    if fault == "exit":
        sys.exit("leaving")
    if fault == "os-exit":
        os._exit(7)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hang":
        threading.Event().wait()
    if fault == "spin":  # like code that never lets another thread run
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
        while True:
            pass
    if fault == "fork-and-die":  # a process of its own keeps every descriptor open
        if os.fork() == 0:
            time.sleep(60)
        os._exit(3)
    if fault == "memory":
        raise MemoryError("too much")


class Faulty(Mean):
    """Misbehaves at clips whose first value is 10, or while it is made."""

    def __init__(self, fault: str = "raise", when: str = "encode"):
        super().__init__()
        self.fault = fault
        if when == "constructor":
            misbehave(fault)

    def encode(self, clips):
        if (clips.frames[:, 0, 0, 0, 0] == 10).any():
            misbehave(self.fault)
        return super().encode(clips)


class KilledOnce(Mean):
    """Kills its process at the first clip, and leaves a file so that the next process does not."""

    def __init__(self, marker: Path):
        super().__init__()
        self.marker = marker

    def encode(self, clips):
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(clips)


class Noisy(Mean):
    """Prints in every way there is."""

    def encode(self, clips):
        print("print")  # noqa: T201
        os.write(1, b"\x00\xff{} raw" * 20000)
        subprocess.run(["echo", "from a subprocess"], check=True)
        sys.stdout.write("no end of line")
        return super().encode(clips)


class Odd(Mean):
    """Gives what the protocol does not allow, or barely does."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what

    def encode(self, clips):
        tokens = super().encode(clips)
        values = tokens.values
        if self.what == "nan":
            values[1, 0] = np.nan
        elif self.what == "array":
            return values
        elif self.what == "texts":
            tokens.values = values.astype(str)
        elif self.what == "huge":
            tokens.values = np.broadcast_to(np.float32(0), (len(clips), 1 << 40, 3))
        elif self.what == "none":
            return Tokens.of(np.zeros((len(clips), 0, 4), np.float32))
        elif self.what == "big-endian":
            tokens.values = values.astype(">f4")
        else:
            tokens.values = values.astype(self.what)
        return tokens


class Coded(Mean):
    """Gives codes of two quantisers, and checks that `decode` gets them back."""

    tables = (np.arange(32, dtype=np.float32).reshape(16, 2), np.ones((8, 2), np.float16))

    def __init__(self, embedding: bool = False, size: int = 16):
        super().__init__()
        self.embedding, self.size = embedding, size

    def encode(self, clips):
        codes = np.arange(len(clips) * 8).reshape(len(clips), 4, 2) % 8
        return Tokens.codes(
            codes,
            codebook_size=(np.int64(self.size), 8),
            embedding=self.tables if self.embedding else None,
            mask=np.arange(4)[None].repeat(len(clips), axis=0) < 3,
            frame=np.arange(4),
            latent_shape=(1, 2, 2),
        )

    def decode(self, tokens):
        assert tokens.coded.sizes == (self.size, 8)
        assert tokens.latent_shape == (1, 2, 2)
        tables = self.tables if self.embedding else ()
        assert [table.tolist() for table in tokens.coded.embedding] == [table.tolist() for table in tables]
        frames = tokens.indices.sum(axis=2).astype(np.uint8)[:, :, None, None, None]
        return Clips(np.broadcast_to(frames, (len(tokens), 4, 3, 8, 8)), np.full(len(tokens), 8.0))


class Large(Mean):
    """Gives `mib` MiB of tokens for a clip."""

    def __init__(self, mib: int = 1):
        super().__init__()
        self.mib = mib

    def encode(self, clips):
        values = np.arange(len(clips) * self.mib << 18, dtype=np.float32)
        return Tokens.of(values.reshape(len(clips), -1, 1024))


class Remembering(Mean):
    """Keeps the clips of the last call, and encodes those instead of what it is given."""

    last = None

    def encode(self, clips):
        before, self.last = self.last, clips
        return super().encode(clips if before is None else before)


class Drawn(Mean):
    """Its weights come from a global generator, without a seed."""

    def __init__(self, first: float = 0.0):
        super().__init__()
        self.drawn = np.random.rand(3)
        self.first = float(self.drawn[0])


class Hopeless:
    """Has no method that anybody could call."""


class Pictures:
    """A generator: flat clips whose grey level is the seed."""

    def generate(self, prompts, seeds):
        if "bad" in prompts:
            raise RuntimeError("no such prompt")
        frames = np.empty((len(prompts), 2, 3, 16, 16), np.uint8)
        frames[:] = np.asarray(seeds)[:, None, None, None, None]
        return Clips(frames, np.full(len(prompts), 8.0))


class Grey:
    """An answerer: the option whose number is nearest to the clip's mean; without a clip, a text."""

    def answer(self, clip, question, options):
        if clip is None:
            return "blind: " + question
        return [-abs(float(option) - clip.frames.mean() - clip.fps) for option in options]


class Parent(Faulty):
    """Has a process of its own; spins at clips whose first value is 10."""

    def __init__(self):
        super().__init__("spin")
        self.child = subprocess.Popen(["sleep", "600"])


class Level(Faulty):
    """One token per clip: its mean colour, 0 to 255."""

    def encode(self, clips):
        values = super().encode(clips).values.mean(axis=1, keepdims=True) * 255
        return Tokens.of(values.astype(np.float32))


class LevelWithoutMemory(Level):
    """Runs out of memory with more than two clips in a batch."""

    def encode(self, clips):
        if len(clips) > 2:
            raise MemoryError("cannot allocate")
        return super().encode(clips)
