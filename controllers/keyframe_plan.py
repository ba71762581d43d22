"""Keyframes told as a plan, for tables and pictures: what they ask for around a few of their moments."""

from controllers.keyframes import KeyframeController, Keyframes
from controllers.plan import Event, TextPlan
from emohead.channels import AU_NAMES
from emohead.types import AUTrack

MAX_MOMENTS = 8


def keyframes_to_plan(keys: KeyframeController, track: AUTrack) -> TextPlan:
    """Events at up to eight moments: the keys' own times, evenly thinned, or evenly spread over a recording.

    Args:
        keys: the keyframes.
        track: their track over the clip.
    """
    seconds = track.n_frames / track.fps
    times = [time for time in _moments(keys) if time <= seconds]
    if len(times) > MAX_MOMENTS:
        times = [times[round(index * (len(times) - 1) / (MAX_MOMENTS - 1))] for index in range(MAX_MOMENTS)]
    ends = [*times[1:], seconds]
    return TextPlan(tuple(_event(track, start, end) for start, end in zip(times, ends, strict=True)), seconds)


def _moments(keys: KeyframeController) -> list[float]:
    if isinstance(keys.source, Keyframes):
        return sorted({time for curve in keys.source.curves for time in curve.times})
    return [keys.source.end * index / MAX_MOMENTS for index in range(MAX_MOMENTS)]


def _event(track: AUTrack, start: float, end: float) -> Event:
    frame = min(round(start * track.fps), track.n_frames - 1)
    row, asked, pose = track.intensity[frame], track.weight[frame], track.pose_weight[frame]
    au = {name: round(float(row[index]), 4) for index, name in enumerate(AU_NAMES) if asked[index] > 0.5 and row[index] > 0.005}
    gaze = (float(track.gaze[frame, 0]), float(track.gaze[frame, 1])) if pose[0] > 0.5 else None
    head = [float(angle) for angle in track.head_rotation[frame]]
    return Event(start, end, au, gaze, (head[0], head[1], head[2]) if pose[1] > 0.5 else None, text="keyframes", onset=0.0)
