"""No migration breaks the last release, which goes on working while it runs and after it.

`django-migration-linter` is alive, but judges the SQL of one database; what is asked here are the
operations, which are the same on SQLite and PostgreSQL, and needs no app in the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from pipelines.core.operations import AddIndexOnline

# Old code that still writes to the table, or reads from it, would fail or have to wait.
BREAKING: dict[type[Any], str] = {
    migrations.RemoveField: "removes a field that the last release reads and writes",
    migrations.DeleteModel: "removes a table that the last release reads and writes",
    migrations.RenameField: "renames a field that the last release reads and writes",
    migrations.RenameModel: "renames a table that the last release reads and writes",
    migrations.AlterModelTable: "renames a table that the last release reads and writes",
    migrations.AddConstraint: "checks all rows while writers wait, and may refuse old code's rows",
    migrations.AlterUniqueTogether: "may refuse the rows that the last release writes",
    migrations.RunPython: "may run for long, and on rows that change meanwhile",
    migrations.RunSQL: "may do anything",
}
# The last release's transactions may hold them the other way round, and one of both is refused.
SECOND = "locks a second busy table in one transaction; give it a migration of its own"
# SQLite changes many a column by copying the table: without a transaction rows would be lost.
ATOMIC = "needs a migration of another `atomic`: AddIndexOnline False, anything else True"
# A migration that does so all the same says why it is safe, in this attribute.
EXCUSE = "runs_beside_the_last_release_because"


def complaints(migration: migrations.Migration, before: ProjectState) -> list[str]:
    """Say what in a migration the last release would not survive; nothing if that is explained."""
    if getattr(migration, EXCUSE, ""):
        return []
    return [
        f"{migration.app_label}.{migration.name}: {operation.describe()}: it {fault}"
        for operation, fault in _faults(migration, before)
    ]


def _faults(migration: migrations.Migration, before: ProjectState) -> Iterator[tuple[Any, str]]:
    created: set[str] = set()
    locked: set[str] = set()
    for operation in migration.operations:
        if migration.atomic == isinstance(operation, AddIndexConcurrently):
            yield operation, ATOMIC
        if isinstance(operation, migrations.CreateModel):
            created.add(operation.name_lower)
        elif getattr(operation, "model_name_lower", "") in created:
            continue  # nobody uses a table that has just been made
        elif fault := _fault(operation, migration.app_label, before):
            yield operation, fault
        elif migration.atomic:
            locked |= _locked_by(operation, migration.app_label)
            if len(locked) > 1:
                yield operation, SECOND


def _locked_by(operation: Any, label: str) -> set[str]:
    """Name the tables that an operation on an old table locks: its own, and one it refers to."""
    if isinstance(operation, migrations.AlterField):  # only one that leaves the column gets here
        return set()
    name = getattr(operation, "model_name_lower", "")
    field = getattr(operation, "field", None)
    other = field.remote_field.model if field is not None and field.remote_field else ""
    return {table.lower() for table in (name and f"{label}.{name}", other) if table}


def _fault(operation: Any, label: str, before: ProjectState) -> str:
    if isinstance(operation, migrations.AddField):
        return _fault_of_new(operation.field)
    if isinstance(operation, migrations.AlterField):
        model = before.models[label, operation.model_name_lower]
        same = _column(model.get_field(operation.name)) == _column(operation.field)
        return "" if same else "changes a column that the last release reads and writes"
    if isinstance(operation, migrations.AddIndex):
        is_online = isinstance(operation, AddIndexConcurrently)
        return "" if is_online else "holds all writers up; use AddIndexOnline"
    return next((why for kind, why in BREAKING.items() if isinstance(operation, kind)), "")


def _fault_of_new(field: Any) -> str:
    # Django drops a plain `default` from the column at once; only `db_default` stays.
    needs_value = not field.many_to_many and not field.null and not field.has_db_default()
    return "adds a column that old code leaves empty; give it null or db_default" * needs_value


def _column(field: Any) -> tuple[Any, ...]:
    _, path, args, kwargs = field.deconstruct()
    ignored = {*field.non_db_attrs, "default"}
    return path, args, {name: value for name, value in kwargs.items() if name not in ignored}


def test_our_migrations_leave_the_last_release_alone() -> None:
    """Given each migration of our own apps, running processes of the last release survive it."""
    loader = MigrationLoader(None)
    ours = {row.label for row in apps.get_app_configs() if row.name.startswith("pipelines.")}
    found = [
        complaint
        for (label, name), migration in sorted(loader.disk_migrations.items())
        if label in ours
        for complaint in complaints(migration, loader.project_state((label, name), at_end=False))
    ]
    assert found == []


TEXT = models.CharField(max_length=8, default="")
INDEX = models.Index(fields=["name"], name="by_name")
CHECK = models.CheckConstraint(condition=models.Q(name__gt=""), name="named")


def _before() -> ProjectState:
    state = ProjectState()
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", TEXT.clone()),
    ]
    state.add_model(ModelState("shop", "Toll", fields))
    return state


def _migration(*operations: Any, **attributes: Any) -> migrations.Migration:
    made = type("Migration", (migrations.Migration,), {"operations": operations, **attributes})
    return made("0002_next", "shop")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (migrations.RemoveField("toll", "name"), "removes a field"),
        (migrations.DeleteModel("Toll"), "removes a table"),
        (migrations.RenameField("toll", "name", "title"), "renames a field"),
        (migrations.RenameModel("Toll", "Fee"), "renames a table"),
        (migrations.AlterModelTable("toll", "fee"), "renames a table"),
        (migrations.AddField("toll", "city", TEXT.clone()), "give it null or db_default"),
        (migrations.AlterField("toll", "name", models.TextField()), "changes a column"),
        (migrations.AddIndex("toll", INDEX), "use AddIndexOnline"),
        (migrations.AddConstraint("toll", CHECK), "checks all rows"),
        (migrations.AlterUniqueTogether("toll", {("name",)}), "may refuse the rows"),
        (migrations.RunPython(migrations.RunPython.noop), "may run for long"),
        (migrations.RunSQL("SELECT 1"), "may do anything"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_would_break_the_last_release_is_found(operation: Any, fault: str) -> None:
    [complaint] = complaints(_migration(operation), _before())
    assert complaint.startswith("shop.0002_next: ")
    assert fault in complaint
    assert complaints(_migration(operation, **{EXCUSE: "no process uses it"}), _before()) == []


@pytest.mark.parametrize(
    "second",
    [
        migrations.AddField("gate", "city", models.CharField(max_length=8, null=True)),
        migrations.AddField(
            "toll", "gate", models.ForeignKey("shop.Gate", models.CASCADE, null=True)
        ),
    ],
    ids=["its own", "one it refers to"],
)
def test_two_busy_tables_are_not_locked_together(second: Any) -> None:
    column = migrations.AddField("toll", "city", models.CharField(max_length=8, null=True))
    beside = migrations.AddField("toll", "note", models.CharField(max_length=8, null=True))

    [complaint] = complaints(_migration(column, beside, second), _before())

    assert complaint.endswith(SECOND)
    assert complaints(_migration(column, beside), _before()) == []


def test_without_a_transaction_only_indexes_are_added() -> None:
    column = migrations.AddField("toll", "city", models.CharField(max_length=8, null=True))

    [mixed] = complaints(_migration(column, atomic=False), _before())
    [locked] = complaints(_migration(AddIndexOnline("toll", INDEX)), _before())

    assert ATOMIC in mixed
    assert ATOMIC in locked
    assert complaints(_migration(AddIndexOnline("toll", INDEX), atomic=False), _before()) == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("toll", "city", models.CharField(max_length=8, null=True)),
        migrations.AddField("toll", "city", models.CharField(max_length=8, db_default="")),
        migrations.AlterField("toll", "name", models.CharField(max_length=8, choices=[("a", "A")])),
        migrations.RemoveIndex("toll", "by_name"),
        migrations.CreateModel("Fee", [("id", models.BigAutoField(primary_key=True))]),
    ],
    ids=["null", "db_default", "choices", "RemoveIndex", "CreateModel"],
)
def test_what_adds_or_eases_is_left_alone(operation: Any) -> None:
    assert complaints(_migration(operation), _before()) == []


def test_a_table_that_is_new_may_be_given_anything() -> None:
    fee = migrations.CreateModel("Fee", [("id", models.BigAutoField(primary_key=True))])
    grown = [migrations.AddField("fee", "name", TEXT.clone()), migrations.AddIndex("fee", INDEX)]

    assert complaints(_migration(fee, *grown), _before()) == []
