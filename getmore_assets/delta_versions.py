"""The data version of a Delta table, which changes only with the data.

Belongs here: distinguishing commits of data from maintenance. Does not: reading or writing tables (`lake.py`).
"""

from deltalake import DeltaTable

# Commits that change how a table is stored, not its rows.
_MAINTENANCE = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "CHANGE COLUMN", "ADD FEATURE"}

#: The last look at each Delta table: by path, the data version, and the newest commit at that time. JSON-like.
Seen = dict[str, tuple[str, int]]


def delta_data_version(path: str, at: int | None = None, seen: Seen | None = None) -> str:
    """Return the data version of a Delta table, `table id:last data commit`; compaction and vacuum do not change it.

    Args:
        path: The table.
        at: A version of the table; None for the newest.
        seen: Earlier looks at tables; updated. After a log clean-up the log may lack the last data commit: then the
            data version comes from `seen`, or without it from the oldest commit still in the log.
    """
    table = DeltaTable(path, version=at)
    newest, table_id = table.version(), str(table.metadata().id)
    commits = [c for c in table.history() if c["version"] <= newest]
    oldest = min((c["version"] for c in commits), default=newest)
    changed = next((c["version"] for c in commits if c.get("operation") not in _MAINTENANCE), None)
    version = f"{table_id}:{oldest if changed is None else changed}"
    if seen is not None:
        before, until = seen.get(path, ("", -1))
        # Only maintenance since the last look, and the log has all commits since then.
        if changed is None and before.startswith(table_id) and until >= oldest - 1:
            version = before
        seen[path] = (version, newest)
    return version
