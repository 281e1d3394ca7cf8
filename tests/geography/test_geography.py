"""Every spelling the published files use resolves to its ISO code, and what fits two countries is refused."""

import unicodedata

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import geography
from app.errors import Invalid
from app.geography import AmbiguousCountry, UnknownCountry

# Every spelling in the metadata of the published CultureMix sample.
CULTUREMIX = """
algeria DZ, argentina AR, cameroon CM, canada CA, chile CL, china CN, colombia CO, croatia HR, egypt EG, england GB,
ethiopia ET, france FR, germany DE, india IN, indonesia ID, iran IR, italy IT, japan JP, kenya KE, mexico MX,
mexico1 MX, mexico2 MX, nepal NP, nigeria NG, pakistan PK, peru PE, philippines PH, poland PL, portugal PT, russia
RU, singapore SG, south africa ZA, southkorea KR, spain ES, sudan SD, turkey TR, united kingdom GB, united states
US, united states of america (usa) US, unitedkingdom GB, unitedstates2 US
"""

# Country, code and continent as the seeds' manifest has them.
SEEDS = """Armenia AM Asia, Australia AU Oceania, Austria AT Europe, Bangladesh BD Asia, Belgium BE Europe,
Brazil BR Americas, Canada CA Americas, Chile CL Americas, China CN Asia, Denmark DK Europe, Ecuador EC Americas,
Egypt EG Africa, Finland FI Europe, France FR Europe, Germany DE Europe, Greece GR Europe, Hungary HU Europe,
India IN Asia, Indonesia ID Asia, Italy IT Europe, Japan JP Asia, Jordan JO Asia, Lebanon LB Asia, Lithuania LT Europe,
Malaysia MY Asia, Mexico MX Americas, Morocco MA Africa, New Zealand NZ Oceania, Nigeria NG Africa, Peru PE Americas,
Romania RO Europe, Russia RU Europe, Réunion RE Africa, Singapore SG Asia, South Korea KR Asia, Spain ES Europe,
Sri Lanka LK Asia, Sweden SE Europe, Switzerland CH Europe, Taiwan TW Asia, Tanzania TZ Africa, Thailand TH Asia,
Tunisia TN Africa, Ukraine UA Europe, United Kingdom GB Europe, United States US Americas, Vietnam VN Asia"""

# Every spelling of the WorldCuisines table with its code; "Korea", "Congo" and "Global" are refused and tested below.
KNOWLEDGE_BASE = """
Afghanistan AF, Albania AL, Algeria DZ, Angola AO, Anguilla AI, Antigua and Barbuda AG, Argentina AR, Armenia AM,
Australia AU, Austria AT, Azerbaijan AZ, Bahamas BS, Bahrain BH, Bangladesh BD, Barbados BB, Belarus BY, Belgium BE,
Belize BZ, Benin BJ, Bhutan BT, Bolivia BO, Bosnia and Herzegovina BA, Botswana BW, Brazil BR, Brunei Darussalam BN,
Bulgaria BG, Burkina Faso BF, Burundi BI, Cabo Verde CV, Cambodia KH, Cameroon CM, Canada CA, Central African
Republic CF, Chad TD, Chile CL, China CN, Colombia CO, Comoros KM, Costa Rica CR, Croatia HR, Cuba CU, Cyprus CY,
Czech Republic CZ, Côte d'Ivoire CI, Democratic Republic of the Congo CD, Denmark DK, Djibouti DJ, Dominica DM,
Dominican Republic DO, Ecuador EC, Egypt EG, El Salvador SV, England GB, Eritrea ER, Estonia EE, Eswatini SZ,
Ethiopia ET, Faroe Islands FO, Fiji FJ, Finland FI, France FR, Gambia GM, Georgia GE, Germany DE, Ghana GH, Greece
GR, Grenada GD, Guatemala GT, Guernsey GG, Guinea GN, Guinea-Bissau GW, Guyana GY, Haiti HT, Honduras HN, Hong Kong
HK, Hungary HU, Iceland IS, India IN, Indonesia ID, Iran IR, Iraq IQ, Ireland IE, Israel IL, Italy IT, Jamaica JM,
Japan JP, Jordan JO, Kazakhstan KZ, Kenya KE, Kuwait KW, Kyrgyzstan KG, Laos LA, Latvia LV, Lebanon LB, Lesotho LS,
Liberia LR, Libya LY, Liechtenstein LI, Lithuania LT, Luxembourg LU, Macau MO, Macedonia MK, Madagascar MG, Malawi
MW, Malaysia MY, Maldives MV, Mali ML, Malta MT, Mauritania MR, Mauritius MU, Mexico MX, Moldova MD, Monaco MC,
Mongolia MN, Montenegro ME, Morocco MA, Mozambique MZ, Myanmar MM, Namibia NA, Nepal NP, Netherlands NL, New Zealand
NZ, Nicaragua NI, Niger NE, Nigeria NG, North Korea KP, North Macedonia MK, Norway NO, Oman OM, Pakistan PK,
Palestine PS, Panama PA, Paraguay PY, Peru PE, Philippines PH, Poland PL, Portugal PT, Puerto Rico PR, Qatar QA,
Romania RO, Russia RU, Rwanda RW, Saint Kitts and Nevis KN, Saint Lucia LC, Saint Vincent and the Grenadines VC,
Saudi Arabia SA, Scotland GB, Senegal SN, Serbia RS, Seychelles SC, Sierra Leone SL, Singapore SG, Slovakia SK,
Slovenia SI, Somalia SO, South Africa ZA, South Korea KR, South Sudan SS, Spain ES, Sri Lanka LK, Sudan SD, Suriname
SR, Sweden SE, Switzerland CH, Syria SY, Taiwan TW, Tajikistan TJ, Tanzania TZ, Thailand TH, Timor Leste TL, Timor-
Leste TL, Togo TG, Trinidad and Tobago TT, Tunisia TN, Turkey TR, Turkmenistan TM, Uganda UG, Ukraine UA, United
Arab Emirates AE, United Kingdom GB, United States US, Uruguay UY, Uzbekistan UZ, Venezuela VE, Vietnam VN, Wales
GB, Western Sahara EH, Yemen YE, Zambia ZM, Zimbabwe ZW
"""

# Continents of the WorldCuisines table, from its rows with a single country.
KNOWLEDGE_BASE_CONTINENTS = {
    "Africa": """AO BW CI CM DZ EG ER ET GH KE LY MA MG ML MZ NA NE NG SC SN SO TN TZ UG ZA""",
    "Americas": """AR BR CA CL CO CU DO EC GD GT GY HT JM MX NI PE PR PY SR SV TT US VE""",
    "Asia": """AF AM AZ BD CN CY GE HK ID IL IN IQ IR JO JP KH KR KZ LA LK MM MN MO MY NP PH PK PS SA SY TH TR TW VN YE
        TL""",
    "Europe": """AL AT BE BG CH DE DK ES FI FR GB GG GR HR HU IE IS IT LT LU LV MK MT NL NO PL PT RO RS RU SE SI UA""",
    "Oceania": """AU NZ""",
}

EVERYDAY = """
UK GB, U.K. GB, Great Britain GB, Scotland GB, WALES GB, Northern Ireland GB, USA US, U.S.A. US, us US, The United
States US, usa US, Holland NL, The Netherlands NL, Burma MM, Myanmar (Burma) MM, Ivory Coast CI, Cote d'Ivoire CI,
Côte d’Ivoire CI, Turkey TR, Türkiye TR, Turkiye TR, Czech Republic CZ, Czechia CZ, Swaziland SZ, Cape Verde CV,
Macau MO, Macao MO, Hong Kong HK, Taiwan TW, Palestine PS, Kosovo XK, XKX XK, Reunion RE, South-Korea KR, Republic
of Korea KR, DPRK KP, DR Congo CD, DRC CD, Republic of the Congo CG, Congo (Kinshasa) CD, Guinea GN, Papua New
Guinea PG, Ireland IE, Micronesia FM, Sudan SD, South Sudan SS, Dominica DM, Georgia GE, St. Lucia LC, stlucia LC,
St Vincent & the Grenadines VC, Bosnia & Herzegovina BA, Saint Martin (French part) MF, British Virgin Islands VG,
  VIETNAM   VN, NA NA, fra FR, The Gambia GM, unitedkingdom12 GB, İran IR
"""


def table(text: str) -> list[tuple[str, str]]:
    """(spelling, code) of "spelling CODE, spelling CODE, ..."."""
    return [
        (row.rsplit(" ", 1)[0].strip(), row.rsplit(" ", 1)[1]) for row in text.strip().replace("\n", " ").split(",")
    ]


def test_every_spelling_of_the_published_sample_resolves() -> None:
    assert [(text, geography.resolve(text)) for text, _ in table(CULTUREMIX)] == table(CULTUREMIX)


@pytest.mark.parametrize("row", [row.strip() for row in SEEDS.split(",")])
def test_the_seed_photographs_agree_on_code_and_continent(row: str) -> None:
    name, code, continent = row.rsplit(" ", 2)
    assert (geography.resolve(name), geography.continent_of(code)) == (code, continent)


def test_every_spelling_of_the_knowledge_base_resolves_to_its_code() -> None:
    assert len(table(KNOWLEDGE_BASE)) == 190
    assert [(text, geography.resolve(text)) for text, _ in table(KNOWLEDGE_BASE)] == table(KNOWLEDGE_BASE)


@pytest.mark.parametrize(("continent", "codes"), KNOWLEDGE_BASE_CONTINENTS.items())
def test_continents_agree_with_the_knowledge_base(continent: str, codes: str) -> None:
    assert {geography.continent_of(code) for code in codes.split()} == {continent}


@pytest.mark.parametrize(("text", "code"), [*table(EVERYDAY), ("Korea, Republic of", "KR"), ("Bahamas, The", "BS")])
def test_everyday_spellings_resolve(text: str, code: str) -> None:
    assert geography.resolve(text) == code


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("Korea", ("South Korea (KR)", "North Korea (KP)")),
        ("congo", ("Democratic Republic of the Congo (CD)", "Republic of the Congo (CG)")),
        ("Virgin Islands", ("U.S. Virgin Islands (VI)", "British Virgin Islands (VG)")),
        ("St. Martin", ("Saint Martin (French part) (MF)", "Sint Maarten (SX)")),
        ("America", ("United States (US)",)),
        ("Yugoslavia", ("Serbia (RS)", "Croatia (HR)")),
        ("France (Germany)", ("France (FR)", "Germany (DE)")),
        ("n/a", ("Namibia", "empty")),
        ("na", ("Namibia", "empty")),
    ],
)
def test_a_name_that_fits_two_countries_is_refused_with_what_to_write(text: str, choices: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousCountry) as refused:
        geography.resolve(text)
    assert f"“{text}”" in refused.value.message
    assert all(choice in refused.value.message for choice in choices)


@pytest.mark.parametrize(
    "text",
    ["Global", "Europe", "Latin America", "Lusitania", "Frence", "Germanyy", "xx", "??", "12", "France Italy", "()",
     "Mexico (Lusitania)", "<img onerror>", "\u202eFrance\x00Italy", "x" * 1_000_000, "\ud800"],
)  # fmt: skip
def test_an_unknown_name_is_refused_and_never_guessed(text: str) -> None:
    with pytest.raises(UnknownCountry) as refused:
        geography.resolve(text)
    assert "ISO 3166-1 alpha-2" in refused.value.message
    assert len(refused.value.message) < 200
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("text", ["", "  ", "\t\n", ";", " ; "])
def test_no_country_at_all_says_so(text: str) -> None:
    with pytest.raises(UnknownCountry, match="No country is named"):
        geography.resolve_many(text)


def test_several_origins_keep_their_order_and_lose_their_doubles() -> None:
    assert geography.resolve_many("Scotland; türkiye ;UK; ;Turkey;NZ") == ["GB", "TR", "NZ"]


def test_one_bad_origin_refuses_the_whole_list() -> None:
    with pytest.raises(AmbiguousCountry, match="Korea"):
        geography.resolve_many("Japan; Korea")


@pytest.mark.parametrize(
    ("code", "name"),
    [("KR", "South Korea"), ("US", "United States"), ("TR", "Türkiye"), ("HK", "Hong Kong"), ("CI", "Côte d’Ivoire"),
     ("BA", "Bosnia and Herzegovina"), ("LC", "Saint Lucia"), ("XK", "Kosovo")],
)  # fmt: skip
def test_display_names_are_short(code: str, name: str) -> None:
    assert geography.name_of(code) == name


@pytest.mark.parametrize("code", ["", "ZZ", "gb", "150", "EU", "AN"])
def test_what_is_no_code_has_neither_name_nor_continent(code: str) -> None:
    with pytest.raises(Invalid):
        geography.name_of(code)
    with pytest.raises(Invalid):
        geography.continent_of(code)


@pytest.mark.parametrize(
    ("food", "other", "distance"),
    [
        (["KR"], ["KR"], "same_country"),
        (["KR"], ["JP"], "same_continent"),
        (["KR"], ["PE"], "cross_continent"),
        (["MX"], ["BR"], "same_continent"),
        (["TR", "GR"], ["FR"], "same_continent"),
        (["TR", "GR", "FR"], ["FR"], "same_country"),
        (["CY"], ["JP"], "same_continent"),
    ],
)
def test_the_closest_pair_of_origins_sets_the_distance(food: list[str], other: list[str], distance: str) -> None:
    assert geography.cultural_distance(food, other) == distance
    assert geography.cultural_distance(other, food) == distance


def test_a_distance_to_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one country"):
        geography.cultural_distance(["FR"], [])


CODES = [country.alpha_2 for country in pycountry.countries] + ["XK"]


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_continent_and_a_name_that_leads_back_to_it(code: str) -> None:
    assert geography.resolve(code) == code
    assert geography.resolve(geography.name_of(code)) == code
    assert geography.continent_of(code) in {"Africa", "Americas", "Antarctica", "Asia", "Europe", "Oceania"}


def test_joined_words_may_hold_the_article() -> None:
    assert geography.resolve("DEMOCRATICREPUBLICOFTHECONGO") == "CD"


@given(
    code=st.sampled_from(CODES),
    spell=st.sampled_from([str.upper, str.lower, str.title, lambda name: unicodedata.normalize("NFD", name)]),
    gap=st.sampled_from(["", " ", "  ", "_", "-"]),
    number=st.sampled_from(["", "1", "2", "17"]),
)
def test_case_accents_spaces_and_a_number_at_the_end_do_not_matter(code, spell, gap, number) -> None:  # type: ignore[no-untyped-def]
    written = gap.join(spell(geography.name_of(code)).split(" ")) + number
    assert geography.resolve(written) == code


@given(st.text(max_size=200))
def test_any_text_gives_a_code_or_one_printable_sentence(text: str) -> None:
    try:
        answer = geography.resolve(text)
    except Invalid as refused:
        answer = refused.message
    assert answer in CODES or (" " in answer and answer.isprintable())
