"""Addresses that only we can make, and the key they are made with."""

import threading
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from app.receipts import links
from app.receipts.links import About, Links, Unsubscribe
from app.settings import Settings, SettingsError
from schemas.delivery import Channel

KEY = b"k" * 32
ABOUT = About("ann", Channel.SMS, "+15550100", "1f" * 16, "2e" * 16, "3d" * 16, 1_000)
OURS = Links("https://alerts.example.com/", KEY)


def token(link: str) -> str:
    return link.rpartition("/")[2]


def test_what_we_made_is_read_back() -> None:
    link = OURS.receipt(ABOUT)

    assert link.startswith("https://alerts.example.com/receipts/")
    assert OURS.read(token(link), About) == ABOUT
    page = OURS.unsubscribe("ann@example.com")
    assert OURS.read(token(page), Unsubscribe) == Unsubscribe("ann@example.com")


def test_a_longest_link_is_one_that_a_header_carries() -> None:
    about = About("r" * 200, Channel.EMAIL, "a" * 254, "1f" * 16, "2e" * 16, "3d" * 16, 4 * 10**12)

    assert len(OURS.receipt(about)) < 900


def test_nothing_else_is_believed() -> None:
    made = token(OURS.receipt(ABOUT))
    text, _, mac = made.partition(".")
    forged = text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")
    others = token(Links("https://alerts.example.com", b"x" * 32).receipt(ABOUT))

    for wrong in ("", ".", "x", text, f"{text}.", f"{forged}.{mac}", f".{mac}", others, "é.é"):
        assert OURS.read(wrong, About) is None
    assert OURS.read(made, Unsubscribe) is None
    assert OURS.read(token(OURS.unsubscribe("ann@example.com")), About) is None
    assert len(urlsafe_b64decode(mac + "==")) == 16


def test_without_a_place_there_are_no_links(tmp_path: Path) -> None:
    none = links.of(Settings(home=str(tmp_path)))

    assert none.receipt(ABOUT) == none.unsubscribe("ann@example.com") == ""
    assert list(tmp_path.iterdir()) == []


def test_one_key_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path / "new"), public_url="http://127.0.0.1:1")
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(links.of(settings).receipt(ABOUT)))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(made) == 8
    assert len(set(made)) == 1
    (file,) = (tmp_path / "new").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("written", "what"), [(None, "No such file"), ("short", "fewer than 32")])
def test_a_key_that_is_none_is_told(tmp_path: Path, written: str | None, what: str) -> None:
    file = tmp_path / "key"
    if written is not None:
        file.write_text(written)
    settings = Settings(public_url="http://127.0.0.1:1", links_key_file=str(file))
    with pytest.raises(SettingsError, match=f"CHANGEOVER_LINKS_KEY_FILE: .*{what}"):
        links.of(settings)
