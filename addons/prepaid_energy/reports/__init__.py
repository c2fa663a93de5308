from . import (
    energy_baseline_report,
    energy_leak_report,
    energy_levy_report,
    energy_quota_report,
    energy_usage_report,
    report_wallet_statement,
)
