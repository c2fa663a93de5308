"""What every simulated meter is, whatever it speaks."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A table of the plant file that knows its keys."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class LoadConfig(Strict):
    """The load behind a meter. A feeder counts its ``children`` × (1 + ``loss``) and
    ``leak_kw`` of its own; another meter takes ``nominal_kw`` by the load curve."""

    serial: str
    nominal_kw: float = Field(default=0, ge=0)
    initial_kwh: Decimal = Field(default=Decimal(0), ge=0)
    children: tuple[str, ...] = ()
    loss: float = Field(default=0, ge=0)
    leak_kw: float = Field(default=0, ge=0)
    shift_days: int | None = None
