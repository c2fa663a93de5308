"""``meter-bridge-sim plant.toml``: run a simulated plant until stopped."""

import asyncio
import signal
from pathlib import Path

import typer

from meter_bridge.simulator.config import PlantConfig, PlantError, load_plant
from meter_bridge.simulator.curve import CurveError
from meter_bridge.simulator.running import RunningPlant

cli = typer.Typer(add_completion=False)


async def run(config: PlantConfig) -> None:
    """Run until SIGTERM or SIGINT; raises :class:`PlantError`."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with RunningPlant(config) as running:
        for name, server in running.lines.items():
            host, meters = server.config.host, len(server.config.meters)
            typer.echo(f"line {name}: {meters} meters on {host}:{server.port}")
        for broker in config.brokers:
            place = f"{broker.host}:{broker.port}"
            typer.echo(f"mqtt {broker.name}: {len(broker.meters)} devices at {place}")
        if config.control_port is not None:
            typer.echo(f"control: http://{config.control_host}:{running.control_port}")
        await stop.wait()


@cli.command()
def simulate(plant: Path) -> None:
    """Simulate the meters of a PLANT file: real Modbus, real relays."""
    try:
        asyncio.run(run(load_plant(plant)))
    except (PlantError, CurveError, OSError) as error:
        typer.echo(f"meter-bridge-sim: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Entry point."""
    cli()
