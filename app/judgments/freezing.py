"""When the answer to a test can't be changed any more, so that trying to change answers doesn't tell tests apart.

An ordinary answer can be changed until its item is decided: at once where it was the last one wanted, else when the
others have judged. A test's item is decided already. So a test freezes as one of its annotator's own ordinary items:
one of the 50 they judged before it, drawn by a hash, lends the time it took, made up to half shorter or longer. An item
that is still open lends its openness. The hash is seeded with the moment the person joined, which nobody is shown;
neither the draw nor the time can be worked out from outside, and no item freezes together with another. What was said
to be surplus is frozen at once, as most of what comes after an item's decision is.
"""

from typing import Final

from app.claims.service import TOLD_SURPLUS

_SEED: Final = "coalesce(CAST(extract(epoch FROM place.created_at) AS text), '') || claim.id"

TEST_IS_FROZEN: Final = f"""
    (coalesce(claim.reason = '{TOLD_SURPLUS}', false) OR coalesce((
        SELECT claim.ended_at + (decided.at - other.ended_at)
                   * (0.5 + ('x' || left(md5({_SEED}), 8))::bit(32)::bigint / 4294967296.0) <= clock_timestamp()
        FROM (
            (SELECT id, item_id, ended_at, 0 AS is_after FROM claim AS earlier
             WHERE earlier.account_id = claim.account_id AND earlier.campaign_id = claim.campaign_id
               AND earlier.state = 'judged' AND NOT earlier.is_test AND earlier.ended_at < claim.ended_at
             ORDER BY earlier.ended_at DESC LIMIT 50)
            UNION ALL
            (SELECT id, item_id, ended_at, 1 FROM claim AS later
             WHERE later.account_id = claim.account_id AND later.campaign_id = claim.campaign_id
               AND later.state = 'judged' AND NOT later.is_test AND later.ended_at > claim.ended_at
             ORDER BY later.ended_at LIMIT 1)
        ) AS other
        LEFT JOIN pool_member AS place
            ON place.campaign_id = claim.campaign_id AND place.account_id = claim.account_id
        CROSS JOIN LATERAL (
            SELECT min(created_at) AS at FROM decision
            WHERE decision.item_id = other.item_id AND decision.created_at >= other.ended_at
        ) AS decided
        ORDER BY other.is_after, md5({_SEED} || other.id) LIMIT 1
    ), false))
"""  # noqa: S608  (nothing in it comes from outside)
"""A condition on a row of `claim` that is a judged test. Where nothing was judged before it, the first item after it
lends its time."""
