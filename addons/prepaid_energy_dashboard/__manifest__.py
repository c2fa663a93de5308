{
    "name": "Prepaid Energy: Dashboards",
    "summary": "Dashboards for the manager, the accountant and the operator",
    "version": "19.0.1.0.0",
    "category": "Services/Energy",
    "license": "LGPL-3",
    "author": "Prepaid Energy contributors, Odoo Community Association (OCA)",
    "development_status": "Alpha",
    "depends": ["prepaid_energy", "spreadsheet_dashboard"],
    "data": [
        "security/ir.model.access.csv",
        "security/prepaid_energy_dashboard_rules.xml",
        "data/spreadsheet_dashboard.xml",
    ],
    "auto_install": True,
}
