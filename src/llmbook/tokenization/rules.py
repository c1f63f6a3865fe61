"""Tokenization by rules, before anything was learnt: at spaces, and at what a regular expression says.

Both are one line, and both assume what English does: a space between words. Chinese, Japanese and Thai write none.
"""

from __future__ import annotations

import regex

# A clitic ('s, n't) stands alone, a number keeps its point, an abbreviation its dots: the Penn Treebank's habits
# (Marcus et al. 1993), as far as one expression can have them.
RULES = regex.compile(
    r"""
    (?:\p{Lu}\.){2,}          # U.S.A.
  | \p{N}+(?:[.,]\p{N}+)*     # 1,000.50
  | \p{L}+?(?=n['’]t\b)       # do|n't
  | n['’]t\b
  | ['’](?:s|m|d|ll|re|ve)\b  # it|'s
  | \p{L}+(?:-\p{L}+)*        # well-known
  | --+ | \.\.\.              # a dash, an ellipsis
  | [^\s\p{L}\p{N}]           # any other sign
    """,
    regex.VERBOSE,
)


def at_spaces(text: str) -> list[str]:
    """Cut at white space: punctuation stays stuck to words, and a text without spaces is one token.

    >>> at_spaces("Don't stop, Mr. Poe!"), at_spaces("我爱自然语言处理")
    (["Don't", 'stop,', 'Mr.', 'Poe!'], ['我爱自然语言处理'])
    """
    return text.split()


def by_rules(text: str) -> list[str]:
    """Cut by rules made for English.

    >>> by_rules("Don't stop, it's U.S.A. 1,000.50 well-known!")
    ['Do', "n't", 'stop', ',', 'it', "'s", 'U.S.A.', '1,000.50', 'well-known', '!']
    >>> by_rules("我爱自然语言处理。")
    ['我爱自然语言处理', '。']
    """
    return RULES.findall(text)
