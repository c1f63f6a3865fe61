"""Excerpts of three domains and the two meanings of "large" (`llmbook.overview.domains`, `.sizes`)."""

from __future__ import annotations

import pytest

from llmbook import overview
from llmbook.core.measure import records
from llmbook.core.measure.intervals import seed_interval, unpaired_difference
from llmbook.core.models.config import Config
from llmbook.core.models.lm import LanguageModel
from llmbook.core.show import plotting as plot
from llmbook.core.text import corpora
from llmbook.history import rungs, timeline
from llmbook.overview import domains, sizes
from llmbook.overview.domains import Excerpt, ExcerptScore


@pytest.fixture(scope="module")
def lm():
    return LanguageModel.load()


@pytest.mark.parametrize("domain", domains.DOMAINS)
def test_excerpts_are_pieces_of_different_works_and_of_one_length(lm, domain):
    chosen = overview.excerpts(lm, domain, n=6, n_token=50, seed=1)
    texts = {}
    for title, text in domains.works(domain):
        texts.setdefault(title, []).append(text)
    assert len({e.title for e in chosen}) == 6 and all(e.domain == domain for e in chosen)
    for e in chosen:
        assert lm.encode(e.text).shape[1] == 50
        assert any(text.startswith(e.text) or "\n" + e.text in text for text in texts[e.title])
    assert chosen == overview.excerpts(lm, domain, n=6, n_token=50, seed=1)
    assert chosen != overview.excerpts(lm, domain, n=6, n_token=50, seed=2)


def test_a_score_is_the_surprise_of_the_second_part_over_its_bytes(lm):
    chosen = [Excerpt("news", "x", s) for s in overview.SENTENCES if lm.encode(s).shape[1] == 13][:2]
    assert len(chosen) == 2
    scores = overview.score_excerpts(lm, chosen, n_context=5, batch_size=1)
    for e, s in zip(chosen, scores, strict=True):
        n_byte = len("".join(lm.pieces(e.text)[5:]).encode())
        assert (s.domain, s.title, s.n_token, s.n_byte) == ("news", "x", 8, n_byte)
        assert s.bits_per_byte == pytest.approx(float(lm.surprise(e.text)[4:].sum()) / n_byte, rel=1e-3)
    together = overview.score_excerpts(lm, chosen, n_context=5, batch_size=8)
    assert [s.bits_per_byte for s in together] == pytest.approx([s.bits_per_byte for s in scores], rel=1e-3)


def test_bytes_are_counted_in_utf8(lm):
    text = "They met at the naïve café"
    (score,) = overview.score_excerpts(lm, [Excerpt("news", "x", text)], n_context=1)
    assert score.n_byte == len(text.removeprefix("They").encode()) == len(text) - 4 + 2


@pytest.mark.parametrize("text", ["東京は日本の首都です", "Ελλάδα και ῥόδον", "I am happy 🙃🙂 and you"])
def test_every_byte_is_counted_once_also_where_the_context_ends_inside_a_character(lm, text):
    ids, whole = lm.encode(text)[0].tolist(), text.encode()
    inside = 0
    for n in range(1, len(ids)):
        (score,) = overview.score_excerpts(lm, [Excerpt("news", "x", text)], n)
        read, scored = whole[: -score.n_byte], whole[-score.n_byte :]
        assert lm.tokenizer.decode(ids[:n]) == read.decode(errors="replace")
        assert lm.tokenizer.decode(ids[n:]) == scored.decode(errors="replace")
        inside += (read + scored).decode() != read.decode(errors="replace") + scored.decode(errors="replace")
    assert inside


def test_no_play_and_no_article_comes_twice():
    for domain in ("plays", "news"):
        texts = [text for _, text in domains.works(domain)]
        assert len(set(texts)) == len(texts) >= 30
    assert len(corpora.news()) > len(texts)  # of the articles some do


@pytest.mark.parametrize("domain", domains.DOMAINS)
def test_no_two_excerpts_that_the_record_scores_share_a_line(lm, domain):
    """Topics of the manual are parts of others ("with" is in "compound"), so that other topics are not enough."""
    config = overview.EXCERPTS.config
    chosen = overview.excerpts(lm, domain, config["n"], config["n_token"], config["seed"])
    lines = [line for e in chosen for line in {x for x in e.text.split("\n") if len(x) > 20}]
    assert len(set(lines)) == len(lines) > len(chosen)


def test_an_excerpt_begins_at_any_line_and_not_always_at_the_first(lm):
    texts = dict(domains.works("plays"))
    begins = [texts[e.title].index(e.text) for e in overview.excerpts(lm, "plays", n=6, n_token=40)]
    assert len(set(begins)) == 6 and 0 not in begins


def test_the_measurement_draws_from_every_domain_what_its_configuration_says_and_scores_that(monkeypatch):
    monkeypatch.setattr(domains.LanguageModel, "load", lambda device: ("model", str(device)))
    monkeypatch.setattr(domains, "excerpts", lambda *given: given)
    monkeypatch.setattr(domains, "score_excerpts", lambda *given: [given])
    lm = ("model", "cpu")
    expected = [(lm, (lm, domain, 7, 50, 3), 9) for domain in domains.DOMAINS]
    assert list(domains.measure(n=7, n_token=50, n_context=9, seed=3, device="cpu")) == expected


def test_no_excerpt_and_an_excerpt_of_no_token_are_refused(lm):
    for n, n_token in ((0, 20), (-1, 20), (3, 0)):
        with pytest.raises(ValueError, match=f"n is {n}, n_token {n_token}; give at least 1"):
            overview.excerpts(lm, "plays", n=n, n_token=n_token)


def test_excerpts_of_different_length_and_no_room_for_a_score_are_refused(lm):
    short, long = (Excerpt("news", "x", s) for s in ("Two words here", "These are more words than that"))
    for chosen, n_context in (([short, long], 1), ([short], 0), ([short], 99), ([], 1)):
        with pytest.raises(ValueError, match="give excerpts of one length"):
            overview.score_excerpts(lm, chosen, n_context)


def test_more_excerpts_than_works_and_an_unknown_domain_are_refused(lm):
    with pytest.raises(ValueError, match="works of 'plays' have 20 tokens"):
        overview.excerpts(lm, "plays", n=60, n_token=20)
    with pytest.raises(ValueError, match="'poems'; choose one of plays, manual, news"):
        domains.works("poems")


def test_means_and_differences_are_over_excerpts():
    values = {"plays": [1.0, 1.2, 1.4], "manual": [0.8, 0.6, 0.7]}
    scores = [ExcerptScore(d, "x", 10, 40, v) for d, vs in values.items() for v in vs]
    assert overview.by_domain(scores) == {d: seed_interval(v) for d, v in values.items()}
    assert overview.difference(scores, "plays", "manual") == unpaired_difference(
        values["plays"], values["manual"]
    )
    assert overview.difference(scores, "plays", "manual").mean == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no score of 'news'"):
        overview.difference(scores, "plays", "news")


def test_the_stored_scores_are_of_as_many_different_works_as_they_say():
    rows, about = records.load(overview.EXCERPTS, ExcerptScore)
    for domain in domains.DOMAINS:
        titles = [r.title for r in rows if r.domain == domain]
        assert len(titles) == len(set(titles)) == about["n"] >= 20
    assert {r.n_token for r in rows} == {about["n_token"] - about["n_context"]}
    assert overview.difference(rows, "plays", "manual").low > 0  # the page's claim


# ---------------------------------------------------------------------------------------------------- sizes


def test_the_sizes_are_those_of_the_models_that_the_timeline_describes():
    by_name = {m.name: m for m in overview.MODELS}
    for name in ("BERT-base", "GPT-2 XL", "GPT-3", "Llama 3.1 405B", "SmolLM2-135M"):
        row = timeline.milestone(name.removesuffix(" XL"))
        assert by_name[name].parameters == row.computed
        if name == "BERT-base":  # of which the timeline gives an upper limit
            assert by_name[name].tokens == 10**6 * 256 * (9 * 128 + 512) // 10 < row.tokens_seen
        else:
            assert by_name[name].tokens == row.tokens_seen
        assert by_name[name].year == row.day.year and by_name[name].source == row.source.url


def test_the_books_own_model_is_that_of_the_ladder_and_smollm2_the_one_that_runs(lm):
    by_name = {m.name: m for m in overview.MODELS}
    rung = next(r for r in rungs.RUNGS if (r.name, r.size) == ("Transformer", "2 layers")).make(1024)
    assert by_name["this book's Transformer"].parameters == sum(p.numel() for p in rung.parameters())
    assert by_name["SmolLM2-135M"].parameters == sum(p.numel() for p in lm.model.parameters())


@pytest.mark.parametrize(("n_layer", "is_huge"), [(30, False), (33, True)])
def test_huge_begins_at_ten_billion_parameters(n_layer, is_huge):
    made = sizes.Model("made", 2020, Config(50_000, 1024, n_layer=n_layer, n_head=40, n_embd=5120), None, "")
    assert abs(made.parameters - 10**10) < 8e8 and made.is_huge is is_huge


def test_the_table_says_of_each_model_whether_it_is_deep_and_whether_it_is_huge():
    assert {m.name for m in overview.MODELS if m.is_huge} == {"GPT-3", "Llama 3.1 405B"}
    assert all(m.is_deep for m in overview.MODELS)
    html = overview.table_of_sizes()
    assert html.index("this book") < html.index("SmolLM2") < html.index("GPT-3") < html.index("405B")
    assert '<th scope="row">SmolLM2-135M (2024)</th><td>135M</td><td>2T</td><td></td>' in html
    assert '<th scope="row">GPT-2 XL (2019)</th><td>1.56B</td><td>–</td><td></td>' in html
    assert '<th scope="row">GPT-3 (2020)</th><td>175B</td><td>300B</td><td>yes</td>' in html
    assert html.startswith("<details><summary>The same as a table")


def test_the_picture_of_sizes_has_a_dot_per_model_and_the_line_where_tens_of_billions_begin():
    _, (ax,) = plot.figure()
    overview.draw_sizes(ax)
    ordered = sorted(overview.MODELS, key=lambda m: m.parameters)
    at = [tuple(dot.get_offsets()[0]) for dot in ax.collections]
    assert at == [(m.parameters, i) for i, m in enumerate(ordered)] and ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{m.name} ({m.year})" for m in ordered]
    assert [t.get_text() for t in ax.texts[: len(ordered)]] == [
        "656k",
        "109M",
        "135M",
        "1.56B",
        "175B",
        "406B",
    ]
    (line,) = ax.lines
    border = line.get_xdata()[0]
    assert all((x > border) == m.is_huge for (x, _), m in zip(at, ordered, strict=True))
    plot.plt.close("all")
