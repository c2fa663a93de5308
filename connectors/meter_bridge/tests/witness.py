"""What the meters of a plant really showed, to compare with what was stored."""

import time
from decimal import Decimal


class Witness:
    """Notes each meter's register whenever plant time passes."""

    def __init__(self, running):
        self._plant = running.plant
        self._shown = {serial: [] for serial in self._plant.meters}
        advance = self._plant.advance

        def watched(seconds):
            advance(seconds)
            self._look()

        self._plant.advance = watched
        self._look()

    def _look(self):
        for serial, meter in self._plant.meters.items():
            shown = self._shown[serial]
            register = Decimal(meter.register())
            if not shown or shown[-1][1] != register:
                shown.append((time.time(), register))

    def between(self, serial, first, last):
        """The registers that a meter showed from ``first`` to ``last``."""
        shown = self._shown[serial]
        before = [register for at, register in shown if at <= first][-1:]
        return {*before, *(r for at, r in shown if first <= at <= last)}

    def agrees(self, erp, clock=0):
        """Every stored reading was shown then; the meters' clocks are ``clock`` s off.

        None came twice: a repetition would have another second, and is seen by that
        its register was over, or be counted as a duplicate.
        """
        assert erp.rows
        for (serial, at), register in erp.rows.items():
            truth = self.between(serial, at - clock - 0.6, at - clock + 1.6)
            assert Decimal(register) in truth, (serial, at, register, truth)
        assert erp.duplicates == 0, "a reading was sent twice"
