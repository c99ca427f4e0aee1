"""`embeddings`: one vector per content id and encoder."""

import dagster as dg

from getmore_assets.corpus import candidates
from getmore_assets.defs.line import Job, Line, Made, targets
from getmore_assets.encoders import encoder_fingerprint, store
from getmore_assets.lake import TableRef


@dg.asset(
    deps=["raw_corpus", "target_data"],
    partitions_def=targets,
    group_name="transport",
    kinds={"deltalake", "torch"},
    code_version="1",
    pool="gpu",
    description="One vector of unit length per content id and encoder, for pool and target. Only ids without a "
    "vector are encoded, in shards that are each one commit, so a run that was cut off goes on where it "
    "stopped.",
)
def embeddings(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """Vectors as a Delta table."""
    return line.materialise(
        context, inputs=("raw_corpus", "target_data"), settings=encoder_fingerprint, make=_encode, shared=True
    )


def _encode(job: Job) -> Made:
    eligible = candidates.find(job.table("raw_corpus"), job.table("target_data"), job.task).eligible
    candidates.require_budget(job.task.selection.budget, eligible)
    encoder = encoder_fingerprint(job.task)
    fitted = job.lake.folder("encoders") / f"{encoder}.safetensors"
    done = job.launch("embed", {"encoder": encoder, "fitted": str(fitted)})
    table = TableRef(job.lake.table(store.TABLE), done["version"])
    return Made(done["encoded"] + done["reused"], {"encoder": encoder, **done}, table)
