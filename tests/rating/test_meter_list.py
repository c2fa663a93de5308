"""The list of meters and tenants in the languages of the product."""

import pytest
from exchange.meter_list import COLUMNS, read, unknown_columns

SPANISH = (
    "Punto;Alimentador;Inquilino;Correo;N.º de serie;Perfil;Línea;DIRECCIÓN;TC;Relé"
)
CHINESE = "供能点;馈线;租户;邮箱;表号;型号;线路;地址;互感器;继电器"
BOTH = (
    "Point（供能点）;Feeder (alimentador);Tenant;E-mail;Serial;Profile;Line;Address;CT"
)
BOTH += ";Relay"
ROW = "Taller 1;Principal;Peña;a@b.example;10002;sdm630;nave;2;200/5;{yes}"


@pytest.mark.parametrize(
    ("heading", "yes"), [(SPANISH, "Sí"), (CHINESE, "是"), (BOTH, "si")]
)
def test_headings_of_every_language(heading, yes):
    data = f"{heading}\n{ROW.format(yes=yes)}\n".encode()
    (row,) = read(data)
    assert not row.problems
    assert row.values["point"] == "Taller 1"
    assert row.values["serial"] == "10002"
    assert row.values["relay"] is True
    assert len(row.values) == 10
    assert not unknown_columns(data)


def test_a_name_means_one_column():
    names = [name.strip() for text in COLUMNS.values() for name in text.split(",")]
    assert len(names) == len(set(names))


def test_a_heading_of_signs_alone_is_no_column():
    data = "Point;—;供\nTaller 1;x;y\n".encode()
    assert unknown_columns(data) == ["—", "供"]
