"""Frames of interactive attention share their libraries in the site."""

import base64
import gzip
import html
import json
import re

import torch

from llmbook.architecture import bertview
from llmbook.build import frames


def view(rows=3):
    return bertview.head_view([torch.eye(rows).expand(1, 2, rows, rows)], ["to", "be", "or"][:rows]).data


def code(page):
    """What each frame of a page unpacks."""
    documents = [html.unescape(text) for text in re.findall(r'srcdoc="([^"]*)"', page)]
    payloads = [re.search(r'atob\("([^"]*)"\)', document)[1] for document in documents]
    return [gzip.decompress(base64.b64decode(payload)).decode() for payload in payloads]


def test_each_frame_loses_the_libraries_and_nothing_else():
    page = f"<p>before</p>{view()}<p>between</p>{view(2)}"
    shared = frames.share(page)
    assert [frames.libraries() + rest for rest in code(shared)] == code(page)
    assert "d3js.org" in frames.libraries() and all("d3js.org" not in rest for rest in code(shared))
    assert len(shared) < len(page) / 4
    outside = re.compile(r'srcdoc="[^"]*"')
    assert outside.sub("", shared) == outside.sub("", page)


def test_a_frame_asks_before_it_draws_and_is_changed_once():
    shared = frames.share(view())
    document = html.unescape(re.search(r'srcdoc="([^"]*)"', shared)[1])
    assert document.index(frames.FRAME) < document.index("(await libraries) + await new Response")
    assert frames.share(shared) == shared


def test_a_frame_of_another_make_stays_as_it_is():
    whole = view()
    other = [
        whole.replace("new Response(stream)", "new Response( stream )"),
        '<iframe class="llmbook-attention" srcdoc="&lt;p&gt;1 &amp;lt; 2&lt;/p&gt;"></iframe>',
        '<iframe class="another" srcdoc="x"></iframe>',
    ]
    for page in other:
        assert frames.share(page) == page


def test_the_file_holds_the_libraries_as_text(tmp_path):
    frames.write(tmp_path)
    script = (tmp_path / frames.FILE).read_text(encoding="utf-8")
    assert (
        json.loads(script.removeprefix("window.llmbookLibraries = ").removesuffix(";\n"))
        == frames.libraries()
    )
