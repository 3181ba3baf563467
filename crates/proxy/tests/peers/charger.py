"""A charger built on the PyPI package `ocpp`. See `peer.py` for how it is driven.

Cues: `connect` (url, protocols, tls: `ca`, and `cert` with `key`, as file paths), `call` (action, payload, id), `raw` (text), `set` (behaviour),
`stall`, `resume`, `close` (code), `drop`.
"""

import asyncio
import json
import ssl
import sys

import websockets
from peer import Peer, Told, cues, tell
from websockets.exceptions import InvalidStatus


class Charger(Peer):
    ANSWERS = (
        "CancelReservation", "ChangeAvailability", "ChangeConfiguration", "ClearCache", "ClearChargingProfile",
        "DataTransfer", "GetCompositeSchedule", "GetConfiguration", "GetDiagnostics", "GetLocalListVersion", "GetLog",
        "RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow", "Reset", "SendLocalList",
        "SetChargingProfile", "TriggerMessage", "UnlockConnector", "UpdateFirmware",
    )

    def answer(self, action, payload):
        if action == "GetConfiguration":
            return {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]}
        if action == "GetLocalListVersion":
            return {"listVersion": 0}
        if action == "UnlockConnector":
            return {"status": "Unlocked"}
        if action in ("GetDiagnostics", "UpdateFirmware"):
            return {}
        return {"status": "Accepted"}


async def main(behaviour):
    current = None

    async def perform(cue):
        nonlocal current
        match cue["do"]:
            case "connect":
                identity = cue["url"].rstrip("/").rsplit("/", 1)[-1]
                context = None
                if "tls" in cue:
                    context = ssl.create_default_context(cafile=cue["tls"]["ca"])
                    if "cert" in cue["tls"]:
                        context.load_cert_chain(cue["tls"]["cert"], cue["tls"]["key"])
                try:
                    socket = await websockets.connect(
                        cue["url"],
                        subprotocols=cue.get("protocols", ["ocpp1.6"]) or None,
                        ping_interval=None,
                        max_size=None,
                        open_timeout=15,
                        proxy=None,
                        ssl=context,
                    )
                except InvalidStatus as refusal:
                    return {"error": "refused", "status": refusal.response.status_code}
                current = Charger(identity, Told(socket, identity), behaviour)
                current.served = asyncio.create_task(current.serve())
                return {"subprotocol": socket.subprotocol}
            case "call":
                return await current.ask(cue)
            case "raw":
                await current.told.send(cue["text"])
            case "set":
                behaviour.update(cue["behaviour"])
            case "stall":
                current.told.reading.clear()
            case "resume":
                current.told.reading.set()
            case "close":
                await current.told.websocket.close(cue.get("code", 1000))
            case "drop":
                current.told.websocket.transport.abort()

    tell("ready")
    await cues(perform)


asyncio.run(main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
