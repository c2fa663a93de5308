from . import test_dashboards, test_dashboards_browser, test_energy_proof_report
