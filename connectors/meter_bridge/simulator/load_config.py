"""What every simulated meter is, whatever it speaks."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A table of the plant file that knows its keys."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class LoadConfig(Strict):
    """The load behind a meter. A feeder counts its ``children`` × (1 + ``loss``) and
    ``leak_kw`` of its own; another meter takes ``nominal_kw`` by its load curve.
    ``phases`` says how the load is shared out over three phases.

    With ``count`` the table stands for so many meters; ``first`` is the first {n}.
    """

    serial: str = Field(min_length=1)
    count: int = Field(default=1, ge=1, le=10_000)
    first: int = Field(default=1, ge=0)
    nominal_kw: float = Field(default=0, ge=0)
    initial_kwh: Decimal = Field(default=Decimal(0), ge=0)
    children: tuple[str, ...] = ()
    loss: float = Field(default=0, ge=0)
    leak_kw: float = Field(default=0, ge=0)
    phases: tuple[float, float, float] = (1, 1, 1)
    shift_days: int | None = None
    load_csv: Path | None = None  # its own curve, else the plant's
    load_format: Literal["year", "rows"] = "year"
