"""What a release says of one item: the columns that the Parquet data and WebDataset share."""

import json
from typing import Any

import pyarrow as pa

from app.releases.snapshot import FrozenItem

TEXT_LIST = pa.list_(pa.string())
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}  # "List" is unknown before datasets 4
    return {"dtype": str(kind).replace("double", "float64"), "_type": "Value"}


def with_features(schema: pa.Schema) -> pa.Schema:
    """The schema with the metadata by which Hugging Face `datasets` knows its columns, the image above all."""
    features = {field.name: _feature(field.type) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


ITEM_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("image_path", pa.string()),
        ("subtask", pa.string()),
        ("food1_id", pa.string()),
        ("food1_name", pa.string()),
        ("food1_country", pa.string()),
        ("food1_country_codes", TEXT_LIST),
        ("food1_aliases", TEXT_LIST),
        ("food2_id", pa.string()),
        ("food2_name", pa.string()),
        ("food2_country", pa.string()),
        ("food2_country_codes", TEXT_LIST),
        ("food2_aliases", TEXT_LIST),
        ("background_id", pa.string()),
        ("background_name", pa.string()),
        ("background_kind", pa.string()),
        ("background_country", pa.string()),
        ("background_country_code", pa.string()),
        ("family", pa.string()),
        ("food_distance", pa.string()),
        ("background_distance", pa.string()),
        ("generator", pa.string()),
        ("prompt", pa.string()),
        ("generator_seed", pa.string()),
        ("revision", pa.int32()),
        ("image_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("n_judgments", pa.int32()),
        ("decision", pa.string()),
        ("decision_method", pa.string()),
        ("decision_rule", pa.string()),
    ]
)
DATA_SCHEMA = with_features(pa.schema([pa.field("image", IMAGE), *ITEM_SCHEMA]))
"""Countries and ids stand as they were written; `*_codes` are ISO 3166-1 alpha-2. Width and height are as displayed."""


def item_columns(frozen: FrozenItem) -> dict[str, Any]:
    """One row of ITEM_SCHEMA."""
    item, background = frozen.item, frozen.background
    row: dict[str, Any] = {
        "item_id": str(item.id),
        "image_path": item.key,
        "subtask": item.subtask.value,
    }
    for slot in (1, 2):
        food = frozen.food(slot)
        row |= {
            f"food{slot}_id": food.id_as_written if food else None,
            f"food{slot}_name": food.name if food else None,
            f"food{slot}_country": food.country_as_written if food else None,
            f"food{slot}_country_codes": food.countries if food else None,
            f"food{slot}_aliases": food.aliases if food else None,
        }
    return row | {
        "background_id": background.key if background else None,
        "background_name": background.name if background else None,
        "background_kind": background.kind.value if background and background.kind else None,
        "background_country": item.background_as_written,
        "background_country_code": background.country if background else None,
        "family": frozen.plan.family,
        "food_distance": item.food_distance,
        "background_distance": item.background_distance,
        "generator": item.generator,
        "prompt": item.prompt,
        "generator_seed": item.seed,
        "revision": item.revision,
        "image_sha256": item.image_sha256,
        "width": frozen.image.width,
        "height": frozen.image.height,
        "n_judgments": len(frozen.counted),
        "decision": frozen.decision.outcome.value,
        "decision_method": frozen.decision.method.value,
        "decision_rule": frozen.decision.rule,
    }
