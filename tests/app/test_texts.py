"""What messages say, by channel and language."""

from pathlib import Path

import msgspec
import pytest

from app.texts import Texts, TextsError
from schemas import gsm
from schemas.decision import Decision, Kind, Severity
from schemas.delivery import Channel, Message
from schemas.handover import Digest
from tests.events import GRID, INVERTER, decided, rule, tick, transition
from tests.tables.outboxes import message

RULE = rule(
    'name="grid_lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\n'
    'for="2m"\nclear_for="1m"\nreset="1h"'
)
TEXTS = Texts()


def episode() -> list[Decision]:
    return decided(
        (RULE,), "transitions", transition(0, GRID, INVERTER), transition(600, INVERTER, GRID),
        tick(900),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "zone", "text"),
    [
        ("en", "UTC", "home: the grid is lost, the load is on the inverter, since 00:00 UTC (2m)."),
        (
            "fr",
            "Africa/Lagos",
            "home : le réseau est coupé, la charge est sur l'onduleur, depuis 01:00 WAT (2m).",
        ),
        ("yo", "UTC", "home: the grid is lost, the load is on the inverter, since 00:00 UTC (2m)."),
    ],
)
def test_a_problem_is_told_in_a_language_and_a_zone(language: str, zone: str, text: str) -> None:
    fired, _ = episode()

    assert TEXTS.of(fired, Channel.SMS, language, zone).text == text


def test_what_is_over_says_how_long_it_lasted() -> None:
    _, resolved = episode()

    said = TEXTS.of(resolved, Channel.EMAIL, clear_for=RULE.clear_for)

    assert said.text == (
        "home: no longer: the grid is lost, the load is on the inverter. "
        "It began 00:00 UTC and lasted 10m."
    )
    assert said.short.startswith("00:00 home: over after 10m: the grid is lost")


def test_a_message_says_how_many_were_suppressed() -> None:
    fired = msgspec.structs.replace(episode()[0], suppressed=1)
    more = msgspec.structs.replace(fired, suppressed=3)

    said = [TEXTS.of(each, Channel.PUSH).text for each in (fired, more)]

    assert said[0].endswith("Since the last message one episode was suppressed.")
    assert said[1].endswith("Since the last message 3 episodes were suppressed.")


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("kind", [Kind.FIRED, Kind.REPEATED, Kind.RESOLVED])
def test_a_text_fits_one_part_of_the_gsm_alphabet(language: str, kind: Kind) -> None:
    decision = msgspec.structs.replace(episode()[0], kind=kind)

    alphabet, parts = gsm.split(TEXTS.of(decision, Channel.SMS, language).text)

    assert (alphabet, len(parts)) == (gsm.GSM7, 1)


@pytest.mark.parametrize("language", TEXTS.languages)
@pytest.mark.parametrize("channel", list(Channel))
def test_control_characters_of_a_device_never_reach_a_text(language: str, channel: Channel) -> None:
    evil = "a\r\nBcc: x\x1b[0m{{ 7*7 }}"
    fired = msgspec.structs.replace(episode()[0], device=evil, cause={"source": evil})
    own = msgspec.structs.replace(fired, rule="of_our_own")

    for each in (fired, own):
        said = TEXTS.of(each, channel, language)
        assert (said.subject + said.text + said.short).isprintable()
        assert "49" not in said.text


def test_several_are_told_in_one_and_what_was_not_told_in_time_is_named() -> None:
    messages = [message(number) for number in range(30)]

    text = TEXTS.several(messages, ["short a", "short b"], 7)
    email = TEXTS.several([on(Channel.EMAIL, each) for each in messages])

    assert text.subject == "[30] subject 29"
    assert text.text == (
        "30 notifications:\n(27 others are left out.)\nshort 29\nshort 28\nshort 27\n"
        "Not told in time (7): short a; short b"
    )
    assert email.text.count("\n") == 21


def test_of_several_the_worst_is_named_first_however_old_it_is() -> None:
    severities = [Severity.WARNING, Severity.CRITICAL, Severity.WARNING, Severity.INFO] * 2
    messages = [message(number, severity=each) for number, each in enumerate(severities)]

    said = TEXTS.several(messages)

    assert said.subject == "[8] subject 5"
    assert said.short == "short 5"
    assert said.text.splitlines()[2:] == ["short 5", "short 1", "short 6"]


def test_one_is_told_as_it_is() -> None:
    assert TEXTS.several([message(1)]).text == "text 1"
    assert TEXTS.several([message(1)], ["short 0"], 1).text == (
        "text 1\nNot told in time (1): short 0"
    )


def test_a_page_for_an_email_escapes_what_it_says() -> None:
    page = TEXTS.html("<s>", "<script>\nb", "critical", "fr")

    assert "&lt;s&gt;" in page
    assert "<script>" not in page
    assert '<html lang="fr">' in page


def test_a_template_of_ones_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "en" / "sms").mkdir(parents=True)
    (tmp_path / "en" / "sms" / "grid_lost.j2").write_text("NO GRID at {{ device }}!")
    fired, _ = episode()

    texts = Texts(tmp_path)

    assert texts.of(fired, Channel.SMS).text == "NO GRID at home!"
    assert texts.of(fired, Channel.PUSH).text == TEXTS.of(fired, Channel.PUSH).text


WRONG = {  # by what Python raises, of which Jinja knows nothing
    "a\n{{ cause.source / 1000 }} kW": "en/sms.j2:2: TypeError: unsupported operand",
    "{{ '%d' % cause.source }}": "en/sms.j2:1: TypeError: %d format",
    "{{ 1 / suppressed }}": "en/sms.j2:1: ZeroDivisionError: ",
    "{% for i in range(1000000) %}x{% endfor %}": "en/sms.j2:1: OverflowError: Range too big",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "en/sms.j2:1: RecursionError: ",
    "{{ 'x' * 10**6 }}": "en/sms.j2: ValueError: it makes 1000000 characters",
    "a\n\xe9t\xe9": "en/sms.j2:2: it is not UTF-8",
}


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ nothing }}", "en/sms.j2:1: 'nothing' is undefined"),
        ("a\n{% if %}", "en/sms.j2:2: "),
        ("{{ device.__class__.__mro__ }}", "en/sms.j2:1: access to attribute '__class__'"),
        *WRONG.items(),
    ],
)
def test_a_template_that_is_wrong_is_named(tmp_path: Path, template: str, sentence: str) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "sms.j2").write_text(template, encoding="latin-1")

    with pytest.raises(TextsError) as raised:
        Texts(tmp_path).of(episode()[0], Channel.SMS)

    assert sentence in str(raised.value)


@pytest.mark.parametrize("name", ["sms", "several", "subject_several", "email.html", "over"])
def test_where_a_template_is_wrong_ours_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / f"{name}.j2").write_text("{{ nothing }}")
    texts, fired = Texts(tmp_path, otherwise=TEXTS), episode()[0]
    digest = Digest(id="d", device="home", stream="transitions", decisions=(fired,), unlisted=0)
    messages = [message(1), message(2)]

    assert texts.of(fired, Channel.SMS) == TEXTS.of(fired, Channel.SMS)
    assert texts.several(messages) == TEXTS.several(messages)
    assert texts.digest(digest, Channel.SMS) == TEXTS.digest(digest, Channel.SMS)
    assert texts.html("s", "t", "info", "en") == TEXTS.html("s", "t", "info", "en")


@pytest.mark.parametrize("template", WRONG)
def test_however_a_template_fails_ours_is_said(tmp_path: Path, template: str) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "sms.j2").write_text(template, encoding="latin-1")
    fired = episode()[0]

    assert Texts(tmp_path, TEXTS).of(fired, Channel.SMS) == TEXTS.of(fired, Channel.SMS)


def on(channel: Channel, told: Message) -> Message:
    return msgspec.structs.replace(told, channel=channel)


@pytest.mark.parametrize(
    ("language", "kind", "text"),
    [
        ("en", Kind.FIRED, "home: nothing is heard of it since 00:44 WAT."),
        ("en", Kind.REPEATED, "home: still, after 10m: nothing is heard of it since 00:44 WAT."),
        (
            "en",
            Kind.RESOLVED,
            "home: it is heard of again. It was silent from 01:00 WAT, for 10m.",
        ),
        ("fr", Kind.FIRED, "home : aucune nouvelle depuis 00:44 WAT."),
    ],
)
def test_a_silent_device_is_told_with_one_time_at_the_readers_clock(
    language: str, kind: Kind, text: str
) -> None:
    cause = {"silent": True, "heard": "2025-12-31T23:44:07Z"}
    silent = msgspec.structs.replace(
        episode()[1], kind=kind, rule="device_silent", stream="liveness", cause=cause
    )

    for channel in Channel:
        said = TEXTS.of(silent, channel, language, "Africa/Lagos", clear_for=RULE.clear_for)
        assert said.text.replace("after 11m", "after 10m") == text
