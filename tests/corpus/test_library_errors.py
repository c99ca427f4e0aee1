"""What a library cannot do is said in words that a user can act on."""

import json

import polars as pl
import pytest

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.errors import BadInput

FINE = pl.DataFrame({"text": ["A row of text."]})


def read(path, **fields) -> pl.DataFrame:
    return pl.concat(readers.read(Source(path=str(path), **fields)))


def test_a_feature_of_delta_that_is_not_read_here_is_named(tmp_path):
    FINE.write_delta(tmp_path / "table")
    (log,) = (tmp_path / "table" / "_delta_log").glob("*.json")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        if "protocol" in entry:
            entry["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in entry:
            entry["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
            schema = json.loads(entry["metaData"]["schemaString"])
            schema["fields"][0]["metadata"] = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "c"}
            entry["metaData"]["schemaString"] = json.dumps(schema)
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(BadInput, match=r"column mapping\), which .*\)\. Write it without that feature"):
        read(tmp_path / "table")
