"""Unpacking uploaded archives: nothing leaves the folder, and nothing grows beyond what its listing said."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from app.errors import Invalid
from app.items.images import MAX_BYTES
from app.items.rows import shown
from app.items.tables import MAX_TABLE_BYTES, SUFFIXES
from app.storage import InvalidKey
from app.storage.base import checked_key

MAX_FILES: Final = 100_000
MAX_TOTAL_BYTES: Final = 16 * 1024**3
MAX_RATIO: Final = 200
"""Text shrinks to a fiftieth at best, photographs hardly; deflate's limit, which bombs come near, is 1032."""

_SMALL: Final = 1024 * 1024
_CHUNK: Final = 1024 * 1024


class BadArchive(Invalid):
    type = "bad-archive"
    title = "This archive can't be used"


def unpack(archive: IO[bytes], folder: Path, name: str) -> None:
    """Write an archive's files below `folder`, which has none of them yet. Raises BadArchive, leaving files behind.

    Only regular files are written, under the names a store would take; what macOS adds is left out.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir() and not _is_clutter(member)]
            _check_listing(members, name)
            for member in members:
                _write(opened, member, folder, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise BadArchive(f"{name} is no ZIP archive or is damaged ({error}): pack it again.") from error


def _is_clutter(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename).parts
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db"))


def _check_listing(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > MAX_FILES:
        raise BadArchive(f"{name} holds {len(members)} files; at most {MAX_FILES} are taken: split it into several.")
    if sum(member.file_size for member in members) > MAX_TOTAL_BYTES:
        raise BadArchive(f"{name} is larger than {MAX_TOTAL_BYTES // 1024**3} GB unpacked: split it into several.")
    seen: set[str] = set()
    for member in members:
        where = f"{name}: {shown(member.orig_filename)}"
        if member.flag_bits & 1:
            raise BadArchive(f"{where} is encrypted: pack it without a password.")
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise BadArchive(f"{where} is a link or a device, not a file: pack the files themselves.")
        try:
            # The name as it stands in the archive: ZipFile cuts at a NUL and turns backslashes on some systems.
            checked_key(member.orig_filename)
        except InvalidKey as error:
            raise BadArchive(f"{where} can't be unpacked: {error.message.rpartition(': ')[2]}") from None
        if member.filename.casefold() in seen:
            raise BadArchive(f"{where} is in the archive twice.")
        seen.add(member.filename.casefold())
        longest = MAX_TABLE_BYTES if member.filename.lower().endswith(SUFFIXES) else MAX_BYTES
        if member.file_size > longest:
            raise BadArchive(f"{where} is larger than {longest // 1_000_000} MB unpacked.")
        if member.file_size > max(_SMALL, MAX_RATIO * member.compress_size):
            raise BadArchive(f"{where} grows more than {MAX_RATIO} times when unpacked, as only an archive bomb does.")


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, name: str) -> None:
    path = folder / member.filename
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # ZipFile gives no more bytes than the listing says, and checks them against its sum.
        with opened.open(member) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    except (FileExistsError, NotADirectoryError):
        raise BadArchive(f"{name}: {shown(member.filename)} is both a file and a folder.") from None
