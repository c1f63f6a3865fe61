"""The interactive attention views: small, complete in themselves, and really drawn by a browser."""

import base64
import gzip
import html
import json
import re
from pathlib import Path

import pytest
import torch
from drawn import draw

from llmbook.architecture import bertview
from llmbook.architecture.bertview import MAX_TOKENS, head_view, model_view

VIEWS = [head_view, model_view]
OPACITY = "lines => lines.map(line => line.getAttribute('stroke-opacity'))"


def attentions(n_layer=6, n_head=9, t=12, s=None):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, n_head, t, s or t, generator=generator).softmax(-1) for _ in range(n_layer)]


def tokens(t=12):
    return [f"Ġword{i}" for i in range(t)]


def script(view) -> str:
    """The JavaScript that the frame unpacks and runs."""
    document = html.unescape(re.search(r'srcdoc="([^"]*)"', view.data)[1])
    return gzip.decompress(base64.b64decode(re.search(r'atob\("([^"]*)"\)', document)[1])).decode()


def parameters(view) -> dict:
    return json.loads(re.search(r"const params = (\{.*\});", script(view))[1])


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_in_the_frame_points_to_another_host(view):
    made = view(attentions(), tokens())
    document = html.unescape(made.data)
    assert "http" not in re.sub(r'atob\("[^"]*"\)', "", document)
    assert not re.search(r"<(script|link|img)[^>]*\b(src|href)=", document)
    code = script(made)
    assert "cdnjs" not in code and "require.config" not in code and "requirejs" not in code


@pytest.mark.parametrize("view", VIEWS)
def test_the_frame_is_sandboxed_and_has_a_title_and_a_caption(view):
    data = view(attentions(), tokens(3) + tokens(12)[3:], layers=[2, 5]).data
    assert 'sandbox="allow-scripts"' in data and "allow-same-origin" not in data
    assert re.search(r'<iframe[^>]*title="Attention of layers 2, 5, heads 0 to 8, on “word0 word1', data)
    assert "</iframe>\n<p><em>Attention of layers 2, 5" in data


@pytest.mark.parametrize("view", VIEWS)
def test_weights_keep_three_decimals_and_the_right_layers_and_heads(view):
    given = attentions()
    data = parameters(view(given, tokens(), layers=[1, 4], heads=[0, 7]))["attention"][0]
    stored = torch.tensor(data["attn"], dtype=torch.float64)
    expected = torch.stack([given[1][0, [0, 7]], given[4][0, [0, 7]]]).double()
    assert stored.shape == (2, 2, 12, 12)
    assert (stored - expected).abs().max() <= 0.0005 + 1e-12
    assert max(len(str(x)) for x in stored.flatten().tolist()) <= len("0.123")
    assert data["left_text"][0].strip() == "word0"


def test_a_head_view_and_a_model_view_leave_room_on_a_page_of_one_megabyte():
    six = attentions(n_layer=6, n_head=9, t=24)
    assert len(json.dumps(head_view(six, tokens(24), layers=[3]).data)) < 30_000
    assert len(json.dumps(model_view(six, tokens(24)).data)) < 110_000


@pytest.mark.parametrize("view", VIEWS)
def test_the_same_weights_give_the_same_output(view):
    assert view(attentions(), tokens()).data == view(attentions(), tokens()).data


@pytest.mark.parametrize("view", VIEWS)
def test_cross_attention_shows_two_sets_of_tokens(view):
    data = parameters(view(attentions(t=3, s=5), tokens(3), key_tokens=["le", "é", "日", "本", "</script>"]))
    assert len(data["attention"][0]["left_text"]) == 3
    assert data["attention"][0]["right_text"][3] == "本"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attentions": ()}, "attn='eager'"),
        ({"tokens": []}, "non-empty list of strings"),
        ({"tokens": "abc"}, "non-empty list of strings"),
        ({"tokens": tokens(11)}, r"need \(1, 9, 11, 11\)"),
        ({"attentions": [torch.rand(2, 9, 12, 12)]}, r"shape \(2, 9, 12, 12\)"),
        ({"attentions": [torch.rand(9, 12, 12)]}, r"\(1, H, T, S\)"),
        ({"attentions": [torch.full((1, 9, 12, 12), float("nan"))]}, "nan"),
        ({"layers": [6]}, "from 0 to 5"),
        ({"layers": []}, "from 0 to 5"),
        ({"heads": [1, 1]}, "different numbers"),
        ({"height": 0}, "positive"),
        ({"head": (6, 0)}, r"head=\(6, 0\): give \(layer, head\)"),
        ({"head": (1, 9)}, r"of layers \[0, 1, 2, 3, 4, 5\] and heads"),
        ({"head": (1,)}, r"give \(layer, head\)"),
        ({"tokens": tokens(MAX_TOKENS + 1)}, "at most"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(view, change, message):
    arguments = {"attentions": attentions(), "tokens": tokens()} | change
    with pytest.raises(ValueError, match=message):
        view(**arguments)


@pytest.mark.browser
def test_a_browser_draws_both_views_and_they_answer(tmp_path):
    six = attentions()
    data = head_view(six, tokens(), layers=[3, 5], head=(3, 0)).data
    data += model_view(six, tokens(), layers=[0, 3, 5], head=(5, 7)).data

    def act(page):
        head, model = page.frames[1], page.frames[2]
        head.wait_for_selector("svg line", state="attached")
        lines = head.locator("svg line").count()
        options = head.locator("#layer option").all_text_contents()
        before = head.locator("svg line").evaluate_all(OPACITY)
        head.select_option("#layer", "5")
        after = head.locator("svg line").evaluate_all(OPACITY)
        model.wait_for_selector("svg line", state="attached")
        thumbnails = model.locator("svg line").count()
        opened = model.locator("text.detail").text_content()
        model.locator("svg rect:last-of-type[style*='opacity: 0']").nth(10).click()
        detail = model.locator("text.detail").text_content()
        width = model.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return lines, options, before != after, thumbnails, opened, detail, width

    result, complaints = draw(tmp_path, data, act)
    assert complaints == []
    assert result == (9 * 12 * 12, ["3", "5"], True, 28 * 12 * 12, "Layer 5, Head 7", "Layer 3, Head 1", 0)


@pytest.mark.browser
def test_heads_and_thumbnails_answer_to_the_keyboard(tmp_path):
    six = attentions()
    data = (
        head_view(six, tokens(), layers=[3, 5], head=(5, 3)).data
        + model_view(six, tokens(), layers=[0, 3], heads=[2, 8]).data
    )

    def act(page):
        head, model = page.frames[1], page.frames[2]
        for frame in (head, model):
            frame.wait_for_selector("svg [role=button]", state="attached")
        head.select_option("#layer", "3")  # draws anew
        head.locator("svg [role=button]").first.focus()
        page.keyboard.press("ArrowRight")
        name = head.evaluate("document.activeElement.getAttribute('aria-label')")
        page.keyboard.press("Enter")
        seen = [
            max(map(float, head.locator(f"g.headAttention[head-index='{i}'] line").evaluate_all(OPACITY)))
            for i in (0, 1)
        ]
        model.locator("svg [role=button]").first.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        stops = [frame.locator("svg [tabindex='0']").count() for frame in (head, model)]
        return (
            name,
            [0.0 if x == 0 else 1.0 for x in seen],
            model.locator("text.detail").text_content(),
            stops,
        )

    result, complaints = draw(tmp_path, data, act)
    assert complaints == []
    assert result == ("head 1", [0.0, 1.0], "Layer 3, Head 8", [1, 1])


@pytest.mark.browser
def test_a_token_that_looks_like_a_tag_is_drawn_as_text(tmp_path):
    names = ["</script>", "<b>", '"', "日本"]

    def act(page):
        page.frames[1].wait_for_selector("svg line", state="attached")
        return page.frames[1].locator("svg g#left text").all_text_contents()

    result, complaints = draw(tmp_path, head_view(attentions(t=4), names).data, act)
    assert complaints == []
    assert result == names


def pointed(layer, head, n_layer=3, n_head=2, t=6):
    """Weights all on the first token, but for one head that looks at the token before, and some at its own."""
    weights = [torch.zeros(1, n_head, t, t) for _ in range(n_layer)]
    for one in weights:
        one[..., 0] = 1
    weights[layer][0, head] = 0.6 * torch.eye(t).roll(-1, dims=1).T + 0.4 * torch.eye(t)
    return weights


@pytest.mark.parametrize("view", VIEWS)
def test_it_opens_on_the_head_that_looks_at_other_tokens_and_says_which(view):
    assert "It opens on layer 2, head 1." in view(pointed(2, 1), tokens(6)).data
    assert "It opens on layer 1, head 0." in view(pointed(1, 0), tokens(6), layers=[1, 2]).data
    assert "It opens on layer 0, head 1." in view(pointed(2, 1), tokens(6), head=(0, 1)).data


@pytest.mark.browser
def test_the_first_view_shows_one_head_of_the_chosen_layer(tmp_path):
    def act(page):
        page.frames[1].wait_for_selector("svg line", state="attached")
        lines = [page.frames[1].locator(f"g.headAttention[head-index='{i}'] line") for i in range(9)]
        seen = [max(map(float, one.evaluate_all(OPACITY))) > 0 for one in lines]
        return page.frames[1].locator("#layer").input_value(), seen

    data = head_view(attentions(), tokens(), layers=[1, 3, 5], head=(3, 4)).data
    assert draw(tmp_path, data, act) == (("3", [i == 4 for i in range(9)]), [])


@pytest.mark.browser
def test_an_enlarged_head_keeps_its_tokens_when_the_window_narrows_and_is_open_or_closed_as_before(tmp_path):
    def act(page):
        frame, seen = page.frames[1], []
        frame.wait_for_selector("text.detail")
        for width in (760, 390, 320, 760):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(300)
            words = frame.evaluate("""() => {
                const svg = document.querySelector("svg").getBoundingClientRect();
                return [...document.querySelectorAll("text")].map(t => t.getBoundingClientRect())
                    .filter(t => t.left < svg.left - 1 || t.right > svg.right + 1 || t.top < svg.top - 1).length;
            }""")
            wide = frame.evaluate("document.documentElement.scrollWidth > innerWidth")
            tall = frame.evaluate("document.documentElement.scrollHeight > innerHeight")
            seen.append((frame.locator("text.detail").text_content(), words, wide, tall))
        frame.locator("svg rect:last-of-type[style*='opacity: 0']").nth(5).click()  # that of layer 3, head 5
        page.set_viewport_size({"width": 390, "height": 900})
        page.wait_for_timeout(300)
        return seen, frame.locator("text.detail").count()

    data = model_view(attentions(), tokens(), layers=[3, 5], head=(3, 5)).data
    (seen, after), complaints = draw(tmp_path, data, act)
    assert complaints == []
    assert seen == [("Layer 3, Head 5", 0, False, False)] * 4 and after == 0


@pytest.mark.browser
@pytest.mark.parametrize("view", VIEWS)
def test_our_few_lines_draw_what_d3_and_jquery_draw(tmp_path, view, monkeypatch):
    import mpld3

    jquery = pytest.importorskip("xstatic.pkg.jquery")
    libraries = [
        Path(mpld3.__file__).parent / "js/d3.v5.min.js",
        Path(jquery.BASE_DIR) / "jquery.slim.min.js",
    ]
    both = tmp_path / "both.js"
    both.write_text("\n".join(path.read_text(encoding="utf-8") for path in libraries), encoding="utf-8")
    given = {"attentions": attentions(), "tokens": tokens(), "layers": [3, 5], "head": (5, 2)}
    ours = view(**given).data
    monkeypatch.setattr(bertview, "_SMALL_D3", both)
    theirs = view(**given).data
    assert len(theirs) > len(ours) + 100_000

    def act(page):
        drawn = []
        for frame in page.frames[1:]:
            frame.wait_for_selector("svg line", state="attached")
            frame.wait_for_timeout(300)
            states = [frame.locator("#vis svg").evaluate("svg => svg.outerHTML")]
            if frame.locator("#layer").count():
                frame.select_option("#layer", "3")
                frame.locator("svg g#left text").nth(3).hover()
                states.append(frame.locator("#vis svg").evaluate("svg => svg.outerHTML"))
                frame.locator("svg rect[width='20']").nth(4).click()
            else:
                frame.locator("svg rect:last-of-type[style*='opacity: 0']").nth(10).click()
            states.append(frame.locator("#vis svg").evaluate("svg => svg.outerHTML"))
            drawn.append([re.sub(r"\s+", " ", state) for state in states])
        return drawn

    (mine, real), complaints = draw(tmp_path, ours + theirs, act)
    assert complaints == []
    assert len(set(mine)) == len(mine)
    for one, other in zip(mine, real, strict=True):
        assert re.split("(?=<)", one) == re.split("(?=<)", other)
