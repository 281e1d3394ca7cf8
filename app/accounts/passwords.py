"""Passwords (argon2id), and the hashes of tokens and invite links."""

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Invalid, Sentence

MIN_LENGTH = 10
MAX_LENGTH = 256

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))
"""Checked for an unknown address, so that the time taken does not tell who has an account."""


def hash_password(password: str) -> str:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or "\0" in password:
        raise Invalid(
            Sentence("The password needs {least} to {most} characters.", least=MIN_LENGTH, most=MAX_LENGTH),
            fields={"password": Sentence("Use {least} to {most} characters.", least=MIN_LENGTH, most=MAX_LENGTH)},
        )
    return _hasher.hash(password)


def password_matches(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password_hash or _NOBODY, password[:MAX_LENGTH]) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def new_secret(prefix: str) -> str:
    """256 random bits; the prefix lets a leaked one be recognised."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def secret_hash(secret: str) -> str:
    """SHA-256 suffices: the secret is random, so there is nothing to guess from."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
