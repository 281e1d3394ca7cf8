"""Judgments written straight into the database, as many as annotators would need days for."""

from collections.abc import Sequence

import psycopg

_PASS = """
WITH chosen AS (
    SELECT item.id, item.subtask, item.campaign_id, policy.id AS policy_id, item.wanted,
           row_number() OVER (ORDER BY shuffle, item.id) - 1 AS place
    FROM item JOIN campaign ON campaign.id = item.campaign_id JOIN policy ON policy.campaign_id = campaign.id
    WHERE slug = %(slug)s AND held = %(slot)s - 1 ORDER BY shuffle, item.id LIMIT %(limit)s
),
seat AS (
    SELECT chosen.*, gen_random_uuid() AS claim_id, gen_random_uuid() AS judgment_id, account.id AS account_id
    FROM chosen
    JOIN account ON account.email = (%(people)s::text[])[1 + (place + %(slot)s) %% cardinality(%(people)s::text[])]
),
claimed AS (
    INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, judgment_id, leased_at,
                       expires_at, ended_at)
    SELECT claim_id, id, account_id, campaign_id, policy_id, 'judged', %(slot)s, judgment_id, now(), now(), now()
    FROM seat
),
judged AS (
    INSERT INTO judgment (id, claim_id, item_id, account_id, policy_id, revision, answers, active_ms, language,
                          body_sha256)
    SELECT judgment_id, claim_id, id, account_id, policy_id, 1, (
        SELECT jsonb_object_agg(key, '{"answer": "yes", "reasons": [], "correction": null}'::jsonb)
        FROM unnest(CASE WHEN subtask LIKE 'MF%%' THEN '{food1_identity,food1_origin,food2_identity,food2_origin}'
                         ELSE '{food1_identity,food1_origin}' END::text[]
                    || CASE WHEN subtask LIKE '%%B' THEN '{background}' ELSE '{}' END::text[]) AS key
    ), 4000, 'en', repeat('0', 64) FROM seat
),
decided AS (
    INSERT INTO decision (item_id, policy_id, outcome, method, rule, detail)
    SELECT id, policy_id, 'approved', 'rule', 'fixed-majority/1', '{}' FROM seat WHERE wanted = %(slot)s
)
UPDATE item SET held = %(slot)s, judged = %(slot)s,
    status = CASE WHEN item.wanted = %(slot)s THEN 'approved' ELSE 'pending' END,
    decided_at = CASE WHEN item.wanted = %(slot)s THEN now() END
FROM seat WHERE seat.id = item.id
"""


_FORGET_RELEASED = """
DELETE FROM claim USING campaign
WHERE campaign.id = claim.campaign_id AND slug = %(slug)s AND state = 'released'
"""


def judge_pass(url: str, slug: str, slot: int, people: Sequence[str], limit: int) -> int:
    """The `slot`-th judgment, all yes, of up to `limit` items that have one less, in the order they are handed out.

    `people` are e-mail addresses; they take turns. The last judgment an item wants approves it. Returns how many.
    """
    with psycopg.connect(url) as connection:
        values = {"slug": slug, "slot": slot, "people": list(people), "limit": limit}
        connection.execute(_FORGET_RELEASED, values)
        return connection.execute(_PASS, values).rowcount


def settle_down(url: str) -> None:
    """So that a measurement does not pay for what was written before it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
