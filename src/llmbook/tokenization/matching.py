"""Tokenization with a dictionary: take the longest word that fits (maximum matching), from either end.

The way Chinese was cut into words before statistics (Wong and Chan 1996). It is greedy: nothing is undone, so a
long word may leave a rest that is none. The bundled dictionary of some sixty words is a toy that shows just that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

CHINESE = frozenset({
    "我", "你", "他", "我们", "他们", "爱", "喜欢", "在", "的", "是", "了", "和", "有", "人", "人人", "大",
    "小", "学", "学生", "大学", "大学生", "生活", "活", "研究", "研究生", "生命", "命", "起源", "自然",
    "语言", "处理", "自然语言", "北京", "北京大学", "天安门", "今天", "天", "今", "天气", "气", "好", "很",
    "中国", "国", "国家", "家", "发展", "展", "中", "发", "自由", "平等", "尊严", "权利", "生", "而", "上",
    "一律", "律", "起", "源", "语", "言",
})  # fmt: skip


def forward(text: str, dictionary: Collection[str]) -> list[str]:
    """From the left, the longest word each time; a character that begins none stands alone.

    >>> forward("研究生命起源", CHINESE)  # a graduate student (研究生) where research (研究) into life (生命) was meant
    ['研究生', '命', '起源']
    """
    longest = _longest(dictionary)
    words, start = [], 0
    while start < len(text):
        ends = range(min(len(text), start + longest), start + 1, -1)
        end = next((end for end in ends if text[start:end] in dictionary), start + 1)
        words.append(text[start:end])
        start = end
    return words


def backward(text: str, dictionary: Collection[str]) -> list[str]:
    """From the right, the longest word each time.

    >>> backward("研究生命起源", CHINESE)
    ['研究', '生命', '起源']
    """
    longest = _longest(dictionary)
    words, end = [], len(text)
    while end > 0:
        starts = range(max(0, end - longest), end - 1)
        start = next((start for start in starts if text[start:end] in dictionary), end - 1)
        words.append(text[start:end])
        end = start
    return words[::-1]


def both_ways(text: str, dictionary: Collection[str]) -> list[str]:
    """Of the two the one with fewer words; if equal, with fewer single characters; if equal, the backward one.

    >>> both_ways("北京大学生活", CHINESE)
    ['北京大学', '生活']
    """

    def cost(words: Sequence[str]) -> tuple[int, int]:
        return len(words), sum(len(word) == 1 for word in words)

    return min(backward(text, dictionary), forward(text, dictionary), key=cost)


def without_spaces(text: str) -> str:
    """English as if it were Chinese: the same letters, no spaces.

    >>> forward(without_spaces("the table down there"), {"the", "table", "down", "there", "theta", "bled", "own"})
    ['theta', 'bled', 'own', 'there']
    """
    return "".join(text.split())


def _longest(dictionary: Collection[str]) -> int:
    if not dictionary:
        raise ValueError("the dictionary is empty; give some words")
    return max(map(len, dictionary))
