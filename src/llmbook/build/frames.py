"""Interactive attention shares its libraries: d3 and jQuery are loaded once, when the first such frame comes into view.

In a notebook every frame carries them, so that it works in Jupyter and Colab as it stands. In the site a frame asks the
page that it lies in, which loads one file. A frame of another make is left as it is.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from functools import cache
from pathlib import Path

FILE = "attention-libraries.js"
FRAME = "llmbook-libraries"  # stands in a page whose frames ask
_FRAME = re.compile(r'(<iframe class="llmbook-attention"[^>]*? srcdoc=")([^"]*)(")')
_PAYLOAD = re.compile(r'atob\("([A-Za-z0-9+/=]+)"\)')
_UNPACKED = "await new Response(stream).text()"
_ASK = """<script>
const libraries = new Promise(done => addEventListener("message", event => {
  if (event.data?.llmbookLibraries) done(event.data.llmbookLibraries);
}));
parent.postMessage("llmbook-libraries", "*");
</script>
"""


@cache
def libraries() -> str:
    """The text that every frame begins with."""
    from llmbook.architecture import bertview

    return "\n".join(bertview._libraries()) + "\n"


def share(page: str) -> str:
    """The page with frames that ask for the libraries instead of carrying them."""
    return _FRAME.sub(lambda m: m[1] + html.escape(_shared(html.unescape(m[2]))) + m[3], page)


def _shared(document: str) -> str:
    payloads = _PAYLOAD.findall(document)
    if len(payloads) != 1 or document.count(_UNPACKED) != 1 or document.count("<script>") != 1:
        return document
    code = gzip.decompress(base64.b64decode(payloads[0])).decode()
    if not code.startswith(libraries()):
        return document
    rest = gzip.compress(code.removeprefix(libraries()).encode(), 9, mtime=0)
    document = document.replace(payloads[0], base64.b64encode(rest).decode())
    document = document.replace(_UNPACKED, f"(await libraries) + {_UNPACKED}")
    return document.replace("<script>", f"{_ASK}<script>")


def write(static: Path) -> None:
    """Put the libraries into the site, as a script that keeps them as text: it works from a folder, too."""
    (static / FILE).write_text(f"window.llmbookLibraries = {json.dumps(libraries())};\n", encoding="utf-8")
