"""The room of the page ``tokenization``: from spaces to learnt pieces, and what a language pays for them."""

from llmbook.tokenization.bpe import BPE, learn_counted
from llmbook.tokenization.by_hand import TEN_WORDS, Step, learn_by_hand
from llmbook.tokenization.byte_level import from_signs, to_signs
from llmbook.tokenization.coverage import Coverage, growth, of_pieces, of_words, unseen
from llmbook.tokenization.fertility import Article, Fertility, articles, fertility
from llmbook.tokenization.interface import Tokenizer
from llmbook.tokenization.matching import CHINESE, backward, both_ways, forward, without_spaces
from llmbook.tokenization.merging import Merge, learn_merges
from llmbook.tokenization.morphology import ENGLISH, TURKISH, Affixes, morphemes
from llmbook.tokenization.naive import by_count, by_likelihood, count_and_merge
from llmbook.tokenization.prefix_space import Quirk, quirk
from llmbook.tokenization.prefix_space import train as train_sentencepiece
from llmbook.tokenization.published import for_browser, smollm2, smollm2_file
from llmbook.tokenization.rules import at_spaces, by_rules
from llmbook.tokenization.splitting import BERT, GPT2, SMOLLM2, Split, count_words, read_chunks
from llmbook.tokenization.unigram import Unigram, expected_counts, segmentations, viterbi
from llmbook.tokenization.wordpiece import WordPiece

__all__ = [
    "BERT",
    "BPE",
    "CHINESE",
    "ENGLISH",
    "GPT2",
    "SMOLLM2",
    "TEN_WORDS",
    "TURKISH",
    "Affixes",
    "Article",
    "Coverage",
    "Fertility",
    "Merge",
    "Quirk",
    "Split",
    "Step",
    "Tokenizer",
    "Unigram",
    "WordPiece",
    "articles",
    "at_spaces",
    "backward",
    "both_ways",
    "by_count",
    "by_likelihood",
    "by_rules",
    "count_and_merge",
    "count_words",
    "expected_counts",
    "fertility",
    "for_browser",
    "forward",
    "from_signs",
    "growth",
    "learn_by_hand",
    "learn_counted",
    "learn_merges",
    "morphemes",
    "of_pieces",
    "of_words",
    "quirk",
    "read_chunks",
    "segmentations",
    "smollm2",
    "smollm2_file",
    "to_signs",
    "train_sentencepiece",
    "unseen",
    "viterbi",
    "without_spaces",
]
