"""Pages and fragments from templates; small messages that survive one redirect."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.errors import Sentence
from app.settings import ROOT
from app.web import i18n
from app.web.static import static

FLASH_COOKIE = "terroir_flash"


class NavEntry(NamedTuple):
    """A link of the main navigation: shown to these roles."""

    label: str
    route: str
    roles: frozenset[str]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=_said,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(i18n.gettext, i18n.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "static": static,
        "spoken": i18n.spoken,
        "direction": i18n.direction,
        "languages": i18n.LANGUAGES,
        "plural_samples": i18n.plural_samples,
    }
    environment.filters |= {
        "number": i18n.number,
        "percent": i18n.percent,
        "figure": i18n.figure,
        "when": i18n.when,
        "day": i18n.day,
        "translated": i18n.translated,
        "size": _size,
    }
    return environment


def _said(value: Any) -> Any:
    """What a template writes: a sentence is said in the language of the page."""
    return i18n.translated(value) if isinstance(value, Sentence) else value


_environment = make_environment()


def compile_templates() -> None:
    """All of them, so that nobody who opens a page waits for its templates: some 0.6 s when a server starts."""
    for name in _environment.list_templates(extensions=["html"]):
        _environment.get_template(name)


def render(
    request: Request, template: str, *, part: str | None = None, status: int = 200, **context: Any
) -> HTMLResponse:
    """The page, or only `part` of it when htmx asks for a fragment; `Vary` keeps caches from mixing the two."""
    is_fragment = part is not None and request.headers.get("hx-request-type") == "partial"
    name = part if is_fragment and part is not None else template
    flashes = [] if is_fragment else read_flashes(request)
    page = _environment.get_template(name).render(
        request=request,
        url=lambda route, **params: str(request.app.url_path_for(route, **params)),
        account=account_of(request),
        nav=_nav(request),
        this_page=_this_page(request),
        flashes=flashes,
        status=status,
        **context,
    )
    response = HTMLResponse(page, status_code=status, headers={"vary": "HX-Request-Type"})
    response.headers["content-language"] = i18n.spoken()
    if flashes:
        response.delete_cookie(FLASH_COOKIE)
    return response


def account_of(request: Request) -> Any:
    """Whom `accounts` found behind this request, or None."""
    return getattr(request.state, "account", None)


def _this_page(request: Request) -> str:
    """Where a change of the language leads back to: this page, if it can be asked for again."""
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query if request.method == "GET" else "/"


def _nav(request: Request) -> list[tuple[str, str, bool]]:
    account = account_of(request)
    if account is None:
        return []
    entries: Sequence[NavEntry] = request.app.state.nav
    links = [
        (entry.label, str(request.app.url_path_for(entry.route)))
        for entry in entries
        if str(account.role) in entry.roles
    ]
    path = request.url.path
    return [(label, href, path == href or path.startswith(href.rstrip("/") + "/")) for label, href in links]


def with_query(path: str, parameters: Mapping[str, Any]) -> str:
    """The address with these parameters; what is empty is left out, and then the question mark.

    >>> with_query("/items", {"status": "approved", "name": ""}), with_query("/items", {"name": None})
    ('/items?status=approved', '/items')
    """
    query = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(query)}" if query else path


def redirect(request: Request, route: str, *, flash: tuple[str, str] | None = None, **params: Any) -> Response:
    """After a form: 303 to a named route, with a message for the next page."""
    return redirect_to(str(request.app.url_path_for(route, **params)), flash=flash)


def redirect_to(address: str, *, flash: tuple[str, str] | None = None) -> Response:
    response = RedirectResponse(address, status_code=303)
    if flash is not None:
        response.set_cookie(
            FLASH_COOKIE, quote(json.dumps([_kept(*flash)])), max_age=60, httponly=True, samesite="lax", path="/"
        )
    return response


def _kept(kind: str, text: str) -> list[Any]:
    """A message as the cookie has it. The next page says it, perhaps in another language."""
    if not isinstance(text, Sentence):
        return [kind, text]
    values = {name: value if isinstance(value, int) else str(value) for name, value in text.values.items()}
    return [kind, text.pattern, values]


def _flash(kind: Any, text: Any, values: Mapping[str, Any] | None = None) -> tuple[str, str]:
    said = {name: value if isinstance(value, int) else str(value) for name, value in (values or {}).items()}
    return str(kind), Sentence(str(text), **said)


def read_flashes(request: Request) -> list[tuple[str, str]]:
    try:
        found = json.loads(unquote(request.cookies.get(FLASH_COOKIE, "[]")))
        flashes = [_flash(*message) for message in found]
        "".join(kind + text for kind, text in flashes).encode()  # half of a surrogate pair could not be sent back
        return flashes
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []


def site_address(request: Request) -> str:
    """Where people find this installation, without a slash at the end: what the operator set, else what was asked."""
    return (request.app.state.settings.public_url or str(request.base_url)).rstrip("/")


def local_path(address: str | None, default: str = "/") -> str:
    """`next` of a sign-in form, only if it stays on this site."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")) or "\\" in address:
        return default
    if any(ord(character) < 0x21 for character in address):
        return default
    return address
