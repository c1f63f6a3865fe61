"""Interactive attention: bertviz's head view and model view, without the network.

bertviz (Vig, 2019, https://arxiv.org/abs/1906.05714) draws with d3 and jQuery, which it asks a public server
for. Here its own page is built with ``html_action="return"``, the lines that ask are taken out, and the little that
it uses of the two is in small_d3.js. Everything is compressed into one sandboxed frame (about 10 kB, plus the
weights), so the same stored output works in the book, in Jupyter and in Colab, with or without a server.

All heads at once are a tangle: both views open on one head that does more than look at itself and the first token,
where heads put what they do not need (Xiao et al. 2023, https://arxiv.org/abs/2309.17453). The table of all heads is
drawn anew when the window changes, and what it enlarges stays inside.

Left out on purpose: the neuron view, and sentence pairs.
"""

from __future__ import annotations

import base64
import gzip
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from IPython.display import HTML
from torch import Tensor

_SMALL_D3 = Path(__file__).with_name("small_d3.js")
MAX_TOKENS = 64  # more lines than this cannot be told apart, and the stored page grows with the square

# bertviz's scripts begin with `require.config({...}); requirejs(['jquery', 'd3'], function ($, d3) {`
_LOADER = re.compile(r"require\.config\(\{.*?\}\);\s*requirejs\(\[[^\]]*\],\s*function\s*\(", re.DOTALL)
_OUTSIDE = re.compile(r"<script[^>]*\bsrc=[^>]*></script>")
_RANDOM_ID = re.compile(r"bertviz-[0-9a-f]{32}")
_TALK = re.compile(r"^\s*console\.log\(.*\);?$", re.MULTILINE)
# What is put in the place of some lines of bertviz's model view: its width is the window's, and what it enlarges stands
# beside the table where there is room, else above it, so that it covers no thumbnail and loses no token.
_MODEL_VIEW = {
    "const DIV_WIDTH = 970;": "let DIV_WIDTH = 0, TABLE_WIDTH = 0, beside = false;",
    "const DETAIL_WIDTH = 300;": "let DETAIL_WIDTH = 300;",
    "const DETAIL_ATTENTION_WIDTH = 140;": "let DETAIL_ATTENTION_WIDTH = 140;",
    "(DIV_WIDTH - axisSize)": "(TABLE_WIDTH - axisSize)",
    "config.divHeight = Math.max(": "const table = config.numLayers * config.thumbnailHeight + axisSize;\n"
    "config.divHeight = beside ? Math.max(table, config.detailHeight) : table + 12 + config.detailHeight; Math.max(",
    "var posLeftText = x;": "x = beside ? TABLE_WIDTH + 8 : (DIV_WIDTH - DETAIL_WIDTH) / 2; var posLeftText = x;",
    "renderDetailFrame(x, y, layerIndex);": "y = beside ? 1 : -10 - config.detailHeight;\n"
    "renderDetailFrame(x, y, layerIndex);",
    '.attr("width", DIV_WIDTH)': '.attr("width", DIV_WIDTH).attr("viewBox", '
    "beside ? null : `0 ${-12 - config.detailHeight} ${DIV_WIDTH} ${config.divHeight}`)",
    "        initialize();\n        render();\n": "        initialize();\n{redraw}",
}
_BESIDE = 560  # pixels: from this width on there is room beside the table
# Draws once the window has a width, and anew when that changes; what was open stays open, at first the head chosen.
_REDRAW = """
        let open = [{layer}, {head}];
        new ResizeObserver(() => {{
            const width = Math.max(240, document.documentElement.clientWidth - 16);
            if (width === DIV_WIDTH) return;
            if (DIV_WIDTH) open = config.detail_layer == null ? null : [config.detail_layer, config.detail_head];
            DIV_WIDTH = width;
            beside = width >= {beside};
            DETAIL_WIDTH = Math.min(300, width - 4);
            DETAIL_ATTENTION_WIDTH = DETAIL_WIDTH - 2 * DETAIL_BOX_WIDTH;
            TABLE_WIDTH = beside ? width - DETAIL_WIDTH - 10 : width;
            config.detail_layer = config.detail_head = null;
            render();
            if (open) document.querySelector(`#attn_background_${{open.join("_")}}`).parentNode.lastChild
                .dispatchEvent(new MouseEvent("click"));
        }}).observe(document.documentElement);
"""

# bertviz listens to the mouse only: what can be clicked gets one tab stop, arrow keys within, Enter to click.
_KEYBOARD = """
(() => {{
  const names = {names}, vis = document.querySelector("#vis");
  const reach = () => {{
    const targets = [...vis.querySelectorAll("{selector}")];
    targets.forEach((target, i) => {{
      target.setAttribute("tabindex", i ? -1 : 0);
      target.setAttribute("role", "button");
      target.setAttribute("aria-label", names[i]);
      target.addEventListener("keydown", event => {{
        const step = {{ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}}[event.key];
        if (step) targets[(i + step + targets.length) % targets.length].focus();
        else if (event.key === "Enter" || event.key === " ") target.dispatchEvent(new MouseEvent("click"));
        else return;
        event.preventDefault();
      }});
    }});
  }};
  new MutationObserver(reach).observe(vis, {{childList: true}});
  reach();
}})();
"""

_FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{margin:8px;background:#fff;color:#000;font:14px system-ui,sans-serif}}</style></head><body>
<noscript>{title}. This picture needs JavaScript.</noscript>{body}
<script>
(async () => {{
  const bytes = Uint8Array.from(atob("{payload}"), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.body.append(script);
}})();
</script></body></html>"""


def head_view(
    attentions: Sequence[Tensor],
    tokens: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    *,
    key_tokens: Sequence[str] | None = None,
    head: tuple[int, int] | None = None,
    height: int | None = None,
) -> HTML:
    """Lines from every token to the tokens it attends to, one colour a head, one layer at a time.

    Args:
        attentions: one tensor a layer, (1, H, T, T) or (1, H, T, S): each row sums to 1.
        tokens: the T tokens that look.
        layers: which layers to keep; all by default.
        heads: which heads to keep; all by default.
        key_tokens: the S tokens looked at, when they differ from ``tokens`` (cross-attention).
        head: (layer, head) to open with; by default the one that looks hardest at tokens other than the first
            and the looking one.
        height: height of the frame in CSS pixels; by default what the tokens need.

    Returns:
        A frame to leave as the last value of a cell, followed by a caption.

    Raises:
        ValueError: when shapes, tokens, layers or heads do not fit together.

    >>> view = head_view([torch.eye(2).expand(1, 3, 2, 2)], ["to", "be"])
    >>> 'title="Attention of layer 0, heads 0 to 2' in view.data
    True
    """
    weights, layers, heads = _select(attentions, tokens, key_tokens, layers, heads)
    import bertviz

    given = _arguments(weights, tokens, key_tokens)
    page = bertviz.head_view(**given, html_action="return").data
    page = page.replace('<select id="layer">', '<select id="layer" aria-label="Layer">')
    layer, first = _first(weights, layers, heads, head, same=key_tokens is None)
    page = page.replace("config.layers = params['include_layers']", f"config.layers = {list(layers)}")
    page = page.replace("params['layer'] == null ? 0", f"true ? {layer}").replace(
        "params['heads']", f"[{first}]"
    )
    rows = max(len(tokens), len(key_tokens or tokens))
    title = _title(layers, heads, tokens, key_tokens)
    hint = (
        f"It opens on layer {layers[layer]}, head {heads[first]}. Point at a token to see only its lines; click a "
        "square to add or hide a head, double-click to keep only it."
    )
    keys = _KEYBOARD.format(names=[f"head {head}" for head in heads], selector="svg > g > rect")
    return _frame(page, keys, title, hint, round(22.5 * rows) + 90 if height is None else height)


def model_view(
    attentions: Sequence[Tensor],
    tokens: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    *,
    key_tokens: Sequence[str] | None = None,
    head: tuple[int, int] | None = None,
    height: int | None = None,
) -> HTML:
    """All layers and heads at once, as a table of thumbnails that open when clicked.

    The arguments, the result and the errors are those of :func:`head_view`.

    >>> view = model_view([torch.eye(2).expand(1, 3, 2, 2)] * 4, ["to", "be"], layers=[1, 3])
    >>> 'title="Attention of layers 1, 3, heads 0 to 2' in view.data
    True
    """
    weights, layers, heads = _select(attentions, tokens, key_tokens, layers, heads)
    import bertviz

    given = _arguments(weights, tokens, key_tokens)
    page = bertviz.model_view(**given, display_mode="light", html_action="return").data
    layer, first = _first(weights, layers, heads, head, same=key_tokens is None)
    for old, new in _MODEL_VIEW.items():
        if page.count(old) != 1:
            raise RuntimeError(f"this release of bertviz has no single {old.strip()!r}; use 1.4.1")
        page = page.replace(
            old, new.replace("{redraw}", _REDRAW.format(layer=layer, head=first, beside=_BESIDE))
        )
    page = page.replace("config.layers = params['include_layers']", f"config.layers = {list(layers)}")
    page = page.replace("config.heads = params['include_heads']", f"config.heads = {list(heads)}")
    rows = max(len(tokens), len(key_tokens or tokens))
    thumbnail = rows * 84 / len(heads) + 10  # 84 = 7 pixels a token at 12 heads, as in bertviz
    title = _title(layers, heads, tokens, key_tokens)
    table, detail = len(layers) * thumbnail + 41, 18 * rows + 58
    tall = (
        f"clamp({max(table, detail) + 24:.0f}px,({_BESIDE + 60}px - 100vw)*999,{table + detail + 36:.0f}px)"
    )
    hint = f"It opens on layer {layers[layer]}, head {heads[first]}. Click a thumbnail to open it, again to close it."
    names = [f"layer {layer}, head {head}" for layer in layers for head in heads]
    keys = _KEYBOARD.format(names=names, selector="svg > g > rect:last-of-type")
    return _frame(page, keys, title, hint, tall if height is None else height)


def _select(
    attentions: Sequence[Tensor],
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None,
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
) -> tuple[Tensor, list[int], list[int]]:
    """Check everything and return the chosen weights (L, H, T, S), float64, rounded to 3 decimals."""
    if len(attentions) == 0:
        raise ValueError(
            "attentions is empty: with transformers 5 load the model with attn='eager' and call it with "
            "output_attentions=True; fused attention never forms the weights"
        )
    if isinstance(tokens, str) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"tokens must be a non-empty list of strings, one a position, but got {tokens!r}")
    keys = tokens if key_tokens is None else key_tokens
    if max(len(tokens), len(keys)) > MAX_TOKENS:
        raise ValueError(f"{max(len(tokens), len(keys))} tokens are too many to draw: at most {MAX_TOKENS}")
    shape = (1, attentions[0].shape[1] if attentions[0].ndim == 4 else "H", len(tokens), len(keys))
    for index, layer in enumerate(attentions):
        if tuple(layer.shape) != shape:
            raise ValueError(
                f"layer {index} has shape {tuple(layer.shape)}, but {len(tokens)} tokens that look at "
                f"{len(keys)} need {shape}: one text, (1, H, T, S), and one token name a position"
            )
    layers = _indices("layers", layers, len(attentions))
    heads = _indices("heads", heads, attentions[0].shape[1])
    weights = torch.stack([attentions[i][0, heads].detach().cpu().double() for i in layers])
    if not torch.isfinite(weights).all():
        raise ValueError("attentions hold nan or infinity: they must be weights after the softmax")
    return weights.round(decimals=3), layers, heads


def _first(
    weights: Tensor, layers: list[int], heads: list[int], chosen: tuple[int, int] | None, *, same: bool
) -> tuple[int, int]:
    """Places of the layer and head to open with, within the kept ones.

    >>> look_back = torch.zeros(1, 2, 3, 3)
    >>> look_back[0, 0, :, 0], look_back[0, 1, 2, 1] = 1, 1  # the first head looks at the first token, the other not
    >>> _first(look_back, [4], [0, 7], None, same=True), _first(look_back, [4], [0, 7], (4, 0), same=True)
    ((0, 1), (0, 0))
    """
    if chosen is None:
        away = weights.clone()
        if same:  # a token's own and the first are no news
            away[..., 0] = 0
            away.diagonal(dim1=-2, dim2=-1).zero_()
        best = int(away.amax(dim=-1).mean(dim=-1).argmax())
        return divmod(best, len(heads))
    if len(chosen) != 2 or chosen[0] not in layers or chosen[1] not in heads:
        raise ValueError(f"head={chosen!r}: give (layer, head) of layers {layers} and heads {heads}, or None")
    return layers.index(chosen[0]), heads.index(chosen[1])


def _indices(name: str, wanted: Sequence[int] | None, n: int) -> list[int]:
    chosen = list(range(n)) if wanted is None else [int(i) for i in wanted]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0 or max(chosen) >= n:
        raise ValueError(f"{name}={wanted!r}: give different numbers from 0 to {n - 1}, or None for all")
    return chosen


def _arguments(weights: Tensor, tokens: Sequence[str], key_tokens: Sequence[str] | None) -> dict[str, Any]:
    layers = [layer[None] for layer in weights]
    if key_tokens is None:
        return {"attention": layers, "tokens": list(tokens)}
    return {"cross_attention": layers, "decoder_tokens": list(tokens), "encoder_tokens": list(key_tokens)}


def _title(
    layers: list[int], heads: list[int], tokens: Sequence[str], key_tokens: Sequence[str] | None
) -> str:
    text = " ".join(token.replace("Ġ", "").replace("▁", "").strip() for token in tokens)
    target = "" if key_tokens is None else f" to {len(key_tokens)} source tokens"
    return f"Attention of {_span('layer', layers)}, {_span('head', heads)}{target}, on “{text}”"


def _span(noun: str, numbers: list[int]) -> str:
    """Name some numbers the way a reader would.

    >>> _span("head", [0, 1, 2, 3]), _span("layer", [0, 8]), _span("layer", [4])
    ('heads 0 to 3', 'layers 0, 8', 'layer 4')
    """
    if len(numbers) == 1:
        return f"{noun} {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{noun}s {numbers[0]} to {numbers[-1]}"
    return f"{noun}s {', '.join(map(str, numbers))}"


def _frame(page: str, keys: str, title: str, hint: str, height: int | str) -> HTML:
    """Wrap bertviz's page in a sandboxed frame that asks nobody for anything, with a caption below."""
    if isinstance(height, int) and height <= 0:
        raise ValueError(f"height={height}: give a positive number of CSS pixels, or None")
    page = _RANDOM_ID.sub("bertviz", page)  # one view a frame: same weights, same stored output
    body, _, script = _OUTSIDE.sub("", page).partition('<script type="text/javascript">')
    script, found = _LOADER.subn("(function (", script.strip().removesuffix("</script>"))
    script = script.strip().removesuffix(");") + ")(jQuery, d3);"
    if found != 1 or "://" in script.split("*/", 1)[-1].split("const params", 1)[0]:
        raise RuntimeError("this release of bertviz loads its libraries in a way not known here; use 1.4.1")
    code = "\n".join([_SMALL_D3.read_text(encoding="utf-8"), _TALK.sub("", script), keys])
    payload = base64.b64encode(gzip.compress(code.encode(), 9, mtime=0)).decode()
    label, tall = html.escape(title), height if isinstance(height, str) else f"{height}px"
    document = _FRAME.format(title=label, body=body, payload=payload)
    return HTML(
        f'<iframe class="llmbook-attention" sandbox="allow-scripts" loading="lazy" title="{label}" '
        f'style="width:100%;height:{tall};border:0;background:#fff" srcdoc="{html.escape(document)}">'
        f"</iframe>\n<p><em>{label}. {hint} (Interactive in the book, Jupyter and Colab.)</em></p>"
    )
