"""Pages of releases: the list with the form that builds one, and a page for each."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin, Researcher
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.errors import Invalid, TerroirError
from app.releases import service
from app.releases import splits as split_rules
from app.releases.formats.manifest import CHECKSUMS, MANIFEST
from app.web.render import redirect, render, site_address
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/releases", name="releases:index")
def index(request: Request, session: SessionDep, account: Researcher, again: str = "") -> Response:
    """`again` is the number of a release that failed: the form then holds what was asked for."""
    return _index(request, session, account, typed=_asked(session, again) if again else None)


def _asked(session: Session, version: str) -> dict[str, str]:
    release, campaign, _ = service.show(session, version)
    return {
        "campaign": campaign.slug,
        "version": release.version,
        "splits": ",".join(f"{name}={share:g}" for name, share in release.splits.items()),
        "seed": str(release.seed),
        "allow_simulated": "true" if release.includes_simulated else "",
    }


def _index(
    request: Request,
    session: Session,
    account: Account,
    *,
    typed: dict[str, str] | None = None,
    error: TerroirError | None = None,
) -> Response:
    status = 200 if error is None else error.status
    return render(
        request,
        "releases/index.html",
        status=status,
        releases=service.list_releases(session),
        may_build=account.role is Role.ADMIN,
        campaigns=[(campaign.slug, campaign.name) for campaign in campaigns.all_campaigns(session)],
        typed=typed or {"version": service.next_version(session), "splits": split_rules.DEFAULT, "seed": "0"},
        error=error,
        errors=error.fields if error else {},
    )


@router.post("/releases", name="releases:build")
def build(
    request: Request,
    session: SessionDep,
    account: Admin,
    campaign: Text = "",
    version: Text = "",
    splits: Text = "",
    seed: Text = "",
    allow_simulated: Text = "",
) -> Response:
    typed = {
        "campaign": campaign, "version": version, "splits": splits, "seed": seed, "allow_simulated": allow_simulated
    }  # fmt: skip
    try:
        shares, number = _checked(version.strip(), splits, seed)
        release = service.queue_release(
            session, campaign, version.strip(),
            splits=shares, seed=number, allow_simulated=bool(allow_simulated), account_id=account.id,
        )  # fmt: skip
    except TerroirError as error:
        return _index(request, session, account, typed=typed, error=error)
    return redirect(request, "releases:show", version=release.version)


def _checked(version: str, shares: str, seed: str) -> tuple[dict[str, float], int]:
    """What was typed, with every mistake said at once rather than one after another."""
    faults: dict[str, str] = {}

    def tried(check: Callable[[str], Any], text: str) -> Any:
        try:
            return check(text)
        except Invalid as error:
            faults.update(error.fields)
            return None

    found = tried(service.checked_version, version), tried(split_rules.parse, shares), tried(_seed, seed)
    if faults:
        raise Invalid("Please mend what is marked below.", fields=faults)
    return found[1], found[2]


def _seed(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 11):
        raise Invalid("No seed.", fields={"seed": f"A whole number from 0 to {service.MAX_SEED:,}."})
    return int(text)


@router.get("/releases/{version}", name="releases:show")
def show(request: Request, session: SessionDep, storage: StorageDep, account: Researcher, version: str) -> Response:
    shown = service.show(session, version)
    manifest = service.manifest_of(storage, shown.release) if shown.is_published else None
    files: list[tuple[str, str, int]] = []
    if manifest is not None:
        # Images are listed in the manifest alone: 23,766 lines make no page.
        files = [
            (path, entry["sha256"], entry["size"])
            for path, entry in manifest["files"].items()
            if not path.startswith("images/")
        ]
        for path in (CHECKSUMS, MANIFEST):
            own = service.file_for(session, storage, version, path)
            files.append((path, own.sha256, own.size))
    return render(
        request,
        "releases/release.html",
        part="releases/_release.html",
        shown=shown,
        manifest=manifest,
        files=files,
        base=site_address(request),
    )


@router.get("/releases/{version}/row", name="releases:row")
def row(request: Request, session: SessionDep, account: Researcher, version: str) -> Response:
    """One release of the list, for the list that watches it being built."""
    return render(request, "releases/_row.html", shown=service.show(session, version))
