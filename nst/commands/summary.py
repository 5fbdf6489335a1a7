"""The line that a command prints when it is done."""

from nst.core.reports import Figures, PictureReport, VideoReport


def video_summary(report: VideoReport) -> str:
    """Return what a stylized video is and where it was written, in one line."""
    if report.note:
        return report.note
    paths = " and ".join(str(path) for path in (report.output, report.compare) if path)
    parts = [f"wrote {paths}" if paths else "", in_words(report.figures)]
    return "; ".join(filter(None, parts))


def pictures_summary(report: PictureReport) -> str:
    """Return where pictures were written, in one line."""
    if len(report.outputs) == 1:
        return f"wrote {report.outputs[0]}"
    return f"wrote {len(report.outputs)} pictures to {report.outputs[0].parent}"


def in_words(figures: Figures) -> str:
    """Return the figures in one line.

    >>> in_words({"warping_error": {"1": 0.04}, "input_warping_error": {"1": 0.02}, "ssim": 0.5})
    'warping error 0.040 at lag 1 (input 0.020); SSIM to the input 0.50'
    """
    parts = [
        f"{error:.3f} at lag {lag} (input {figures['input_warping_error'][lag]:.3f})"
        for lag, error in figures["warping_error"].items()
    ]
    parts = ["warping error " + ", ".join(parts)] if parts else []
    if "style_mean_error" in figures:
        seen = ", ".join(str(min(size)) for size in figures["style_sizes"])
        parts.append(
            f"style error: means {figures['style_mean_error']:.3f}, "
            f"covariances {figures['style_covariance_error']:.3f} (painting at {seen} pixels)"
        )
    if "content_distance" in figures:
        parts.append(f"content distance {figures['content_distance']:.3f}")
    if "ssim" in figures:
        parts.append(f"SSIM to the input {figures['ssim']:.2f}")
    if "beside_alone" in figures:
        beside = figures["beside_alone"]
        parts.append(f"detail {beside['detail']:.2f} of frames alone, ghosts {beside['ghost']:.2f}")
    return "; ".join(parts)
