from . import energy_lockout, energy_topup
