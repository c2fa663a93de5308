{
    "name": "Prepaid Energy: Approval Levels",
    "summary": "Quota requests go through several levels of approval",
    "version": "19.0.1.0.0",
    "category": "Services/Energy",
    "license": "AGPL-3",
    "author": "Prepaid Energy contributors, Odoo Community Association (OCA)",
    "development_status": "Alpha",
    "depends": ["prepaid_energy", "base_tier_validation"],
    "data": [
        "views/energy_quota_request_views.xml",
        "views/tier_definition_views.xml",
    ],
    "demo": ["demo/tier_definition_demo.xml"],
    "auto_install": True,
}
