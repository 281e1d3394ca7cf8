"""Images as browsers get them."""

import re
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response, StreamingResponse

from app.accounts.access import SignedIn
from app.errors import NotFound
from app.items import pictures
from app.items.models import Image
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)

_SHA256 = re.compile(r"[0-9a-f]{64}")
HEADERS = {
    # Named by its content, so it never changes; private, since only signed-in people may have it.
    "cache-control": "private, max-age=31536000, immutable",
    # An image is an image, whatever its bytes would also pass for.
    "content-security-policy": "default-src 'none'; sandbox",
}


@router.get("/images/{sha256}/{size}", name="items:image")
def image(
    request: Request,
    session: SessionDep,
    storage: StorageDep,
    account: SignedIn,
    sha256: str,
    size: Literal["display", "thumb", "original"],
) -> Response:
    """A rendition, or the unchanged original, for whoever is signed in and knows its hash."""
    if _SHA256.fullmatch(sha256) is None:
        raise NotFound("There is no such image.")
    etag = f'"{sha256}-{size}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=HEADERS | {"etag": etag})
    key, media_type = pictures.display_key(sha256), "image/webp"
    if size == "thumb":
        key = pictures.thumb_key(sha256)
    elif size == "original":
        found = session.get(Image, sha256)
        if found is None:
            raise NotFound("There is no such image.")
        key, media_type = pictures.original_key(sha256, found.format), f"image/{found.format}"
    headers = HEADERS | {"etag": etag}
    path = storage.local_path(key)
    if path is not None:
        return FileResponse(path, media_type=media_type, headers=headers)
    stat = storage.stat(key)
    if stat is None:
        raise NotFound("There is no such image.")
    headers["content-length"] = str(stat.size)
    return StreamingResponse(storage.read_range(key, 0), media_type=media_type, headers=headers)
