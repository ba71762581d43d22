"""The phone set (41 ARPAbet classes, as flite prints them) and its 15 visemes (the Oculus / OpenXR set)."""

PHONES: tuple[str, ...] = tuple(
    "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh".split()
)
"""Phone classes (`P` = 41); `pau` is silence."""

VISEMES: dict[str, tuple[str, ...]] = {
    "sil": ("pau",),
    "PP": ("p", "b", "m"),
    "FF": ("f", "v"),
    "TH": ("th", "dh"),
    "DD": ("t", "d"),
    "kk": ("k", "g", "hh", "ng"),
    "CH": ("ch", "jh", "sh", "zh"),
    "SS": ("s", "z"),
    "nn": ("n", "l"),
    "RR": ("r", "er"),
    "aa": ("aa", "ae", "ay", "aw", "ah"),
    "E": ("eh", "ey", "ax"),
    "ih": ("ih", "iy", "y"),
    "oh": ("ao", "ow", "oy"),
    "ou": ("uw", "uh", "w"),
}
"""Viseme name -> the phones that look like it."""

PHONE_INDEX: dict[str, int] = {phone: index for index, phone in enumerate(PHONES)}

PHONE_TO_VISEME: tuple[int, ...] = tuple(
    next(index for index, phones in enumerate(VISEMES.values()) if phone in phones) for phone in PHONES
)
"""For each phone, the index of its viseme in `VISEMES`."""
