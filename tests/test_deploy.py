"""What is deployed: images under the constraints, no root, no secret in a file, closed to others, names that exist."""

import json
import os
import re
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from getmore_assets.config import Launch
from tests.drives.compose import DEPLOY, Machine, filled, plain
from tests.drives.containers import NEEDED

ROOT = DEPLOY.parent
SECRETS = set(NEEDED)
OURS = ("mlflow", "code", "webserver", "daemon", "migrate", "migrate-mlflow")
VALUES = DEPLOY / "kubernetes" / "values.yaml"


@pytest.fixture
def services():
    return filled(plain(), dict.fromkeys(SECRETS, "x"))["services"]


@pytest.fixture
def dockerfile():
    return (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def stages(dockerfile):
    """The instructions of each stage, by its name."""
    found = {}
    for line in dockerfile:
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[start[2]] = [f"FROM {start[1]}"]
        elif found:
            found[list(found)[-1]].append(line)
    return found


def extra(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {re.split(r"[<>=]", requirement)[0] for requirement in project["optional-dependencies"][name]}


def constraints():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_images_install_under_the_constraints_only(dockerfile):
    pips = [part.strip() for line in dockerfile for part in re.findall(r"pip install ([^;&]*)", line)]
    assert len(pips) == 4
    assert all("--constraint constraints.txt" in words or words == "--no-deps --force-reinstall ." for words in pips)
    (services,) = [set(words.split()[2:]) for words in pips if " dagster-webserver" in words]
    assert services == extra("deploy") | {"dagster", "dagster-webserver", "mlflow"}
    assert services <= set(constraints())


def test_images_end_without_root_and_without_what_built_them(dockerfile):
    assert "ARG PYTHON=3.11.14-slim-bookworm" in dockerfile
    for name in ("services", "code"):
        lines = stages(dockerfile)[name]
        assert lines[0] == "FROM base"
        assert [line for line in lines if line.startswith("COPY")] == [f"COPY --from=build-{name} /opt/venv /opt/venv"]
        assert "USER 10001:10001" in lines
        assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_build_sees_the_package_and_nothing_else(dockerfile):
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[1] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        word for line in dockerfile if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]
    }
    assert {word.partition("/")[0] for word in copied} == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_every_secret_is_needed_and_none_is_in_a_file(services):
    for name in SECRETS:
        with pytest.raises(KeyError, match=name):
            filled(plain(), dict.fromkeys(SECRETS - {name}, "x"))
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text("utf-8").splitlines()
        if re.match(r"\w", line)
    )
    assert all(given[name] == "" for name in SECRETS)
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert used == set(given)
    written = " ".join(path.read_text("utf-8") for path in (DEPLOY / "kubernetes").glob("*.yaml"))
    assert not re.search(
        r"(?i)(password|secret|token)\w*: *[\"']?[a-z0-9]{6,}", re.sub(r"\w*Secret\w*: (false|dagster-.*)", "", written)
    )
    for name in ("deploy/.env", "deploy/data/"):
        assert name in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_only_this_machine_is_listened_on(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"], "webserver": ["127.0.0.1:3000:3000"]}


def test_images_are_pinned(services):
    assert all(re.search(r":\d[\w.-]+$", service["image"]) for service in services.values())
    version = re.search(r'__version__ = "(.+)"', (ROOT / "getmore_assets/__init__.py").read_text("utf-8"))[1]
    assert {services[name]["image"].partition(":")[2] for name in OURS} == {version}


def test_what_waits_waits_for_health_and_has_rights_only_where_it_must(services):
    for name, service in services.items():
        assert "healthcheck" in service or service.get("profiles") == ["upgrade"]
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]
        if name in OURS:
            assert service["cap_drop"] == ["ALL"]
    order = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    assert order["daemon"] == {"webserver"}
    assert order["webserver"] == {"code"}
    assert order["code"] == order["mlflow"] - {"objects"} | {"mlflow"}


def test_every_command_exists(services):
    scripts = {one.name for one in entry_points(group="console_scripts")} | {"python", "sh"}
    for name in OURS:
        assert services[name]["command"][0] in scripts
        for word in services[name].get("healthcheck", {}).get("test", ["CMD", "python"])[1:2]:
            assert word in scripts
    modules = [words[words.index("-m") + 1] for words in (services["code"]["command"],)]
    assert modules == ["getmore_assets.definitions"]
    assert services["code"]["command"] == yaml.safe_load(
        re.search(r"^CMD (\[.*api.*)$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)[1]
    )


def test_every_variable_that_is_set_is_read(services):
    code = " ".join(path.read_text("utf-8") for path in (ROOT / "getmore_assets").rglob("*.py"))
    instance = (DEPLOY / "dagster.yaml").read_text("utf-8")
    for name in services["code"]["environment"]:
        assert re.search(rf"['\"]{name}['\"]", code) or f"env: {name}}}" in instance
    asked = set(re.findall(r"env: (\w+)", instance))
    for name in ("code", "webserver", "daemon", "migrate"):
        assert asked <= set(services[name]["environment"])
    database = (DEPLOY / "databases.sh").read_text("utf-8")
    assert set(re.findall(r"create \w+ (\w+)", database)) < set(services["postgres"]["environment"])
    tracking = "postgresql+psycopg2://mlflow:x@postgres:5432/mlflow"
    assert services["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"] == tracking


def test_the_instance_is_the_projects_own_on_postgres():
    places = (DEPLOY / "dagster.yaml", DEPLOY.parent / "dagster.yaml")
    here, own = (yaml.safe_load(place.read_text("utf-8")) for place in places)
    assert here.pop("storage")["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
    assert here == own


def test_the_code_location_is_where_it_is_looked_for(services):
    (place,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text("utf-8"))["load_from"]
    server = place["grpc_server"]
    words = services["code"]["command"]
    assert server["host"] == "code"
    assert str(server["port"]) == words[words.index("-p") + 1] == services["code"]["healthcheck"]["test"][-1]
    (own,) = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert server["location_name"] == own["python_module"]["location_name"]


def test_the_lake_is_a_volume_where_task_files_look_for_it(services, dockerfile):
    mounts = dict(one.split(":")[:2] for one in services["code"]["volumes"])
    assert mounts["lake"] == "/srv/getmore/.getmore"
    assert "WORKDIR /srv/getmore" in stages(dockerfile)["code"]
    lake = Path("/srv/getmore/tasks", yaml.safe_load((ROOT / "tasks/demo.yaml").read_text("utf-8"))["lake"])
    assert os.path.normpath(lake) == mounts["lake"]
    for folder in (
        mounts["lake"],
        mounts["models"],
        mounts["logs"].replace("/opt/dagster/dagster_home", "$DAGSTER_HOME"),
    ):
        assert folder in " ".join(stages(dockerfile)["base"])  # made there, so that the volume is the user's


def test_the_chart_has_the_same_images_version_pools_and_paths(services):
    values = yaml.safe_load(VALUES.read_text("utf-8"))
    (code,) = values["dagster-user-deployments"]["deployments"]
    for ours, theirs in ((services["code"], code), (services["webserver"], values["dagsterWebserver"])):
        assert ours["image"] == f"{theirs['image']['repository']}:{theirs['image']['tag']}"
    assert constraints()["dagster"] in VALUES.read_text("utf-8").splitlines()[0]
    assert services["code"]["command"][-2:] == code["dagsterApiGrpcArgs"]
    concurrency = values["additionalInstanceConfig"]["concurrency"]
    own = yaml.safe_load((DEPLOY.parent / "dagster.yaml").read_text("utf-8"))["concurrency"]
    assert concurrency["runs"] == own["runs"]
    assert concurrency["pools"] == {**own["pools"], "granularity": "run"}
    assert {"name": "GETMORE_RUNS_WAIT", "value": "1"} in code["env"]
    assert {one["mountPath"] for one in code["volumeMounts"]} <= {
        one.split(":")[1] for one in services["code"]["volumes"]
    }
    claim = yaml.safe_load((DEPLOY / "kubernetes" / "lake.yaml").read_text("utf-8"))
    assert code["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_tag_for_one_run_asks_for_what_the_values_give_all():
    page = (DEPLOY / "README.md").read_text("utf-8")
    tag = json.loads(re.search(r"```json\n(.+?)```", page, re.DOTALL)[1])["dagster-k8s/config"]
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values-gpu.yaml").read_text("utf-8"))
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert tag["container_config"] == launcher["containerConfig"]
    pod = launcher["podSpecConfig"]
    assert tag["pod_spec_config"] == {"node_selector": pod["nodeSelector"], "tolerations": pod["tolerations"]}


def test_runs_may_do_with_pods_what_they_do_with_them_and_see_the_lake_in_both():
    account, role, binding = yaml.safe_load_all((DEPLOY / "kubernetes" / "workers.yaml").read_text("utf-8"))
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    ]
    called = re.findall(r"api\.(\w+)_namespaced_(pod(?:_log)?)\(", _source_of_pods())
    asked = {
        ("get" if verb == "read" else verb, what.replace("_", "s/") if "_" in what else "pods") for verb, what in called
    }
    assert asked == {(verb, what) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", role["metadata"]["name"])
    assert binding["subjects"] == [{"kind": account["kind"], "name": account["metadata"]["name"]}]
    page = (DEPLOY / "README.md").read_text("utf-8")
    assert f"podSpecConfig.serviceAccountName={account['metadata']['name']}" in page
    pods = Launch.model_validate(yaml.safe_load(re.search(r"```yaml\n(.+?)```", page, re.DOTALL)[1])["launch"]).pods()
    assert list(pods) == ["launch.embed.pod", "launch.solve.pod", "launch.train.pod"]
    (code,) = yaml.safe_load(VALUES.read_text("utf-8"))["dagster-user-deployments"]["deployments"]
    gpu = yaml.safe_load((DEPLOY / "kubernetes" / "values-gpu.yaml").read_text("utf-8"))
    runs = gpu["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    for pod in pods.values():
        assert (pod.image, pod.node_selector) == (
            runs["containerConfig"]["image"],
            runs["podSpecConfig"]["nodeSelector"],
        )
        assert pod.volume_claim == code["volumes"][0]["persistentVolumeClaim"]["claimName"]
        for mount in code["volumeMounts"]:
            assert mount["name"] != "lake" or mount["mountPath"] == f"{pod.mount_path}/{mount['subPath']}"


def _source_of_pods():
    return " ".join(path.read_text("utf-8") for path in (ROOT / "getmore_assets" / "pods").glob("*.py"))


def test_words_of_containers_are_found_on_this_machine(tmp_path):
    here = Machine(tmp_path, {"mlflow": 1, "postgres": 2}).here
    assert here("http://mlflow:5000/x") == here("http://127.0.0.1:5000/x") == "http://127.0.0.1:1/x"
    assert (
        here("postgresql+psycopg2://mlflow:ab@postgres:5432/mlflow")
        == "postgresql+psycopg2://mlflow:ab@127.0.0.1:2/mlflow"
    )
    assert (here("postgres"), here("5432"), here("0.0.0.0")) == ("127.0.0.1", "2", "127.0.0.1")
    assert here("/opt/dagster/workspace.yaml") == f"{tmp_path}/opt/dagster/workspace.yaml"


def test_the_databases_script_parses():
    script = DEPLOY / "databases.sh"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
