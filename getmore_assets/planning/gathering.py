"""What the stations from the sources to the subset will take.

Belongs here: the arithmetic from miniatures to the whole pool. Does not: trainings (`trainings.py`).

Every figure is what a miniature took, plus what the whole has more, at the rate that was measured. Memory of this
process grows with the pool and stays for the stations after it.
"""

from getmore_assets.config import BROUGHT, LEXICAL_SAMPLE, Task
from getmore_assets.planning.estimates import Measured, Told
from getmore_assets.planning.sampling import LARGE, SMALL
from getmore_assets.planning.work import Counts
from getmore_assets.records import Record


class Gathering:
    """A task, what was counted and what was measured.

    Args:
        task: The whole.
        counts: Of the whole.
        found: On the miniatures.
        reads_pool: Whether the pool is read in the run that is planned, so that its memory stays with the process.
    """

    def __init__(self, task: Task, counts: Counts, found: Measured, reads_pool: bool) -> None:
        self.task, self.counts, self.found = task, counts, found
        self._rows = found.look.samples
        self._apart = max(1, self._rows[LARGE] - self._rows[SMALL])
        self._share = counts.rows / self._rows[LARGE]
        parent = found.large["target_data"].peak_rss_mb - found.small["target_data"].peak_rss_mb
        self._a_row = max(0.0, parent / self._apart) if reads_pool else 0.0

    def told(self, station: str) -> Told:
        """The figures of one station up to the subset."""
        found: Told = getattr(self, f"_{station}")()
        return found

    def peak(self, station: str, size: str) -> float:
        """What the station took in a miniature, and what this process will hold more, in MiB."""
        made = self.found.small if size == SMALL else self.found.large
        return float(made[station].peak_rss_mb + self._a_row * max(0, self.counts.rows - self._rows[size]))

    def disk(self, station: str, size: str, share: float = 1.0) -> float:
        """What the station left in a miniature, so many times, in MiB."""
        return self.found.disk.get((size, station), 0.0) * share

    def solve_seconds(self) -> float:
        """A solve over all candidates: a pass timed in the large miniature, times the passes, times the candidates."""
        facts = self.found.large["ot_potentials"].facts
        return float(facts["planned_seconds"] * self._candidates_share())

    def _candidates_share(self) -> float:
        return self.counts.candidates / max(1, int(self.found.large["ot_potentials"].facts["candidates"]))

    def _line(self, station: str, value: str) -> float:
        """A value of a station's record for all rows, on the line through both miniatures; never below the large."""
        small, large = (float(getattr(made[station], value)) for made in (self.found.small, self.found.large))
        return large + max(0.0, (large - small) / self._apart) * (self.counts.rows - self._rows[LARGE])

    def _raw_corpus(self) -> Told:
        look, counts = self.found.look, self.counts
        sizes = f"{self._rows[SMALL]:,} and {self._rows[LARGE]:,}"
        how = f"all {counts.rows:,} rows counted, and reading them timed; the rest measured on {sizes} rows, in a line"
        seconds = self._line("raw_corpus", "seconds") + look.read_seconds
        peak, disk = self._line("raw_corpus", "peak_rss_mb"), self.disk("raw_corpus", LARGE, self._share)
        return Told(counts.passages, counts.words, seconds, peak, disk, how)

    def _target_data(self) -> Told:
        seconds = max(self.found.look.target_seconds, self.found.large["target_data"].seconds)
        rows, peak = sum(self.counts.splits.values()), self.peak("target_data", LARGE)
        return Told(rows, None, seconds, peak, self.disk("target_data", LARGE), "made whole in the large miniature")

    def _leakage(self) -> Told:
        made, guard = self.found.large["leakage"], self.found.look.guard_seconds
        seconds = guard + max(0.0, made.seconds - guard) * self._share
        how = f"measured on {self._rows[LARGE]:,} rows against the whole target, times the rows"
        peak, disk = self.peak("leakage", LARGE), self.disk("leakage", LARGE)
        return Told(round(made.rows * self._share), None, seconds, peak, disk, how)

    def _domain_triage(self) -> Told:
        made, counts = self.found.large["domain_triage"], self.counts
        encoded = counts.first
        make = self._make_encoder() if encoded else 0.0
        rest = made.seconds - made.facts["encode_seconds"] - made.facts["solve_seconds"]
        solves = made.facts["solve_seconds"] * self._share
        seconds = rest + solves + make + self._a_text() * encoded
        parts = f"{encoded:,} texts at {1000 * self._a_text():.2f} ms each, {make:.1f} s until the encoder is there"
        how = f"{parts}; solves measured on a sample, times the rows"
        disk = self.disk("domain_triage", LARGE) + self._vectors(encoded)
        return Told(counts.sampled, None, seconds, self._encoding_peak("domain_triage"), disk, how)

    def _embeddings(self) -> Told:
        made, counts = self.found.large["embeddings"], self.counts
        wanted = counts.candidates + counts.points
        encoded = counts.missing - counts.first
        load = self.found.rates["encoder"]["load"] if "encoder" in self.found.rates and encoded else 0.0
        seconds = made.seconds - made.facts["encode_seconds"] + load + self._a_text() * encoded
        how = f"{encoded:,} texts at {1000 * self._a_text():.2f} ms each"
        if counts.missing < wanted:
            how += f"; {wanted - counts.missing:,} have a vector"
        if without := made.facts.get("without_vector"):
            how += f"; {without / (made.rows + without):.1%} have no token that the encoder knows and are left out"
        return Told(wanted, None, seconds, self._encoding_peak("embeddings"), self._vectors(encoded), how)

    def _vectors(self, texts: int) -> float:
        """MiB that vectors of so many texts take, at those of the large miniature a text."""
        return self.disk("embeddings", LARGE, texts / max(1, self.found.large["embeddings"].rows))

    def _a_text(self) -> float:
        """Seconds to encode a text and keep its vector."""
        if "encoder" in self.found.rates:
            return float(self.found.rates["encoder"]["a_text"])
        facts = [self.found.large[station].facts for station in ("embeddings", "domain_triage")]
        seconds, texts = next((f["encode_seconds"], f["encoded"]) for f in facts if f["encoded"])
        return float(seconds) / int(texts)

    def _make_encoder(self) -> float:
        """Seconds until the encoder can encode for the first time."""
        if "encoder" in self.found.rates:
            rates = self.found.rates["encoder"]
            return float(rates["load"] + rates["a_train_text"] * self.counts.splits["train"])
        if self.task.encoder.model == BROUGHT:
            return 0.0
        facts = self.found.large["domain_triage"].facts
        fitted = facts["encode_seconds"] - self._a_text() * facts["encoded"]
        there = self.found.large["ot_potentials"].facts["candidates"]
        share = min(LEXICAL_SAMPLE, self.counts.candidates) / max(1, min(LEXICAL_SAMPLE, there))
        return float(max(0.0, fitted) * share)

    def _encoding_peak(self, station: str) -> float:
        """With the lexical encoder as measured; with a model what it took, beside this process."""
        if "encoder" not in self.found.rates:
            return self.peak(station, LARGE)
        return self.peak("target_data", LARGE) + float(self.found.rates["encoder"]["peak_rss_mb"])

    def _ot_potentials(self) -> Told:
        made, n = self.found.large["ot_potentials"], self.counts.candidates
        seconds = made.seconds - made.facts["seconds"] + self.solve_seconds()
        how = f"{n:,} × {self.counts.points:,}: a pass timed on a sample, times the candidates and the passes expected"
        peak, disk = self.peak("ot_potentials", LARGE), self.disk("ot_potentials", LARGE, self._candidates_share())
        return Told(n, None, seconds, peak, disk, how)

    def _selected_subset(self) -> Told:
        made, counts = self.found.large["selected_subset"], self.counts
        how = f"the budget pays for about {counts.picks:,} rows; measured on {self._rows[LARGE]:,} rows"
        peak, disk = self.peak("selected_subset", LARGE), self.disk("selected_subset", LARGE, self._candidates_share())
        return Told(counts.picks, counts.picked_words, made.seconds, peak, disk, how)

    def small(self, station: str) -> Record:
        """What a station of the small miniature left."""
        return self.found.small[station]
