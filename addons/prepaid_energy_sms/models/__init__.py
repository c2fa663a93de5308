from . import (
    energy_notice,
    energy_policy_escalation,
    energy_wallet,
    energy_wallet_preference,
)
