"""What the Python charger and the Python backoffice share.

A peer is driven over standard input, one JSON object a line (a cue), and tells what it sees on
standard output, one JSON object a line (an event). Every cue is answered by one `done` event that
bears its number. The JavaScript peers speak the same lines, so a test does not know which it has.
"""

import asyncio
import json
import sys
import threading

from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.exceptions import OCPPError
from ocpp.routing import create_route_map, on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.exceptions import ConnectionClosed


def tell(event, **facts):
    """Writes one event."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Told:
    """A connection that tells every frame unless it is quiet, and can be told to stop reading."""

    def __init__(self, websocket, charger, quiet=False):
        self.websocket = websocket
        self.charger = charger
        self.quiet = quiet
        self.reading = asyncio.Event()
        self.reading.set()

    async def recv(self):
        await self.reading.wait()
        frame = await self.websocket.recv()
        self.tell("received", frame)
        return frame

    async def send(self, frame):
        await self.websocket.send(frame)
        self.tell("sent", frame)

    def tell(self, event, frame):
        if not self.quiet:
            tell(event, charger=self.charger, frame=frame)


class Peer(ChargePoint):
    """Either end of OCPP 1.6: the library's own class serves both."""

    # The actions this end answers, by name.
    ANSWERS = ()

    def __init__(self, charger, told, behaviour):
        super().__init__(charger, told)
        self.told = told
        self.behaviour = behaviour
        for action in self.ANSWERS:
            setattr(self, f"on_{action}", self._answer_for(action))
        self.route_map = create_route_map(self)

    def _answer_for(self, action):
        async def answer(**payload):
            delays = self.behaviour.get("delay_ms", {})
            delay = delays.get(action, delays.get("*", 0))
            if delay:
                await asyncio.sleep(delay / 1000)
            return to_dataclass(call_result, action, self.give(action, payload))

        # The library finds routes by the names it saw decorated.
        answer.__name__ = f"on_{action}"
        return on(action)(answer)

    def give(self, action, payload):
        """The payload it does answer with."""
        given = self.behaviour.get("answers", {}).get(action)
        return given if given is not None else self.answer(action, payload)

    def answer(self, action, payload):
        """The payload to answer with, as it stands on the wire."""
        raise NotImplementedError

    async def route_message(self, raw_msg):
        action = action_of(raw_msg)
        if action is not None and action in self.behaviour.get("garbage", []):
            await self.told.send('}{ this is no JSON')
            return
        if action is not None and action in self.behaviour.get("silent", []):
            return
        if action is not None and action in self.behaviour.get("refuse", []):
            error = self.behaviour.get("refuse_as", ["InternalError", "told to refuse"])
            await self.told.send(json.dumps([4, json.loads(raw_msg)[1], *error, {}]))
            return
        await super().route_message(raw_msg)

    async def ask(self, cue):
        """Sends a CALL through the library and returns what a `done` event says of its answer."""
        request = to_dataclass(call, cue["action"], cue.get("payload", {}))
        try:
            result = await self.call(request, suppress=False, unique_id=cue.get("id"))
        except OCPPError as error:
            return {"error": error.code, "description": error.description}
        return {"payload": to_wire(result)}

    async def serve(self):
        """Reads until the socket ends, and tells how it ended."""
        try:
            await self.start()
        except ConnectionClosed:
            pass
        socket = self.told.websocket
        tell("closed", charger=self.id, code=socket.close_code, reason=socket.close_reason)


def action_of(text):
    """The action of a CALL; `None` for anything else."""
    try:
        frame = json.loads(text)
        return frame[2] if frame[0] == 2 else None
    except (ValueError, IndexError, KeyError, TypeError):
        return None


def to_dataclass(module, action, payload):
    """The library's own type for an action's payload."""
    return getattr(module, action)(**camel_to_snake_case(payload))


def to_wire(result):
    """A payload as it stood on the wire."""
    return snake_to_camel_case({k: v for k, v in vars(result).items() if v is not None})


async def cues(perform):
    """Hands every line of standard input to `perform`; ends with standard input."""
    loop = asyncio.get_running_loop()
    lines = asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    tasks = set()

    async def carry_out(cue):
        try:
            outcome = await perform(cue)
        except asyncio.TimeoutError as error:
            outcome = {"error": "timeout", "description": str(error)}
        except (ConnectionClosed, OSError) as error:
            outcome = {"error": "closed", "description": str(error)}
        except Exception as error:  # a test must see what went wrong in here
            outcome = {"error": type(error).__name__, "description": str(error)}
        tell("done", cue=cue["cue"], **(outcome or {}))

    while (line := await lines.get()) is not None:
        task = asyncio.create_task(carry_out(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
