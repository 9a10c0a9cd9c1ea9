"""Probes carried out on a stack of layers: containers that are watched and then gone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from lamina.linux.netns import ProcessGone, in_network_of
from lamina.minify.container import Contained, await_until, contained, ready_directory
from lamina.minify.errors import NotAnswering
from lamina.minify.probe import CommandProbe, HttpProbe, Outcome, OwnProbe, Probe, ScriptProbe
from lamina.minify.recorder import Recorder
from lamina.minify.request import ask, listens
from lamina.oci.config import ImageConfig
from lamina.run.request import RunRequest, process
from lamina.run.spec import ContainerSpec, Network, Overlay
from lamina.store.contract import LayerStore

T = TypeVar("T")
_HOSTNAME = "lamina"
"""The same in every container: a name that changes would make outputs differ."""
_LINES = 5
_MOMENT = 0.5
"""Seconds in which a process that is ending has ended."""
_TCP = re.compile(r"(\d+)(/tcp)?")


class Settings(msgspec.Struct, frozen=True):
    """How probes are carried out."""

    probes: tuple[Probe, ...]
    network: Network = "none"
    timeout: float = 60.0
    """Seconds that a command, a script or the first answer may take."""
    grace: float = 10.0
    """Seconds that a service has to end when it is asked to."""
    environment: Mapping[str, str] = {}
    """Of scripts."""


class Laboratory(msgspec.Struct, frozen=True):
    """Where images are tried out: a directory of the store's file system, and how."""

    layers: LayerStore
    directory: Path
    cache: Path
    settings: Settings
    tell: Callable[[str], None]
    """Hears of each probe as it begins."""
    number: Iterator[int] = msgspec.field(default_factory=count)

    def try_out(
        self,
        config: ImageConfig,
        below: tuple[Path, ...],
        probes: Sequence[Probe],
        recorder: Recorder | None = None,
    ) -> list[Outcome]:
        """What each probe comes to on the layers `below`, in the order of `probes`.

        Commands have a container each; requests and scripts share one that runs what the
        image starts by itself.  What is used is told to `recorder`.  Raises NotAnswering,
        and what the container's start raises.
        """
        found: dict[int, Outcome] = {}
        beside = [
            (place, probe)
            for place, probe in enumerate(probes)
            if isinstance(probe, HttpProbe | ScriptProbe)
        ]
        for place, probe in enumerate(probes):
            if isinstance(probe, CommandProbe | OwnProbe):
                self.tell(probe.name)
                found[place] = self._alone(config, below, probe, recorder)
        if beside:
            with self._container(config, below, (), recorder) as box:
                for place, probe in beside:
                    self.tell(probe.name)
                    found[place] = self._beside(config, box, probe)
                if recorder is not None:
                    self._stop(config, box)
        return [found[place] for place in range(len(probes))]

    def _alone(
        self,
        config: ImageConfig,
        below: tuple[Path, ...],
        probe: CommandProbe | OwnProbe,
        recorder: Recorder | None,
    ) -> Outcome:
        own = isinstance(probe, OwnProbe)
        args = () if isinstance(probe, OwnProbe) else probe.args
        patience = probe.seconds if isinstance(probe, OwnProbe) else self.settings.timeout
        began = time.monotonic()
        with self._container(config, below, args, recorder) as box:
            status = box.wait(patience)
            if status is None and not own:
                raise NotAnswering(
                    f"{probe.name} still runs after {patience:g} s",
                    hint="a command has to end by itself; --timeout gives it longer",
                )
            seconds = time.monotonic() - began
            if status is None:
                if recorder is not None:
                    self._stop(config, box)
                # What a service prints until it is stopped depends on when that is.
                return Outcome(None, (), seconds)
            return Outcome(status, box.outputs(), seconds)

    def _beside(
        self, config: ImageConfig, box: Contained, probe: HttpProbe | ScriptProbe
    ) -> Outcome:
        began = time.monotonic()
        if isinstance(probe, HttpProbe):
            outcome = self._request(box, probe)
        else:
            try:
                self._await_ports(config, box)
                outcome = self._script(box, probe)
            except ProcessGone:
                raise self._silent(box, probe) from None
        return replace(outcome, seconds=time.monotonic() - began)

    def _request(self, box: Contained, probe: HttpProbe) -> Outcome:
        deadline = time.monotonic() + self.settings.timeout
        try:
            if not self._await_port(box, probe.port, deadline):
                raise self._silent(box, probe)
            left = max(1.0, deadline - time.monotonic())
            status, body = self._here(
                box, lambda: ask(probe.method, probe.port, probe.path, timeout=left)
            )
        except (OSError, ProcessGone):
            raise self._silent(box, probe) from None
        return Outcome(status, (("body", body),))

    def _script(self, box: Contained, probe: ScriptProbe) -> Outcome:
        environment = {
            **self.settings.environment,
            "LAMINA_HTTP": "http://127.0.0.1",
            "LAMINA_CONTAINER_PID": str(box.pid),
        }
        started: list[subprocess.Popen[bytes]] = []
        try:
            self._here(box, lambda: started.append(_script(probe.text, environment)))
            out, error = started[0].communicate(timeout=self.settings.timeout)
        except subprocess.TimeoutExpired:
            raise NotAnswering(
                f"{probe.name} still runs after {self.settings.timeout:g} s",
                hint="--timeout gives it longer",
            ) from None
        finally:
            for each in started:
                if each.returncode is None:
                    os.killpg(each.pid, signal.SIGKILL)
                    each.communicate()
        code = started[0].returncode
        status = code if code >= 0 else 128 - code
        return Outcome(status, (("stdout", out), ("stderr", error)))

    def _await_ports(self, config: ImageConfig, box: Contained) -> None:
        """Wait until the service listens where its image says, as far as it says so."""
        deadline = time.monotonic() + min(self.settings.timeout, self.settings.grace)
        for text in config.execution.exposed_ports or ():
            if (found := _TCP.fullmatch(text)) is not None:
                self._await_port(box, int(found[1]), deadline)

    def _await_port(self, box: Contained, port: int, deadline: float) -> bool:
        while not self._here(box, lambda: listens(port)):
            if not await_until(deadline, box):
                return False
        return True

    def _here(self, box: Contained, work: Callable[[], T]) -> T:
        return in_network_of(box.pid, work) if self.settings.network == "none" else work()

    def _silent(self, box: Contained, probe: HttpProbe | ScriptProbe) -> NotAnswering:
        status = box.wait(_MOMENT)
        said = [
            line for _, raw in box.outputs() for line in raw.decode("utf-8", "replace").split("\n")
        ]
        last = "\n  ".join([line for line in said if line.strip()][-_LINES:])
        if status is not None:
            why = f"{probe.name}: the image's command ended, exit status {status}"
            return NotAnswering(why, hint=last or "it printed nothing")
        return NotAnswering(
            f"{probe.name}: nobody answers after {self.settings.timeout:g} s",
            hint=last or "is it the right port?",
        )

    def _stop(self, config: ImageConfig, box: Contained) -> None:
        """End a service as `docker stop` does, so that its end is watched, too."""
        number = _signal(config.execution.stop_signal)
        if box.catches(number):
            box.kill(number)
            box.wait(self.settings.grace)

    @contextmanager
    def _container(
        self,
        config: ImageConfig,
        below: tuple[Path, ...],
        args: tuple[str, ...],
        recorder: Recorder | None,
    ) -> Iterator[Contained]:
        place = ready_directory(self.directory / str(next(self.number)))
        request = RunRequest(command=args, network=self.settings.network)
        spec = ContainerSpec(
            identity=self.directory.name,
            directory=place,
            rootfs=Overlay(below, place / "upper", place / "work", volatile=True),
            process=process(config.execution, request, hostname=_HOSTNAME),
            hostname=_HOSTNAME,
            network=self.settings.network,
            cache=self.cache,
        )
        watch = -1
        if recorder is not None:
            watch = recorder.watch
            recorder.prepare(place / "upper", below)
        try:
            with contained(spec, watch=watch) as box:
                yield box
            if recorder is not None:
                recorder.collect(place / "upper")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _script(text: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", text],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _signal(text: str) -> int:
    """A signal by the name or number that an image has for its stop; SIGTERM for none."""
    name = text.upper().removeprefix("SIG")
    if name.isdecimal():
        return int(name)
    try:
        return signal.Signals[f"SIG{name or 'TERM'}"]
    except KeyError:
        return signal.SIGTERM
