"""Exact rating of energy under tariff documents; pure Python, no Odoo."""

from .case import rate_case
from .errors import Held, TariffError
from .registers import consumption
from .tariff import Tariff, compile_tariff

__all__ = [
    "Held",
    "Tariff",
    "TariffError",
    "compile_tariff",
    "consumption",
    "rate_case",
]
