"""Many rows in one statement whose text never changes, so that neither side reads it anew.

Values travel as one array a column: SQLAlchemy's own `IN` and executemany write a text of their own for each
number of values, or send row by row; over 20,000 replayed queries that was a third of the system's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Subquery, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.orm import InstrumentedAttribute

from adaqueue.adapters.tables import Base

Column: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]


def insert_rows(row_class: type[Base], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """Returns the statement that inserts rows, which all give the same columns.

    Args:
        row_class: whose table.
        rows: at least one.
    """
    table = row_class.__table__
    names = list(rows[0])
    arrays = [_array(table.c[name], [row[name] for row in rows]) for name in names]
    return insert(row_class).from_select(names, select(*(func.unnest(array) for array in arrays)))


def among(column: Column, values: Iterable[Any]) -> ColumnElement[bool]:
    """Returns the condition that a column has one of the values."""
    return column == func.any(_array(column, list(values)))


def pairs(first: Column, second: Column, values: Mapping[Any, Any]) -> ColumnElement[bool]:
    """Returns the condition that two columns have one of the pairs."""
    return tuple_(first, second).in_(select(values_of(first, second, values)))


def values_of(first: Column, second: Column, values: Mapping[Any, Any]) -> Subquery:
    """Returns pairs as a table of two columns, `first` and `second`, typed as the columns given."""
    keys, others = _array(first, list(values)), _array(second, list(values.values()))
    return select(func.unnest(keys).label("first"), func.unnest(others).label("second")).subquery()


def _array(column: Column, values: list[Any]) -> ColumnElement[Any]:
    return bindparam(None, values, type_=ARRAY(column.type, dimensions=1), unique=True)
