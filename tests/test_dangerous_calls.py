"""What the package may not do anywhere: run what it reads, start shells, listen to the network, trust names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "getmore_assets"
MODULES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
FORBIDDEN_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"),
    *("tarfile.open", "zipfile.ZipFile", "shutil.unpack_archive"),
    *("torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle"),
}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Place, dotted name and node of every call in the package."""
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), node


def argument(call: ast.Call, name: str) -> object:
    """The value of a keyword argument that is written out; None without it."""
    return next((ast.literal_eval(k.value) for k in call.keywords if k.arg == name), None)


def test_nothing_that_is_read_is_run():
    assert [place for place, name, _ in calls() if name in FORBIDDEN_CALLS] == []
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert not {name.split(".")[0] for name in names} & FORBIDDEN_IMPORTS, path


def test_arrays_are_never_unpickled():
    kept = [(place, call) for place, name, call in calls() if name in ("np.load", "np.save", "np.savez")]
    assert len(kept) >= 3
    assert [place for place, call in kept if argument(call, "allow_pickle") is not False] == []


def test_models_bring_no_code_and_no_pickled_weights():
    loaded = [(place, name, call) for place, name, call in calls() if name.endswith(".from_pretrained")]
    assert len(loaded) >= 8
    assert [place for place, _, call in loaded if argument(call, "trust_remote_code") is not False] == []
    models = [(place, call) for place, name, call in loaded if not name.startswith(("AutoTokenizer", "AutoConfig"))]
    assert [place for place, call in models if argument(call, "use_safetensors") is not True] == []


def test_no_shell_is_started():
    assert [place for place, _, call in calls() if argument_is_true(call, "shell")] == []
    started = [place for place, name, _ in calls() if name.startswith("subprocess.")]
    assert [place.partition(":")[0] for place in started] == [
        "getmore_assets/forks.py",
        "getmore_assets/launch.py",
        "getmore_assets/liveness.py",
        "getmore_assets/models.py",
    ]


def argument_is_true(call: ast.Call, name: str) -> bool:
    return any(k.arg == name and ast.unparse(k.value) != "False" for k in call.keywords)


def test_markdown_in_the_ui_is_a_picture_or_an_escaped_verdict():
    written = [(place, call) for place, name, call in calls() if name.endswith("MetadataValue.md")]
    assert [ast.unparse(call.args[0].func) for _, call in written] == ["'\\n'.join", "as_markdown"]
    (verdict,) = (call for _, call in written if ".join" in ast.unparse(call.args[0].func))
    assert "_MARKDOWN.sub(_ESCAPED, line)" in ast.unparse(verdict)


def test_templates_escape_but_for_cards():
    made = {
        place.partition(":")[0]: ast.unparse(next(k.value for k in call.keywords if k.arg == "autoescape"))
        for place, name, call in calls()
        if name == "Environment"
    }
    assert made == {
        "getmore_assets/exports/card.py": "False",  # Markdown
        "getmore_assets/exports/hub.py": "False",  # Markdown, too
        "getmore_assets/reporting/html_template.py": "True",
    }


def test_servers_listen_on_this_machine_only():
    starter = (ROOT / "deploy" / "dev.py").read_text("utf-8")
    assert re.findall(r"\"--host\", (\S+),", starter) == ['"127.0.0.1"']  # of both servers
    assert "python deploy/dev.py" in (ROOT / "Makefile").read_text("utf-8")
    assert "grpc_server" not in str(yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8")))
    assert "0.0.0.0" not in "".join(path.read_text("utf-8") for path in MODULES)


@pytest.mark.parametrize("name", ["../up", "a/b", "/etc/x", "..", ".hidden", "a b", "a\n", "a'b", "-x", "ä", "a" * 81])
def test_a_name_that_becomes_a_folder_can_lead_nowhere(name, tmp_path):
    from getmore_assets.errors import BadInput
    from getmore_assets.task_parsing import load_task

    path = tmp_path / "task.yaml"
    fields = {"name": name, "candidates": ["p.jsonl"], "target": {"train": "a.jsonl"}}
    path.write_text(yaml.safe_dump(fields, allow_unicode=True), "utf-8")
    with pytest.raises(BadInput, match="name: string should"):
        load_task(path)


def test_dagsters_server_still_takes_orders_from_any_page(tmp_path):
    """Not ours to mend: docs/threat-model.md says so, and must be changed when this fails."""
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.testclient import TestClient

    order = {"query": 'mutation { deleteRun(runId: "none") { __typename } }'}
    foreign = {"Origin": "http://elsewhere.example", "Host": "elsewhere.example"}
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as here,
    ):
        answer = TestClient(DagsterWebserver(here).create_asgi_app()).get("/graphql", params=order, headers=foreign)
    assert answer.json() == {"data": {"deleteRun": {"__typename": "RunNotFoundError"}}}
