"""Many meters from one table: ``count``, with ``{n}`` and ``{line}`` in the names."""

from collections.abc import Iterable
from typing import Any

TEXTS = ("serial", "topic")


def filled(text: str, key: str, **numbers: int) -> str:
    """``text`` with its numbers; raises :class:`ValueError` that names ``key``."""
    try:
        return text.format(**numbers)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        known = ", ".join(f"{{{name}}}" for name in numbers)
        raise ValueError(
            f"{key}: {text!r} cannot be filled in; there is {known}, and {{n:03}} "
            "has three digits"
        ) from error


def numbered(table: Any, line: int) -> Iterable[Any]:
    """The meters of one table: as many as its ``count``."""
    if table.count > 1 and "{n" not in table.serial:
        raise ValueError(f"serial: {table.serial!r} needs {{n}} where count is given")
    for step in range(table.count):
        numbers = {"n": table.first + step, "line": line}
        found = {
            key: filled(getattr(table, key), key, **numbers)
            for key in TEXTS
            if hasattr(table, key)
        }
        children = [filled(c, "children", **numbers) for c in table.children]
        found["children"] = tuple(children)
        if hasattr(table, "device"):
            found["device"] = table.device + step
            if found["device"] > 247:
                raise ValueError(f"device: {table.count} meters go beyond 247")
        yield table.model_copy(update={**found, "count": 1})


def lines_of(tables: list[Any], port_base: int) -> list[Any]:
    """All lines with all their meters; ports may be given relative to ``port_base``.
    Port 0 of a line without it is one that the system chooses."""
    result = []
    for number, table in enumerate(tables):
        if table.count > 1 and "{line" not in table.name:
            raise ValueError(
                f"line.{number}.name: {table.name!r} needs {{line}} where count is "
                "given"
            )
        for step in range(table.count):
            line = step + 1
            update = {
                "name": filled(table.name, f"line.{number}.name", line=line),
                "port": port_base + table.port + step if port_base or table.port else 0,
                "meters": meters_of(table.meters, line, f"line.{number}"),
                "count": 1,
            }
            result.append(table.model_copy(update=update))
    return result


def meters_of(tables: list[Any], line: int, where: str) -> list[Any]:
    """All meters of a place; errors name their table in ``where``."""
    result = []
    for number, table in enumerate(tables):
        try:
            result += numbered(table, line)
        except ValueError as error:
            raise ValueError(f"{where}.meter.{number}.{error}") from error
    return result
