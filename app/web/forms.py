"""A posted form as it came, for routes that run in threads."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

MAX_FIELDS = 200


async def read_form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=MAX_FIELDS)


PostedForm = Annotated[FormData, Depends(read_form)]
