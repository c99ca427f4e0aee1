"""The component: what it makes of its attributes, and what `dg scaffold defs` writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox

import getmore_assets
from getmore_assets import GetmoreComponent
from getmore_assets.errors import BadInput
from getmore_assets.records import STAGE_NAMES
from getmore_assets.task_parsing import load_task
from getmore_assets.tracking_place import Tracking
from tests.conftest import task_fields

pytestmark = [  # of Dagster's own loader of YAML
    pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]
DG = shutil.which("dg", path=str(Path(sys.executable).parent))


@pytest.fixture
def sandbox():
    with create_defs_folder_sandbox() as sandbox:
        yield sandbox


def written(sandbox, sources, named="GetmoreComponent", **attributes):
    """The component with one task in `defs.yaml`, in a folder of its own."""
    return sandbox.scaffold_component(
        component_cls=GetmoreComponent,
        defs_path="warm",
        defs_yaml_contents={
            "type": f"getmore_assets.{named}",
            "attributes": {"targets": [task_fields(sources, sandbox.project_root / "lake")], **attributes},
        },
    )


def test_what_is_scaffolded_loads_and_its_first_task_is_one(sandbox):
    place = sandbox.scaffold_component(component_cls=GetmoreComponent, defs_path="warm")
    with sandbox.load_component_and_build_defs(defs_path=place) as (component, defs):
        assert component.key_prefix == ["warm"]
        assert {key.path[0] for key in defs.resolve_asset_graph().get_all_asset_keys()} == {"warm"}
    first = place / "tasks" / "first.yaml"
    assert load_task(first).name == "first"
    line = first.read_text().splitlines()[0]
    assert (first.parent / line.partition("$schema=")[2]).resolve() == (place / "task.schema.json").resolve()


def test_attributes_say_what_arguments_of_build_definitions_say(sandbox, sources):
    given = {"key_prefix": ["a", "b"], "group": "g", "pool": "cards", "sensors": False, "automation": True}
    given |= {"tracking_uri": "http://mlflow:5000", "experiment": "warmups"}
    place = written(sandbox, sources, upstream={"candidates": ["raw/my_docs"]}, **given)
    with sandbox.load_component_and_build_defs(defs_path=place) as (_, defs):
        graph = defs.resolve_asset_graph()
        pool = graph.get(dg.AssetKey(["a", "b", "raw_corpus"]))
        assert {key.path[-1] for key in graph.materializable_asset_keys} == set(STAGE_NAMES)
        assert pool.parent_keys == {dg.AssetKey(["raw", "my_docs"])}
        assert pool.group_name == "g"
        with dg.DagsterInstance.ephemeral() as instance, dg.build_resources(defs.resources, instance) as resources:
            assert resources.a_b_getmore.pipeline.tracking == Tracking("http://mlflow:5000", "warmups")
        assert pool.automation_condition is not None
        assert not defs.get_repository_def().sensor_defs or {s.name for s in defs.get_repository_def().sensor_defs} <= {
            "default_automation_condition_sensor"
        }


def test_the_name_of_an_earlier_version_loads_the_same_component(sandbox, sources):
    with sandbox.load_component_and_build_defs(defs_path=written(sandbox, sources, "GetmoreLine")) as (component, _):
        assert type(component) is GetmoreComponent


def test_one_task_without_partitions_runs(sandbox, sources):
    place = written(sandbox, sources, partitions="none")
    with sandbox.load_component_and_build_defs(defs_path=place) as (_, defs):
        job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("target_data")})
        assert job.execute_in_process().success
    assert (sandbox.project_root / "lake/records/tiny/target_data.json").is_file()


def test_a_target_with_a_wrong_field_is_refused_by_name(sandbox, sources):
    task = {**task_fields(sources, sandbox.project_root / "lake"), "warmpu": {}}
    place = written(sandbox, sources, targets=[task])
    loading = sandbox.load_component_and_build_defs(defs_path=place)
    with pytest.raises(ComponentTreeException) as refused:
        loading.__enter__()
    assert isinstance(refused.value.__cause__, BadInput)
    assert "tasks: warmpu: unknown key" in str(refused.value.__cause__)


@pytest.mark.skipif(DG is None, reason="dagster-dg-cli is not there")
def test_the_command_line_of_components_knows_it(tmp_path):
    project = tmp_path / "src" / "mine"
    (project / "defs").mkdir(parents=True)
    for file in ("__init__.py", "defs/__init__.py"):
        (project / file).touch()
    (project / "definitions.py").write_text(
        "from pathlib import Path\nimport dagster as dg\n\n\n@dg.definitions\ndef defs():\n"
        "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0"\n[tool.dg]\ndirectory_type = "project"\n'
        '[tool.dg.project]\nroot_module = "mine"\nregistry_modules = ["getmore_assets"]\n'
    )
    bin_folder, here = Path(sys.executable).parent, Path(getmore_assets.__file__).parents[1]
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "src"), str(here)]),
    }

    def dg_says(*arguments):
        command = [str(DG), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "getmore_assets.GetmoreComponent" in dg_says("list", "components")
    dg_says("scaffold", "defs", "getmore_assets.GetmoreComponent", "warm")
    dg_says("check", "defs")
    assert "warm/selected_subset" in dg_says("list", "defs")
    written = project / "defs" / "warm" / "defs.yaml"
    written.write_text(written.read_text().replace("getmore_assets.GetmoreComponent", "getmore_assets.GetmoreLine"))
    dg_says("check", "yaml")  # the name of an earlier version
