"""``meter-bridge-sim plant.toml``: run a simulated plant until stopped."""

import asyncio
import json
import signal
from importlib import resources
from pathlib import Path

import typer
from typer.core import TyperGroup

from meter_bridge.simulator.bridge_file import bridge_file
from meter_bridge.simulator.config import PlantConfig, PlantError, load_plant
from meter_bridge.simulator.curve import CurveError
from meter_bridge.simulator.faults import KINDS
from meter_bridge.simulator.running import RunningPlant, plant_of


class RunByDefault(TyperGroup):
    """A file in the place of a command is run."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Put ``run`` before what is neither command nor option."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


cli = typer.Typer(add_completion=False, cls=RunByDefault, no_args_is_help=True)


@cli.callback()
def about() -> None:
    """A plant of meters for a bridge to read: real Modbus servers, MQTT and LoRaWAN
    devices at a real broker, relays that stop the flow, and faults on demand.

    meter-bridge-sim PLANT.toml runs it; begin with: meter-bridge-sim example
    """


async def _run(config: PlantConfig) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with RunningPlant(config) as running:
        for name, server in running.lines.items():
            host, meters = server.config.host, len(server.config.meters)
            typer.echo(f"line {name}: {meters} meters on {host}:{server.port}")
        for broker in running.brokers:
            place = f"{broker.config.host}:{broker.config.port}"
            if broker.gate:
                place += f", also on {broker.config.proxy_host}:{broker.gate.port}"
            typer.echo(f"mqtt {broker.config.name}: {len(broker.devices)} at {place}")
        if config.control_port is not None:
            typer.echo(f"control: http://{config.control_host}:{running.control_port}")
        await stop.wait()


def _loaded(plant: Path) -> PlantConfig:
    try:
        return load_plant(plant)
    except PlantError as error:
        raise _failed(error) from error


def _failed(error: Exception) -> typer.Exit:
    typer.echo(f"meter-bridge-sim: {error}", err=True)
    return typer.Exit(1)


@cli.command()
def run(plant: Path) -> None:
    """Simulate the meters of a PLANT file until stopped."""
    config = _loaded(plant)
    try:
        asyncio.run(_run(config))
    except (PlantError, CurveError, OSError) as error:
        raise _failed(error) from error


@cli.command()
def check(plant: Path) -> None:
    """Read a PLANT file and its load files, and tell what is in them."""
    config = _loaded(plant)
    try:
        plant_of(config)
    except (PlantError, CurveError) as error:
        raise _failed(error) from error
    for line in config.lines:
        where = f"{line.host}:{line.port}, {line.framing}"
        typer.echo(f"line {line.name}: {len(line.meters)} meters on {where}")
    for broker in config.brokers:
        place = f"{broker.host}:{broker.port}"
        typer.echo(f"mqtt {broker.name}: {len(broker.meters)} devices at {place}")
    for fault in config.faults:
        until = "" if fault.for_ is None else f" for {fault.for_:g} s"
        again = "" if fault.every is None else f", every {fault.every:g} s"
        count = len(config.targets(fault))
        typer.echo(
            f"at {fault.at:g} s: {fault.kind} of {fault.target} ({count}){until}{again}"
        )


@cli.command()
def example() -> None:
    """Print a plant file with comments, to begin with."""
    file = resources.files("meter_bridge.simulator") / "example.toml"
    typer.echo(file.read_text(encoding="utf-8"), nl=False)


@cli.command()
def bridge(plant: Path) -> None:
    """Print the lines and meters of a PLANT file for the bridge's bridge.toml."""
    typer.echo(bridge_file(_loaded(plant)), nl=False)


@cli.command()
def faults() -> None:
    """List the kinds of faults, and what they befall."""
    for name, kind in KINDS.items():
        value = "" if kind.value is None else f" value = {kind.value.__name__}"
        if kind.default is not None:
            value += f", or {json.dumps(kind.default)}"
        typer.echo(f"{name:12}{kind.text}\n{'':12}on {', '.join(kind.on)};{value}")


def main() -> None:
    """Entry point."""
    cli()
