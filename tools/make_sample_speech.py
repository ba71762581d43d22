"""Make emohead/assets/sample_speech.wav, what `emohead render` says when no audio is given: a cheerful sentence by flite's voice slt.

    python tools/make_sample_speech.py

flite and its voices are free software with a BSD-like licence that leaves what they speak to whoever runs them.
"""

import argparse
import wave
from pathlib import Path

from emohead.data.resampling import resampled
from emohead.data.tts import speak_flite
from emohead.motion.features.mel import frame_rms, speech_level

TEXT = "Hello, and welcome! I am so happy to meet you. Pick a mood, maybe a big warm smile, and watch my face."
SAMPLE_RATE = 16000
PEAK = 0.9
SPEECH_RMS = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("emohead/assets/sample_speech.wav"))
    arguments = parser.parse_args()
    speech = speak_flite(TEXT, voice="slt", stretch=0.88, pitch_hz=205.0, pitch_std_hz=32.0)
    samples = resampled(speech.audio, SAMPLE_RATE).samples
    gain = min(SPEECH_RMS / speech_level(frame_rms(samples, SAMPLE_RATE // 100)), PEAK / samples.abs().max().item())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(arguments.out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * gain * 32767).short().numpy().tobytes())
    print(f"{arguments.out}: {speech.audio.duration:.2f} s, {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
