"""A sentence to clauses: what is mentioned, how strongly, on which side, denied or not, and in which order."""

import re
import unicodedata

from controllers.handedness import other_side
from controllers.lexicon import Lexicon
from controllers.mentions import Parsed
from controllers.tables import read_table
from controllers.text_guess import GuessingReader
from controllers.text_reader import CODE
from controllers.understanding import Understanding, load_understanding

_TOKEN = re.compile(rf"\b(?:{CODE.pattern})(?!\w|\.\d|\s*=)|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?|[.!?;,:()\u2014]", re.IGNORECASE)

_ARROW = re.compile(r"\s*(?:[-=]+>|\u2192|\u21d2|(?<=\s)>(?=\s))\s*")
"""Arrows between looks: first one, then the other."""
_PERCENT = re.compile(r"(\d)\s*(?:%|per\s?cent\b)", re.IGNORECASE)
_RISING = re.compile(r"\b(\w+er|more) and \1\b", re.IGNORECASE)
"""`Angrier and angrier`, `more and more angry`."""
_SIDES_COMPARED = re.compile(
    r"\b(?P<one>left|right)\b(?P<between>[^,.;]*?) than (?:with |on |at )?(?:(?:the|his|her|their|my|your|its) )?"
    r"(?!(?P=one))(?:left|right)\b"
    r"(?: (?:one|side|half|corner|eye|eyelid|lid|brow|eyebrow|cheek|nostril)\b)?",
    re.IGNORECASE,
)
"""`The left brow higher than the right`: it is done on the first side (`less .. than`: on the other)."""
_VIEWERS_SIDE = re.compile(
    r"\b(?:the )?(?:(?:viewer|camera|audience)'s|our|screen|camera(?= (?:left|right)\s*(?:$|[,.;]|then\b|and\b))) (left|right)\b"
    r"|\b(left|right) (?:as seen )?(?:from|in) the (?:viewer|camera|audience)'s (?:point of view|perspective|view|side)",
    re.IGNORECASE,
)
"""Sides are the face's own: `the viewer's left` is its right."""
_PART = r"(?:eye|eyebrow|brow|eyelid|lid|cheek|corner|nostril|half|side)"
_OTHER_SIDE = re.compile(
    rf"\b(?P<one>left|right|one(?= {_PART}\b))(?: (?P<part>{_PART}))?\b(?P<between>[^.;!?]*?)"
    rf"\bthe other\b(?: (?P<named>{_PART})\b| one\b|(?=\s*(?:$|[,.;!?]|(?:and|then|up|down)\b)))",
    re.IGNORECASE,
)
"""`Winks one eye, then the other`."""
_ACROSS = re.compile(r"\bfrom (?:the )?(left|right)(?: side)? to (?:the )?(left|right)(?: side)?\b", re.IGNORECASE)
"""`Looks from left to right`."""
_THEN_BOTH = re.compile(r"\bthen(?: on)? both(?=\s*(?:$|[,.;!?]))", re.IGNORECASE)
"""Not as in `both sad and proud`."""
_LOOK = re.compile(r"(?:.*\s)?(?:look|glance|gaze)(?:s|ing)?\b", re.IGNORECASE)
_DIRECTION = re.compile(r"(?:to the )?(?:left|right)|up|down|away|(?:back )?at (?:us|me|you|the camera|the viewer)", re.IGNORECASE)
_COMPARED = re.compile(r"\b(even |still |much |far )?(\w{2,}er)\b", re.IGNORECASE)


def parse(sentence: str, understanding: Understanding | None = None) -> Parsed:
    """Reads a sentence. Every string can be read; what means nothing to it is listed."""
    understanding = understanding or load_understanding()
    text = _plain(sentence)
    text = _VIEWERS_SIDE.sub(lambda found: other_side((found[1] or found[2]).lower()), text)
    text = _OTHER_SIDE.sub(_on_the_other_side, _THEN_BOTH.sub("then both sides", text))
    text = _ACROSS.sub(r"to the \1, then to the \2", text)
    text = _more(_looking_on(_SIDES_COMPARED.sub(_on_the_greater_side, text)), understanding.lexicon)
    found = list(_TOKEN.finditer(text))
    reader = GuessingReader(understanding, [token[0] for token in found])
    clauses = reader.read(loud="!!" in text)
    return Parsed(clauses, text, [token.span() for token in found], reader.unknown, reader.guessed, reader.first_side)


def _plain(sentence: str) -> str:
    """Emoji in words, typographic and control characters as plain ones."""
    for emoji, words in read_table("emoji")["emoji"].items():
        if emoji in sentence:
            sentence = sentence.replace(emoji, f", {words}, ")
    sentence = _RISING.sub(r"gradually \1", _ARROW.sub(", then ", sentence))
    sentence = _PERCENT.sub(r"\1 percent ", sentence)
    text = unicodedata.normalize("NFKC", sentence).replace("\u2019", "'").replace("\u2018", "'")
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "So", "Sk") else char for char in text)


def _looking_on(text: str) -> str:
    """`Looks up, then left, then at us`: every direction by itself is another look."""
    pieces, looks = re.split(r"(\s*,\s*(?:then\s+)?|\s+then\s+)", text), False
    for index in range(0, len(pieces), 2):
        if looks and _DIRECTION.fullmatch(pieces[index]):
            pieces[index] = f"looks {pieces[index]}"
        looks = _LOOK.match(pieces[index]) is not None
    return "".join(pieces)


def _on_the_greater_side(found: re.Match[str]) -> str:
    before, text = found.string[: found.start()], found["one"] + found["between"]
    return other_side(text.lower()) if re.search(r"\bless\b", before.split(",")[-1] + found["between"], re.IGNORECASE) else text


def _on_the_other_side(found: re.Match[str]) -> str:
    side = found["one"].lower().replace("one", "right")
    part = f" {found['part']}" if found["part"] else ""
    return f"{side}{part}{found['between']}the {other_side(side)} {found['named'] or found['part'] or 'one'}"


def _more(text: str, lexicon: Lexicon) -> str:
    """Moods that are compared with themselves, spelt out: `angry, then angrier` as `angry, then more angry`; also `even angrier`."""

    def spelt_out(found: re.Match[str]) -> str:
        degree, word = found[1] or "", found[2].lower()
        bases = (word[:-3] + "y" if word.endswith("ier") else word[:-2], word[:-3] if word[-3:-2] == word[-4:-3] else word[:-1])
        for base in bases:
            meant = lexicon.match([base], 0)
            if meant and meant.meaning.kind == "state" and meant.meaning.phrase == base:
                before = re.search(rf"\b{re.escape(base)}\b", text[: found.start()], re.IGNORECASE)
                return f"{degree}more {base}" if degree or before else found[0]
        return found[0]

    return _COMPARED.sub(spelt_out, text)
