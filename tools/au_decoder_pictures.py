"""Shaded pictures of synthetic heads that do action units, for training the AU decoder: a z-buffer, made for speed and not for beauty."""

from dataclasses import dataclass
from pathlib import Path
from typing import no_type_check

import numpy as np
from numba import njit

from emohead.channels import AU_INDEX, N_AU, RIG_INDEX
from emohead.head.action_units import channel_names
from emohead.head.generic import GenericHead, load_generic
from emohead.head.registration import Attachment, Similarity, Surface, attach, register
from emohead.types import HeadMotion

SIZE = 320
"""Pixels of a picture's side."""
_SUPERSAMPLING = 2
_FIELDS = {
    "AU01": "AU1", "AU02": "AU2", "AU04": "AU4", "AU05": "AU5", "AU07": "AU7", "AU09": "AU9", "AU10": "AU10", "AU12": "AU12",
    "AU15": "AU15", "AU16": "AU16", "AU17": "AU17", "AU18": "AU18", "AU20": "AU20", "AU22": "AU22", "AU24": "AU24", "AU25": "AU25",
    "AU26": "AU26", "AU34": "AU34", "AU45": "AU43",
}  # fmt: skip
"""Fields of the data by our channel. AU23's field is AU24's at another size; AU21 and AU38 are no channels of ours."""
_SPOKEN = ("AU10", "AU12", "AU16", "AU17", "AU18", "AU20", "AU22", "AU24", "AU25", "AU26")
_EMOTIONS = (
    ("AU12", "AU10", "AU25", "AU7"), ("AU1", "AU4", "AU15", "AU17"), ("AU1", "AU2", "AU5", "AU25", "AU26"),
    ("AU1", "AU2", "AU4", "AU5", "AU20", "AU25", "AU26"), ("AU4", "AU5", "AU7", "AU24"), ("AU9", "AU10", "AU15", "AU17", "AU16"),
)  # fmt: skip
"""Happiness, sadness, surprise, fear, anger, disgust."""
_MOUTH_SHAPES = (
    {"AU26": 0.7, "AU25": 1.0, "AU16": 0.4, "AU10": 0.4}, {"AU26": 0.4, "AU25": 0.8, "AU18": 0.8, "AU22": 0.9},
    {"AU26": 0.3, "AU25": 0.8, "AU20": 0.7, "AU12": 0.5}, {"AU24": 0.9, "AU17": 0.5}, {"AU26": 0.2, "AU25": 0.5, "AU10": 0.6, "AU17": 0.4},
    {"AU26": 0.5, "AU25": 0.8}, {"AU22": 0.9, "AU25": 0.6, "AU26": 0.3},
)  # fmt: skip
"""Most of each action unit in: wide, rounded, spread, closed, labiodental, half open and funnelled lips."""
NUISANCES = ("AU21", "AU38")
"""Fields that move in the pictures and are not decoded."""
_SEAM = 0.0035
"""Metres over which a one-sided action unit fades at the middle of the face."""
_CORNEA = 1.12
"""Where the front of the eyeball is, in its radii; the data's eyeballs have no back."""
_NOT_SKIN = ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue", "mouth_inner", "socket_left", "socket_right", "torso")


@dataclass(frozen=True)
class Heads:
    """Identities of one topology and what each AU channel does to them, metres."""

    neutral: np.ndarray
    """[I V 3] float16."""
    ethnicity: np.ndarray
    """[I 3] weights of the three sets of fields."""
    fields: np.ndarray
    """[3 K V 3] displacement at 1."""
    channels: tuple[int, ...]
    """For each field, the AU channel it is, or -1 for a nuisance."""
    triangles: np.ndarray
    """[F 3], counter-clockwise from outside."""
    part: np.ndarray
    """[V] index into `part_names`."""
    part_names: tuple[str, ...]
    """The data's parts, then `lips`, `scalp` and `mouth`, which are skin there."""


@dataclass(frozen=True)
class Person:
    """One identity."""

    neutral: np.ndarray
    """[V 3] metres."""
    ethnicity: np.ndarray
    """[3] weights of the three sets of fields, sum 1."""


@dataclass(frozen=True)
class Shot:
    """How one picture is taken."""

    rotation: np.ndarray
    """[3 3] of the head."""
    gaze: np.ndarray
    """[2] yaw, pitch of both eyes, radians."""
    distance: float
    """Metres from the camera to the eyes."""
    face_width: float
    """Pixels that 0.14 m take up."""
    shift: np.ndarray
    """[2] pixels."""


@dataclass(frozen=True)
class Look:
    """Colours and light of one person's pictures."""

    colors: np.ndarray
    """[V 3] 0..1."""
    light: np.ndarray
    """[3] unit, towards the light."""
    ambient: float
    """Share of light without direction."""
    background: np.ndarray
    """[3] 0..1."""
    noise: float
    """Standard deviation of the sensor's noise, 0..255."""


def load_heads(path: Path) -> Heads:
    """The synthetic identities with sided fields; lips, scalp and inner mouth are found by registering the generic head."""
    with np.load(path, allow_pickle=False) as data:
        neutral = (data["points"].astype(np.float32) * 0.1).astype(np.float16)
        mean = data["neutral_mean"].astype(np.float64) * 0.1
        delta, names = data["au_delta"].astype(np.float32) * 0.1, [str(name) for name in data["au_names"]]
        triangles, part = data["triangles"], data["part"].astype(int)
        part_names, ethnicity = tuple(str(name) for name in data["part_names"]), data["ethnicity_weights"]
    left = 1 / (1 + np.exp(-mean[:, 0] / _SEAM)).astype(np.float32)[:, None]
    fields, channels = [], []
    for number, name in enumerate(names):
        channel = _FIELDS.get(name, "")
        if f"{channel}L" in AU_INDEX:
            fields += [delta[:, number] * left, delta[:, number] * (1 - left)]
            channels += [AU_INDEX[f"{channel}L"], AU_INDEX[f"{channel}R"]]
        elif channel or name in NUISANCES:
            fields.append(delta[:, number])
            channels.append(AU_INDEX.get(channel, -1))
    jaw = delta[:, names.index("AU26")].mean(0).astype(np.float64)
    surface = Surface(mean, triangles, jaw, part == 0)
    part, part_names = _finer_parts(surface, part, part_names)
    return Heads(neutral, ethnicity, np.stack(fields, 1), tuple(channels), triangles, part, part_names)


def _finer_parts(heads: Surface, part: np.ndarray, part_names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    generic = load_generic()
    attachment = _onto_generic(heads, generic)
    here = generic.vertex_part.numpy()[attachment.corners[:, 0]]
    names = np.array(generic.part_names)[here]
    skin = part == 0
    inside = skin & (attachment.distance > 0.004) & (np.abs(heads.vertices[:, 0]) < 0.04) & (heads.vertices[:, 1] < -0.03)
    inside &= heads.vertices[:, 1] > -0.1
    finer = part.copy()
    first = len(part_names)
    finer[skin & np.isin(names, ["lips_upper", "lips_lower"])] = first
    finer[skin & (names == "scalp")] = first + 1
    finer[inside] = first + 2
    return finer, (*part_names, "lips", "scalp", "mouth")


def _onto_generic(heads: Surface, generic: GenericHead) -> Attachment:
    motion = HeadMotion.neutral(1, 25.0)
    rest = generic(generic.identity(), motion).vertices[0].double().numpy()
    motion.rig[0, RIG_INDEX["jawOpen"]] = 1.0
    jaw = generic(generic.identity(), motion).vertices[0].double().numpy() - rest
    left_out = [generic.part_names.index(name) for name in _NOT_SKIN]
    source = Surface(rest, generic.triangles.numpy(), jaw, ~np.isin(generic.vertex_part.numpy(), left_out))
    _, registered = register(source, heads, start=Similarity(1.0, np.eye(3), np.zeros(3)))
    return attach(heads, registered)


def person(heads: Heads, identity: int) -> Person:
    """An identity of the data."""
    weights = heads.ethnicity[identity]
    return Person(heads.neutral[identity].astype(np.float32), weights / weights.sum())


def random_person(heads: Heads, n_identities: int, rng: np.random.Generator) -> Person:
    """Somebody between two of the first `n_identities`, or a little beyond one of them."""
    first, second = (person(heads, int(identity)) for identity in rng.choice(n_identities, 2, replace=False))
    share = np.float32(rng.uniform(-0.25, 1.25))
    weights = ((1 - share) * first.ethnicity + share * second.ethnicity).clip(0)
    return Person((1 - share) * first.neutral + share * second.neutral, weights / weights.sum())


def random_look(heads: Heads, someone: Person, rng: np.random.Generator) -> Look:
    """Colours by part, with irises and pupils, and one light."""
    skin = np.array([0.42, 0.27, 0.2]) + rng.uniform(0, 1) * np.array([0.5, 0.47, 0.45]) + rng.normal(0, 0.02, 3)
    hair = np.array([0.1, 0.07, 0.05]) + rng.uniform(0, 0.45) ** 1.5 * np.array([1.0, 0.8, 0.55])
    iris = np.array([0.25, 0.15, 0.1]) if rng.uniform() < 0.6 else np.array([0.3, 0.42, 0.5])
    by_part = {
        "skin": skin, "eyes": np.full(3, 0.88), "teeth": np.array([0.88, 0.86, 0.8]), "tongue": np.array([0.65, 0.32, 0.32]),
        "brows": 0.6 * hair + 0.1 * skin, "lashes": 0.4 * hair, "lips": skin * rng.uniform([0.85, 0.6, 0.6], [0.97, 0.75, 0.78]),
        "scalp": hair if rng.uniform() < 0.85 else skin, "mouth": np.array([0.25, 0.08, 0.08]),
    }  # fmt: skip
    colors = np.array([by_part[name] for name in heads.part_names])[heads.part]
    colors += rng.normal(0, 0.012, (len(colors), 1)) * (heads.part == 0)[:, None]
    points = someone.neutral
    for chosen, centre in eyes_of(heads, points):
        offset = points[chosen] - centre
        cosine = offset[:, 2] / np.linalg.norm(offset, axis=1)
        colors[chosen[cosine > 0.895]] = iris
        colors[chosen[cosine > 0.985]] = 0.04
    light = np.array([rng.normal(0, 0.45), rng.uniform(-0.1, 0.8), 1.0])
    return Look(colors, light / np.linalg.norm(light), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.95, 3), rng.uniform(0, 5))


def eyes_of(heads: Heads, points: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Vertices and centre of each eyeball (left, right)."""
    found = []
    for sign in (1, -1):
        chosen = np.flatnonzero((heads.part == heads.part_names.index("eyes")) & (sign * points[:, 0] > 0))
        low, high = points[chosen].min(0), points[chosen].max(0)
        centre = (low + high) / 2
        centre[2] = high[2] - _CORNEA * (high[1] - low[1]) / 2
        found.append((chosen, centre))
    return found


def random_view(rng: np.random.Generator) -> tuple[float, float]:
    """Distance of a camera in metres, and pixels that 0.14 m take up before it."""
    return rng.uniform(0.6, 1.6), rng.uniform(100, 190)


def random_shot(rng: np.random.Generator, *, turn: float = 1.0, view: tuple[float, float] | None = None) -> Shot:
    """A shot with a moderately turned head (`turn` scales the angles); with a `view` the camera stays there, as in a clip."""
    spread = turn * (0.35 if rng.uniform() < (0.4 if view is None else 0.25) else 0.12)
    yaw, pitch, roll = rng.normal(0, spread), rng.normal(0, 0.6 * spread), rng.normal(0, 0.4 * spread)
    gaze = rng.normal(0, [0.15, 0.1])
    distance, width = view or random_view(rng)
    if view:
        nearer = rng.normal(1, 0.03)
        distance, width = distance * nearer, width / nearer
    return Shot(rotation(yaw, pitch, roll), gaze, distance, width, rng.uniform(-12, 12, 2))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Yaw about +y, after pitch about +x, after roll about +z, radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return turn @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])


def posed(heads: Heads, someone: Person, amounts: np.ndarray, shot: Shot) -> np.ndarray:
    """Vertices [V 3] of a person with field amounts [K], before the head turns; the eyes look where the shot says."""
    points, moved = someone.neutral, someone.neutral.copy()
    for number in np.flatnonzero(amounts):
        moved += amounts[number] * np.einsum("g,gvc->vc", someone.ethnicity, heads.fields[:, number])
    turn = rotation(shot.gaze[0], shot.gaze[1], 0.0)
    for chosen, centre in eyes_of(heads, points):
        moved[chosen] = (moved[chosen] - centre) @ turn.T + centre
    return moved


def picture(heads: Heads, vertices: np.ndarray, look: Look, shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The picture [H W 3] uint8 of posed vertices."""
    pivot = np.array([0.0, -0.03, -0.06])
    points = (vertices - pivot) @ shot.rotation.T + pivot
    size = SIZE * _SUPERSAMPLING
    depth = shot.distance - points[:, 2]
    focal = shot.face_width / 0.14 * shot.distance * _SUPERSAMPLING
    x = size / 2 + focal * points[:, 0] / depth + shot.shift[0] * _SUPERSAMPLING
    y = size / 2 - focal * (points[:, 1] + 0.035) / depth + shot.shift[1] * _SUPERSAMPLING
    seen = np.stack([x, y, depth], 1).astype(np.float64)
    image = np.empty((size, size, 3), np.float32)
    image[:] = (look.background * np.linspace(0.9, 1.05, size)[:, None])[:, None]
    shade = _shading(points.astype(np.float64), heads.triangles, look.light)
    colors = look.colors * (look.ambient + (1 - look.ambient) * shade)[:, None]
    _draw(seen, heads.triangles, colors, image, np.full((size, size), np.inf, np.float32))
    small = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) * (255 / 4)
    noise = rng.standard_normal(small.shape, np.float32)
    return (small + np.float32(look.noise) * noise).clip(0, 255).astype(np.uint8)


def random_amounts(heads: Heads, rng: np.random.Generator) -> np.ndarray:
    """Field amounts [K] 0..1 of a random expression: nothing, one action unit, some, or some of the mouth."""
    kind = rng.choice(4, p=[0.08, 0.4, 0.32, 0.2])
    amounts = np.zeros(N_AU)
    options = [[AU_INDEX[name] for name in channel_names(unit)] for unit in (_SPOKEN if kind == 3 else _FIELDS.values())]
    count = (0, 1, rng.integers(2, 6), rng.integers(1, 5))[kind]
    for index in rng.permutation(len(options))[:count]:
        group, level = options[index], rng.uniform(0.1, 1.0)
        both = np.full(len(group), level)
        if len(group) == 2 and rng.uniform() < 0.3:
            both[rng.integers(2)] *= rng.choice([0.0, rng.uniform()])
        amounts[group] = both
    if kind == 3 and rng.uniform() < 0.25:
        amounts[[AU_INDEX["AU43L"], AU_INDEX["AU43R"]]] = rng.uniform()
    return _to_fields(heads, amounts, rng)


def likely_amounts(heads: Heads, rng: np.random.Generator) -> np.ndarray:
    """Field amounts [K] 0..1 of what people do: an emotion (EMFACS, Ekman and Friesen 1983), speech, both, or one action unit."""
    kind = rng.choice(4, p=[0.3, 0.35, 0.15, 0.2])
    wanted: dict[str, float] = {}
    if kind in (0, 2):
        level = rng.uniform(0.2, 1.0)
        prototype = _EMOTIONS[rng.integers(len(_EMOTIONS))]
        wanted |= {unit: level * rng.uniform(0.4, 1.0) for unit in prototype if rng.uniform() < 0.8}
    if kind in (1, 2):
        spoken = _MOUTH_SHAPES[rng.integers(len(_MOUTH_SHAPES))]
        wanted |= {unit: most * rng.uniform() for unit, most in spoken.items()}
        if rng.uniform() < 0.15:
            wanted |= {"AU1": rng.uniform(), "AU2": rng.uniform()}
    if kind == 3:
        wanted = {list(_FIELDS.values())[rng.integers(len(_FIELDS))]: rng.uniform(0.1, 1.0)}
    if rng.uniform() < 0.1:
        wanted["AU43"] = rng.uniform()
    amounts = np.zeros(N_AU)
    for unit, level in wanted.items():
        group = [AU_INDEX[name] for name in channel_names(unit)]
        amounts[group] = level * (rng.uniform(0.7, 1.0, len(group)) if rng.uniform() < 0.3 else 1.0)
    return _to_fields(heads, amounts, rng)


def _to_fields(heads: Heads, amounts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Field amounts [K] of AU channels [46], with a nuisance now and then."""
    fields = np.array([amounts[channel] if channel >= 0 else 0.0 for channel in heads.channels])
    nuisance = np.array(heads.channels) < 0
    fields[nuisance] = rng.uniform(0, 1, nuisance.sum()) * (rng.uniform(0, 1, nuisance.sum()) < 0.15)
    return fields


def to_channels(heads: Heads, amounts: np.ndarray) -> np.ndarray:
    """AU channels [46] of field amounts [K]."""
    values = np.zeros(N_AU)
    for amount, channel in zip(amounts, heads.channels, strict=True):
        if channel >= 0:
            values[channel] = amount
    return values


@njit(cache=True)
@no_type_check
def _shading(points, triangles, light):
    normals = np.zeros_like(points)
    for face in range(len(triangles)):
        a, b, c = triangles[face]
        ux, uy, uz = points[b] - points[a]
        vx, vy, vz = points[c] - points[a]
        normal = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
        for corner in (a, b, c):
            for axis in range(3):
                normals[corner, axis] += normal[axis]
    shade = np.zeros(len(points))
    for index in range(len(points)):
        x, y, z = normals[index]
        length = np.sqrt(x * x + y * y + z * z) + 1e-30
        shade[index] = max(0.0, (x * light[0] + y * light[1] + z * light[2]) / length)
    return shade


@njit(cache=True)
@no_type_check
def _draw(seen, triangles, colors, image, depth):
    rows, columns = depth.shape
    for face in range(len(triangles)):
        a, b, c = triangles[face]
        x0, y0, x1, y1, x2, y2 = seen[a, 0], seen[a, 1], seen[b, 0], seen[b, 1], seen[c, 0], seen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= 0:  # The picture's y points down, so what faces the camera turns the other way.
            continue
        for row in range(max(0, int(min(y0, y1, y2))), min(rows, int(max(y0, y1, y2)) + 1)):
            for column in range(max(0, int(min(x0, x1, x2))), min(columns, int(max(x0, x1, x2)) + 1)):
                x, y = column + 0.5 - x0, row + 0.5 - y0
                v = (x * (y2 - y0) - (x2 - x0) * y) / area
                w = ((x1 - x0) * y - x * (y1 - y0)) / area
                if v < 0 or w < 0 or v + w > 1:
                    continue
                z = (1 - v - w) * seen[a, 2] + v * seen[b, 2] + w * seen[c, 2]
                if z < depth[row, column]:
                    depth[row, column] = z
                    for channel in range(3):
                        image[row, column, channel] = (1 - v - w) * colors[a, channel] + v * colors[b, channel] + w * colors[c, channel]
