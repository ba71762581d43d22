"""Sentences to be spoken by synthetic voices: a small grammar, everyday phrases and random dictionary words, rich in every phone."""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from emohead.data.pronunciation import cmu_dictionary

_WHO = (
    "my sister", "the old farmer", "our teacher", "a young pilot", "the grumpy cat", "nobody", "everyone", "the neighbour",
    "this doctor", "her best friend", "the judge", "that noisy boy", "the queen", "a tall waiter", "his boss", "the engineer",
    "the whole team", "their mother", "the mechanic", "the baby", "a huge fish", "the painter", "the thief", "the captain",
    "a cousin", "the mouse", "some people", "the audience", "a strange voice", "you", "we", "they", "I", "she", "he", "the poet",
    "the children", "Bob", "Peggy", "Zoe", "George", "Vivian", "Martha", "Joyce",
)  # fmt: skip
_DOES = (
    "bought", "found", "pushed", "measured", "forgot", "loved", "watched", "broke", "cooked", "painted", "borrowed", "chose",
    "threw away", "jumped over", "enjoyed", "avoided", "baked", "dropped", "fixed", "gave up", "heard about", "kept", "laughed at",
    "missed", "noticed", "owned", "picked up", "reached", "shook", "thought about", "used", "voted for", "wished for", "zipped up",
    "believed in", "might want", "would buy", "should move", "could see", "never had", "must pay for", "is bringing",
    "has been making", "will probably wash",
)  # fmt: skip
_WHAT = (
    "the blue bottle", "five maps", "a huge pumpkin", "the purple vase", "some fresh bread", "an orange jacket", "the broken mirror",
    "a cheap watch", "the garage door", "both pages", "a pair of boots", "the yellow kite", "the measuring tape", "an azure scarf",
    "the thin leather book", "a shiny spoon", "the wooden bridge", "every mushroom", "the first chapter", "a cup of tea",
    "the math problem", "the heavy oak table", "a loud trumpet", "their own house", "the beige carpet", "a good joke",
    "the whole pie", "the foggy valley", "a zebra", "the television", "my favourite movie", "a bowl of soup", "the railway map",
    "the empty box", "her perfume", "the vision of the future", "a pleasure trip", "the job", "the apple pie", "a pop song",
    "the bib", "the mob", "the paper lamp", "a fifth of the coffee", "the very brave wolf", "nothing but the truth",
)  # fmt: skip
_WHERE = (
    "in the park", "behind the shop", "on the moon", "near the river bank", "at the airport", "under the bridge", "beyond the hills",
    "by the church", "in a small village", "on the ship", "at work", "in the middle of nowhere", "above the clouds",
    "from the top shelf", "with a broom", "without a map", "before breakfast", "after the game", "because of the weather",
    "every Thursday", "in the evening", "this morning", "twice a month", "for no reason", "with great pleasure", "as usual",
    "around noon", "to be honest", "in February", "for fifty pounds", "with both hands", "upon my word",
)  # fmt: skip
_OPENERS = (
    "well", "maybe", "honestly", "yes", "no", "please", "wow", "of course", "I think", "oh boy", "sometimes", "by the way",
    "if possible", "you know", "suddenly", "hmm", "okay", "perhaps", "before we begin", "after all", "good morning", "thank you",
    "um", "uh", "right",
)  # fmt: skip
_PHRASES = (
    "Thank you for calling, how may I help you?", "I am so sorry to hear that.", "That is absolutely wonderful news!",
    "What were you thinking?", "Could you please repeat the question?", "One two three four five six seven eight nine ten.",
    "Eleven twelve thirteen twenty thirty forty.", "A b c d e f g h i j k l m n o p q r s t u v w x y z.", "Yeah, I guess so.",
    "Hello there, nice to meet you.", "My name is Emma and I come from Belgium.", "Stop, drop, and roll.",
    "The map, the cap, the lamp, and the cup.", "Up above, a bumblebee hummed.", "Remember November and September.",
    "Big bad bugs bit Bobby.", "Pam put a pin on the pink pump.", "Mama makes more marmalade in May.",
    "Few of us ever find the very best view.", "Both brothers breathe through their mouths.", "Those thieves stole thirty jewels.",
    "Joyce enjoys oysters and toys.", "I owe you a yoyo.", "Bring the king a long strong string.",
    "The usual vision caused confusion.", "Judge George changed the orange garage.", "Shirley should wash her shoes.",
    "Good cooks could look at books.", "Who knew you flew to Peru in June?", "Father was far from the calm car park.",
    "Her nurse heard the early bird first.",
)  # fmt: skip


def random_sentence(random: np.random.Generator) -> str:
    """One English sentence of about 3 to 15 words; the same generator state gives the same sentence."""
    kind = random.random()
    if kind < 0.08:
        return _one(random, _PHRASES)
    if kind < 0.42:
        sentence = _clause(random) + f" {_one(random, _WHERE)}"
        if random.random() < 0.3:
            sentence = f"{_one(random, _OPENERS)}, {sentence}"
        if random.random() < 0.25:
            sentence += f", and {_clause(random)}"
    elif kind < 0.85:
        sentence = _with_random_words(random)
    else:
        sentence = " ".join(_word(random) for _ in range(random.integers(3, 8)))
    return sentence + _one(random, [".", ".", ".", "?", "!"])


def _clause(random: np.random.Generator) -> str:
    return f"{_one(random, _WHO)} {_one(random, _DOES)} {_one(random, _WHAT)}"


def _with_random_words(random: np.random.Generator) -> str:
    a, b, c, d = (_word(random) for _ in range(4))
    return _one(
        random,
        [
            f"the {a} {b} {_one(random, _DOES)} a {c} {_one(random, _WHERE)}",
            f"{_one(random, _WHO)} {_one(random, _DOES)} the {a}, the {b} and the {c}",
            f"{a} and {b} are {c} {_one(random, _WHERE)}",
            f"is {a} {b} or {c}? {_one(random, _OPENERS)}, {d}",
            f"{a}, {b}, {c}, {d}",
            f"I said {a}, not {b}, {_one(random, _WHERE)}",
        ],
    )


@lru_cache(maxsize=1)
def _vocabulary() -> list[str]:
    return sorted(word for word in cmu_dictionary() if re.fullmatch("[a-z]{3,10}", word))


def _word(random: np.random.Generator) -> str:
    return _one(random, _vocabulary())


def _one(random: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]
