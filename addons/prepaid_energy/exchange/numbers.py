"""Between Odoo's Float fields and exact decimal numbers.

PostgreSQL keeps such a field as an exact numeric; the ORM hands it over as a binary
float, whose shortest text is what was typed, up to 15 significant digits.
"""

from decimal import Decimal

from odoo.tools import float_repr, float_round

SIGNIFICANT = 15


def exact(value, digits):
    """What a Float field holds, as an exact Decimal.

    :param float value: the field's value.
    :param int digits: the decimals that the field keeps.
    """
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits))


def plain(value):
    """A Decimal as a document has it: no exponent, no trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def storable(value, digits):
    """Whether a Decimal fits a Float field of ``digits`` decimals unchanged."""
    _sign, figures, exponent = value.normalize().as_tuple()
    if -exponent > digits or len(figures) + max(exponent, 0) > SIGNIFICANT:
        return False
    # a large number of many decimals changes when the ORM rounds it
    stored = float_repr(float_round(float(value), precision_digits=digits), digits)
    return exact(float(stored), digits) == value
