"""A copy of a lake that went well, and what can go wrong with it: one function each, named by what it does."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
from safetensors.numpy import load_file, save_file

from getmore_assets.lake import Lake, TableRef
from getmore_assets.records import Record, Records
from tests.conftest import Ran, copy_lake, write_task


class Copy:
    """A copy of the lake that may be damaged."""

    def __init__(self, ran: Ran, folder: Path) -> None:
        copy_lake(ran.lake.root, folder / "lake", "dagster", "models", "mlartifacts")
        self.lake = Lake(folder / "lake")
        (folder / "lake" / "models").symlink_to(ran.lake.root / "models")
        self.records = Records(self.lake, "tiny")
        self.fields = {**ran.fields, "lake": str(self.lake.root)}
        self.task = write_task(folder / "tiny.yaml", self.fields)

    def record(self, stage: str) -> Record:
        found = self.records.get(stage)
        assert found is not None
        return found

    def rows(self, stage: str) -> pl.DataFrame:
        return self.record(stage).table_ref().scan().collect()

    def put(self, stage: str, rows: pl.DataFrame) -> None:
        """Make these the rows of a stage's table."""
        path = self.record(stage).table_ref().path
        rows.write_delta(path, mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
        latest = self.lake.latest(Path(path).name)
        assert latest is not None
        self.change(stage, table=TableRef(latest.path, latest.version))

    def set(self, stage: str, where: pl.Expr, **values: object) -> None:
        """Change columns of the first row of a stage's table for which a condition holds."""
        first = where & (where.cum_sum() == 1)
        changed = [pl.when(first).then(value).otherwise(name).alias(name) for name, value in values.items()]
        self.put(stage, self.rows(stage).with_columns(changed))

    def change(self, stage: str, **fields: object) -> None:
        self.records.put(replace(self.record(stage), **fields))

    def fact(self, stage: str, **facts: object) -> None:
        self.change(stage, facts={**self.record(stage).facts, **facts})

    def weights(self, stage: str) -> Path:
        """The weights of a model, in a folder of this copy's own."""
        folder = self.lake.root.parent / stage
        shutil.copytree(self.record(stage).folders["model"], folder)
        self.change(stage, folders={"model": str(folder)}, contents={})
        return folder / "model.safetensors"


Damage = Callable[[Copy], None]


def called(name: str, damage: Damage) -> Damage:
    damage.__name__ = name
    return damage


def renamed(stage: str, column: str) -> Damage:
    return called("renamed", lambda copy: copy.put(stage, copy.rows(stage).rename({column: f"{column}_2"})))


def recast(stage: str, column: str, kind: type[pl.DataType]) -> Damage:
    return called("recast", lambda copy: copy.put(stage, copy.rows(stage).with_columns(pl.col(column).cast(kind))))


def made_before(stage: str, times: float) -> Damage:
    """The stage had so many times the rows before."""

    def damage(copy: Copy) -> None:
        now = copy.record(stage)
        rows, other = int(times * now.rows), f"{times}-before"
        copy.change(stage, rows=rows, fingerprint=other, data_version=other, made_at="2020-01-01T00:00:00+00:00")
        copy.records.put(now)

    return called(f"{times:g}_times_the_rows_before", damage)


def source_changed(stage: str) -> Damage:
    return called("source_changed", lambda copy: copy.change(stage, fingerprint="0" * 32))


def nan_weight(stage: str) -> Damage:
    def damage(copy: Copy) -> None:
        file = copy.weights(stage)
        tensors = load_file(file)
        tensors[sorted(tensors)[-1]].flat[3] = float("nan")
        save_file(tensors, file, {"format": "pt"})

    return called("nan_weight", damage)


def no_weights(copy: Copy) -> None:
    copy.weights("warmed_model").unlink()


def twice(copy: Copy) -> None:
    rows = copy.rows("raw_corpus")
    copy.put("raw_corpus", pl.concat([rows, rows.head(1)]))


def other_text(copy: Copy) -> None:
    copy.set("raw_corpus", pl.col("id") == pl.col("id").min(), text=pl.lit("Another text under the old id."))


def leaked(copy: Copy) -> None:
    rows = copy.rows("target_data")
    stolen = rows.filter(pl.col("split") == "test").head(1).with_columns(split=pl.lit("train"))
    copy.put("target_data", pl.concat([rows, stolen]))


def changed(text: str) -> str:
    """The text with one word changed."""
    words = text.split()
    return " ".join([*words[:-1], "otherwise"])


def nearly_leaked(stage: str, which: pl.Expr) -> Damage:
    """A row becomes a test row with one word changed."""

    def damage(copy: Copy) -> None:
        rows = copy.rows("target_data").filter(pl.col("split") == "test")
        longest = rows.sort(pl.col("text").str.len_chars())["text"][-1]
        copy.set(stage, which, text=pl.lit(changed(longest)))

    return called(f"nearly_leaked_into_{stage}", damage)


def long_vector(copy: Copy) -> None:
    copy.set("embeddings", pl.lit(True), vector=pl.col("vector").list.eval(pl.element() * 2))


def nan_vector(copy: Copy) -> None:
    copy.set("embeddings", pl.lit(True), vector=pl.col("vector").list.eval(pl.element() * float("nan")))


def vector_missing(copy: Copy) -> None:
    picked = copy.rows("selected_subset")["id"][0]
    copy.put("embeddings", copy.rows("embeddings").filter(pl.col("id") != picked))


def targets_vector_missing(copy: Copy) -> None:
    train = copy.rows("target_data").filter(pl.col("split") == "train")["id"][0]
    copy.put("embeddings", copy.rows("embeddings").filter(pl.col("id") != train))


def vector_twice(copy: Copy) -> None:
    rows = copy.rows("embeddings")
    copy.put("embeddings", pl.concat([rows, rows.join(copy.rows("selected_subset").head(1), on="id", how="semi")]))


def far_domain_kept(copy: Copy) -> None:
    rows = copy.rows("domain_triage")
    copy.put("domain_triage", rows.with_columns(kept=pl.col("nearness") > 1))


def nan_distance(copy: Copy) -> None:
    copy.set("domain_triage", pl.col("nearness") == 2, distance=float("nan"))


def unstable(copy: Copy) -> None:
    overlaps = copy.record("ot_potentials").facts["overlap"]
    copy.fact("ot_potentials", overlap=[{**o, "jaccard": 0.1} if o["factor"] == 2 else o for o in overlaps])


def unknown_stability(copy: Copy) -> None:
    overlaps = copy.record("ot_potentials").facts["overlap"]
    copy.fact("ot_potentials", overlap=[{**o, "jaccard": None} for o in overlaps])


def moved_by_epsilon(copy: Copy) -> None:
    moved = copy.record("ot_potentials").facts["moved"]
    copy.fact("ot_potentials", moved={**moved, "jaccard": [{**one, "jaccard": 0.4} for one in moved["jaccard"]]})


def not_compared_with_exact(copy: Copy) -> None:
    copy.fact("ot_potentials", moved=None)


def not_converged(copy: Copy) -> None:
    copy.fact("ot_potentials", marginal_error=0.5)


def nan_potential(copy: Copy) -> None:
    copy.set("ot_potentials", pl.col("side") == "candidate", potential=float("nan"))


def over_budget(copy: Copy) -> None:
    rows = copy.rows("selected_subset")
    more = rows.head(1).with_columns(id=pl.lit("f" * 32), rank=pl.lit(rows.height + 1, pl.Int64))
    copy.put("selected_subset", pl.concat([rows, more]))


def picked_from_test(copy: Copy) -> None:
    stolen = copy.rows("target_data").filter(pl.col("split") == "test")["id"][0]
    copy.set("selected_subset", pl.col("rank") == 7, id=pl.lit(stolen))


def picked_from_nowhere(copy: Copy) -> None:
    copy.set("selected_subset", pl.col("rank") == 7, id=pl.lit("f" * 32))


def picked_with_other_text(copy: Copy) -> None:
    copy.set("selected_subset", pl.col("rank") == 7, text=pl.lit("Not what was picked."))


def picked_though(column: str, out: pl.Expr) -> Damage:
    """A row is picked that stands in the pool but may not be picked."""

    def damage(copy: Copy) -> None:
        row = copy.rows("raw_corpus").filter(out).row(0, named=True)
        copy.set("selected_subset", pl.col("rank") == 7, id=pl.lit(row["id"]), text=pl.lit(row["text"]))

    return called(f"picked_though_{column}", damage)


def rising_loss(copy: Copy) -> None:
    copy.fact("warmed_model", curve=[{"step": n, "loss": float(n)} for n in range(1, 9)])


def infinite_metric(copy: Copy) -> None:
    copy.fact("finetuned_model", metrics={**copy.record("finetuned_model").facts["metrics"], "perplexity": 1e999})


def no_metric(copy: Copy) -> None:
    copy.fact("finetuned_model", metrics={})


def no_gain(copy: Copy) -> None:
    rows = copy.rows("scorecard")
    worse = pl.when(pl.col("selector") == "got-d").then(pl.col("perplexity") * 2).otherwise("perplexity")
    copy.put("scorecard", rows.with_columns(perplexity=worse))


def forgotten(copy: Copy) -> None:
    rows, metric = copy.rows("scorecard"), "general_perplexity"
    copy.put(
        "scorecard", rows.with_columns(pl.when(pl.col("selector") == "got-d").then(1e4).otherwise(metric).alias(metric))
    )


def run_missing(copy: Copy) -> None:
    copy.put("scorecard", copy.rows("scorecard").filter((pl.col("selector") != "random") | (pl.col("seed") != 1)))


def run_twice(copy: Copy) -> None:
    rows = copy.rows("scorecard")
    copy.put("scorecard", pl.concat([rows, rows.head(1)]))


def nan_result(copy: Copy) -> None:
    copy.set("scorecard", pl.col("selector") == "none", perplexity=float("nan"))


def no_result(copy: Copy) -> None:
    copy.set("scorecard", pl.col("selector") == "none", perplexity=None)


def unequal_tokens(copy: Copy) -> None:
    copy.set("scorecard", pl.col("selector") == "random", warmup_tokens=pl.col("warmup_tokens") - 64)
