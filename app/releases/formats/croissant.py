"""croissant.json: the release described in Croissant 1.0 (MLCommons), for loaders and dataset search."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from app.releases.formats.columns import DATA_SCHEMA
from app.releases.formats.votes import AGGREGATED_SCHEMA, RAW_SCHEMA
from app.releases.outbox import FileEntry, media_type_of

# https://docs.mlcommons.org/croissant/docs/croissant-spec.html, "Appendix: JSON-LD context"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(manifest: Mapping[str, Any], files: Mapping[str, FileEntry]) -> bytes:
    """Every Parquet file with its hash, and a record set for items, aggregated and raw judgments."""
    tables = [path for path in sorted(files) if path.endswith(".parquet")]
    name = f"{manifest['campaign']['slug']}-{manifest['version']}"
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": (
            f"{manifest['counts']['items']} culture-mixing images verified by people, "
            f"release {manifest['version']} of the campaign {manifest['campaign']['name']}."
        ),
        "version": manifest["version"],
        "license": "https://creativecommons.org/licenses/by-sa/4.0/",
        "datePublished": manifest["frozen_at"],
        "distribution": [
            *[
                {
                    "@type": "cr:FileObject",
                    "@id": path,
                    "name": path,
                    "contentUrl": path,
                    "contentSize": f"{files[path].size} B",
                    "encodingFormat": media_type_of(path),
                    "sha256": files[path].sha256,
                }
                for path in tables
            ],
            {
                "@type": "cr:FileSet",
                "@id": "data",
                "name": "data",
                "description": "The items with their images, all splits.",
                "encodingFormat": media_type_of(".parquet"),
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            _record_set("items", {"fileSet": {"@id": "data"}}, DATA_SCHEMA),
            _record_set("aggregated", {"fileObject": {"@id": "items.parquet"}}, AGGREGATED_SCHEMA),
            _record_set("judgments", {"fileObject": {"@id": "judgments.parquet"}}, RAW_SCHEMA),
        ],
    }
    return (json.dumps(described, ensure_ascii=False, indent=1) + "\n").encode()


def _record_set(name: str, source: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [_field(name, source, column) for column in schema],
    }


def _field(record_set: str, source: dict[str, Any], column: pa.Field) -> dict[str, Any]:
    described: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "dataType": _data_type(column.type),
        "source": {**source, "extract": {"column": column.name}},
    }
    if pa.types.is_list(column.type):
        described["repeated"] = True
    if pa.types.is_struct(column.type):
        described["source"]["transform"] = {"jsonPath": "bytes"}
    return described


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return _data_type(kind.value_type)
    if pa.types.is_struct(kind):
        return "sc:ImageObject"
    if pa.types.is_timestamp(kind):
        return "sc:DateTime"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
