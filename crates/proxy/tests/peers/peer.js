// What the JavaScript charger and the JavaScript backoffice share.
//
// They speak the same lines over standard input and output as the Python peers: see peer.py.
'use strict';

const readline = require('node:readline');
const { setTimeout: wait } = require('node:timers/promises');
const { NOREPLY, createRPCError } = require('ocpp-rpc');

/** Writes one event. */
function tell(event, facts) {
  process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');
}

/** Tells every frame of a client, and answers its calls with `answer(action, payload)`. */
function attend(client, charger, behaviour, answer) {
  client.on('message', ({ message, outbound }) => {
    tell(outbound ? 'sent' : 'received', { charger, frame: message.toString() });
  });
  client.on('close', ({ code, reason }) => {
    tell('closed', { charger, code, reason: reason ? reason.toString() : '' });
  });
  client.on('strictValidationFailure', ({ method, error }) => {
    tell('invalid', { charger, action: method, description: error.message });
  });
  client.handle(async ({ method, params }) => {
    const delays = behaviour.delay_ms ?? {};
    const delay = delays[method] ?? delays['*'] ?? 0;
    if (delay) await wait(delay);
    if (behaviour.silent?.includes(method)) return NOREPLY;
    if (behaviour.refuse?.includes(method)) throw createRPCError('InternalError', 'told to refuse', {});
    if (behaviour.garbage?.includes(method)) {
      client.sendRaw('}{ this is no JSON');
      return NOREPLY;
    }
    return behaviour.answers?.[method] ?? answer(method, params);
  });
}

/** Sends a CALL and returns what a `done` event says of its answer. */
async function ask(client, cue) {
  if (cue.id !== undefined) return askAs(client, cue);
  try {
    return { payload: await client.call(cue.action, cue.payload ?? {}) };
  } catch (error) {
    return { error: error.rpcErrorCode ?? error.name, description: error.message };
  }
}

/** The library draws its own message ids; a call with a chosen one goes beside its bookkeeping. */
function askAs(client, cue) {
  return new Promise((resolve) => {
    const listen = ({ message, outbound }) => {
      if (outbound) return;
      const [kind, id, first, second] = JSON.parse(message.toString());
      if (id !== cue.id || kind === 2) return;
      client.off('message', listen);
      resolve(kind === 3 ? { payload: first } : { error: first, description: second });
    };
    client.on('message', listen);
    client.sendRaw(JSON.stringify([2, cue.id, cue.action, cue.payload ?? {}]));
  });
}

/** Hands every line of standard input to `perform`; the program ends with standard input. */
function cues(perform) {
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on('line', async (line) => {
    const cue = JSON.parse(line);
    let outcome;
    try {
      outcome = await perform(cue);
    } catch (error) {
      outcome = { error: error.name, description: error.message };
    }
    tell('done', { cue: cue.cue, ...outcome });
  });
  lines.on('close', () => process.exit(0));
}

/** The behaviour given as the first argument. */
function behaviourGiven() {
  return process.argv[2] ? JSON.parse(process.argv[2]) : {};
}

module.exports = { tell, attend, ask, cues, behaviourGiven };
