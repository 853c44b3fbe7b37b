import time
from itertools import pairwise

import pytest
import torch

from benchmarks.efficiency import measure
from benchmarks.efficiency.clips import moving_noise
from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import TokenizerError

CPU = torch.device("cpu")


def noise(n_clips=1, n_frames=3, size=8, seeds=(0,)):
    return moving_noise(n_clips=n_clips, n_frames=n_frames, size=size, fps=4.0, seeds=seeds)


class TestMovingNoise:
    def test_shape_dtype_and_fps(self):
        clips = noise(n_clips=2, n_frames=3, size=8)
        assert clips.frames.shape == (2, 3, 3, 8, 8)
        assert clips.frames.dtype == torch.uint8
        assert clips.fps.tolist() == [4.0, 4.0]
        assert clips.fps.dtype == torch.float64

    def test_each_frame_is_the_one_before_moved_right_and_down_by_one(self):
        frames = noise(n_frames=5).frames[0]
        for earlier, later in pairwise(frames):
            assert torch.equal(later[:, 1:, 1:], earlier[:, :-1, :-1])
            assert not torch.equal(later, earlier)

    def test_the_seed_alone_decides(self):
        assert torch.equal(noise(seeds=(1, 16, 0)).frames, noise(seeds=(1, 16, 0)).frames)
        assert not torch.equal(noise(seeds=(1, 16, 0)).frames, noise(seeds=(1, 16, 1)).frames)

    def test_a_clip_does_not_depend_on_the_size_of_the_batch(self):
        assert torch.equal(noise(n_clips=4).frames[:1], noise(n_clips=1).frames)

    def test_clips_of_a_batch_differ(self):
        frames = noise(n_clips=2).frames
        assert not torch.equal(frames[0], frames[1])


class TestCountFlops:
    def test_matrix_product(self):
        a, b = torch.ones(3, 5), torch.ones(5, 7)
        # (3 x 5) @ (5 x 7): 3 * 7 results of 5 multiplications and 5 additions each: 2 * 3 * 5 * 7
        assert measure.count_flops(lambda: a @ b) == 210

    def test_convolution(self):
        layer = torch.nn.Conv2d(3, 4, kernel_size=3, padding=1, bias=False)
        # 6 * 6 places x 4 filters x (3 channels * 3 * 3) x 2
        assert measure.count_flops(lambda: layer(torch.ones(1, 3, 6, 6))) == 6 * 6 * 4 * 27 * 2

    def test_depthwise_convolution_counts_one_channel_per_filter(self):
        layer = torch.nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=4, bias=False)
        assert measure.count_flops(lambda: layer(torch.ones(1, 4, 6, 6))) == 6 * 6 * 4 * 9 * 2

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_attention_layers_are_not_taken_for_nothing(self, mode):
        # Without gradients torch runs this layer as one fused operation, which FlopCounterMode counts as 0.
        layer = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
        x = torch.randn(1, 10, 8)
        with mode():
            flops = measure.count_flops(lambda: layer(x, x, x, need_weights=False))
        # q, k, v: 2 * 10 * 8 * 24 = 3840; q k^T over 2 heads of width 4: 2 * 2 * 10 * 10 * 4 = 1600;
        # weights x v: 1600 again; output: 2 * 10 * 8 * 8 = 1280
        assert flops == 3840 + 1600 + 1600 + 1280

    def test_the_fused_layers_are_switched_back_on_also_after_an_error(self):
        assert torch.backends.mha.get_fastpath_enabled()
        with pytest.raises(ZeroDivisionError):
            measure.count_flops(lambda: 1 // 0)
        assert torch.backends.mha.get_fastpath_enabled()


class TestPeakMemory:
    def test_most_bytes_alive_at_once(self):
        def work():
            a = torch.ones(1000)  # 4000 bytes alive
            b = a + 1  # 8000
            del a  # 4000
            c = torch.cat([b, b])  # 12000
            del b  # 8000
            return c + 1  # 8000 + 8000 = 16000

        assert measure.peak_memory(work, device=CPU) == 16000

    def test_weights_inputs_and_views_cost_nothing(self):
        weight = torch.ones(1000)

        def work():
            return weight[:500].view(2, 250).t().reshape(500)  # only the last step copies: 500 * 4

        assert measure.peak_memory(work, device=CPU) == 2000

    def test_in_place_work_on_what_was_there_costs_nothing(self):
        held = torch.ones(1000)
        assert measure.peak_memory(lambda: held.add_(1).mul_(2), device=CPU) == 0

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_the_same_in_every_run(self, mode):
        layer = torch.nn.Linear(16, 32)
        x = torch.ones(4, 16)
        with mode():
            # 4 x 32 float32 results
            assert [measure.peak_memory(lambda: layer(x), device=CPU) for _ in range(3)] == [512] * 3

    def test_nothing_is_claimed_for_a_device_without_a_peak(self):
        assert measure.peak_memory(lambda: None, device=torch.device("meta")) is None


class OneToken:
    """Counts its calls, and looks at a clock that the test moves."""

    def __init__(self, clock):
        self.clock = clock
        self.durations = iter([0.5, 0.25, 4.0])

    def encode(self, clips: Clips) -> Tokens:
        self.clock.now += next(self.durations)
        return Tokens.of(torch.zeros(len(clips), 1, 2))


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


class TestTimeEncode:
    def test_one_duration_per_pass_in_order(self, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(measure, "time", clock)
        timed = measure.time_encode(OneToken(clock), noise(n_clips=2), passes=3, device=CPU)
        assert timed.seconds == (0.5, 0.25, 4.0)
        assert timed.tokens.count().tolist() == [1, 1]

    def test_no_pass_is_no_measurement(self):
        with pytest.raises(ValueError, match="passes"):
            measure.time_encode(OneToken(Clock()), noise(), passes=0, device=CPU)

    def test_tokens_that_break_the_protocol_are_refused(self):
        class Short:
            def encode(self, clips):
                return Tokens.of(torch.zeros(1, 1, 2))

        with pytest.raises(TokenizerError, match=r"\(2, L, D\)"):
            measure.time_encode(Short(), noise(n_clips=2), passes=1, device=CPU)

    def test_the_clock_is_wall_clock(self):
        assert measure.time is time
