"""The grammar that wrote the architecture page's English-French corpus (see ``llmbook.architecture.french``).

    python -m benchmarks.french

from the root of the book writes src/llmbook/architecture/data/french.tsv anew, byte for byte. Every sentence comes
from hand-written templates (``sentences``) and a hand-written lexicon (``lexicon``), so the French is correct by rule
(``grammar``): gender and number agreement, *bel/vieil/nouvel* and *mon/cet* before a vowel, silent and aspirated *h*,
elision (*j', l', d', n', qu'*), contraction (*du, au, des, aux*), *ne ... pas*, *de* after a negation, the place of
adjectives, adverbs and object pronouns, and the *passé composé* with *avoir* and *être*. Left out: inversion, the
imperfect, relative clauses, two readings of one sentence.
"""
