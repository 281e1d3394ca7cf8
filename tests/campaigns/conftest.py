"""Campaigns whose policy changes, and forms to change it with."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.campaigns import policies, policy_form
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.policy_form import Rules, rules_of
from app.db import transaction
from app.jobs import run_job
from app.judgments import policy_change
from app.settings import Settings
from tests.factories import make_account, make_campaign


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN, name="Ada")


def form_for(session: Session, campaign: Campaign, **changed: Any) -> dict[str, str]:
    """The policy's form as it stands, but for what is changed."""
    policy = campaigns.current_policy(session, campaign)
    typed = policy_form.as_typed(rules_of(policy)) | {"version": str(policy.version), "note": "We try something."}
    return {name: str(value) for name, value in (typed | changed).items() if value != ""}


def changed(rules: Rules, *, rule: str | None = None, overlap: int | None = None, **parameters: Any) -> Rules:
    return rules._replace(
        rule=rule or rules.rule,
        overlap=overlap or rules.overlap,
        parameters=rules.parameters.model_copy(update=parameters),
    )


Change = Callable[..., Policy]


@pytest.fixture
def change(fresh_engine: sa.Engine, settings: Settings) -> Change:
    """`change(slug, rule=, overlap=, **parameters)`: a next version, with the worker's part done too."""

    def make(slug: str, **wanted: Any) -> Policy:
        with transaction(fresh_engine) as session:
            campaign, policy = campaigns.with_policy(session, slug)
            rules = changed(rules_of(policy), **wanted)
            admin = make_account(session, Role.ADMIN)
            saved = policies.change_rules(session, admin, campaign, rules, "Why not.", seen=policy.version)
            job = policy_change.start(session, admin, campaign, saved)
        run_job(fresh_engine, settings, job.id)
        return saved

    return make
