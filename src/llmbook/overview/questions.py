"""What the page asks its model: how a text goes on, and sentences in order and out of order.

Text is what comes out when probabilities are drawn from, again and again (Shannon 1948, section 3,
doi:10.1002/j.1538-7305.1948.tb01338.x).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from llmbook.core.models.lm import LanguageModel


def shuffled(text: str, seed: int = 0) -> str:
    """The same words in another order."""
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


def share_correct(lm: LanguageModel, questions: Sequence[tuple[str, str]]) -> float:
    """How often the likeliest next token begins the right answer, between 0 and 1.

    Raises ``ValueError`` without a question, or with an empty answer, before the model is asked anything.
    """
    if isinstance(questions, str) or not questions or not all(q and a for q, a in questions):
        raise ValueError(
            "questions must be a list of pairs (question, answer), at least one and none of them empty"
        )
    hits = [
        int(lm.next_probabilities(q).argmax()) == int(lm.encode(a, start=False)[0, 0]) for q, a in questions
    ]
    return sum(hits) / len(hits)


SENTENCES = (
    "The doctor told the patient to take the medicine twice a day.",
    "She opened the window because the room was too hot.",
    "Water freezes at a lower temperature when salt is added to it.",
    "The train to the city leaves every hour from the second platform.",
    "He forgot his umbrella and came home completely wet.",
    "Most birds build their nests in the spring before they lay eggs.",
    "The committee will publish its report at the end of the year.",
    "If you mix blue and yellow paint you get green.",
    "The old bridge was closed after the flood damaged its pillars.",
    "My sister plays the piano much better than I do.",
)

# The same six matters as a question, a request, a sentence that is complete, and one that is not.
FORMS = {
    "question": (
        "Why is the sky blue?", "How do plants make food?", "What is the capital of Peru?", "Who wrote Hamlet?",
        "How many legs does a spider have?", "Where do penguins live?",
    ),
    "request": (
        "Explain why the sky is blue.", "Explain how plants make food.", "Name the capital of Peru.",
        "Say who wrote Hamlet.", "Count the legs of a spider.", "Describe where penguins live.",
    ),
    "statement": (
        "The sky is blue.", "Plants make food from light.", "Lima is the capital of Peru.",
        "Shakespeare wrote Hamlet.", "A spider has eight legs.", "Penguins live in the south.",
    ),
    "unfinished": (
        "The sky is blue because", "Plants make food by", "The capital of Peru is", "Hamlet was written by",
        "The legs of a spider", "Penguins live in",
    ),
}  # fmt: skip
