"""Addresses of servers that answer: http or https, a host, a path, and nothing secret."""

from urllib.parse import SplitResult, urlsplit

from app.errors import Invalid


def address_of(base_url: str) -> SplitResult:
    """Raises Invalid."""
    try:
        parts = urlsplit(base_url)
        plain = base_url.isascii() and base_url.isprintable() and " " not in base_url and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or parts.username or parts.query or not parts.hostname:
        raise Invalid("--base-url takes an address such as http://127.0.0.1:8000/v1, without a name or key in it.")
    return parts
