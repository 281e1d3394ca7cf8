"""How often things die, and how large a crowd is: less in `make test` than in `make test-thorough`."""

import os
from typing import Final

IS_THOROUGH: Final = "THOROUGH" in os.environ


def seeds(every: range, few: int) -> range:
    return every if IS_THOROUGH else every[:few]
