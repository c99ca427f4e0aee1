"""Kubernetes' own client, and workers that really run, against a cluster on loopback (tests/drives/kubelet.py)."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from getmore_assets import launch, preflight
from getmore_assets.config import Pod, Task
from getmore_assets.errors import BadInput
from getmore_assets.launch import WorkerFailedError
from getmore_assets.pods import PodRequest, api, following
from getmore_assets.task_parsing import load_task
from getmore_assets.workers.contracts import SOLVE, TRIAGE, SolveSpec
from getmore_assets.workers.training_contracts import WARM_UP, WarmUpSpec
from tests.conftest import SECRET, task_fields, write_task
from tests.defs.damage import Copy
from tests.drives.kubelet import IMAGE, cluster
from tests.test_launch import refused_spec

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kubernetes") is None, reason="the extra `kubernetes` is not installed"
)

LAUNCHER = """
import signal, sys; from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever started the tests may ignore these
signal.signal(signal.SIGINT, signal.default_int_handler)
from getmore_assets import launch; from getmore_assets.config import Pod; from getmore_assets.pods import PodRequest
place, lake = Pod.model_validate_json(sys.argv[1]), Path(sys.argv[2])
pod = PodRequest(place, "launch.solve.pod", lake, lake / "w", "t", "ot_potentials", "r")
from getmore_assets.workers.contracts import SOLVE, SolveSpec
launch.launch(SOLVE, SolveSpec.model_construct(), lake / "w", pod=pod)
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(api, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.1)
    with cluster(tmp_path, tmp_path / "kubeconfig") as started:
        yield started


def place(tmp_path, **changes):
    return {"image": IMAGE, "volume_claim": "lake", "mount_path": str(tmp_path), "gpus": 0, **changes}


def wanted(tmp_path, task="t", **changes):
    lake = tmp_path / "lake"
    (lake / "w").mkdir(parents=True, exist_ok=True)
    pod = Pod.model_validate(place(tmp_path, **changes))
    return PodRequest(pod, "launch.solve.pod", lake, lake / "w", task, "ot_potentials", "run")


def start(pod, spec=None, worker=SOLVE):
    return launch.launch(worker, spec or SolveSpec.model_construct(), pod.work, pod=pod)


def test_stages_make_in_pods_what_they_make_here(ran, tmp_path, node):
    copy = Copy(ran, tmp_path)
    for made in ("tables/embeddings", "encoders", "tables/ot_potentials", "records/tiny/earlier/ot_potentials"):
        shutil.rmtree(copy.lake.root / made)
    (copy.lake.root / "records/tiny/ot_potentials.json").unlink()
    pod = {"pod": place(tmp_path, gpus=1)}
    file = write_task(tmp_path / "pods.yaml", {**copy.fields, "launch": {"embed": pod, "solve": pod}})
    done = subprocess.run(
        [sys.executable, "-m", "getmore_assets.cli", "select", str(file), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_TOKEN": SECRET},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert [body["metadata"]["labels"]["getmore/stage"] for body in node.made] == ["embeddings", "ot_potentials"]
    assert "s a pass, about" in done.stderr  # what the solve says in its pod
    for stage, key in (("embeddings", ["encoder", "id"]), ("ot_potentials", ["side", "id"])):
        here, there = (records.get(stage).table_ref().scan().collect() for records in (ran.records, copy.records))
        if stage == "embeddings":
            here = here.filter(pl.col("encoder").is_in(there["encoder"].unique().implode()))
        assert there.height > 100
        assert there.select(here.columns).sort(key).equals(here.sort(key))
    selections = [records.get("selected_subset").data_version for records in (ran.records, copy.records)]
    assert selections[0] == selections[1]
    node.wait_until_empty()
    assert SECRET not in json.dumps(node.made)
    for body in node.made:
        (own,) = body["spec"]["containers"]
        assert body["spec"]["securityContext"]["runAsNonRoot"] is True
        assert body["spec"]["restartPolicy"] == "Never"
        assert own["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert own["command"][:2] == ["python", "-m"]
        assert "GETMORE_PARENT" not in {one["name"] for one in own["env"]}


def test_a_refusal_comes_back_as_it_was_said(sources, tmp_path, node):
    with pytest.raises(BadInput, match=r"encoder\.dimensions"):
        start(wanted(tmp_path), refused_spec(sources, tmp_path), TRIAGE)
    node.wait_until_empty()


def test_a_crash_is_an_error_that_says_so_and_a_cluster_that_is_away_is_waited_for(tmp_path, node, capfd):
    node.away = 3
    with pytest.raises(WorkerFailedError, match="ValidationError: 10 validation errors for SolveSpec"):
        start(wanted(tmp_path))
    assert node.away == 0
    assert "Traceback" in capfd.readouterr().err  # its log is ours
    node.wait_until_empty()


@pytest.mark.parametrize(
    ("line", "changes", "said"),
    [
        ("kill -9 $$", {"memory": "2Gi"}, r"OOMKilled\. Raise launch\.solve\.pod\.memory, or lower"),
        ("kill -6 $$", {}, r"killed by signal 6; run again"),
        ("echo no volume; exit 7", {}, r"exit code 7; .* MiB of disk are free in .*no volume"),
        (
            "true",
            {"gpus": 2, "start_timeout": 1},
            r"within 1 s: Unschedulable: .*Insufficient nvidia\.com/gpu.*start_time",
        ),
        ("true", {"volume_claim": "lost", "start_timeout": 1}, r'"lost" not found'),
        (None, {"start_timeout": 1}, r"within 1 s: ContainerCreating: `kubectl get events` may say why"),
        ("true", {"image": "nobody/nothing:1"}, r"ImagePullBackOff: .*nobody/nothing:1.*Correct launch\.solve\.pod"),
    ],
    ids=["memory", "signal", "exit", "no GPU", "no claim", "no volume", "no image"],
)
def test_what_becomes_of_a_pod_is_told_with_what_to_do(line, changes, said, tmp_path, node):
    node.images[IMAGE] = line
    with pytest.raises(WorkerFailedError, match=f"the solve worker .*{said}"):
        start(wanted(tmp_path, **changes))
    node.wait_until_empty()


@pytest.mark.parametrize(
    ("why", "fix"), [("Evicted", "run again"), ("DeadlineExceeded", r"Raise launch\.solve\.pod\.active_deadline")]
)
def test_a_pod_that_the_cluster_ends_says_why(why, fix, tmp_path, node):
    node.images[IMAGE], node.evicts = "kill -9 $$", (why, "The node was low on resource: memory.")
    with pytest.raises(WorkerFailedError, match=f"{why}: The node was low on resource: memory.. .*{fix}"):
        start(wanted(tmp_path))


def test_a_pod_that_somebody_deletes_is_an_error(tmp_path, node):
    node.images[IMAGE] = "sleep 60"
    with subprocess.Popen(launcher(tmp_path), stderr=subprocess.PIPE, text=True) as run:
        running(node)
        node.delete(next(iter(node.pods.values())), 1)
        assert "the solve worker has lost its pod: " in run.communicate(timeout=120)[1]


def test_a_result_that_is_not_on_this_machines_volume_is_refused(tmp_path, node, monkeypatch):
    monkeypatch.setattr(launch, "_SHARED_S", 0)
    node.images[IMAGE] = "exit 0"
    with pytest.raises(
        BadInput, match=r"launch\.solve\.pod\.volume_claim: lake: the worker ended there, and its result"
    ):
        start(wanted(tmp_path))


def test_an_image_of_another_version_is_refused(tmp_path, node, monkeypatch):
    monkeypatch.setattr(launch, "__version__", "9.9")
    with pytest.raises(BadInput, match=r"image in `launch`: has getmore-assets .*, and the run has 9\.9"):
        start(wanted(tmp_path))


def launcher(tmp_path):
    pod = wanted(tmp_path)
    return [sys.executable, "-c", LAUNCHER, pod.place.model_dump_json(), str(pod.lake)]


def running(node):
    """Wait for the only pod's process."""
    until = time.monotonic() + 300
    while not any(pod.process for pod in list(node.pods.values())):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_an_interrupt_takes_the_pod_away(number, tmp_path, node):
    node.images[IMAGE] = "sleep 60"
    with subprocess.Popen(launcher(tmp_path), stderr=subprocess.DEVNULL) as run:
        running(node)
        run.send_signal(number)
        assert run.wait(120) == (143 if number == signal.SIGTERM else -signal.SIGINT)
    node.wait_until_empty()


def test_what_a_killed_launcher_left_is_gone_before_the_next_pod_starts(tmp_path, node):
    node.images[IMAGE] = "trap '' TERM; sleep 60 & wait; sleep 60"
    with subprocess.Popen(launcher(tmp_path), stderr=subprocess.DEVNULL) as run:
        running(node)
        run.kill()
    assert [body["spec"]["activeDeadlineSeconds"] for body in node.made] == [24 * 60 * 60]
    (left,) = node.pods
    node.images[IMAGE] = "exit 7"
    other = wanted(tmp_path, task="another-of-the-same-work")
    with pytest.raises(WorkerFailedError, match="exit code 7"):
        start(other)
    node.wait_until_empty()
    assert node.events == [f"created {left}", f"gone {left}", f"created {other.name}", f"gone {other.name}"]
    assert other.name != left == wanted(tmp_path).name


def test_a_pod_in_a_pod_is_owned_by_it(tmp_path, node, monkeypatch):
    (tmp_path / "namespace").write_text("lab")
    monkeypatch.setattr(api, "OWN_NAMESPACE", tmp_path / "namespace")
    monkeypatch.setattr("socket.gethostname", lambda: "the-run")
    node.images[IMAGE] = "exit 7"
    meta = {"name": "the-run", "labels": {}}
    own = node.create({"metadata": meta, "spec": {"volumes": [], "containers": [{"name": "r", "image": "none"}]}})
    with pytest.raises(WorkerFailedError, match="exit code 7"):
        start(wanted(tmp_path))
    (owner,) = node.made[-1]["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "Pod", "name": "the-run", "uid": own.body["metadata"]["uid"]}


def test_a_training_in_several_processes_has_room_to_share(tmp_path, node):
    node.images[IMAGE] = 'echo "$@" $OMP_NUM_THREADS; exit 7'
    with pytest.raises(WorkerFailedError, match=r"workers\.torchrun_entry .*--nproc-per-node 2 .*workers\.train .* 3"):
        pod = wanted(tmp_path, cpu=6, memory="8Gi", node_selector={"pool": "gpu"}, service_account="pulls")
        launch.launch(WARM_UP, WarmUpSpec.model_construct(), pod.work, processes=2, pod=pod)
    spec = node.made[0]["spec"]
    assert spec["containers"][0]["resources"] == {
        side: {"cpu": "6", "memory": "8Gi"} for side in ("requests", "limits")
    }
    assert (spec["nodeSelector"], spec["serviceAccountName"]) == ({"pool": "gpu"}, "pulls")
    assert [one["mountPath"] for one in spec["containers"][0]["volumeMounts"]] == [str(tmp_path), "/dev/shm"]


def test_what_the_cluster_refuses_is_refused_by_field(tmp_path, node, monkeypatch):
    for verb in ("list", "get", "delete", "create"):
        node.forbidden = {(verb, "pods")}
        if verb == "delete":
            node.create({"metadata": {"name": wanted(tmp_path).name, "labels": {}}, "spec": _SLEEPS})
        with pytest.raises(
            BadInput, match=rf"launch\.solve\.pod: .*allow.*cannot {verb} .*deploy/kubernetes/workers.yaml"
        ):
            start(wanted(tmp_path))
        node.forbidden = set()
        for pod in list(node.pods.values()):
            node.delete(pod, 0)
        node.wait_until_empty()
    with pytest.raises(BadInput, match=r'launch\.solve\.pod: .*namespaces "elsewhere" not found'):
        start(wanted(tmp_path, namespace="elsewhere"))
    file = tmp_path / "kubeconfig"
    file.write_text(file.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:1#"))
    with pytest.raises(BadInput, match=r"launch\.solve\.pod: no cluster answers at http://127.0.0.1"):
        start(wanted(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"launch\.solve\.pod: no cluster is known here .*set KUBECONFIG"):
        start(wanted(tmp_path))


_SLEEPS = {"volumes": [], "containers": [{"name": "worker", "image": "none"}]}


def test_what_cannot_be_a_pod_is_refused_before_work_starts(sources, tmp_path, monkeypatch):
    pod = place("/srv/volume")
    file = write_task(tmp_path / "t.yaml", task_fields(sources, tmp_path / "lake", launch={"train": {"pod": pod}}))
    with pytest.raises(BadInput, match=r"launch\.train\.pod\.mount_path: is /srv/volume, and the lake .*/lake is not"):
        preflight.check(load_task(file))
    outside = f"lake={tmp_path}/volume/../lake"
    with pytest.raises(BadInput, match=r"launch\.train\.pod\.mount_path"):
        preflight.check(load_task(file, [outside, f"launch.train.pod.mount_path={tmp_path}/volume"]))
    for override, what in (
        ("launch.solve.pod.image=a", r"launch\.solve\.pod\.volume_claim: missing"),
        ("launch.solve.workers=3", r"launch\.solve: name one place, either `ray` or `pod`"),
        ("launch.train.pod.gpu=1", r"launch\.train\.pod\.gpu: unknown key \(did you mean `gpus`"),
        ("launch.train.pod.memory=lots", r"launch\.train\.pod\.memory: "),
        ("launch.train.pod.mount_path=data", r"launch\.train\.pod\.mount_path: "),
    ):
        with pytest.raises(BadInput, match=what):
            load_task(file, [override])
    both = task_fields(sources, tmp_path / "lake", launch={"embed": {"ray": "auto", "pod": pod}})
    with pytest.raises(BadInput, match=r"launch\.embed: name one place"):
        load_task(write_task(tmp_path / "both.yaml", both))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BadInput, match=r"launch\.train\.pod: needs the package kubernetes.*getmore-assets\[kubernetes\]"
    ):
        preflight.check(Task.model_validate(task_fields(sources, tmp_path / "lake", launch={"train": {"pod": pod}})))
