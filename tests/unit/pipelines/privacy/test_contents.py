"""The table of an export: whatever is a person's is in it, or has a reason not to be."""

from __future__ import annotations

from django.apps import apps
from django.db.models import CASCADE, ForeignKey, Model

from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from pipelines.privacy.contents import EXPORTED, LEFT_OUT

# Rows of these are somebody's, and so are all that refer to them with CASCADE.
_PERSONS: set[type[Model]] = {User}


def _of_persons() -> set[str]:
    """Name every table whose rows go with an account."""
    found = set(_PERSONS)
    while True:
        further = {
            model
            for model in apps.get_models()
            for field in model._meta.concrete_fields
            if isinstance(field, ForeignKey)
            and field.related_model in found
            and (field.related_model is not Job or field.remote_field.on_delete is CASCADE)
        } - found
        if not further:
            return {model._meta.label for model in found}
        found |= further


def test_every_table_of_a_persons_is_exported_or_left_out_for_a_reason() -> None:
    told = {table.model._meta.label for table in EXPORTED} | LEFT_OUT.keys()
    of_persons = _of_persons()
    assert of_persons - told == set()
    assert told - of_persons == set()
    assert all(LEFT_OUT.values())


def test_nothing_is_exported_that_signs_in() -> None:
    secret = {"password", "digest", "secret", "old_secret"}
    for table in EXPORTED:
        names = {field.name for field in table.model._meta.concrete_fields}
        assert names & secret <= table.without, table.name
        assert table.without <= names, table.name
