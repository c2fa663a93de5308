"""From settled usage to invoices and entries; see ``claims.py`` and ``tenants.py``."""

from .claims import Claims, due_wallets
from .lines import LineEntries
from .tenants import TenantInvoices
