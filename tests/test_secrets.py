"""What a run leaves: tables, records, logs, MLflow's and Dagster's stores. None of them holds what must not be kept."""

from tests.conftest import SECRET


def test_a_token_of_the_environment_is_nowhere_in_the_lake_nor_in_what_was_said(ran):
    files = [path for path in ran.lake.root.rglob("*") if path.is_file()]
    assert {"mlflow.db", "report.html"} <= {path.name for path in files}
    assert any("dagster" in path.parts for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in ran.said
