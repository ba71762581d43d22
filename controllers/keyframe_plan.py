"""Tracks told as a plan, for tables and pictures: what keyframes, or several wishes together, ask for around a few moments."""

from collections.abc import Sequence
from dataclasses import replace

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
    return track_to_plan(track, moments(keys), text="keyframes")


def track_to_plan(track: AUTrack, times: Sequence[float], *, text: str, late: float = 0.0) -> TextPlan:
    """What a track asks for from each of some times to the next, at most eight of them.

    Args:
        track: the track.
        times: seconds, rising; those after its end are left out, too many are thinned evenly.
        text: name of the events.
        late: where between two times the track is looked at, 0 (at the first) .. 1.
    """
    seconds = track.n_frames / track.fps
    times = [time for time in times if time <= seconds]
    if len(times) > MAX_MOMENTS:
        times = [times[round(index * (len(times) - 1) / (MAX_MOMENTS - 1))] for index in range(MAX_MOMENTS)]
    spans = zip(times, [*times[1:], seconds], strict=True)
    return TextPlan(tuple(_event(track, (start, end), start + late * (end - start), text) for start, end in spans), seconds)


def moments(keys: KeyframeController) -> list[float]:
    """Seconds of the keys, or evenly spread over a recording."""
    if isinstance(keys.source, Keyframes):
        return sorted({time for curve in keys.source.curves for time in curve.times})
    return [keys.source.end * index / MAX_MOMENTS for index in range(MAX_MOMENTS)]


def _event(track: AUTrack, span: tuple[float, float], seen: float, text: str) -> Event:
    frame = min(round(seen * track.fps), track.n_frames - 1)
    row, asked, pose = track.intensity[frame], track.weight[frame], track.pose_weight[frame]
    au = {name: round(float(row[index]), 4) for index, name in enumerate(AU_NAMES) if asked[index] > 0.5 and row[index] > 0.005}
    gaze = (float(track.gaze[frame, 0]), float(track.gaze[frame, 1])) if pose[0] > 0.5 else None
    head = [float(angle) for angle in track.head_rotation[frame]]
    event = Event(*span, au, gaze, (head[0], head[1], head[2]) if pose[1] > 0.5 else None, text=text)
    return replace(event, onset=0.0) if seen == span[0] else event  # A moment has no onset; a picture shows it as it begins.
