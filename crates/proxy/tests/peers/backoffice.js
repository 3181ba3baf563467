// A backoffice built on the npm package `ocpp-rpc`. Behaviour and cues are those of backoffice.py.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { RPCServer } = require('ocpp-rpc');
const { tell, attend, ask, cues, behaviourGiven } = require('./peer.js');

const behaviour = behaviourGiven();
let nextTransaction = behaviour.first_transaction ?? 1;
const links = new Map();

function verdict(idTag) {
  return { status: behaviour.rejected?.includes(idTag) ? 'Invalid' : 'Accepted' };
}

function answer(action, payload) {
  const now = new Date().toISOString();
  switch (action) {
    case 'BootNotification':
      return { status: 'Accepted', currentTime: now, interval: behaviour.interval ?? 300 };
    case 'Heartbeat':
      return { currentTime: now };
    case 'DataTransfer':
      return { status: 'Accepted' };
    case 'Authorize':
    case 'StopTransaction':
      return payload.idTag ? { idTagInfo: verdict(payload.idTag) } : {};
    case 'StartTransaction':
      return { transactionId: nextTransaction++, idTagInfo: verdict(payload.idTag) };
    default:
      return {};
  }
}

const server = new RPCServer({ protocols: behaviour.subprotocols ?? ['ocpp1.6'], strictMode: true, pingIntervalMs: 0 });
server.auth((accept, reject, handshake) => {
  const authorization = handshake.headers.authorization ?? null;
  if (behaviour.authorizations && !behaviour.authorizations.includes(authorization)) {
    tell('turned_away', { authorization });
    return reject(401, 'not let in');
  }
  accept();
});
server.on('client', (client) => {
  const charger = client.identity;
  links.set(charger, client);
  client.on('close', () => links.get(charger) === client && links.delete(charger));
  tell('connected', {
    charger,
    subprotocol: client.protocol ?? null,
    authorization: client.handshake.headers.authorization ?? null,
  });
  attend(client, charger, behaviour, answer);
});

const linkOf = (cue) => {
  const link = cue.charger === undefined ? links.values().next().value : links.get(cue.charger);
  if (!link) throw Error('no such charger is connected');
  return link;
};

cues(async (cue) => {
  switch (cue.do) {
    case 'call':
      return ask(linkOf(cue), cue);
    case 'raw': {
      const link = linkOf(cue);
      for (let number = 0; number < (cue.times ?? 1); number++) {
        link._ws.send(cue.text.replace('{n}', String(number)));
      }
      return undefined;
    }
    case 'set':
      return void Object.assign(behaviour, cue.behaviour);
    case 'stall':
      return void [...links.values()].forEach((link) => link._ws.pause());
    case 'resume':
      return void [...links.values()].forEach((link) => link._ws.resume());
    case 'close':
      return void (await linkOf(cue).close({ code: cue.code ?? 1000 }));
    case 'drop':
      return void [...links.values()].forEach((link) => link._ws.terminate());
    default:
      throw Error(`unknown cue ${cue.do}`);
  }
});

const tls = behaviour.tls && { cert: fs.readFileSync(behaviour.tls.cert), key: fs.readFileSync(behaviour.tls.key) };
const listener = tls ? https.createServer(tls) : http.createServer();
listener.on('upgrade', server.handleUpgrade);
listener.listen(behaviour.port ?? 0, '127.0.0.1', () => tell('listening', { port: listener.address().port }));
