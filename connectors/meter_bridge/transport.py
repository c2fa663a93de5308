"""What can go wrong on a line, whatever the protocol."""


class BusError(Exception):
    """Something on the line did not work."""


class LineDown(BusError):
    """No connection to the line; nothing was sent."""


class NoAnswer(BusError):
    """The request was sent and no usable answer came; a write may have worked."""


class BadAnswer(NoAnswer):
    """An answer came that does not belong to the request."""


class Refused(BusError):
    """The device answered with a Modbus exception.

    Codes 10 and 11 come from a gateway on behalf of a silent device: they are
    raised as :class:`NoAnswer` instead.
    """

    def __init__(self, code: int):
        super().__init__(f"the meter answered with Modbus exception {code}")
        self.code = code
