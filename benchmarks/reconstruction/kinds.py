"""The metrics of reconstruction as tables show them."""

from __future__ import annotations

from vtok_eval.results.records import Metric


def _metric(
    name: str,
    title: str,
    unit: str,
    *,
    group: str,
    better: bool | None,
    headline: bool = True,
    least: float | None = None,
    most: float | None = None,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        higher_is_better=better,
        group=group,
        headline=headline,
        failed_as=None,
        least=least,
        most=most,
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        # No error of 8 bits is larger than the peak, so that 0 dB is the least.
        _metric("psnr", "PSNR", "dB", group="fidelity", better=True, least=0.0),
        _metric("ssim", "SSIM", "", group="fidelity", better=True, least=-1.0, most=1.0),
        _metric("ms_ssim", "MS-SSIM", "", group="fidelity", better=True, least=0.0, most=1.0),
        _metric("lpips", "LPIPS", "", group="perception", better=False, least=0.0),
        _metric("vmaf", "VMAF", "", group="perception", better=True, least=0.0, most=100.0),
        _metric("difference_error", "frame-difference error", "levels", group="time", better=False),
        _metric("flicker_error", "flicker error", "levels", group="time", better=False, headline=False),
        _metric("motion_kept", "motion kept", "ratio", group="time", better=None, headline=False),
        _metric("detail_kept", "detail kept", "ratio", group="detail", better=None, headline=False),
    )
}
"""Values of clips, in the order of tables. Frechet distances are scores of all clips: `frechet.scores`."""

FRECHET = ("frechet_transnetv2", "frechet_i3d")
ALL = (*METRICS, *FRECHET)
