"""Questions that a page asks before it shows a result: `llmbook.core.show.predict`."""

import re

import pytest
from drawn import draw

from llmbook.core.show import predict

OPTIONS = {
    "more than half": "The largest of three fits takes 0.63.",
    "about a third": "That is what three *equal* fits would get: `softmax([0, 0, 0])`.",
    "nearly all": "Only when it leads by far; here it leads by 2 / √2.",
}
CAT = predict.choice("What share does `cat` get?", OPTIONS, answer="more than half")
SHARE = predict.number("What share?", answer=0.63, tolerance=0.05, because="exp(1.41) / 6.54", unit="of 1")
NEGATIVE = predict.number("And then?", answer=-3, because="It falls.")


def test_as_text_the_question_and_options_come_before_the_line_and_the_answer_after_it():
    before, after = repr(CAT).split("-" * 40)
    for option, feedback in OPTIONS.items():
        assert f") {option}\n" in before and feedback in after and feedback not in before
    assert "Right" not in before and "Answer: a) more than half" in after
    assert after.count("Right.") == 1 and after.count("Not so.") == 2
    before, after = repr(SHARE).split("-" * 40)
    assert "0.63" not in before and "Answer: 0.63 of 1 (± 0.05 counts). exp(1.41)" in after


def test_the_options_stand_in_the_order_given_whichever_is_right():
    for answer in OPTIONS:
        question = predict.choice("Which?", OPTIONS, answer=answer)
        positions = [question.html.index(f">{option}<") for option in OPTIONS]
        assert positions == sorted(positions)
        right = question.html.index("✓ Right.")
        assert question.html.rindex("<summary", 0, right) == question.html.rindex(
            "<summary", 0, question.html.index(f">{answer}<") + 1
        )


def test_without_a_script_nothing_is_lost_but_the_comparison():
    assert "<script" not in CAT.html and CAT.html.count("<details") == 3 and " open" not in CAT.html
    without = re.sub(r"<script>.*?</script>", "", SHARE.html, flags=re.DOTALL)
    assert "<form hidden" in without and "0.63 of 1 (± 0.05 counts)" in without


@pytest.mark.parametrize("question", [CAT, SHARE, NEGATIVE])
def test_a_question_is_a_group_with_a_name_and_says_its_verdict_aloud(question):
    assert re.search(r"<fieldset[^>]*>\s*<legend[^>]*>Predict</legend>", question.html)
    assert 'role="status"' in question.html
    assert question._repr_html_() == question.html and "http" not in question.html


def test_the_same_question_gives_the_same_html_and_another_one_another_id():
    again = predict.choice("What share does `cat` get?", OPTIONS, answer="more than half")
    assert again == CAT
    ids = [re.search(r'id="([^"]+)"', q.html)[1] for q in (CAT, SHARE, NEGATIVE)]
    assert len(set(ids)) == 3


def test_text_is_escaped_and_backticks_make_code():
    odd = predict.choice("Is `a < b`?", {"<b>": "</details>", '"é"': "& `x[0]`"}, answer="<b>")
    assert "<code>a &lt; b</code>" in odd.html and "&lt;/details&gt;" in odd.html
    assert "<b>" not in odd.html and "<code>x[0]</code>" in odd.html
    assert "<i>" not in predict.number("<i>", answer=1, because="<i>", unit="<i>").html


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "give a sentence"),
        ({"options": {"yes": "so"}, "answer": "yes"}, "two to eight"),
        ({"options": {str(i): "so" for i in range(9)}, "answer": "1"}, "two to eight"),
        ({"options": {"yes": "", "no": "so"}, "answer": "yes"}, "feedback to 'yes'"),
        ({"options": {"": "so", "no": "so"}, "answer": "no"}, "an option is ''"),
        ({"options": {1: "so", "no": "so"}, "answer": "no"}, "an option is 1"),
        ({"answer": "perhaps"}, "none of the options: 'more than half'"),
    ],
)
def test_a_choice_that_cannot_be_asked_is_refused(change, message):
    given = {"question": "Which?", "options": OPTIONS, "answer": "nearly all"} | change
    with pytest.raises(ValueError, match=message):
        predict.choice(given["question"], given["options"], answer=given["answer"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": ""}, "give a sentence"),
        ({"because": ""}, "because is ''"),
        ({"answer": float("nan")}, "finite"),
        ({"answer": "3"}, "answer='3' is not a finite number"),
        ({"answer": True}, "finite"),
        ({"tolerance": -0.1}, "negative"),
        ({"tolerance": float("inf")}, "finite"),
    ],
)
def test_a_number_that_cannot_be_asked_is_refused(change, message):
    given = {"question": "How many?", "answer": 3, "because": "so"} | change
    with pytest.raises(ValueError, match=message):
        predict.number(given.pop("question"), **given)


# ---------------------------------------------------------------------------------------------- in a browser


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_picks_one_option_at_a_time_and_its_feedback_appears(tmp_path, scripts):
    def act(page):
        shown = []
        for name in list(OPTIONS)[1::-1]:
            page.get_by_text(name, exact=True).focus()
            page.keyboard.press("Enter")
            shown.append([p.inner_text() for p in page.get_by_role("status").all() if p.is_visible()])
        return page.get_by_role("group", name="Predict").count(), shown

    (groups, shown), complaints = draw(tmp_path, CAT.html, act, java_script_enabled=scripts)
    assert complaints == [] and groups == 1
    assert [len(one) for one in shown] == [1, 1]
    assert shown[0][0].startswith("✗ Not so. That is") and "softmax([0, 0, 0])" in shown[0][0]
    assert shown[1][0] == "✓ Right. The largest of three fits takes 0.63."


@pytest.mark.browser
@pytest.mark.parametrize(
    ("guess", "verdict"),
    [("0.63", "✓ Right."), ("0.68", "✓ Right."), ("0.58", "✓ Right."), ("0.57", "✗ Too low."),
     ("0.69", "✗ Too high."), ("-1", "✗ Too low."), ("", "")],
)  # fmt: skip
def test_a_typed_number_is_compared_and_the_reason_unfolds(tmp_path, guess, verdict):
    def act(page):
        box = page.locator("fieldset").first
        box.get_by_label("Your guess").fill(guess)
        box.get_by_label("Your guess").press("Enter")
        page.locator("fieldset").last.get_by_label("Your guess").fill("-3")
        page.locator("fieldset").last.get_by_role("button").click()
        status = page.get_by_role("status").all_text_contents()
        return status, box.locator("details p").is_visible()

    (status, unfolded), complaints = draw(tmp_path, SHARE.html + NEGATIVE.html, act)
    assert complaints == []
    assert status == [verdict, "✓ Right."] and unfolded == bool(verdict)


@pytest.mark.browser
def test_without_javascript_the_answer_to_a_number_still_unfolds(tmp_path):
    def act(page):
        page.get_by_text("Show the answer").click()
        return page.get_by_label("Your guess").is_visible(), page.get_by_text("0.63 of 1").is_visible()

    assert draw(tmp_path, SHARE.html, act, java_script_enabled=False) == ((False, True), [])


@pytest.mark.browser
def test_questions_fit_a_phone(tmp_path):
    def act(page):
        return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    head = '<meta name="viewport" content="width=device-width">'
    assert draw(tmp_path, head + CAT.html + SHARE.html, act, width=390) == (0, [])
