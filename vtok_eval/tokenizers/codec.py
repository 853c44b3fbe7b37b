"""Video codecs as yardsticks: what H.264, HEVC and AV1 keep of a clip for their bits."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.errors import SpecError, UnknownNameError, VideoError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.results.description import Description
from vtok_eval.video.coded_stream import ENCODERS, decode_stream, encode_stream, encoder_named

CodecName = Literal["libx264", "libx265", "libsvtav1"]
PixelFormat = Literal["yuv420p", "yuv444p"]


class VideoCodec:
    """A video codec: a clip becomes the bytes of a stream, which cost bits and are not tokens for a model.

    Its systems have the kind `SystemKind.CODEC`, so that only benchmarks which compare bits evaluate them.
    Each clip is one stream without a container. All that decoding needs is in it and counts: the frame rate
    (5 bytes) and the parameter sets too.

    codec: FFmpeg's encoder. crf: its quality; a higher one spends fewer bits. bits_per_pixel: instead of crf,
        the most bits that may be spent on a pixel of a frame: the finest crf that keeps to it is chosen for
        each clip. preset: of the encoder; None for "medium" (libx264, libx265) or 8 (libsvtav1).
    pixels: yuv420p stores a quarter of the colour samples, as nearly all video does; yuv444p all of them.

    Raises:
        SpecError: neither or both of crf and bits_per_pixel, or one out of range.

    Example:
        >>> clips = Clips(torch.zeros(1, 4, 3, 32, 32, dtype=torch.uint8), torch.tensor([8.0]).double())
        >>> codec = VideoCodec(codec="libx264", crf=28)
        >>> tuple(codec.decode(codec.encode(clips)).frames.shape)
        (1, 4, 3, 32, 32)
    """

    sampling_rule = "every frame"

    def __init__(
        self,
        *,
        codec: CodecName,
        crf: int | None = None,
        bits_per_pixel: float | None = None,
        preset: str | None = None,
        pixels: PixelFormat = "yuv420p",
    ) -> None:
        encoder = encoder_named(codec)
        if (crf is None) == (bits_per_pixel is None):
            raise SpecError(
                f"codec needs either a quality (codec:{codec}:crf=28) or a rate "
                f"(codec:{codec}:bits_per_pixel=0.1)"
            )
        low, high = encoder.crf
        if crf is not None and not low <= crf <= high:
            raise SpecError(f"codec {codec}: crf must be from {low} to {high}, not {crf}")
        if bits_per_pixel is not None and not bits_per_pixel > 0:
            raise SpecError(f"codec {codec}: bits_per_pixel must be above 0, not {bits_per_pixel}")
        if pixels not in get_args(PixelFormat):
            raise UnknownNameError(what="pixel format", name=pixels, known=get_args(PixelFormat))
        if pixels not in encoder.pixel_formats:
            raise SpecError(f"codec {codec} stores {' or '.join(encoder.pixel_formats)}, not {pixels}")
        self.codec: CodecName = codec
        self.crf, self.bits_per_pixel = crf, bits_per_pixel
        self.preset = preset or encoder.preset
        # Even sizes, as yuv420p needs.
        self.accepts = Accepts(size=f"{encoder.least}+2k")
        self.pixels: PixelFormat = pixels

    def describe(self) -> Description:
        """The version of the libraries that encode."""
        import av

        version = ".".join(map(str, av.library_versions["libavcodec"]))
        return Description(facts={"encoder": f"{self.codec}, libavcodec {version}, PyAV {av.__version__}"})

    def encode(self, clips: Clips) -> Tokens:
        """The bytes of each clip's stream as codes of 8 bits, `(B, L)`, L of the longest.

        Raises:
            VideoError: the encoder cannot take a clip, or no crf keeps to `bits_per_pixel`.
        """
        each = zip(clips.frames, clips.fps.tolist(), strict=True)
        streams = [self._stream(Clip(frames, fps)) for frames, fps in each]
        longest = max(map(len, streams))
        device = clips.frames.device
        lengths = torch.tensor([len(stream) for stream in streams], device=device)
        padded = bytearray(b"".join(stream.ljust(longest, b"\0") for stream in streams))
        return Tokens.codes(
            torch.frombuffer(padded, dtype=torch.uint8).view(len(streams), longest).to(device, torch.int64),
            codebook_size=256,
            embedding=torch.arange(256.0, device="cpu")[:, None],
            mask=torch.arange(longest, device=device) < lengths[:, None],
        )

    def decode(self, tokens: Tokens) -> Clips:
        """The clips of the streams, on the tokens' device.

        Raises:
            TokenizerError: tokens that are not codes.
            VideoError: bytes that are not a stream of this codec.
        """
        decoded = [
            decode_stream(bytes(row[mask].tolist()), codec=self.codec)
            for row, mask in zip(tokens.indices, tokens.mask, strict=True)
        ]
        return Clips.stack(decoded).to(tokens.values.device)

    def _stream(self, clip: Clip) -> bytes:
        if self.crf is not None:
            return self._at(clip, self.crf)
        assert self.bits_per_pixel is not None
        n_frames, _, height, width = clip.frames.shape
        most = self.bits_per_pixel * n_frames * height * width
        low, high = ENCODERS[self.codec].crf
        best = self._at(clip, high)
        if 8 * len(best) > most:
            least = 8 * len(best) / (n_frames * height * width)
            raise VideoError(
                f"codec {self.codec} spends {least:.3g} bits per pixel on this clip at its coarsest, "
                f"crf={high}; {self.bits_per_pixel:g} is too few"
            )
        # The finest crf that keeps to the rate, by halving: streams shrink as crf grows.
        while low < high:
            middle = (low + high) // 2
            stream = self._at(clip, middle)
            if 8 * len(stream) <= most:
                best, high = stream, middle
            else:
                low = middle + 1
        return best

    def _at(self, clip: Clip, crf: int) -> bytes:
        return encode_stream(clip, codec=self.codec, crf=crf, preset=self.preset, pixel_format=self.pixels)
