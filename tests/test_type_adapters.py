"""Results, reports and all other public values work where pydantic does: they are written and read again."""

import dataclasses

import pytest
from pydantic import TypeAdapter, ValidationError

from cleanlist_async import errors
from tests.support.cases import each_case
from tests.support.samples import sample, value_classes
from tests.test_errors import CLASSES, filled


def comparable(value):
    """As it is compared: an error equals only itself."""
    if isinstance(value, errors.CleanlistError):
        return type(value), str(value), value.billed, value.retryable
    if dataclasses.is_dataclass(value):
        return type(value), {name: comparable(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [comparable(item) for item in value]
    return value


@pytest.mark.slow
@each_case("name", value_classes())
def test_a_public_value_is_the_same_after_it_was_written_and_read(name):
    kind = value_classes()[name]
    value, adapter = sample(kind), TypeAdapter(kind)
    assert comparable(adapter.validate_json(adapter.dump_json(value))) == comparable(value)
    assert comparable(adapter.validate_python(adapter.dump_python(value))) == comparable(value)
    assert adapter.json_schema(mode="serialization")


@each_case("kind", CLASSES)
def test_an_error_keeps_its_class_and_its_words(kind):
    error, adapter = filled(kind), TypeAdapter(errors.CleanlistError)
    written = adapter.dump_json(error)
    again = adapter.validate_json(written)
    assert comparable(again) == comparable(error)
    assert getattr(again, "status", None) == getattr(error, "status", None)
    assert b"body" not in written
    assert b"details" not in written


@each_case("written", ['{"type": "Nothing"}', "{}", '{"type": "ValueError"}', "5"])
def test_what_is_no_error_is_not_read_as_one(written):
    with pytest.raises(ValidationError):
        TypeAdapter(errors.CleanlistError).validate_json(written)
