"""The translations: whole, and of exactly the texts that the code has."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import allauth
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils.translation.template import templatize

from accounts.allauth_texts import TEXTS
from accounts.models import User
from reports import notifications
from reports.models import Job

ROOT: Path = settings.BASE_DIR
CATALOGS = sorted(ROOT.glob("salesagg/locale/*/LC_MESSAGES/*.po"))
DJANGO = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# Context and text -> its plural, if it has one.
Texts = dict[tuple[str | None, str], str | None]


def forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@cache
def catalog(path: Path) -> Catalog:
    return read_po(BytesIO(path.read_bytes()), abort_invalid=True)


def messages(path: Path) -> list[Message]:
    return [message for message in catalog(path) if message.id]


def differing(path: Path, pattern: str) -> list[str]:
    """The translations that have not the same of `pattern` as their originals."""

    def found(text: str) -> list[str]:
        return sorted(re.findall(pattern, text))

    return [
        translated
        for message in messages(path)
        for original, translated in zip(forms(message.id), forms(message.string), strict=True)
        if found(original) != found(translated)
    ]


@pytest.fixture(params=CATALOGS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


def test_every_text_is_translated(path: Path) -> None:
    assert [message.id for message in messages(path) if not all(forms(message.string))] == []


def test_every_translation_was_looked_at_by_somebody_and_is_still_of_use(path: Path) -> None:
    assert [message.id for message in catalog(path) if message.fuzzy] == []
    assert list(catalog(path).obsolete) == []


def test_translations_keep_what_is_filled_in(path: Path) -> None:
    assert differing(path, r"%\(\w+\)[a-z]|%[a-z%]") == []


def test_translations_keep_their_tags_and_the_space_around(path: Path) -> None:
    assert differing(path, r"<[^>]+>") == []
    assert differing(path, r"\A\s+|\s+\Z") == []


def test_german_has_its_own_quotation_marks_and_says_sie() -> None:
    for path in (path for path in CATALOGS if "de" in path.parts):
        said = [text for message in messages(path) for text in forms(message.string)]
        assert [text for text in said if "”" in text or text.count("„") != text.count("“")] == []
        assert [text for text in said if re.search(r"\b(du|dich|dir|dein\w*|euch|euer)\b", text, re.IGNORECASE)] == []


# --- What the code has


def texts_in(kind: str, source: str, keywords: Any = DEFAULT_KEYWORDS) -> Iterator[tuple[tuple[str | None, str], Any]]:
    for _line, found, _comments, context in extract(kind, BytesIO(source.encode()), keywords):
        single, plural = (found, None) if isinstance(found, str) else (found[0], found[1])
        yield (context, single), plural


def python_texts() -> Iterator[tuple[tuple[str | None, str], Any]]:
    for app in ("accounts", "reports", "salesagg", "uploads"):
        for file in (ROOT / app).rglob("*.py"):
            source = file.read_text()
            if "translation" in source:
                yield from texts_in("python", source, DJANGO)


def template_texts() -> Iterator[tuple[tuple[str | None, str], Any]]:
    for file in (file for file in (ROOT / "templates").rglob("*") if file.suffix in (".html", ".txt")):
        # In brackets, since Python would read sense into the indentation.
        yield from texts_in("python", f"(\n{templatize(file.read_text(), origin=str(file))}\n)")


def script_texts() -> Iterator[tuple[tuple[str | None, str], Any]]:
    for file in (ROOT / "static" / "js").glob("*.js"):
        yield from texts_in("javascript", file.read_text())


def as_texts(found: Iterable[tuple[tuple[str | None, str], Any]]) -> Texts:
    """Said with a plural in one place and without in another, a text has one translation with a plural."""
    texts: Texts = {}
    for key, plural in found:
        texts[key] = plural or texts.get(key)
    return texts


@pytest.fixture(scope="module")
def in_code() -> dict[str, Texts]:
    return {"django": as_texts([*python_texts(), *template_texts()]), "djangojs": as_texts(script_texts())}


def test_translations_are_of_the_texts_in_the_code(path: Path, in_code: dict[str, Texts]) -> None:
    ids = [(message.context, *forms(message.id), None) for message in messages(path)]
    translated = as_texts(((context, single), plural) for context, single, plural, *_ in ids).items()
    expected = in_code[path.stem].items()
    advice = f"Run `make messages`, then translate in {path.relative_to(ROOT)}."
    assert sorted(map(str, expected - translated)) == [], f"Texts without a translation. {advice}"
    assert sorted(map(str, translated - expected)) == [], f"Translations of no text. {advice}"


def test_the_texts_that_we_say_in_place_of_allauth_are_still_allauths() -> None:
    theirs = catalog(Path(allauth.__file__).parent / "locale" / "de" / "LC_MESSAGES" / "django.po")
    assert [text for text in TEXTS if theirs.get(text) is None] == []


# --- What people see


@pytest.fixture
def german() -> dict[str, str]:
    return {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}


@pytest.mark.django_db
def test_a_page_is_in_the_readers_language(client: Client, german: dict[str, str]) -> None:
    page = client.get(reverse("account_login"), headers=german).content.decode()
    assert '<html lang="de">' in page
    assert "<h1>Anmelden</h1>" in page
    english = client.get(reverse("account_login")).content.decode()
    assert '<html lang="en">' in english
    assert "<h1>Log in</h1>" in english


def test_numbers_are_in_the_readers_language(ann: Client, german: dict[str, str], make_job: Any) -> None:
    make_job(b"x")
    Job.objects.update(status=Job.Status.COMPLETED, rows=1234567, bad_rows=1000)
    page = ann.get(reverse("dashboard"), headers=german).content.decode()
    assert "1.234.567 Zeilen" in page
    assert "Fertig, 1.000 Zeilen abgelehnt" in page


@pytest.mark.django_db
def test_scripts_are_given_their_texts(client: Client, german: dict[str, str]) -> None:
    address = reverse("texts")
    assert "Wird ausgewertet" in client.get(address, headers=german).content.decode()
    assert f'src="{address}"' in client.get(reverse("account_login"), headers=german).content.decode()
    assert address not in client.get(reverse("account_login")).content.decode()


def test_what_is_not_there_is_told_in_the_readers_language(ann: Client, german: dict[str, str]) -> None:
    address = reverse("account_revoke_token", args=[1])
    page = ann.get(address, headers={**german, "accept": "text/html"})
    assert page.status_code == 404
    assert "API-Token nicht gefunden." in page.content.decode()


def test_a_mail_tells_in_the_owners_language_why_a_job_failed(user: User, make_job: Any) -> None:
    job = make_job(b"x")
    User.objects.update(language="de")
    Job.objects.update(status=Job.Status.FAILED, error_code="empty_file", error="The file is empty.")
    notifications.mail_about(str(job.pk))
    (message,) = mail.outbox
    assert message.subject == "sales.csv: Der Bericht konnte nicht erstellt werden"
    assert message.body.startswith("Die Datei ist leer.")
