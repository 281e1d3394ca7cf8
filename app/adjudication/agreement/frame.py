"""What all agreement pages share: which votes they count, where they lie, and how one leads to another."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.agreement.tallies import Basis
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.db import now
from app.errors import Invalid
from app.judgments.votes import Cluster
from app.web.render import with_query

TABS = (
    ("Overview", "adjudication:agreement", False),
    ("Where", "agreement:where", False),
    ("Subtasks and backgrounds", "agreement:backgrounds", False),
    ("Insiders", "agreement:insiders", False),
    ("People", "agreement:people", True),
    ("Pairs", "agreement:pairs", True),
    ("Dispute map", "agreement:map", True),
)
"""Label, route, and whether it names people or shows items: those are for admins alone."""


class Votes(NamedTuple):
    """Which votes count, and what the bootstrap draws; the same in every page's address."""

    basis: Basis
    cluster: Cluster

    @property
    def query(self) -> dict[str, str]:
        return {
            "all": "1" if self.basis == "all" else "",
            "cluster": "families" if self.cluster == "families" else "",
        }

    @property
    def words(self) -> str:
        """For a caption, a CSV cell or a copied figure."""
        return "every counted judgment" if self.basis == "all" else "first two counted judgments of each item"


def must_be_known(*asked: tuple[str, Collection[str]]) -> None:
    """Raises Invalid for the first value that is none of its choices, and names those."""
    for value, choices in asked:
        if value not in choices:
            raise Invalid(f"“{value[:40]}” can't be shown here; choose one of {', '.join(filter(None, choices))}.")


def is_set(flag: str) -> bool:
    """Whether an address turns something on, as in `all=1`."""
    return flag in ("1", "true", "yes", "on")


def _votes(all: str = "", cluster: str = "") -> Votes:  # noqa: A002  (its name in the address)
    if cluster not in ("", "items", "families"):
        raise Invalid(f"“{cluster[:40]}” can't be drawn; choose items or families.")
    return Votes("all" if is_set(all) else "first", "families" if cluster == "families" else "items")


VotesDep = Annotated[Votes, Depends(_votes)]


class Frame(NamedTuple):
    """A page's campaign, its reader and its votes. `policy` is the present one, `paths` the addresses found so far: to
    find one takes 0.3 ms, and pages hold thousands."""

    request: Request
    campaign: Campaign
    policy: Policy
    account: Account
    votes: Votes
    current: str
    paths: dict[tuple[str, frozenset[tuple[str, Any]]], str]

    @property
    def is_admin(self) -> bool:
        return self.account.role is Role.ADMIN

    def address(self, route: str, query: Mapping[str, Any] | None = None, **place: Any) -> str:
        """The address of another agreement page of this campaign, with the same votes."""
        key = (route, frozenset(place.items()))
        if key not in self.paths:
            self.paths[key] = str(self.request.app.url_path_for(route, slug=self.campaign.slug, **place))
        return with_query(self.paths[key], {**(query or {}), **self.votes.query})

    def items(self, **query: Any) -> str | None:
        """Where the items behind a number are listed; None for who may not see items. See `item_routes`."""
        return self.address("agreement:items", query) if self.is_admin else None

    def again(self, **changed: Any) -> str:
        """This page with other parameters; None or "" takes one away."""
        return with_query(self.request.url.path, {**self.request.query_params, **changed})

    @property
    def source(self) -> str:
        """What a table or chart in a file came of."""
        return (
            f"campaign {self.campaign.slug}, policy version {self.policy.version}, {self.votes.words}, "
            f"{now().strftime('%Y-%m-%d %H:%M UTC')}"
        )

    def context(self) -> dict[str, Any]:
        """For `adjudication/agreement/_frame.html`, which every agreement page extends."""
        return {
            "frame": self,
            "campaign": self.campaign,
            "policy": self.policy,
            "is_admin": self.is_admin,
            "tabs": [
                (label, self.address(route), route == self.current)
                for label, route, admins_only in TABS
                if self.is_admin or not admins_only
            ],
        }


def frame(request: Request, session: Session, account: Account, slug: str, votes: Votes, current: str) -> Frame:
    """Raises NotFound for an unknown campaign. `current` is the route of the tab the page belongs to."""
    campaign = campaigns.get(session, slug)
    return Frame(request, campaign, campaigns.current_policy(session, campaign), account, votes, current, {})
