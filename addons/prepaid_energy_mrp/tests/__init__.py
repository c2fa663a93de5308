from . import test_energy_line_plan, test_energy_work
