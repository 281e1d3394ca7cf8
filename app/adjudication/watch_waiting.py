"""What the watching page says of items that wait for somebody in particular, and of rejected ones for another image."""

import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

GOLD: Final = "gold"
"""Among the states of `Revisions.rejected`: the answer is known, so nobody wants another image."""


class ForInsiders(NamedTuple):
    """A country's items that keep visits for people who know it. `only`: those that nobody else is given any more.
    `insiders`: active annotators who say to know it and are not paused here."""

    country: str
    items: int
    only: int
    visits: int
    insiders: int


class Revisions(NamedTuple):
    """`asked`: requests for another image that are open, as the page of requests lists them. `rejected`: rejected items
    by the state of their request, or GOLD; those nobody ever asked another image of are not among them."""

    asked: int
    rejected: Mapping[str, int]


def for_insiders(session: Session, campaign_id: uuid.UUID) -> list[ForInsiders]:
    """Those with nobody to ask first, then by the number of items."""
    rows = session.execute(_FOR_INSIDERS, {"campaign": campaign_id})
    found = [ForInsiders(row.home, *(int(n) for n in row[1:])) for row in rows]
    return sorted(found, key=lambda row: (row.insiders > 0, -row.items, row.country))


def revisions(session: Session, campaign_id: uuid.UUID) -> Revisions:
    rows = session.execute(_REVISIONS, {"campaign": campaign_id}).all()
    asked = sum(int(row.n) for row in rows if row.state == "open")
    return Revisions(asked, {row.state: int(row.rejected) for row in rows if row.rejected})


_FOR_INSIDERS = sa.text(
    """
    WITH waiting AS (
        SELECT home, count(*) AS items, count(*) FILTER (WHERE lane LIKE 'home %') AS only, sum(reserved) AS visits
        FROM item WHERE campaign_id = :campaign AND status = 'pending' AND hold IS NULL AND reserved > 0 GROUP BY home
    )
    SELECT waiting.*, (
        SELECT count(*) FROM known_country JOIN account ON account.id = account_id
        WHERE country = home AND role = 'annotator' AND is_active AND NOT EXISTS (
            SELECT 1 FROM pool_member
            WHERE campaign_id = :campaign AND pool_member.account_id = account.id AND paused_at IS NOT NULL
        )
    ) AS insiders
    FROM waiting
    """
)

# An item may have been rejected several times: its live request, else its latest, says what became of it. An open
# request can also be that of candidates of which none was chosen, which are not rejected.
_REVISIONS = sa.text(
    """
    SELECT state, count(*) AS n, count(*) FILTER (WHERE status = 'rejected') AS rejected FROM (
        SELECT DISTINCT ON (item.id) item.status, request.state
        FROM revision_request AS request JOIN item ON item.id = request.item_id
        WHERE request.campaign_id = :campaign
          AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = request.item_id AND gold.withdrawn_at IS NULL)
        ORDER BY item.id, request.state IN ('open', 'working') DESC, request.opened_at DESC
    ) AS latest GROUP BY state
    UNION ALL
    SELECT 'gold', 0, count(*) FROM item WHERE campaign_id = :campaign AND status = 'rejected'
      AND EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND gold.withdrawn_at IS NULL)
    """
)
