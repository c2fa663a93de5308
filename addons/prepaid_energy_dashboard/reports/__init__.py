from . import energy_proof_report
