"""What each process may do with each table, on MySQL. Nothing here asks the database.

A process that is broken into can then do no more than its own work: no process changes tables, none but the sweep
changes what the audit recorded, and tokens are made by the command line alone, which logs in as the tables' owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PROCESSES = ("api", "sweep", "workers")
VERBS = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
#: Table -> what each process does with it.
RIGHTS = {
    "carts": {"api": "SIU", "sweep": "SUD", "workers": "SU"},
    "entries": {"api": "SI", "sweep": "", "workers": "SIUD"},
    "uploads": {"api": "SIU", "sweep": "SUD", "workers": "SU"},
    "jobs": {"api": "SIUD", "sweep": "SIUD", "workers": "SIUD"},
    "windows": {"api": "S", "sweep": "S", "workers": "SIUD"},
    "recalls": {"api": "S", "sweep": "S", "workers": "SIUD"},
    "archive_looks": {"api": "", "sweep": "", "workers": "SIU"},
    "shares": {"api": "", "sweep": "", "workers": "SIUD"},
    "staged_files": {"api": "", "sweep": "", "workers": "SIUD"},
    "volume": {"api": "S", "sweep": "SU", "workers": "SU"},
    "access_tokens": {"api": "S", "sweep": "", "workers": ""},
    "cart_shares": {"api": "SIU", "sweep": "SD", "workers": ""},
    "owner_usage": {"api": "SIU", "sweep": "SIU", "workers": "SIU"},
    "audit_records": {"api": "I", "sweep": "SUD", "workers": "I"},
    "audit_seals": {"api": "", "sweep": "SID", "workers": ""},
    "refusal_counts": {"api": "SIU", "sweep": "SD", "workers": ""},
    "cart_history": {"api": "SI", "sweep": "SID", "workers": "SID"},
    "workers": {"api": "S", "sweep": "SD", "workers": "SIUD"},
    "switches": {"api": "S", "sweep": "S", "workers": "S"},
    "notifications": {"api": "SI", "sweep": "SID", "workers": "SIU"},
    "notify_keys": {"api": "S", "sweep": "", "workers": "SIUD"},
    "schema_versions": {"api": "S", "sweep": "S", "workers": "S"},
}


def user_of(process: str) -> str:
    """The name of the process's user, as statements have it."""
    return f"'{name_of(process)}'@'%'"


def name_of(process: str) -> str:
    return f"cart_{process}"


def rights_of(process: str) -> set[tuple[str, str]]:
    """Table and verb of everything the process may do."""
    return {(table, VERBS[letter]) for table, rights in RIGHTS.items() for letter in rights[process]}


def grants(process: str, database: str) -> Iterator[str]:
    """The statements that give the user of `process` its rights."""
    for table, rights in RIGHTS.items():
        if rights[process]:
            verbs = ", ".join(VERBS[letter] for letter in rights[process])
            yield f"GRANT {verbs} ON `{database}`.`{table}` TO {user_of(process)}"


def revocations(process: str, database: str, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The statements that take back what the user has (table, verb) and should not have."""
    for table, verb in sorted(set(found) - rights_of(process)):
        yield f"REVOKE {verb} ON `{database}`.`{table}` FROM {user_of(process)}"
