{
    "name": "Prepaid Energy: SMS",
    "summary": "Warn tenants by SMS as well",
    "version": "19.0.1.0.0",
    "category": "Services/Energy",
    "license": "LGPL-3",
    "author": "Prepaid Energy contributors, Odoo Community Association (OCA)",
    "development_status": "Alpha",
    "depends": ["prepaid_energy", "sms"],
    "auto_install": True,
}
