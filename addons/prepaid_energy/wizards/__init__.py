from . import (
    energy_ageing,
    energy_drill,
    energy_lockout,
    energy_proof,
    energy_statement,
    energy_tariff_enforce,
    energy_tariff_holidays,
    energy_tariff_import,
    energy_topup,
    energy_trip_confirm,
    energy_wallet_operation,
    energy_whatif,
)
