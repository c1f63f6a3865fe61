"""One line for each claim that a page checks: ``✓ the five steps equal PyTorch's kernel``.

``check`` is an assertion that speaks: it stops the page when the claim is false, and else prints one line, which the
site shows as a tick. The head of a page counts these lines. It leaves out tolerances and comparisons: the condition
says them, in the page, where a reader can see how strict they are.
"""

from __future__ import annotations

MARK = "✓"


def check(claim: str, condition: object) -> None:
    """Print ``✓ claim`` when ``condition`` is true, and stop with AssertionError when it is false.

    ``condition`` is one truth value: a bool, or NumPy's or PyTorch's (a 0-d array or tensor of bools). Anything else,
    such as a text, a number or a whole array, is refused: it could pass without having been a condition.

    Raises:
        AssertionError: the condition is false; the message is the claim.
        ValueError: the claim is empty or longer than a line, or the condition is no single truth value.

    >>> check("two and two are four", 2 + 2 == 4)
    ✓ two and two are four
    >>> check("two and two are five", 2 + 2 == 5)
    Traceback (most recent call last):
    AssertionError: not so: two and two are five
    """
    if not isinstance(claim, str) or not claim.strip() or "\n" in claim.strip():
        raise ValueError(f"a claim is one line of text that says what was checked, not {claim!r}")
    if not _truth(claim, condition):
        raise AssertionError(f"not so: {claim.strip()}")
    print(f"{MARK} {claim.strip()}")


def _truth(claim: str, condition: object) -> bool:
    """The condition as Python's bool."""
    if isinstance(condition, bool):
        return condition
    shape, kind = getattr(condition, "shape", None), getattr(condition, "dtype", None)
    if shape == () and str(kind).rpartition(".")[2] == "bool":
        return bool(condition)
    what = f"{type(condition).__name__}" + (
        f" of {kind} with shape {tuple(shape)}" if shape is not None else ""
    )
    hint = (
        "a comparison of arrays needs .all() or torch.equal"
        if shape
        else "write the comparison, such as x == y"
    )
    raise ValueError(f"the condition of {claim.strip()!r} is a {what}, not one truth value: {hint}")
