"""The book's texts: 38 plays, 2,225 news articles and Python's own manual (data cards: `llmbook.core.text.cards`).

The texts travel inside Python packages, so nothing is downloaded when a page runs. The packages are read as
files, never imported, and their SHA-256 is checked before first use. Left out on purpose: tokenizers other
than raw bytes, and batching (`llmbook.core.train.data`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmbook.core.text.cards import NEWS, PLAYS
from llmbook.core.text.packaged import DataError, verify

SPLITS = ("train", "valid", "test")
# Held out: a comedy and a history, a tragedy and a romance; none shares its characters with another play.
HELD_OUT = {"valid": ("twelfth-night", "king-john"), "test": ("macbeth", "the-tempest")}
UNTITLED = {"measure-for-measure": "Measure for Measure"}  # its file begins with the first act


@dataclass(frozen=True)
class Document:
    """A titled text."""

    title: str
    text: str


@dataclass(frozen=True)
class Article:
    """A news article: headline and body as `text`, one of five `topic`s."""

    topic: str
    text: str


def clean_play(markdown: str) -> str:
    """Plain text of a play in Markdown: `SPEAKER`, then the lines; stage directions in [brackets].

    >>> clean_play("## ACT I\\n\\n_Enter ROSS_\\n\\n**KING**  \\nWho goes\\\\--  \\nthere?")
    'ACT I\\n\\n[Enter ROSS]\\n\\nKING\\nWho goes--\\nthere?\\n'
    """
    text = markdown.replace("\r\n", "\n").replace("&amp;", "&").replace("& c", "&c").replace("—", "--")
    text = re.sub(r"\\([^\w\s])", r"\1", text)  # Markdown escapes
    blocks = (_clean_block(block) for block in re.split(r"\n\s*\n", text))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _clean_block(block: str) -> str:
    """One paragraph: a heading, a stage direction, or a speech."""
    block = re.sub(r"^#+ +", "", block, flags=re.M)
    block = re.sub(r"\*\*(.+?)\*\*", r"\1", block)
    block = re.sub(r"(?:_+|\*)(.+?)(?:_+|\*)", _direction, block, flags=re.S)
    block = block.replace("_", "").replace("*", "")
    block += "]" * (block.count("[") - block.count("]"))  # one direction of The Tempest is not closed
    return "\n".join(line.strip() for line in block.splitlines() if line.strip())


def _direction(found: re.Match[str]) -> str:
    inside = found[1].replace("[", "").replace("]", "").strip()
    return f"[{inside}]" if inside else ""


@lru_cache
def _all_plays() -> dict[str, Document]:
    """Every play by file stem, in order of stem."""
    found = sorted(verify(PLAYS).glob(PLAYS.files), key=lambda path: path.stem)
    texts = {path.stem: clean_play(path.read_text(encoding="utf-8")) for path in found}
    titles = {stem: UNTITLED.get(stem) or text.partition("\n")[0] for stem, text in texts.items()}
    return {stem: Document(titles[stem], text) for stem, text in texts.items()}


def plays(split: str = "train") -> list[Document]:
    """The plays of a split: 34 for `train`, 2 for `valid`, 2 for `test`; no play is in two of them.

    The text is pure ASCII: one character, one byte. Raises ValueError for an unknown split, DataError when
    the package is missing or altered.

    >>> [play.title for play in plays("test")]
    ['Macbeth', 'The Tempest']
    """
    _check_split(split)
    held_out = {stem for stems in HELD_OUT.values() for stem in stems}
    stems = HELD_OUT.get(split) or [stem for stem in _all_plays() if stem not in held_out]
    return [_all_plays()[stem] for stem in stems]


def plays_text(split: str = "train") -> str:
    """The plays of a split as one string, an empty line between plays."""
    return "\n".join(play.text for play in plays(split))


@lru_cache
def _all_news() -> tuple[Article, ...]:
    folder = verify(NEWS)
    paths = sorted(folder.glob(NEWS.files), key=lambda path: path.relative_to(folder).as_posix())
    return tuple(Article(path.parent.name, _decode_news(path.read_bytes())) for path in paths)


def _decode_news(content: bytes) -> str:
    """UTF-8, but for one article whose pound sign is Latin-1."""
    try:
        return content.decode("utf-8").strip() + "\n"
    except UnicodeDecodeError:
        return content.decode("latin-1").strip() + "\n"


def news() -> list[Article]:
    """All 2,225 articles, sorted by topic and file: business, entertainment, politics, sports, tech.

    98 of them repeat another one word for word; they are kept, as published.

    >>> len(news()), news()[0].topic
    (2225, 'business')
    """
    return list(_all_news())


def manual_text() -> str:
    """Python's reference manual, the topics of `help()` in alphabetical order; differs between versions.

    >>> "assignment" in manual_text()
    True
    """
    from pydoc_data import topics

    return "\n\n".join(f"{name}\n\n{text.strip()}" for name, text in sorted(topics.topics.items())) + "\n"


def text_file(path: str | Path, encoding: str = "utf-8") -> str:
    """Text of a file, line ends as `\\n`, without a byte-order mark.

    Raises DataError when it is missing, a folder, empty, or not in `encoding`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"the text file {path} {what}; give the path of a plain-text file")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig" if encoding.lower().replace("_", "-") == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} text: byte {error.start} is 0x{content[error.start]:02x}; "
            "save it as UTF-8, or pass encoding='latin-1', 'utf-16', ..."
        ) from error
    if not text.strip():
        raise DataError(f"{path} is empty; give a file with some text in it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def corpus(name_or_path: str | Path = "plays", split: str = "train", encoding: str = "utf-8") -> str:
    """Text of a split of `plays`, `news`, `manual`, or of any text file.

    Plays are split by play; news by a hash of the article, so that copies stay together (about 90/5/5 %); the
    manual and files by position: the first 90 % of the characters, the next 5 %, the last 5 %.
    Raises ValueError for an unknown split, DataError for an unusable file.

    >>> corpus("plays", "valid").startswith("Twelfth Night")
    True
    """
    _check_split(split)
    if name_or_path == "plays":
        return plays_text(split)
    if name_or_path == "news":
        return "\n".join(article.text for article in _all_news() if _news_split(article) == split)
    if name_or_path == "manual":
        return _by_position(manual_text(), split)
    if not Path(name_or_path).expanduser().exists():
        raise DataError(
            f"no corpus {str(name_or_path)!r}: give 'plays', 'news', 'manual' or the path of a text file"
        )
    return _by_position(text_file(name_or_path, encoding), split)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; choose one of {', '.join(SPLITS)}")


def _news_split(article: Article) -> str:
    bucket = hashlib.sha256(article.text.encode()).digest()[0] * 20 // 256  # 0..19, evenly
    return {18: "valid", 19: "test"}.get(bucket, "train")


def _by_position(text: str, split: str) -> str:
    if len(text) < 20:
        raise DataError(f"the text has {len(text)} characters; at least 20 are needed to split it 90/5/5")
    first, second = len(text) * 90 // 100, len(text) * 95 // 100
    return {"train": text[:first], "valid": text[first:second], "test": text[second:]}[split]
