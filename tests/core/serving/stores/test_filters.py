"""Conditions mean the same as text, in Python and in SQL."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaterion_core.serving.stores import And, Equals, InRange, Not, Or, parse_condition
from quaterion_core.serving.stores.sql import where_clause
from quaterion_core.serving.stores.store import payload_text

NAMES = st.sampled_from(["a", "b", "ä c"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 2.0, 1e300, 2**70]),
    st.sampled_from(["", "a", "b", "ä", "1", "true"]),
)  # fmt: skip
PAYLOADS = st.dictionaries(
    NAMES,
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(NAMES, SCALARS, max_size=2)),
    max_size=3,
)
BOUNDS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([0.5, 2**70, "a", "ä"]))
SIMPLE = st.one_of(
    st.builds(Equals, NAMES, st.lists(SCALARS, min_size=1, max_size=3).map(tuple)),
    st.builds(InRange, NAMES, BOUNDS, BOUNDS, BOUNDS, BOUNDS),
)
CONDITIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)


@given(PAYLOADS, CONDITIONS)
def test_sql_finds_what_matches(payload, condition):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE objects (payload TEXT)")
    connection.execute("INSERT INTO objects VALUES (?)", (payload_text(payload),))
    clause, values = where_clause(condition)
    found = connection.execute(f"SELECT count(*) FROM objects WHERE {clause}", values).fetchone()
    connection.close()
    assert bool(found[0]) == condition.matches(payload)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("source=aws", Equals("source", ("aws",))),
        ("source = aws, azure", Equals("source", ("aws", "azure"))),
        ("source!=aws", Not(Equals("source", ("aws",)))),
        ("free=true", Equals("free", (True,))),
        ("next=null", Equals("next", (None,))),
        ("year=2020,2021.5", Equals("year", (2020, 2021.5))),
        ('code="007"', Equals("code", ("007",))),
        ('name="a, b",c', Equals("name", ("a, b", "c"))),
        ("url=http://x?a=b", Equals("url", ("http://x?a=b",))),
        ("year>=2020", InRange("year", at_least=2020)),
        ("year<2020", InRange("year", below=2020)),
        ("name>m", InRange("name", above="m")),
        ("price<=-1.5", InRange("price", at_most=-1.5)),
        ("nan=nan", Equals("nan", ("nan",))),
    ],
)
def test_a_condition_is_read_from_text(text, condition):
    assert parse_condition(text) == condition


@pytest.mark.parametrize("text", ["", "source", "=aws", "source=", "year>=true", "year<null"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError, match="Expected a"):
        parse_condition(text)


@pytest.mark.parametrize("field", ['a"b', "a\\b", "a\nb"])
def test_fields_that_sql_has_no_path_for_are_refused(field):
    with pytest.raises(ValueError, match="Expected the name of a field"):
        where_clause(Equals(field, ("x",)))
