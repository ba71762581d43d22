"""A sentence to clauses: what is mentioned, how strongly, on which side, denied or not, and in which order."""

import re
import unicodedata
from dataclasses import replace

from controllers.expression import Expression, merged, scaled
from controllers.lexicon import NEAR, Match, Meaning
from controllers.mentions import Clause, Loose, Mention, Modifiers, Parsed, runs, without_empty
from controllers.states import Concept, actions, states
from controllers.tables import read_table
from controllers.understanding import Understanding, load_understanding

EMPHASIS = 1.15
"""Factor of capitals and of two or more exclamation marks."""
NOT_VERY = 0.3
"""Intensity of `not very happy`: a denied intensity word weakens instead of denying."""
_STRONG = 0.75
_SPEEDS = {"fast": "fast", "slow": "slow", "turn": "turn", "burst": "fast"}
_WINDOWS = {"at_start": (0.0, 0.25), "at_middle": (0.375, 0.625), "at_end": (0.75, 1.0), "throughout": (0.0, 1.0)}
_LENGTHS = {"brief": 0.8, "second": 1.0, "long": 3.0}
_NUMBERS: dict[str, float] = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0,
    "ten": 10.0,
}  # fmt: skip
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?|[.!?;,:()\u2014]")
_BREAKS, _PAUSES = frozenset(".!?;"), frozenset(",:()\u2014")
_REGIONS = {"eyes": "upper", "eye": "upper", "gaze": "upper", "mouth": "lower", "lips": "lower"}
_SUBJECTS = frozenset({"he", "she", "they"})
_NOT_BEING, _DOING = frozenset({"isn't", "aren't", "wasn't", "weren't"}), frozenset("do does did has have had can could will would".split())
_FRAMING = frozenset("look looks seem seems appear appears feel feels sound sounds show shows be get".split())
_COPULAS, _OWNERS = frozenset({"is", "are", "was", "were"}), frozenset({"his", "her", "their", "its", "the", "both"})


def parse(sentence: str, understanding: Understanding | None = None) -> Parsed:
    """Reads a sentence. Every string can be read; what means nothing to it is listed."""
    text = _plain(sentence)
    found = list(_TOKEN.finditer(text))
    reader = _Reader(understanding or load_understanding(), [token[0] for token in found])
    clauses = reader.read(loud="!!" in text)
    return Parsed(clauses, text, [token.span() for token in found], reader.unknown, reader.guessed, reader.first_side)


def _plain(sentence: str) -> str:
    """Emoji in words, typographic and control characters as plain ones."""
    for emoji, words in read_table("emoji")["emoji"].items():
        if emoji in sentence:
            sentence = sentence.replace(emoji, f", {words}, ")
    text = unicodedata.normalize("NFKC", sentence).replace("\u2019", "'").replace("\u2018", "'")
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "So", "Sk") else char for char in text)


class _Reader:
    """Walks over the tokens once; lives for one sentence."""

    def __init__(self, understanding: Understanding, spelt: list[str]) -> None:
        self.understanding, self.lexicon = understanding, understanding.lexicon
        self.spelt, self.tokens = spelt, [token.lower() for token in spelt]
        self.clauses: list[Clause] = [Clause()]
        self.place = self.segment = self.cursor = 0
        self.unknown: list[tuple[str, str, str]] = []
        self.guessed: list[tuple[str, str]] = []
        self.loose: list[Loose] = []
        self.begun = self.denied = 0
        """Index of the segment's first token, and of the last negator."""
        self.first_side = ""
        self.negated = self.from_pending = self.swap_pending = self.subordinate = False
        self.mixture = 1.0
        self.shouting = any(word.islower() for word in spelt)
        self._forget_modifiers()
        self.window: tuple[float, float] | None = None
        self.length: float | None = None
        self.repeated = False

    @property
    def clause(self) -> Clause:
        return self.clauses[self.place]

    def read(self, *, loud: bool) -> list[Clause]:
        """All clauses; `unknown` and `first_side` are filled on the way."""
        while self.cursor < len(self.tokens):
            self.cursor = self._step(self.cursor)
        self._end_segment()
        self.clause.stop = len(self.tokens)
        for clause in self.clauses:
            self._reread(clause)
        clauses = without_empty(self.clauses)
        if loud:
            for mention in (mention for clause in clauses for mention in clause.mentions):
                mention.gain *= EMPHASIS
        return clauses

    def _step(self, index: int) -> int:
        token = self.tokens[index]
        if token in _BREAKS or token in _PAUSES:
            self._punctuation(index)
            return index + 1
        seconds = self._seconds(index)
        if seconds is not None:
            return seconds
        found = self.lexicon.match(self.tokens, index)
        if found is None:
            self._unknown_word(index)
            return index + 1
        if self.from_pending and token == "to" and self.clause.mentions and found.meaning.kind == "ignore":
            self._next_clause("turn")
            self.from_pending = False
        self.from_pending = self.from_pending or token == "from"
        self._apply(found.meaning, index, found)
        return found.stop

    def _apply(self, meaning: Meaning, index: int, found: Match) -> None:
        kind, value = meaning.kind, meaning.value
        if kind in ("negator", "intensity", "comparative", "side", "mixture") and self.since is None:
            self.since = index
        if kind in ("state", "action"):
            self._mention(meaning, index, found)
        elif kind == "time":
            self._time(str(value))
        elif kind == "negator":
            self.negated, self.denied = True, index
        elif kind == "intensity":
            self.intensities.append(float(value))
        elif kind == "comparative":
            self.factor *= float(value)
        elif kind == "side":
            self._side(str(value))
        elif kind == "mixture":
            self.mixture = float(value)
        elif kind == "with":
            self._end_segment()
            if meaning.phrase in self.lexicon.scope_end:
                self.negated = False
        elif kind == "ignore":
            self._pass_over(self.tokens[index])
        elif kind in ("people", "scenery"):
            self._leave_loose(index, "plain")

    def _pass_over(self, token: str) -> None:
        """A word that means nothing by itself: a part of the face, or the subject of a clause that begins here."""
        if token not in _SUBJECTS:
            self.region = _REGIONS.get(token, self.region)
            return
        self.region = ""
        if self.subordinate and self.clause.mentions:
            # After being sad [she] is happy: the main clause begins, with or without a comma.
            self._end_segment()
            self._end_subordinate()

    def _end_subordinate(self) -> None:
        self._next_clause("")
        if self.swap_pending:
            self.clauses.insert(self.place - 1, self.clauses.pop(self.place))
            self.place -= 1

    def _mention(self, meaning: Meaning, index: int, found: Match) -> None:
        concept = meaning.concept
        assert concept is not None
        if meaning.phrase in self.lexicon.ambiguous and self.lexicon.is_thing(self.tokens, found.stop):
            return self._leave_loose(index, "thing")  # A blue coat, a warm room: the word is about the thing.
        if meaning.phrase in self.lexicon.doings and self.lexicon.is_object(self.tokens, found.stop):
            return self._leave_loose(index, "event")  # Lost the keys, moved the chair: the word is about what was done.
        for inner in found.inside:
            inner_match = self.lexicon.match(self.tokens[: inner + 1], inner)
            if inner_match and inner_match.meaning.kind in ("side", "intensity"):
                self._apply(inner_match.meaning, inner, inner_match)
            elif inner_match and inner_match.meaning.value in ("fast", "slow"):
                self.clause.speed = self.clause.speed or str(inner_match.meaning.value)
        if concept.side:
            self._side(concept.side)
        shouted = self.shouting and any(word.isupper() and len(word) > 2 for word in self.spelt[index : found.stop])
        region = _REGIONS.get(self.tokens[found.stop] if found.stop < len(self.tokens) else "", self.region) if concept.is_state else ""
        side = concept.side or self.side or self._one_of_two(index, found)
        gain = float(meaning.value) * (EMPHASIS if shouted else 1.0)
        first = index if self.since is None else min(index, self.since)
        self._add(concept, gain, side, region, (first, found.stop))
        self.clause.mentions[-1].weak = meaning.phrase in self.lexicon.doings

    def _add(self, concept: Concept, gain: float, side: str, region: str, place: tuple[int, int]) -> None:
        """A mention, with what was said before it."""
        negated = self.negated
        if negated and self.intensities and max(self.intensities) >= _STRONG:
            negated, self.intensities = False, [NOT_VERY]
        mention = Mention(concept, 0.0, negated, side, region, self.segment, *place)
        mention.gain = gain * self.factor * self.mixture * self._intensity(concept)
        self.clause.mentions.append(mention)
        if self.window is not None:
            self.clause.windows[self.segment] = self.window
        if self.length is not None:
            self.clause.lengths[self.segment] = self.length
        if self.repeated:
            self.clause.repeated.add(self.segment)
        self.window, self.length, self.repeated = None, None, False
        self._forget_modifiers()

    def _one_of_two(self, index: int, found: Match) -> str:
        """`one` for a single eyebrow that is not said to be the left or the right one."""
        words = self.tokens[max(index - 1, 0) : found.stop]
        return "one" if "eyebrow" in words and not {"a", "an"}.isdisjoint(words) else ""

    def _intensity(self, concept: Concept) -> float:
        """The multiplier of the intensity words before a mention: the last one counts, further strong ones add a little."""
        bare = self.lexicon.bare_intensity
        intensity = self.intensities[-1] + 0.03 * sum(value >= _STRONG for value in self.intensities[:-1]) if self.intensities else bare
        return intensity if concept.is_state else intensity / bare

    def _time(self, operation: str) -> None:
        if self.loose and self._last_in_segment() is None:
            self._guess()
        current = self._last_in_segment()
        if operation in _WINDOWS or operation in _LENGTHS:
            self._pin(operation, current)
        elif operation == "repeated":
            if current is None:
                self.repeated = True
            else:
                self.clause.repeated.add(current.segment)
        elif operation in ("fast", "slow"):
            if self.clause.mentions and (current is None or self._goes_on()):
                self._next_clause(operation)
            else:
                self.clause.speed = operation
        elif operation in ("after", "previous", "before") and not self.clause.mentions:
            # The subordinate clause comes first in the sentence; the main one follows its comma.
            self.subordinate, self.swap_pending = True, operation == "before"
        elif operation == "previous":
            self._next_clause("")
            self.clauses.insert(self.place - 1, self.clauses.pop(self.place))
            self.place -= 1
        else:
            self._next_clause(_SPEEDS.get(operation, ""))

    def _goes_on(self) -> bool:
        """Whether another mention, or a change, follows the current word before the next pause."""
        for index in range(self.cursor + 1, len(self.tokens)):
            found = None if self.tokens[index] in _BREAKS | _PAUSES else self.lexicon.match(self.tokens, index)
            if found is not None and found.meaning.value in ("turn", "burst"):
                return True
            if found is None or found.meaning.kind in ("with", "time", "people", "scenery"):
                return False
            if found.meaning.kind in ("state", "action"):
                return True
        return False

    def _pin(self, operation: str, current: Mention | None) -> None:
        """A window or a length, for the mention just made or for the next one."""
        if operation in _WINDOWS:
            if current is None:
                self.window = _WINDOWS[operation]
            else:
                self.clause.windows[current.segment] = _WINDOWS[operation]
        elif current is None:
            self.length = _LENGTHS[operation]
        else:
            self.clause.lengths[current.segment] = _LENGTHS[operation]

    def _seconds(self, index: int) -> int | None:
        """`for two seconds`, `for 1.5 s`: the index after it, or nothing when it does not stand here."""
        words = self.tokens[index : index + 5]
        if not words or words[0] != "for":
            return None
        rest = [word for word in words[1:] if word not in ("about", "around", "a", "roughly")]
        if len(rest) < 2 or rest[1] not in ("second", "seconds", "sec", "secs", "s"):
            return None
        value = _NUMBERS.get(rest[0]) or (float(rest[0]) if rest[0].replace(".", "", 1).isdigit() else None)
        if value is None:
            return None
        current = self._last_in_segment()
        if current is None:
            self.length = value
        else:
            self.clause.lengths[current.segment] = value
        return self.tokens.index(rest[1], index) + 1

    def _side(self, value: str) -> None:
        side = {"R1": "one", "both": ""}.get(value, value)
        if side in ("L", "R") and not self.first_side:
            self.first_side = side
        self.side = side
        self.sided = True

    def _punctuation(self, index: int) -> None:
        self._end_segment()
        self.negated = False
        if self.subordinate and self.clause.mentions:
            self._end_subordinate()
        elif self.tokens[index] in _BREAKS and not self._describes(index + 1):
            self._next_clause("")

    def _describes(self, index: int) -> bool:
        """Whether the next sentence goes on describing (`Her eyes are wet.`) instead of going on in time."""
        stop = next((i for i in range(index, len(self.tokens)) if self.tokens[i] in _BREAKS), len(self.tokens))
        words = self.tokens[index:stop]
        return bool(words) and words[0] in _OWNERS and not _COPULAS.isdisjoint(words)

    def _next_clause(self, speed: str) -> None:
        self._end_segment()
        self.negated = self.subordinate = False
        self.mixture = 1.0
        if self.clause.mentions:
            self.clause.stop = self.cursor
            self.place += 1
            self.clauses.insert(self.place, Clause())
        self.clause.first = self.cursor
        if speed and not (speed == "turn" and self.clause.speed):
            # `Slowly becomes sad`: the adverb outweighs the verb.
            self.clause.speed = speed

    def _end_segment(self) -> None:
        """What was said after a mention (`smiles slightly`, `winks on the left`) belongs to it; loose words may have a meaning together."""
        if self.loose:
            self._guess()
            self._list_unknown()
        self.begun = self.cursor
        last = self._last_in_segment()
        if last is not None:
            if self.intensities or self.factor != 1.0:
                last.gain *= self.factor * self._intensity(last.concept) / (self.lexicon.bare_intensity if last.concept.is_state else 1.0)
            if self.sided and not last.concept.side:
                last.side = self.side
            if self.since is not None:
                last.stop = max(last.stop, self.cursor)
            self._forget_modifiers()
        elif self.sided and self.clause.mentions and not self.clause.mentions[-1].side:
            # `Winks with the left eye`: the side stands in a stretch of its own.
            self.clause.mentions[-1].side = self.side
            self.clause.mentions[-1].stop = self.cursor
            self._forget_modifiers()
        elif self.sided and not self.clause.mentions and self.place and self.clauses[self.place - 1].mentions:
            self._repeat_to_other_side(self.clauses[self.place - 1].mentions[-1])
        self.segment += 1

    def _repeat_to_other_side(self, previous: Mention) -> None:
        """`Looks left, then right`: the direction alone repeats the movement."""
        word = {"L": "left", "R": "right"}.get(self.side, "")
        concept = actions().get(re.sub(r"\b(left|right)\b", word, previous.concept.name))
        if concept is not None and previous.concept.side and concept.side == self.side:
            first = self.cursor - 1 if self.since is None else self.since
            placed = replace(previous, segment=self.segment, first=first, stop=self.cursor)
            self.clause.mentions.append(replace(placed, concept=concept, side=self.side))
            self._forget_modifiers()

    def _last_in_segment(self) -> Mention | None:
        mentions = self.clause.mentions
        return mentions[-1] if mentions and mentions[-1].segment == self.segment else None

    def _unknown_word(self, index: int) -> None:
        token, spelt = self.tokens[index], self.spelt[index]
        near = self.lexicon.nearest(token) if len(token) >= 4 else None
        opposite = self.lexicon.match([token[2:]], 0) if token.startswith("un") and len(token) > 5 else None
        if opposite and opposite.meaning.kind in ("state", "action"):
            was_negated, self.negated = self.negated, True
            self._apply(opposite.meaning, index, replace(opposite, stop=index + 1))
            self.negated = was_negated
        elif near and near[1] >= NEAR and token not in self.understanding.english:
            self.unknown.append((spelt, near[0].phrase, ""))
            self._apply(near[0], index, Match(near[0], index + 1, ()))
        elif not self._is_name(index):
            self._leave_loose(index, "unknown")

    def _leave_loose(self, index: int, kind: str) -> None:
        self.loose.append(Loose(index, kind, self._modifiers()))
        self._forget_modifiers()

    def _guess(self) -> None:
        """Asks what the loose words mean: together with the whole stretch, or each run of them for itself beside a known wish."""
        if self._last_in_segment() is None:
            kinds = {loose.kind for loose in self.loose}
            # Plain words may tell something too (`just got the job`), but not with a thing among them (`a warm room`).
            if "thing" in kinds and kinds <= {"plain", "thing"}:
                return
            if self._take_for(self.loose, self._stretch(), plain=kinds == {"plain"}):
                self.loose = []
            return
        weak = [mention for mention in self.clause.mentions if mention.segment == self.segment]
        if all(mention.weak for mention in weak) and self._take_for(self.loose, self._stretch()):
            # His team lost in the last minute: not the mood `lost`, but what happened.
            self.clause.mentions = [mention for mention in self.clause.mentions if mention not in weak]
            self.loose = []
            return
        if len(weak) == 1 and self._colour(weak[0]):
            return
        for run in runs([loose for loose in self.loose if loose.kind == "unknown"]):
            text = " ".join(self.tokens[loose.index] for loose in run)
            if self.understanding.names(text) and self._take_for(run, text):
                self.loose = [loose for loose in self.loose if loose not in run]

    def _colour(self, mention: Mention) -> bool:
        """Whether unknown words change what a known mood looks like: jealous `of his brother's new car`."""
        plain = all(loose.kind in ("plain", "thing") for loose in self.loose)
        if plain or mention.negated or mention.side or mention.concept.gesture or not mention.concept.expression.au:
            return False
        text = self._stretch()
        rest = " ".join(self._between(*span) for span in ((self.begun, mention.first), (mention.stop, self.cursor)))
        meant = None if self.understanding.is_scenery(rest) else self.understanding.guess(text)
        if meant is None:
            return False
        mention.known = scaled(mention.concept.expression, min(mention.gain, 1.0))
        mention.concept, mention.gain = replace(mention.concept, expression=meant.beside(mention.known)), 1.0
        self.guessed.append((text, mention.concept.name))
        self.loose = []
        return True

    def _take_for(self, words: list[Loose], text: str, *, plain: bool = False) -> bool:
        """Mentions what a stretch is taken for; whether it was taken for anything."""
        meant = self.understanding.guess(text, plain=plain)
        if meant is None:
            return False
        self.negated = self.negated and not self._denies_doing()
        held, begun = self._modifiers(), next((loose for loose in words if loose.kind != "plain"), words[0])
        first, stop, given = words[0].index, words[-1].index + 1, begun.modifiers
        start = first if given.since is None else min(first, given.since)
        name = meant.guesses[0].concept
        concept = states().get(name) or actions()[name]
        gain = 1.0 / self.lexicon.bare_intensity if concept.is_state else 1.0
        self.intensities, self.factor = list(given.intensities), given.factor
        self._add(replace(concept, expression=meant.face, side=self._named_side(text)), gain, given.side, given.region, (start, stop))
        self.clause.mentions[-1].known = Expression()
        self._remember(held)
        self.guessed.append((text, name))
        return True

    def _reread(self, clause: Clause) -> None:
        """A clause with more than one mood, one of them guessed, is asked about as a whole, with what is known as evidence."""
        moods = [mention for mention in clause.mentions if mention.concept.is_state or mention.known is not None]
        guessed = any(mention.known is not None for mention in moods)
        if not guessed or clause.windows or clause.lengths or clause.repeated or any(mention.negated for mention in clause.mentions):
            return
        if any(mention.region for mention in moods):
            return
        text = self._between(clause.first, clause.stop)
        if any(text == asked for asked, _ in self.guessed):
            return  # It was asked about as a whole already.
        meant = self.understanding.guess(text)
        if meant is None:
            return
        known = Expression()
        for mention in moods:
            known = merged(known, scaled(mention.concept.expression, min(mention.gain, 1.0)) if mention.known is None else mention.known)
        first = next((mention for mention in moods if mention.known is None), moods[0])
        concept = replace(
            first.concept, expression=meant.beside(known) if known.au else meant.face, side=self._named_side(text), is_state=True
        )
        span = (min(mention.first for mention in moods), max(mention.stop for mention in moods))
        whole = Mention(concept, 1.0, False, "", "", moods[0].segment, *span, known=known)
        clause.mentions = [whole, *(mention for mention in clause.mentions if mention not in moods)]

    def _named_side(self, text: str) -> str:
        """The first side of a sentence when a stretch of it names one: it has been read with it and must not be moved again."""
        return self.first_side if {"left", "right"} & set(text.split()) else ""

    def _denies_doing(self) -> bool:
        """Whether the negator belongs to what happened (`hasn't slept`, `did not get the job`): then it is part of what is guessed."""
        word, before = self.tokens[self.denied], self.tokens[self.denied - 1 : self.denied]
        verbal = (word.endswith("n't") and word not in _NOT_BEING) or word == "cannot" or not _DOING.isdisjoint(before)
        return verbal and _FRAMING.isdisjoint(self.tokens[self.denied + 1 : self.denied + 2])

    def _stretch(self) -> str:
        """The segment so far, without what joins it to the one before, and without what denies it as a whole."""
        return self._between(self.begun, self.cursor)

    def _between(self, start: int, stop: int) -> str:
        while start < stop:
            found = self.lexicon.match(self.tokens[:stop], start)
            if self.tokens[start] not in _BREAKS | _PAUSES and (found is None or found.meaning.kind not in ("with", "time")):
                break
            start = found.stop if found else start + 1
        left_out = self.denied if self.negated and not self._denies_doing() else -1
        words = [self.tokens[index] for index in range(start, stop) if index != left_out]
        return " ".join(word for word in words if word not in _BREAKS | _PAUSES)

    def _list_unknown(self) -> None:
        for loose in self.loose:
            if loose.kind == "unknown":
                self.unknown.append((self.spelt[loose.index], "", self.understanding.nearest(self.tokens[loose.index])))
        self.loose = []

    def _modifiers(self) -> Modifiers:
        return Modifiers(tuple(self.intensities), self.factor, self.side, self.region, self.since)

    def _remember(self, modifiers: Modifiers) -> None:
        self.intensities, self.factor = list(modifiers.intensities), modifiers.factor
        self.side, self.sided, self.region, self.since = modifiers.side, bool(modifiers.side), modifiers.region, modifiers.since

    def _is_name(self, index: int) -> bool:
        """A number, or a capitalised word within a sentence: names say nothing about a face."""
        spelt = self.spelt[index]
        inside = index > 0 and self.tokens[index - 1] not in _BREAKS
        return spelt[0].isdigit() or (inside and spelt[0].isupper() and spelt[1:].islower())

    def _forget_modifiers(self) -> None:
        self.intensities: list[float] = []
        self.factor = 1.0
        self.side = ""
        self.sided = False
        self.region = ""
        self.since: int | None = None
