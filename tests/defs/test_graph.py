"""A snapshot of all that Dagster sees, so that an accidental change shows in review."""

import json
from pathlib import Path

import dagster as dg

from getmore_assets.definitions import defs
from getmore_assets.records import STAGE_NAMES

SNAPSHOT = Path(__file__).with_name("graph.json")


def graph() -> dict:
    found = defs.resolve_asset_graph()
    assets = {
        key.to_user_string(): {
            "deps": sorted(k.to_user_string() for k in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "code_version": node.code_version,
            "partitions": node.partitions_def.name,
            "checks": sorted(k.name for k in node.check_keys),
            "pools": sorted(node.pools or []),
        }
        for key in found.get_all_asset_keys()
        for node in [found.get(key)]
    }
    repository = defs.get_repository_def()
    jobs = sorted(j.name for j in repository.get_all_jobs() if not j.name.startswith("__"))
    return {
        "assets": dict(sorted(assets.items())),
        "jobs": jobs,
        "sensors": sorted(s.name for s in repository.sensor_defs),
    }


def test_the_graph_is_the_one_agreed_on():
    assert graph() == json.loads(SNAPSHOT.read_text())


def test_every_asset_describes_itself():
    specs = defs.resolve_all_asset_specs()
    assert {spec.key.path[-1] for spec in specs} == set(STAGE_NAMES)
    assert all(spec.description and len(spec.description) > 60 for spec in specs)


def test_asset_selection_strings_parse():
    assert dg.AssetSelection.from_string("selected_subset+").resolve(defs.resolve_asset_graph())


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(graph(), indent=1) + "\n")
