"""The policy's page: what is in force, what it was, and how it is changed."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.adjudication import policy_views as views
from app.adjudication.gates import gates
from app.campaigns import policies, policy_form
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import stored
from app.campaigns.policy_form import Rules, rules_of
from app.campaigns.policy_words import rule_changes, sentences
from app.campaigns.settings import GROUPS, bounds
from app.errors import Conflict, Invalid, TerroirError
from app.jobs import worker_is_alive
from app.judgments import policy_change, priorities
from app.settings import Settings
from app.web.forms import PostedForm
from app.web.render import redirect, render
from app.web.session import SessionDep, SettingsDep

router = APIRouter(include_in_schema=False)

SAVE: Final = "save"
EDIT: Final = "edit"
"""What the preview's buttons send as `step`; without it a form is shown as it would come out."""
Text = Annotated[str, Form()]


@router.get("/campaigns/{slug}/policy", name="adjudication:policy")
def policy_page(
    request: Request, session: SessionDep, admin: Admin, settings: SettingsDep, slug: str, preset: str = ""
) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    chosen = policy_form.preset(preset, rules_of(policy))
    typed = policy_form.as_typed(chosen or rules_of(policy))
    return _page(request, session, settings, campaign, policy, typed, preset=preset if chosen else "")


@router.post("/campaigns/{slug}/policy", name="adjudication:change_policy")
def change(
    request: Request, form: PostedForm, session: SessionDep, admin: Admin, settings: SettingsDep, slug: str
) -> Response:
    """First shows what would happen; the second time, with step=save, it does."""
    campaign, policy = campaigns.with_policy(session, slug)
    texts = {name: str(value) for name, value in form.items()}
    step = texts.pop("step", "")
    if step == EDIT:
        return _page(request, session, settings, campaign, policy, texts)
    try:
        rules, note, seen = _read(texts)
        if step == SAVE:
            with session.begin_nested():
                saved = policies.change_rules(session, admin, campaign, rules, note, seen=seen)
                policy_change.start(session, admin, campaign, saved)
            words = f"Version {saved.version} of the policy is in force; undecided items are being brought to it."
            return redirect(request, "adjudication:policy", slug=slug, flash=("done", words))
        return _preview(request, session, campaign, policy, rules, texts, seen)
    except (Invalid, Conflict) as error:
        session.refresh(campaign)
        current = campaigns.current_policy(session, campaign)
        return _page(request, session, settings, campaign, current, texts, error=error)


@router.post("/campaigns/{slug}/policy/priority", name="adjudication:campaign_priority")
def set_priority(
    request: Request, session: SessionDep, admin: Admin, settings: SettingsDep, slug: str, priority: Text = ""
) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    try:
        policies.set_priority(session, admin, campaign, _whole(priority, "priority"))
    except Invalid as error:
        typed = policy_form.as_typed(rules_of(policy)) | {"priority": priority}
        return _page(request, session, settings, campaign, policy, typed, error=error)
    return redirect(
        request, "adjudication:policy", slug=slug, flash=("done", f"The campaign's priority is {campaign.priority}.")
    )


@router.post("/campaigns/{slug}/policy/items-priority", name="adjudication:items_priority")
def set_items_priority(
    request: Request,
    session: SessionDep,
    admin: Admin,
    settings: SettingsDep,
    slug: str,
    group: Text = "",
    level: Text = "",
) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    try:
        job = priorities.set_priority(session, admin, campaign, group, _whole(level, "level"))
    except Invalid as error:
        typed = policy_form.as_typed(rules_of(policy)) | {"group": group, "level": level}
        return _page(request, session, settings, campaign, policy, typed, error=error)
    return redirect(request, "adjudication:policy", slug=slug, flash=("done", f"{job.title}: it is being done."))


def _whole(text: str, field: str) -> int:
    try:
        return int(text.strip().replace("−", "-"))
    except ValueError:
        message = "Write a whole number from -100 to 100."
        raise Invalid(message, fields={field: message}) from None


def _read(texts: Mapping[str, str]) -> tuple[Rules, str, int]:
    """The rules, the note and the version the form began with. Raises Invalid for all that is wrong at once."""
    faults: dict[str, str] = {}
    message, rules, note = "", None, ""
    try:
        rules = policy_form.read(texts)
    except Invalid as error:
        faults |= error.fields
        message = error.message
    try:
        note = policy_form.checked_note(texts.get("note", ""))
    except Invalid as error:
        faults |= error.fields
        message = message or error.message
    if rules is None or faults:
        raise Invalid(message, fields=faults)
    return rules, note, seen_version(texts)


def seen_version(texts: Mapping[str, str]) -> int:
    text = texts.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Invalid("The form doesn't say which version it changes; open the page again.")
    return int(text)


def _preview(
    request: Request,
    session: Session,
    campaign: Campaign,
    policy: Policy,
    rules: Rules,
    texts: Mapping[str, str],
    seen: int,
) -> Response:
    policies.check_seen(policy.version, seen)
    found = rule_changes(rules_of(policy), rules)
    if not found:
        raise policies.NothingDiffers(f"Nothing differs from version {policy.version} yet; change something first.")
    wanted = Policy(
        campaign_id=campaign.id,
        version=policy.version + 1,
        rule=rules.rule,
        overlap=rules.overlap,
        parameters=stored(rules.parameters),
    )
    effect = policy_change.effect(session, campaign, wanted)
    return render(
        request,
        "campaigns/preview.html",
        title="Look before you save",
        campaign=campaign,
        policy=policy,
        changes=found,
        happens=views.what_will_happen(effect, found),
        warnings=views.warnings_for(rules, effect, gates(session, campaign.id, rules.parameters)),
        texts=texts,
    )


def _page(
    request: Request,
    session: Session,
    settings: Settings,
    campaign: Campaign,
    policy: Policy,
    typed: Mapping[str, str],
    *,
    preset: str = "",
    error: TerroirError | None = None,
) -> Response:
    running = views.running_jobs(session, campaign)
    return render(
        request,
        "campaigns/policy.html",
        status=error.status if error else 200,
        title=f"Policy of {campaign.name}",
        campaign=campaign,
        policy=policy,
        sentences=sentences(rules_of(policy), settings.lease_seconds),
        versions=policies.versions(session, campaign),
        group_rows=views.group_rows(session, campaign, policy),
        levels=priorities.levels(session, campaign),
        choices=priorities.choices(session, campaign),
        groups=GROUPS,
        bounds=bounds,
        presets=[(name, words) for name, (words, _) in policy_form.PRESETS.items()],
        preset=preset,
        typed=typed,
        lease_minutes=f"{settings.lease_seconds / 60:.4g}",
        running=running,
        has_worker=not running or worker_is_alive(session),
        error=error,
        errors=error.fields if error else {},
        is_conflict=isinstance(error, Conflict),
    )
