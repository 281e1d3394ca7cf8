"""The models known by name: how each is made, what it needs and costs; `serving` says whether this machine can."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import Invalid, SettingsError
from app.evaluation.engines import ENGINES, Setup
from app.evaluation.engines.addresses import address_of
from app.settings import Settings

_PACKAGED = Path(__file__).with_name("models.toml")
_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
_VARIABLE = r"^[A-Z][A-Z0-9_]*$"
_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Price(_Strict):
    """US dollars; `as_of`: the year and month in which somebody gave it."""

    input_per_million: _Usd | None = None
    output_per_million: _Usd | None = None
    gpu_hour: _Usd | None = None
    as_of: Annotated[str, Field(pattern=r"^\d{4}-\d\d$")]


class Model(_Strict):
    """One entry of a models file; what the fields mean stands at the head of models.toml."""

    name: Annotated[str, Field(pattern=_NAME)]
    engine: str
    model: Annotated[str, Field(min_length=1, max_length=500)]
    licence: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    gpus: Annotated[float, Field(ge=0, le=64)] = 0
    dtype: str = "auto"
    max_pixels: Annotated[int, Field(ge=1)] | None = None
    stop: tuple[str, ...] = ()
    json_answers: Annotated[bool, Field(alias="json")] = False
    refuses: frozenset[Literal["temperature", "seed"]] = frozenset()
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    thinking: Literal["none", "off", "on"] = "none"
    thinking_tokens: Annotated[int, Field(ge=0)] = 0
    custom_code: bool = False
    trust_remote_code: bool = False
    base_url: str | None = None
    api_key_env: Annotated[str, Field(pattern=_VARIABLE)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 8
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    price: Price | None = None
    notes: str = ""

    @field_validator("engine")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ENGINES:
            raise ValueError(f"there is no engine “{value}”; there are {', '.join(ENGINES)}")
        return value

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                address_of(value)
            except Invalid:
                raise ValueError("it takes an address such as http://127.0.0.1:8000/v1, without a key in it") from None
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Model":
        if (self.engine == "openai") != (self.base_url is not None):
            raise ValueError("base_url is what the engine openai needs, and no other engine takes")
        if self.engine == "openai" and self.max_pixels is not None:
            raise ValueError("max_pixels can't be set for a server, which is sent images as they are")
        return self

    def setup(
        self, strategy_max_tokens: int, seed: int, *, base_url: str | None = None, adapter: str | None = None
    ) -> Setup:
        """With `base_url`, a server that knows the model under the name of its weights is asked: its own settings then
        say how many pixels the model is shown."""
        is_server = base_url is not None or self.engine == "openai"
        own_key = self.engine == "openai" and base_url is None
        return Setup(
            engine="openai" if is_server else self.engine,
            model=self.model,
            max_tokens=strategy_max_tokens + self.thinking_tokens,
            seed=None if "seed" in self.refuses else seed,
            temperature=None if "temperature" in self.refuses else 0,
            json=self.json_answers,
            stop=self.stop,
            max_pixels=None if is_server else self.max_pixels,
            revision=self.revision,
            adapter=adapter,
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            base_url=base_url or self.base_url,
            api_key_env=(self.api_key_env or "") if own_key else self.api_key_env or "OPENAI_API_KEY",
            max_tokens_name=self.max_tokens_name,
            requests_per_minute=self.requests_per_minute,
            in_flight=self.in_flight,
            batch_size=self.batch_size,
            gpus=self.gpus,
        )

    def prices(self) -> dict[str, float]:
        """What is known of them, by the names that the ledger reads."""
        return {} if self.price is None else self.price.model_dump(exclude_none=True, exclude={"as_of"})


def load(settings: Settings) -> dict[str, Model]:
    """Every model by name, the operator's own last. Raises SettingsError for a faulty file."""
    entries = _entries(_PACKAGED)
    own = settings.models_file
    for name, entry in ({} if own is None else _entries(own)).items():
        entries[name] = entries.get(name, {}) | entry
    source = own or _PACKAGED
    return {name: _model(name, entry, source) for name, entry in entries.items()}


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"TERROIR_MODELS_FILE names {path}, which can't be read ({error.strerror}).") from error
    except ValueError as error:  # TOML's, or bytes that are no UTF-8
        raise SettingsError(f"{path} is no TOML: {error}.") from error
    entries = document.pop("models", {})
    if document or not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise SettingsError(f"{path} takes nothing but tables such as [models.qwen3-vl-8b]; see models.toml.")
    for name, entry in entries.items():
        for inner, value in entry.items():
            if isinstance(value, dict) and inner != "price":
                raise SettingsError(f'{path}, models.{name}: quote a name with a dot in it: [models."{name}.{inner}"].')
    return entries


def _model(name: str, entry: dict[str, Any], path: Path) -> Model:
    try:
        return Model.model_validate(entry | {"name": name})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        words = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        raise SettingsError(f"{path}, models.{name}{f', {field}' if field else ''}: {words}.") from error
