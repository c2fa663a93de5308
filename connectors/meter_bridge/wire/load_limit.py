"""The register of a meter that holds the power above which it switches off."""

from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Literal

from pydantic import Field

from meter_bridge import codec
from meter_bridge.wire.base_profile import POWER_UNITS, ProfileError, Strict


class LoadLimit(Strict):
    """Where the limit stands and how it is written.

    ``apply`` names the transformer ratios that stand between the register and the
    power; ``none`` is the raw value that means "no limit".
    """

    address: int = Field(ge=0, le=0xFFFF)
    type: Literal["uint16", "int16", "uint32", "int32"] = "uint16"
    unit: Literal["kW", "W"] = "kW"
    scale: Decimal = Field(default=Decimal(1), gt=0)
    apply: tuple[Literal["ct", "pt"], ...] = ()
    none: int = 0
    settle_s: float = Field(default=0.3, ge=0, le=60)

    @property
    def count(self) -> int:
        """Number of registers."""
        return codec.words_of(self.type)

    def _step(self, ct: Decimal, pt: Decimal) -> Decimal:
        """What one step of the register is worth, in kW."""
        step = self.scale * POWER_UNITS[self.unit]
        for name in self.apply:
            step *= ct if name == "ct" else pt
        return step

    def words(self, kw: str, order: str, ct: Decimal, pt: Decimal) -> list[int]:
        """Registers of ``kw`` kilowatts; "0" is no limit.

        Raises :class:`ProfileError` for what is no power and for what the register
        cannot hold exactly: a limit is not rounded behind anybody's back.
        """
        try:
            power = Decimal(kw)
            raw = power / self._step(ct, pt)
        except (InvalidOperation, TypeError) as error:
            raise ProfileError(f"{kw!r} is no load limit in kW") from error
        if not power.is_finite() or power < 0:
            raise ProfileError(f"{kw!r} is no load limit in kW")
        if power == 0:
            return codec.encode(Decimal(self.none), self.type, order)
        words = codec.encode(raw, self.type, order)
        held = codec.decode(words, self.type, order)
        if held != raw or held == self.none:
            step = codec.plain(self._step(ct, pt).normalize())
            raise ProfileError(f"the meter holds no limit of {kw} kW, steps: {step} kW")
        return words

    def kw(self, words: list[int], order: str, ct: Decimal, pt: Decimal) -> str:
        """The limit in kW as a plain decimal, "0" for none.

        Raises :class:`codec.DecodeError`.
        """
        raw = codec.decode(words, self.type, order)
        if raw == self.none:
            return "0"
        power = raw * self._step(ct, pt)
        whole = power.to_integral_value(ROUND_FLOOR)
        return codec.plain(whole if whole == power else power.normalize())
