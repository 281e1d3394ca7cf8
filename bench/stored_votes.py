"""A campaign with very many votes, written straight into the database: what agreement is measured on."""

import uuid

import psycopg

DISHES, SCENES, PEOPLE, WEEKS = 247, 50, 40, 8
_COUNTRIES = [
    "EG", "JP", "IT", "KR", "MX", "US", "VN", "TH", "IN", "FR", "BR", "CN", "DE", "ES", "ET",
    "GB", "GR", "ID", "IR", "AR", "LB", "MA", "MY", "NG", "PE", "PH", "PK", "PL", "TR", "RU",
]  # fmt: skip

# Fixed numbers from each item's own, so that the same call gives the same campaign.
_STEPS = (
    "INSERT INTO image (sha256, format, width, height, byte_count, phash, notes) "
    "VALUES (repeat('0', 64), 'jpeg', 1, 1, 1, 1, '[]') ON CONFLICT DO NOTHING",
    """
    INSERT INTO account (id, email, name, role, is_simulated, is_active, session_epoch, preferences)
    SELECT gen_random_uuid(), 'rater' || i || '@example.org', 'Rater ' || i, 'annotator', true, true, 0, '{}'
    FROM generate_series(1, %(people)s) AS i
    """,
    """
    INSERT INTO known_country (account_id, country, is_tested)
    SELECT id, (%(countries)s::text[])[1 + row_number() OVER (ORDER BY email) %% 30], false
    FROM account WHERE is_simulated
    """,
    """
    INSERT INTO food (id, source_id, name, name_key, aliases, description, category)
    SELECT gen_random_uuid(), 'bench:' || i, 'Dish ' || i, 'dish ' || i, '{}', '', ''
    FROM generate_series(1, %(dishes)s) AS i
    """,
    """
    INSERT INTO background (id, key, kind, country)
    SELECT gen_random_uuid(), 'street:bench' || i, 'street', (%(countries)s::text[])[1 + i %% 30]
    FROM generate_series(1, %(scenes)s) AS i
    """,
    """
    INSERT INTO item (id, campaign_id, key, subtask, family_id, background_id, image_sha256, revision, priority,
                      shuffle, status, wanted, held, judged, generator, home, region)
    SELECT gen_random_uuid(), %(campaign)s, 'item ' || i, subtask, food.id,
           CASE WHEN subtask IN ('SFB', 'MFB') THEN background.id END, repeat('0', 64), 1, 0,
           (i * 0.618034) %% 1, 'approved', %(votes)s, %(votes)s, %(votes)s, (ARRAY['one', 'two', 'three'])[1 + i %% 3],
           'XX', 'nowhere'
    FROM generate_series(1, %(items)s) AS i
    CROSS JOIN LATERAL (SELECT (ARRAY['SF', 'MF', 'SFB', 'MFB', 'SFB', 'MFB', 'SFB', 'MFB'])[1 + i %% 8]) AS s (subtask)
    JOIN (SELECT id, row_number() OVER (ORDER BY source_id) AS place FROM food) AS food
      ON food.place = 1 + i %% %(dishes)s
    JOIN (SELECT id, row_number() OVER (ORDER BY key) AS place FROM background) AS background
      ON background.place = 1 + i / 8 %% %(scenes)s
    """,
    """
    INSERT INTO item_food (item_id, slot, food_id, name, country_as_written, countries, aliases)
    SELECT item.id, slot, food.id, food.name, 'x',
           ARRAY[(%(countries)s::text[])[1 + abs(hashtext(food.id::text || slot)) %% 30]], '{}'
    FROM item CROSS JOIN generate_series(1, 2) AS slot JOIN food ON food.id = item.family_id
    WHERE slot = 1 OR item.subtask IN ('MF', 'MFB')
    """,
    """
    CREATE TEMP TABLE seat AS
    SELECT item.id AS item_id, item.subtask, account.id AS account_id, slot, gen_random_uuid() AS claim_id,
           gen_random_uuid() AS judgment_id,
           now() - (abs(hashtext(item.key || slot)) %% (7 * %(weeks)s)) * interval '1 day' AS at
    FROM item CROSS JOIN generate_series(1, %(votes)s) AS slot
    JOIN (SELECT id, row_number() OVER (ORDER BY email) - 1 AS place FROM account WHERE is_simulated) AS account
      ON account.place = (abs(hashtext(item.key)) + slot) %% %(people)s
    """,
    """
    INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, judgment_id, leased_at, expires_at,
                       ended_at)
    SELECT claim_id, item_id, account_id, %(campaign)s, (SELECT min(id) FROM policy), 'judged', slot, judgment_id, at,
           at, at
    FROM seat
    """,
    """
    INSERT INTO judgment (id, claim_id, item_id, account_id, policy_id, revision, answers, active_ms, language,
                          body_sha256)
    SELECT judgment_id, claim_id, item_id, account_id, (SELECT min(id) FROM policy), 1, (
        SELECT jsonb_object_agg(key, jsonb_build_object(
            'answer', CASE WHEN draw < 88 THEN 'yes' WHEN draw < 97 THEN 'no' ELSE 'unsure' END,
            'reasons', CASE WHEN draw BETWEEN 88 AND 96
                THEN jsonb_build_array((ARRAY['other_dish', 'not_there', 'malformed'])[1 + draw %% 3])
                ELSE '[]' END, 'correction', null))
        FROM unnest('{food1_identity,food1_origin}'::text[]
            || CASE WHEN subtask IN ('MF', 'MFB') THEN '{food2_identity,food2_origin}' ELSE '{}' END::text[]
            || CASE WHEN subtask IN ('SFB', 'MFB') THEN '{background}' ELSE '{}' END::text[]) AS key
        CROSS JOIN LATERAL (SELECT (abs(hashtext(item_id::text || key)) + abs(hashtext(judgment_id::text || key)) %% 20)
            %% 100) AS d (draw)
    ), 4000, 'en', repeat('0', 64)
    FROM seat
    """,
    "INSERT INTO vote_change (campaign_id, item_id) SELECT campaign_id, id FROM item",
    "DROP TABLE seat",
)


def fill(url: str, campaign_id: uuid.UUID, items: int, votes: int) -> None:
    """`items` items of all subtasks with `votes` votes each, by 40 people who know a country each."""
    values = {
        "campaign": campaign_id, "items": items, "votes": votes, "people": PEOPLE, "dishes": DISHES, "scenes": SCENES,
        "weeks": WEEKS, "countries": _COUNTRIES,
    }  # fmt: skip
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # the triggers' rows are written at the end
        for step in _STEPS:
            connection.execute(step, {name: value for name, value in values.items() if f"%({name})" in step})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
