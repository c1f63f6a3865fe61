"""A slider over results that are already there: a temperature, a learning rate, a step.

Every frame is stored in the page, so nothing is computed when the reader moves the slider, and no kernel is needed.
Where scripts do not run (GitHub) the start frame stands alone, with a note. Left out: two sliders over one picture,
and interpolation between frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from html import escape

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from llmbook.core.show.shown import Shown
from llmbook.core.show.svg import svg, themed

MOST_BYTES = 400_000  # of one slider; a page has to stay light
_NOTE = "In the book, in Jupyter and in Colab a slider here shows "
# Every value lies unseen under the one that is shown, so that the longest has room, in as many lines as it takes, and
# nothing below moves.
_VALUE = "display:inline-grid;max-width:100%;font-weight:600;overflow-wrap:anywhere"
_ROOM = "grid-area:1/1;visibility:hidden"
_RANGE = "width:min(100%,26rem);accent-color:currentColor"

_SCRIPT = """(() => {{
  const box = document.getElementById("{id}"), input = box.querySelector("input");
  const frames = [...box.querySelector("div + div").children], names = {names};
  input.oninput = () => {{
    frames.forEach((frame, i) => {{
      frame.hidden = false;
      frame.style.visibility = i == input.value ? "" : "hidden";
    }});
    box.querySelector("output").textContent = names[input.value];
    input.setAttribute("aria-valuetext", names[input.value]);
  }};
  box.querySelector("div").hidden = false;
  box.querySelector("small").hidden = true;
  input.oninput();
}})();"""


def slider(
    label: str,
    frames: Mapping[str, str | Figure],
    *,
    start: str | None = None,
    describe: str = "",
) -> Shown:
    """A range with a name and a visible value over prepared frames; one is seen at a time.

    Args:
        label: what the slider changes, such as "temperature".
        frames: value as shown ("0.2") -> HTML, SVG of ``plot.svg``, or a figure, which is closed; in order.
        start: the value shown first; by default the first.
        describe: what pictures show, read aloud with the value; by default the label.

    Raises:
        ValueError: the label is empty, there are fewer than two frames, ``start`` is none of them, or it all takes more
            than 400 kB.

    >>> slider("temperature", {"0.2": "<p>Paris</p>", "1.0": "<p>Paris or Rome</p>"}, start="1.0")
    Slider temperature: 0.2, [1.0]. It moves in the book, in Jupyter and in Colab.
    """
    names = list(frames)
    if not label.strip():
        raise ValueError("the label is empty: say what the slider changes")
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} frames: a slider needs at least two, value -> picture or HTML")
    start = names[0] if start is None else start
    if start not in frames:
        raise ValueError(f"start={start!r} is none of the values: {', '.join(map(repr, names))}")
    parts = {name: _frame(frame, f"{describe or label}: {name}") for name, frame in frames.items()}
    html = _html(label, parts, start)
    if (size := len(html.encode())) > MOST_BYTES:
        raise ValueError(
            f"{size:,} bytes are too many, {MOST_BYTES:,} are allowed: fewer or simpler frames ({len(frames)} now)"
        )
    shown = ", ".join(f"[{name}]" if name == start else name for name in names)
    return Shown(html, f"Slider {label}: {shown}. It moves in the book, in Jupyter and in Colab.")


def _frame(frame: str | Figure, describe: str) -> str:
    if isinstance(frame, Figure):
        picture = svg(frame)
        plt.close(frame)
    elif isinstance(frame, str):
        picture = frame
    else:
        raise ValueError(f"a frame is a {type(frame).__name__}: give HTML, an SVG string or a figure")
    return themed(picture, describe) if picture.startswith("<svg") else picture


def _html(label: str, frames: Mapping[str, str], start: str) -> str:
    names = list(frames)
    own = "slider-" + sha256("\0".join([label, *frames, *frames.values()]).encode()).hexdigest()[:10]
    place = names.index(start)
    shown = "\n".join(
        f'<div style="grid-area:1/1;min-width:0;overflow-x:auto"{"" if name == start else " hidden"}>{frame}</div>'
        for name, frame in frames.items()
    )
    room = "".join(f'<span aria-hidden="true" style="{_ROOM}">{escape(name)}</span>' for name in names)
    listed = ", ".join(f'"{_script_safe(name)}"' for name in names)
    script = _SCRIPT.format(id=own, names=f"[{listed}]")
    return f"""<div class="llmbook-slider" id="{own}" style="margin:1rem 0">
<div hidden><label for="{own}-at">{escape(label)}:</label>
<span style="{_VALUE}"><output for="{own}-at" style="grid-area:1/1">{escape(start)}</output>{room}</span><br>
<input type="range" id="{own}-at" min="0" max="{len(names) - 1}" value="{place}" style="{_RANGE}"></div>
<div style="display:grid;grid-template-columns:minmax(0,1fr)">
{shown}
</div>
<small>{escape(label)}: {escape(start)}. {escape(_NOTE + ", ".join(names))}.</small>
<script>{script}</script></div>"""


def _script_safe(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\u003c").replace("\n", " ")
