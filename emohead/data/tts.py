"""Synthetic speech with exact phone times from flite, espeak-ng and festival, which run as the system's own programs when installed.

Anatomy of the labels: flite and festival put a stop's closure and burst inside the phone; espeak-ng marks a voiceless stop at its
burst, so the 40 ms before it, where the lips are shut, are given to the stop here.
"""

import ctypes
import ctypes.util
import re
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emohead.data.phone_symbols import arpabet_phone, ipa_phone
from emohead.errors import ResourceError
from emohead.types import PhoneSegment, Waveform

FLITE_PITCH_HZ = {"slt": 172.0, "rms": 100.0, "awb": 125.0, "kal16": 100.0}
"""The usable flite voices and their own mean pitch (`awb_time` has no phone times)."""

VOICELESS_CLOSURE_SECONDS = 0.040
"""How long before its espeak-ng event a voiceless stop is already shut."""


@dataclass(frozen=True)
class SyntheticSpeech:
    """A synthetic utterance."""

    audio: Waveform
    segments: tuple[PhoneSegment, ...]
    """In order, without gaps."""
    voice: str
    """Engine and voice, for example `flite:slt`."""


def speak_flite(
    text: str, *, voice: str = "slt", stretch: float = 1.0, pitch_hz: float | None = None, pitch_std_hz: float = 15.0
) -> SyntheticSpeech:
    """Speak with flite; `stretch` > 1 is slower.

    Raises:
        ResourceError: flite is not installed or failed.
    """
    with tempfile.TemporaryDirectory(prefix="emohead-") as folder:
        target = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "-t", text, "-o", str(target), "-psdur", "--setf", f"duration_stretch={stretch:.3f}"]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}", "--setf", f"int_f0_target_stddev={pitch_std_hz:.1f}"]
        printed = _run(command)
        audio = _read_wav(target)
    ends = [(mark.rsplit(":", 1)[0], float(mark.rsplit(":", 1)[1])) for mark in printed.split() if ":" in mark]
    return SyntheticSpeech(audio, _segments_from_ends(ends, audio.duration), f"flite:{voice}")


def speak_festival(text: str, *, stretch: float = 1.0) -> SyntheticSpeech:
    """Speak with festival's default diphone voice.

    Raises:
        ResourceError: festival is not installed or failed.
    """
    quoted = text.replace("\\", "").replace('"', "")
    with tempfile.TemporaryDirectory(prefix="emohead-") as folder:
        wav, labels = Path(folder) / "speech.wav", Path(folder) / "speech.lab"
        script = Path(folder) / "speak.scm"
        script.write_text(
            f"(Parameter.set 'Duration_Stretch {stretch:.3f})\n"
            f'(set! utterance (utt.synth (Utterance Text "{quoted}")))\n'
            f'(utt.save.segs utterance "{labels}")\n(utt.save.wave utterance "{wav}" \'riff)\n'
        )
        _run(["festival", "-b", str(script)])
        audio = _read_wav(wav)
        rows = [line.split() for line in labels.read_text().splitlines()]
    ends = [(row[2], float(row[0])) for row in rows if len(row) == 3]
    return SyntheticSpeech(audio, _segments_from_ends(ends, audio.duration), "festival:kal")


class Espeak:
    """espeak-ng with its own voices and any number of random ones (formants, pitch, breath drawn per voice).

    The engine keeps global state, so make one per process. Its library is loaded from the system and is no part of this package.
    """

    def __init__(self, *, n_random_voices: int = 0, seed: int = 0):
        """Raises ResourceError if libespeak-ng or its data is not installed."""
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise ResourceError("libespeak-ng was not found; install espeak-ng (Debian: apt install espeak-ng)")
        self._library = ctypes.CDLL(name)
        self._folder = tempfile.TemporaryDirectory(prefix="emohead-espeak-")
        self.random_voices = _link_espeak_data(Path(self._folder.name), n_random_voices, seed)
        self._events: list[tuple[float, str]] = []
        self._pcm: list[np.ndarray] = []
        self._callback = _CALLBACK(self._collect)
        # Synchronous output to the callback (2), with phoneme events (1) named in IPA (2).
        self._sample_rate = self._library.espeak_Initialize(2, 0, self._folder.name.encode(), 3)
        if self._sample_rate <= 0:
            raise ResourceError("espeak-ng did not start; reinstall it (Debian: apt install espeak-ng)")
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(
        self, text: str, *, voice: str = "en-us", words_per_minute: int = 170, pitch: int = 50, pitch_range: int = 50
    ) -> SyntheticSpeech:
        """Speak with a voice such as `en-us`, `en-gb+f2` or `en-us+` and one of `random_voices`; pitch and range are 0..100.

        Raises:
            ResourceError: the voice does not exist.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ResourceError(f"espeak-ng has no voice {voice!r}; see espeak-ng --voices")
        for parameter, value in ((1, words_per_minute), (3, pitch), (4, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._events.clear()
        self._pcm.clear()
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, 1, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate([*self._pcm, np.zeros(0, np.int16)]).astype(np.float32) / 32768
        audio = Waveform(torch.from_numpy(samples), self._sample_rate)
        return SyntheticSpeech(audio, _espeak_segments(self._events, audio.duration), f"espeak:{voice}")

    def _collect(self, pcm, n_samples: int, events) -> int:
        if pcm and n_samples:
            self._pcm.append(np.ctypeslib.as_array(pcm, (n_samples,)).copy())
        index = 0
        while events[index].type != 0:
            if events[index].type == 7:
                self._events.append((events[index].audio_position / 1000, events[index].id.string.decode("utf-8", "replace")))
            index += 1
        return 0


def random_speech(text: str, random: np.random.Generator, espeak: Espeak) -> SyntheticSpeech:
    """Speak `text` with a random engine, voice, rate and pitch: about half espeak-ng with random voices, the rest flite and festival."""
    kind = random.random()
    if kind < 0.45:
        voice = str(random.choice(list(FLITE_PITCH_HZ), p=[0.35, 0.3, 0.2, 0.15]))
        pitch = FLITE_PITCH_HZ[voice] * random.uniform(0.75, 1.4) if random.random() < 0.7 else None
        return speak_flite(text, voice=voice, stretch=random.uniform(0.75, 1.35), pitch_hz=pitch, pitch_std_hz=random.uniform(8, 35))
    if kind < 0.5 and shutil.which("festival"):
        return speak_festival(text, stretch=random.uniform(0.75, 1.3))
    language = str(random.choice(["en-us", "en", "en-gb-x-rp", "en-029", "en-gb-scotland"], p=[0.6, 0.15, 0.1, 0.05, 0.1]))
    variants = espeak.random_voices if random.random() < 0.75 else _ESPEAK_VARIANTS
    return espeak.speak(
        text,
        voice=f"{language}+{variants[int(random.integers(len(variants)))]}",
        words_per_minute=int(random.integers(110, 240)),
        pitch=int(random.integers(15, 85)),
        pitch_range=int(random.integers(20, 80)),
    )


_ESPEAK_VARIANTS = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt", "klatt2", "klatt3", "croak",
    "whisper", "whisperf", "Andy", "Annie", "Gene", "Lee", "Michael", "adam", "aunty", "belinda", "benjamin", "edward",
    "grandma", "grandpa", "linda", "max", "quincy", "rob", "steph", "travis", "victor", "zac",
)  # fmt: skip


class _EventName(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventName),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _link_espeak_data(folder: Path, n_random_voices: int, seed: int) -> list[str]:
    # espeak-ng finds voices only in its data folder, so a folder of links to the installed data gets our voice files added.
    version = _run(["espeak-ng", "--version"])
    match = re.search(r"Data at: (\S+)", version)
    installed = Path(match[1]) if match else Path("/usr/share/espeak-ng-data")
    data = folder / "espeak-ng-data"
    # Only English is linked: the engine lists at most 349 voices.
    for inner in ("", "lang/gmw", "voices/!v"):
        (data / inner).mkdir(parents=True, exist_ok=True)
        for entry in (installed / inner).iterdir():
            wanted = entry.name.startswith("en") if inner == "lang/gmw" else entry.name not in ("lang", "voices")
            if wanted:
                (data / inner / entry.name).symlink_to(entry)
    random = np.random.default_rng(seed)
    names = [f"emohead{index}" for index in range(n_random_voices)]
    for name in names:
        (data / "voices" / "!v" / name).write_text(_random_voice(name, random))
    return names


def _random_voice(name: str, random: np.random.Generator) -> str:
    """A voice file: vocal tract length 82..125 %, formants jittered about it, pitch that follows the tract, breath and roughness."""
    tract = float(np.exp(random.uniform(np.log(0.86), np.log(1.22))))
    pitch = float(np.clip(110 * tract**3.2 * np.exp(random.normal(0, 0.15)), 60, 320))
    lines = [f"name {name}", "language variant", f"pitch {pitch:.0f} {pitch * random.uniform(1.2, 1.7):.0f}"]
    for formant in range(9):
        frequency = 100 * tract * np.exp(random.normal(0, 0.04))
        lines.append(f"formant {formant} {frequency:.0f} {random.uniform(60, 130):.0f} {random.uniform(70, 160):.0f}")
    lines += [
        f"roughness {random.integers(0, 5)}",
        f"flutter {random.integers(0, 10)}",
        f"consonants {random.integers(60, 140)} {random.integers(60, 140)}",
    ]
    if random.random() < 0.4:
        lines.append("breath " + " ".join(str(random.integers(0, 25)) for _ in range(8)))
    if random.random() < 0.1:
        # A whisper: hardly any voice, much breath.
        lines += [f"voicing {random.integers(5, 30)}", "breath 75 75 50 40 15 10", "breathw 150 150 200 200 400 400"]
    if random.random() < 0.15:
        lines.append(f"klatt {random.integers(1, 5)}")
    return "\n".join(lines) + "\n"


def _espeak_segments(events: list[tuple[float, str]], duration: float) -> tuple[PhoneSegment, ...]:
    starts = [start for start, _ in events]
    phones = [ipa_phone(name) or "ax" for _, name in events]
    if starts and starts[0] > 0:
        starts, phones = [0.0, *starts], ["pau", *phones]
    for index in range(1, len(starts)):
        if phones[index] in ("p", "t", "k", "ch"):
            # The closure may take at most 60 % of the phone before it.
            starts[index] = max(starts[index] - VOICELESS_CLOSURE_SECONDS, starts[index - 1] + 0.4 * (starts[index] - starts[index - 1]))
    ends = [*starts[1:], duration]
    return tuple(PhoneSegment(phone, start, end) for phone, start, end in zip(phones, starts, ends, strict=True) if end > start)


def _segments_from_ends(ends: list[tuple[str, float]], duration: float) -> tuple[PhoneSegment, ...]:
    # The printed times are those of the audio, which the diphone voices cut short inside the last pause.
    starts = [0.0, *(end for _, end in ends)]
    return tuple(
        PhoneSegment(arpabet_phone(name) or "ax", start, min(end, duration))
        for (name, end), start in zip(ends, starts, strict=False)
        if min(end, duration) > start
    )


def _read_wav(path: Path) -> Waveform:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        return Waveform(torch.from_numpy(samples), file.getframerate())


def _run(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise ResourceError(f"{command[0]} is not installed (Debian: apt install {command[0]})")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ResourceError(f"{command[0]} failed: {done.stderr.strip()[:200] or f'exit code {done.returncode}'}")
    return done.stdout
