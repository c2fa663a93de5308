from . import (
    test_access,
    test_gateway_http,
    test_ingest,
    test_installation,
    test_ledger,
    test_portal,
    test_relay,
    test_settlement,
    test_supply,
    test_tariff,
    test_topup,
)
