// A charger built on the npm package `ocpp-rpc`. The cues are those of charger.py.
'use strict';

const fs = require('fs');
const { RPCClient } = require('ocpp-rpc');
const { tell, attend, ask, cues, behaviourGiven } = require('./peer.js');

const behaviour = behaviourGiven();
let client;

function answer(action) {
  switch (action) {
    case 'GetConfiguration':
      return { configurationKey: [{ key: 'HeartbeatInterval', readonly: false, value: '300' }] };
    case 'GetLocalListVersion':
      return { listVersion: 0 };
    case 'UnlockConnector':
      return { status: 'Unlocked' };
    case 'GetDiagnostics':
    case 'UpdateFirmware':
      return {};
    default:
      return { status: 'Accepted' };
  }
}

function files(tls) {
  return Object.fromEntries(Object.entries(tls).map(([name, path]) => [name, fs.readFileSync(path)]));
}

async function connect(cue) {
  const url = cue.url.replace(/\/$/, '');
  const cut = url.lastIndexOf('/');
  const protocols = cue.protocols ?? ['ocpp1.6'];
  client = new RPCClient({
    endpoint: url.slice(0, cut),
    identity: decodeURIComponent(url.slice(cut + 1)),
    protocols,
    strictMode: protocols.includes('ocpp1.6') ? ['ocpp1.6'] : false,
    reconnect: false,
    pingIntervalMs: 0,
    wsOpts: { perMessageDeflate: false, ...files(cue.tls ?? {}) },
  });
  attend(client, client._options.identity, behaviour, answer);
  try {
    await client.connect();
  } catch (error) {
    if (error.code) return { error: 'refused', status: error.code };
    throw error;
  }
  return { subprotocol: client.protocol ?? null };
}

cues(async (cue) => {
  switch (cue.do) {
    case 'connect':
      return connect(cue);
    case 'call':
      return ask(client, cue);
    case 'raw':
      return client.sendRaw(cue.text);
    case 'set':
      return void Object.assign(behaviour, cue.behaviour);
    case 'stall':
      return void client._ws.pause();
    case 'resume':
      return void client._ws.resume();
    case 'close':
      return void (await client.close({ code: cue.code ?? 1000 }));
    case 'drop':
      return void client._ws.terminate();
    default:
      throw Error(`unknown cue ${cue.do}`);
  }
});
tell('ready');
