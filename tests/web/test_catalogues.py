"""Every catalogue has every message, translated and with its names in place."""

import re
from html.parser import HTMLParser

import pytest
from babel.messages.catalog import Message

from app.campaigns import translations
from app.web import i18n
from tests.web.catalogues import TRANSLATED, extracted, path_of, read, updated

NAMES = re.compile(r"%\(\w+\)s|\{\w+\}|%%")
PLURALS = {"es": 2, "ko": 1, "ar": 6}


@pytest.fixture(scope="module")
def said() -> dict[object, Message]:
    return {message.id: message for message in extracted() if message.id}


def forms(text: object) -> list[str]:
    return [text] if isinstance(text, str) else list(text)  # type: ignore[call-overload]


def tags(text: str) -> list[str]:
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append(f"{tag} {attrs}")  # type: ignore[method-assign]
    parser.handle_endtag = lambda tag: found.append(f"/{tag}")  # type: ignore[method-assign]
    parser.feed(text)
    return sorted(found)


def test_the_languages_are_those_that_questions_are_worded_in() -> None:
    assert set(TRANSLATED) == set(translations.LANGUAGES)
    every = translations.WHICH, translations.PLACE, translations.SAMPLE
    assert all(set(table) == set(i18n.LANGUAGES) for table in every)
    assert {language for language in TRANSLATED if is_rtl(language)} == translations.RIGHT_TO_LEFT


def is_rtl(language: str) -> bool:
    with i18n.speaking(language):
        return i18n.direction() == "rtl"


@pytest.mark.parametrize("language", TRANSLATED)
def test_it_has_every_message_and_no_other(said: dict[object, Message], language: str) -> None:
    """`python -m tests.web.catalogues` adds what is new and takes out the rest."""
    catalogue = read(language)
    assert {message.id for message in catalogue if message.id} == set(said)
    assert not catalogue.obsolete
    assert catalogue.num_plurals == PLURALS[language]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_with_its_names_and_its_markup(language: str) -> None:
    """One form of a plural may say its number in a word, so of several forms only the last needs every name."""
    for message in read(language):
        if not message.id:
            continue
        meant, found = forms(message.id), forms(message.string)
        assert not message.fuzzy, message.id
        assert len(found) == (PLURALS[language] if len(meant) > 1 else 1), message.id
        for text in found:
            assert text.strip() or not meant[0].strip(), message.id
            assert set(NAMES.findall(text)) <= set(NAMES.findall(meant[-1])), message.id
            assert tags(text) == tags(meant[-1]), message.id
            assert '"' not in re.sub("<[^>]*>", "", text), f"it would end an attribute: {message.id}"
        assert sorted(NAMES.findall(found[-1])) == sorted(NAMES.findall(meant[-1])), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_only_names_and_figures_read_as_in_english(said: dict[object, Message], language: str) -> None:
    alike = {
        m.id for m in read(language) if m.id and forms(m.string) == forms(m.id) and re.search("[a-z]{2}", str(m.id))
    }
    words = {message for message in alike if re.search(r"\b[a-z]{2,}", NAMES.sub("", str(message)))}
    assert words <= {"no"}
    assert len(alike) < 12


def test_arabic_has_its_six_plurals() -> None:
    with i18n.speaking("ar"):
        one, other = "%(n)s try left.", "%(n)s tries left."
        said = [i18n.ngettext(one, other, n) for n in (0, 1, 2, 3, 11, 100)]
        assert [kind for kind, _ in sorted(i18n.plural_samples())] == ["few", "many", "one", "other", "two", "zero"]
    assert said[1] == "بقيت محاولة واحدة."
    assert said[2] == "بقيت محاولتان."
    assert said[3] == "بقيت %(n)s محاولات."
    assert said[4] == "بقيت %(n)s محاولة."


def test_bringing_a_catalogue_up_to_date_keeps_its_head_and_its_translations() -> None:
    template = extracted()
    template.add("Something new")
    text = updated("es", template)
    assert text.startswith(path_of("es").read_text().partition("\n\n")[0] + "\n\n")
    assert 'msgid "Sign out"\nmsgstr "Cerrar sesión"\n' in text
    assert 'msgid "Something new"\nmsgstr ""\n' in text
    assert "fuzzy" not in text
    template.delete("Sign out")
    assert 'msgid "Sign out"' not in updated("es", template)
