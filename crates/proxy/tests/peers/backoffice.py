"""A backoffice built on the PyPI package `ocpp`. See `peer.py` for how it is driven.

Behaviour (first argument, JSON; changed by the cue `set`): `port`, `tls` (cert, key, and client_ca if it asks for certificates: file paths),
`first_transaction`, `rejected` (cards), `delay_ms` (by action or `*`), `answers` (by action),
`authorizations` (the only headers that are let in; others get 401), `garbage`, `silent`, `refuse` (lists of actions), `refuse_as` (code and description), `interval`, `subprotocols`, `journal` (file path: what is
to be booked is written there before it is answered, and numbers go on from there), `quiet` (frames are not
told).
Cues: `call` (charger, action, payload, id), `raw` (charger, text, times), `set` (behaviour), `stall`,
`resume`, `close` (code, reason), `drop`.
"""

import asyncio
import json
import ssl
import sys
from datetime import datetime, timezone
from urllib.parse import unquote

from journal import Journal
from ocpp.charge_point import snake_to_camel_case
from peer import Peer, Told, cues, tell
from websockets.asyncio.server import serve


class Backoffice(Peer):
    ANSWERS = (
        "Authorize", "BootNotification", "DataTransfer", "DiagnosticsStatusNotification",
        "FirmwareStatusNotification", "Heartbeat", "LogStatusNotification", "MeterValues", "SecurityEventNotification",
        "StartTransaction", "StatusNotification", "StopTransaction",
    )
    # What must not be lost.
    BOOKED = ("MeterValues", "SecurityEventNotification", "StartTransaction", "StopTransaction")

    def __init__(self, charger, told, behaviour, journal, path):
        super().__init__(charger, told, behaviour)
        self.journal = journal
        self.link = journal.link(charger, path) if journal else None

    def give(self, action, payload):
        answer = super().give(action, payload)
        if self.journal and action in self.BOOKED:
            self.journal.write(
                "booked",
                link=self.link,
                action=action,
                payload=snake_to_camel_case(payload),
                number=answer.get("transactionId"),
            )
        return answer

    def answer(self, action, payload):
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": self.behaviour.get("interval", 300)}
            case "Heartbeat":
                return {"currentTime": now}
            case "DataTransfer":
                return {"status": "Accepted"}
            case "Authorize" | "StopTransaction":
                return {"idTagInfo": self.verdict(payload)} if payload.get("id_tag") else {}
            case "StartTransaction":
                number = self.behaviour["next_transaction"]
                self.behaviour["next_transaction"] = number + 1
                return {"transactionId": number, "idTagInfo": self.verdict(payload)}
            case _:
                return {}

    def verdict(self, payload):
        rejected = payload.get("id_tag") in self.behaviour.get("rejected", [])
        return {"status": "Invalid" if rejected else "Accepted"}


async def main(behaviour):
    behaviour["next_transaction"] = behaviour.get("first_transaction", 1)
    journal = Journal(behaviour["journal"]) if "journal" in behaviour else None
    if journal and journal.last_number is not None:
        behaviour["next_transaction"] = journal.last_number + 1
    links = {}

    async def accept(socket):
        charger = unquote(socket.request.path.rsplit("/", 1)[-1])
        told = Told(socket, charger, behaviour.get("quiet", False))
        link = Backoffice(charger, told, behaviour, journal, socket.request.path)
        links[charger] = link
        tell(
            "connected",
            charger=charger,
            subprotocol=socket.subprotocol,
            authorization=socket.request.headers.get("Authorization"),
        )
        await link.serve()
        if journal:
            journal.write("closed", link=link.link, code=socket.close_code)
        if links.get(charger) is link:
            del links[charger]

    def check(connection, request):
        header = request.headers.get("Authorization")
        if "authorizations" in behaviour and header not in behaviour["authorizations"]:
            tell("turned_away", authorization=header)
            return connection.respond(401, "not let in\n")

    def link_of(cue):
        return links[cue["charger"]] if "charger" in cue else next(iter(links.values()))

    async def perform(cue):
        match cue["do"]:
            case "call":
                return await link_of(cue).ask(cue)
            case "raw":
                told = link_of(cue).told
                for number in range(cue.get("times", 1)):
                    await told.websocket.send(cue["text"].replace("{n}", str(number)))
            case "set":
                behaviour.update(cue["behaviour"])
            case "stall":
                for link in links.values():
                    link.told.reading.clear()
            case "resume":
                for link in links.values():
                    link.told.reading.set()
            case "close":
                await link_of(cue).told.websocket.close(cue.get("code", 1000), cue.get("reason", ""))
            case "drop":
                for link in list(links.values()):
                    link.told.websocket.transport.abort()

    tls = None
    if "tls" in behaviour:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(behaviour["tls"]["cert"], behaviour["tls"]["key"])
        if "client_ca" in behaviour["tls"]:
            tls.verify_mode = ssl.CERT_REQUIRED
            tls.load_verify_locations(behaviour["tls"]["client_ca"])
    async with serve(
        accept,
        "127.0.0.1",
        behaviour.get("port", 0),
        subprotocols=behaviour.get("subprotocols", ["ocpp1.6"]),
        ssl=tls,
        process_request=check,
        ping_interval=None,
        max_size=None,
    ) as server:
        tell("listening", port=server.sockets[0].getsockname()[1])
        await cues(perform)
        server.close(close_connections=True)


asyncio.run(main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
