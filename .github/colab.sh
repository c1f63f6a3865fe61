#!/usr/bin/env bash
# Runs inside Colab's image, at the root of a checkout: each page through its own first cell and papermill.
set -euo pipefail

versions() { python3 -c 'import numpy, torch; print("torch", torch.__version__, "numpy", numpy.__version__)'; }

before=$(versions)
echo "Colab has $(python3 -V), $before"
python3 -m pip install --quiet papermill
python3 -m ipykernel install --user --name python3 >/dev/null

mkdir -p _build/colab /tmp/reader # a reader's notebook doesn't lie in a checkout, where llmbook might be found
failed=()
for page in book/*.ipynb; do
    name=$(basename "$page" .ipynb)
    echo "== $name"
    (cd /tmp/reader && python3 -m papermill --kernel python3 --no-progress-bar \
        "/book/$page" "/book/_build/colab/$name.ipynb") || failed+=("$name")
done

after=$(versions)
if [ "$before" != "$after" ]; then
    echo "The first cell changed Colab's own packages: $before became $after" >&2
    exit 1
fi
if [ ${#failed[@]} -gt 0 ]; then
    echo "These pages fail in Colab: ${failed[*]}" >&2
    exit 1
fi
echo "Every page works in Colab."
