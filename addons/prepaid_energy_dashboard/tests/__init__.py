from . import test_dashboards, test_energy_proof_report
