"""What the dashboards of manager, accountant and operator show.

Of each figure: the model, a domain, what is measured. ``period``, ``site`` and
``tenant`` name the field that the filter of the dashboard looks at; a figure without
it is not filtered: a balance is of now, whatever the period. ``menu`` is what a click
opens, an XML id of prepaid_energy.
"""

WARM, RED = "#FFF7ED", "#FEF2F2"
PERIOD = {"type": "date", "label": "Period"}
SITE = {"type": "relation", "label": "Site", "modelName": "energy.site"}
TENANT = {"type": "relation", "label": "Tenant", "modelName": "res.partner"}

USAGE = {
    "model": "energy.usage.report",
    "period": "day",
    "site": "site_id",
    "tenant": "partner_id",
    "menu": "energy_usage_report_menu",
}
# What somebody pays: a feeder, which pays nothing itself, would count it twice.
PAID = ["wallet_id", "!=", False]
POWER = [["kind", "=", "energy"], ["commodity", "=", "electricity"], PAID]
LINES = {
    "model": "energy.quota.report",
    "period": "month",
    "site": "site_id",
    "menu": "energy_quota_report_menu",
}
QUOTA = {
    "model": "energy.quota",
    "period": "month",
    "site": "line_id.site_id",
    "menu": "energy_quota_menu",
}
# A standing load contains the idle loads of its points, and an unexplained loss what
# uneven phases lose: both would count twice. What tenants leave on is their own money.
# The list begins with the latter filter as well.
LEAKING = [["kind", "in", ["loss", "idle"]], ["wallet_kind", "!=", "tenant"]]
MONEY = "Money"
KWH = "kWh"
LEAK = {
    "model": "energy.leak.report",
    "site": "site_id",
    "menu": "energy_leak_report_menu",
}
LOSS = {
    "model": "energy.loss",
    "period": "day",
    "site": "site_id",
    "menu": "energy_loss_menu",
}
HOURS = {
    "model": "energy.interval",
    "period": "day",
    "site": "site_id",
    "menu": "energy_interval_menu",
}

MANAGER = {
    "filters": {
        "period": {**PERIOD, "defaultValue": "last_90_days"},
        "site": SITE,
    },
    "cards": [
        {**USAGE, "title": "Electricity (kWh)", "measure": "quantity", "domain": POWER},
        {
            **USAGE,
            "title": "Cost of Electricity",
            "measure": "amount_total",
            "domain": POWER,
        },
        {
            "title": "Cost of a kWh",
            "formula": 'IFERROR({Cost of Electricity}/{Electricity (kWh)},"")',
            "humanize": False,
            "menu": "energy_usage_report_menu_month",
        },
        {
            **LEAK,
            "title": "Leaks per Month",
            "measure": "amount_month",
            "domain": LEAKING,
            "color": WARM,
        },
        {
            **QUOTA,
            "title": "Quotas Over",
            "domain": [["overrun", ">", 0]],
            "color": RED,
        },
    ],
    "charts": [
        [
            {
                **LINES,
                "title": "Cost of Production Lines",
                "type": "bar",
                "group": ["month:month", "line_id"],
                "measure": "money",
                "unit": MONEY,
            },
            {
                **USAGE,
                "title": "Electricity by Week and Band (kWh)",
                "type": "bar",
                "group": ["day:week", "band"],
                "measure": "quantity",
                "unit": KWH,
                "domain": POWER,
            },
        ],
        [
            {
                **LEAK,
                "title": "Where the Money Leaks (30 Days, per Month)",
                "type": "bar",
                "horizontal": True,
                "group": ["place"],
                "measure": "amount_month",
                "domain": [*LEAKING, ["amount_month", ">", 0]],
                "order": "DESC",
            },
            {
                **LOSS,
                "title": "Unexplained Losses (kWh)",
                "type": "line",
                "group": ["day:week", "service_point_id"],
                "measure": "unexplained",
                "unit": KWH,
            },
        ],
        [
            {
                **LINES,
                "title": "Energy Cost of a Unit Produced",
                "type": "line",
                "group": ["month:month", "line_id"],
                "measure": "cost_per_unit",
                # a line that says nothing of its output has no cost of a unit, not 0
                "domain": [["line_id.output_ids", "!=", False]],
                "unit": MONEY,
            },
            {
                **HOURS,
                "title": "Electricity by Hour of the Day (kWh)",
                "type": "bar",
                "group": ["hour"],
                "measure": "energy",
                "unit": KWH,
                "domain": [["commodity", "=", "electricity"], PAID],
            },
        ],
    ],
    "tables": [
        [
            {
                **LINES,
                "title": "Production Lines",
                "head": "Production Line",
                "rows": ["line_id"],
                "measures": {
                    "money": "Cost",
                    "energy": "kWh",
                    "cost_per_unit": "Unit Cost",
                },
            },
            {
                **USAGE,
                "title": "Dearest Wallets, Electricity",
                "head": "Wallet",
                "rows": ["wallet_id"],
                # kWh and cubic metres do not add up
                "domain": [PAID, ["commodity", "=", "electricity"]],
                "measures": {
                    "amount_total": "Cost",
                    "quantity": "kWh",
                    "price_all_in": "Per kWh",
                },
            },
        ],
        [
            {
                **QUOTA,
                "title": "Quotas Expected to Be Overrun",
                "lines": 6,
                "domain": [["overrun", ">", 0]],
                "order": [("month", False), ("overrun", False)],
                "columns": {
                    "line_id": "Production Line",
                    "month": "Month",
                    "unit": "Unit",
                    "state": "State",
                    "department_id": "Department",
                    "total": "Quota",
                    "forecast": "Forecast",
                    "overrun": "Overrun",
                },
            }
        ],
    ],
}

WALLET = {
    "model": "energy.wallet",
    "site": "service_point_ids.site_id",
    "tenant": "partner_id",
    "menu": "energy_wallet_menu",
}
PREPAID = ["kind", "in", ["tenant", "debt"]]
TOPUP = {
    "model": "account.payment",
    "domain": [
        ["energy_wallet_id", "!=", False],
        ["payment_type", "=", "inbound"],
        ["state", "in", ["in_process", "paid"]],
    ],
    "period": "date",
    "tenant": "partner_id",
    "menu": "energy_topup_payment_menu",
}
ADVANCE = {
    "model": "energy.advance",
    "tenant": "partner_id",
    "menu": "energy_advance_menu",
}
PROOF = {"model": "energy.proof.report", "menu": "energy_proof_menu"}
UNBILLED = {**USAGE, "domain": [["wallet_kind", "=", "tenant"], ["unbilled", "!=", 0]]}
UNBILLED.pop("period")  # what is not billed is not billed, however old

ACCOUNTANT = {
    "filters": {
        "period": {**PERIOD, "defaultValue": "last_90_days"},
        "tenant": TENANT,
    },
    "cards": [
        {
            **WALLET,
            "title": "Prepaid by Tenants",
            "measure": "balance",
            "domain": [PREPAID, ["balance", ">", 0]],
        },
        {
            **WALLET,
            "title": "Owed by Tenants",
            "measure": "balance",
            "domain": [PREPAID, ["balance", "<", 0]],
            "color": RED,
        },
        {**TOPUP, "title": "Topped Up", "measure": "amount"},
        {**UNBILLED, "title": "Not Billed Yet", "measure": "unbilled", "color": WARM},
        {**PROOF, "title": "Proof Difference", "measure": "difference"},
    ],
    "charts": [
        [
            {
                **TOPUP,
                "title": "Top-ups by Method",
                "type": "bar",
                "group": ["date:month", "payment_method_line_id"],
                "measure": "amount",
                "unit": MONEY,
            },
            {
                "model": "energy.wallet.entry",
                "title": "Wallet Entries by Kind",
                "type": "bar",
                "group": ["at:month", "kind"],
                "measure": "amount",
                "unit": MONEY,
                "domain": [["wallet_id.kind", "in", ["tenant", "debt"]]],
                "period": "at",
                "period_type": "datetime",
                "tenant": "wallet_id.partner_id",
                "menu": "energy_wallet_entry_menu",
            },
        ],
        [
            {
                **UNBILLED,
                "title": "Not Billed Yet, by Month of Use",
                "type": "bar",
                "group": ["day:month"],
                "measure": "unbilled",
                "unit": MONEY,
            },
            {
                **ADVANCE,
                "title": "Open Advances, by Month of Payment",
                "type": "bar",
                "group": ["date:month"],
                "measure": "amount_open",
                "unit": MONEY,
                "domain": [["amount_open", "!=", 0]],
            },
        ],
        [
            {
                "model": "energy.bill",
                "title": "Billed",
                "type": "bar",
                "group": ["date_to:month"],
                "measure": "amount_billed",
                "unit": MONEY,
                "period": "date_to",
                "tenant": "wallet_id.partner_id",
                "menu": "energy_bill_menu",
            },
            {
                "model": "energy.accrual",
                "title": "Accrued Revenue at Month Ends",
                "type": "bar",
                "group": ["date:month"],
                "measure": "revenue",
                "unit": MONEY,
                "domain": [["state", "=", "posted"]],
                "period": "date",
                "menu": "energy_accrual_menu",
            },
        ],
    ],
    "tables": [
        [
            {
                **WALLET,
                "title": "Who Owes",
                "domain": [PREPAID, ["balance", "<", 0]],
                "order": [("balance", True)],
                "columns": {
                    "name": "Wallet",
                    "kind": "Kind",
                    "level": "Level",
                    "balance": "Balance",
                },
            },
            {
                **UNBILLED,
                "title": "Not Billed Yet, by Wallet",
                "head": "Wallet",
                "rows": ["wallet_id"],
                "measures": {"unbilled": "Not Billed", "amount_total": "Used"},
            },
        ],
        [
            {
                **PROOF,
                "title": "Wallets Against the General Ledger, Today",
                "lines": 4,
                "order": [("company_id", True)],
                "columns": {
                    "company_id": "Company",
                    "currency_id": "Currency",
                    "wallets": "Wallets",
                    "unbilled": "Not Invoiced",
                    "debts": "Accrued Receivables",
                    "liability": "Account",
                    "difference": "Difference",
                    "date": "Date",
                },
            }
        ],
    ],
}

POINT = {
    "model": "energy.service.point",
    "site": "site_id",
    "menu": "energy_service_point_menu",
}
COMMAND = {
    "model": "energy.command",
    "period": "create_date",
    "period_type": "datetime",
    "site": "service_point_id.site_id",
    "menu": "energy_command_menu",
}
FAILED = [["state", "in", ["failed", "expired"]]]
REVIEW = {
    "model": "energy.reading.review",
    "site": "gateway_id.site_id",
    "domain": [["state", "=", "pending"]],
    "menu": "energy_reading_review_menu",
}
ALARMS = [
    "|",
    "|",
    ["tripped", "=", True],
    ["loss_alarm", "=", True],
    ["phase_alarm", "=", True],
]

OPERATOR = {
    "filters": {
        "period": {**PERIOD, "defaultValue": "last_30_days"},
        "site": SITE,
    },
    "cards": [
        {**POINT, "title": "Service Points"},
        {
            **POINT,
            "title": "Cut Off",
            "domain": [["desired_state", "=", "open"]],
            "color": WARM,
        },
        {
            **POINT,
            "title": "Locked Out",
            "domain": [["locked_out", "=", True]],
            "color": WARM,
        },
        {**POINT, "title": "Tripped", "domain": [["tripped", "=", True]], "color": RED},
        {
            **POINT,
            "title": "Losing Too Much",
            "domain": [["loss_alarm", "=", True]],
            "color": RED,
        },
        {**REVIEW, "title": "To Review", "color": WARM},
        {**COMMAND, "title": "Commands Failed", "domain": FAILED, "color": RED},
        {
            **WALLET,
            "title": "Wallets Low",
            "domain": [["level", "=", "low"]],
            "color": WARM,
        },
        {
            **WALLET,
            "title": "Wallets Cut Off",
            "domain": [["level", "=", "cut"]],
            "color": RED,
        },
        {
            "model": "energy.gateway",
            "title": "Gateways",
            "site": "site_id",
            "menu": "energy_gateway_menu",
        },
    ],
    "charts": [
        [
            {
                **POINT,
                "title": "Service Points by State Wanted",
                "type": "pie",
                "group": ["desired_state"],
                "measure": "__count",
            },
            {
                **REVIEW,
                "title": "Readings to Review, by Reason",
                "type": "bar",
                "horizontal": True,
                "group": ["reason"],
                "measure": "__count",
                "order": "DESC",
            },
        ],
        [
            {
                "model": "energy.event",
                "title": "Events",
                "type": "bar",
                "group": ["at:day", "kind"],
                "measure": "__count",
                "period": "at",
                "period_type": "datetime",
                "site": "gateway_id.site_id",
                "menu": "energy_event_menu",
            },
            {
                **COMMAND,
                "title": "Commands by State",
                "type": "bar",
                "group": ["create_date:day", "state"],
                "measure": "__count",
            },
        ],
    ],
    "tables": [
        [
            {
                "model": "energy.gateway",
                "title": "Gateways, the Longest Silent First",
                "site": "site_id",
                "order": [("last_seen", True)],
                "columns": {
                    "name": "Gateway",
                    "last_seen": "Last Seen",
                    "online": "Online",
                    "meter_count": "Meters",
                },
                "flags": ["online"],
                "menu": "energy_gateway_menu",
            },
            {
                **WALLET,
                "title": "Lowest Wallets",
                "domain": [["kind", "=", "tenant"]],
                "order": [("balance", True)],
                "columns": {
                    "name": "Wallet",
                    "level": "Level",
                    "balance": "Balance",
                    "days_left": "Days Left",
                },
                "zero_is_none": ["days_left"],  # nothing used yet: not known
            },
        ],
        [
            {
                **POINT,
                "title": "Alarms",
                "domain": ALARMS,
                "order": [("name", True)],
                "columns": {
                    "name": "Service Point",
                    "loss_alarm": "Unexplained Loss",
                    "tripped": "Tripped",
                    "phase_alarm": "Phases",
                },
                "flags": ["tripped", "loss_alarm", "phase_alarm"],
            },
            {
                **COMMAND,
                "title": "Commands Failed",
                "domain": FAILED,
                "order": [("id", False)],
                "columns": {
                    "service_point_id": "Service Point",
                    "kind": "Kind",
                    "state": "State",
                    "sent_at": "Sent",
                },
            },
        ],
    ],
}

DASHBOARDS = {"manager": MANAGER, "accountant": ACCOUNTANT, "operator": OPERATOR}
