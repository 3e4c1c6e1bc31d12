// The demonstration's DNS server: answers A queries for one zone over UDP and TCP, as two replicas
// on two ports, and misbehaves by script. A replica's rules say what happens to queries whose name
// matches: drop, delay, servfail, nxdomain, refuse or truncate, for a share of them or for the next
// so many. Rules are set when it starts (DNS_RULES) and at any time by POST /rules on the control
// port; GET /counts says what was asked and what became of it.
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import { seeded } from '../lib/seeded.mjs';

const zone = process.env.DNS_ZONE ?? 'account.example';
const address = process.env.DNS_ADDRESS ?? '127.0.0.1';
const random = seeded(Number(process.env.DNS_SEED ?? 1), 'dns');
const ports = (process.env.DNS_PORTS ?? '0,0').split(',').map(Number);
const controlPort = Number(process.env.DNS_CONTROL_PORT ?? 0);

// [{replica: 1, action: 'drop', share: 1, left: null, delayMs: 0, name: 'suffix'}]
let rules = JSON.parse(process.env.DNS_RULES ?? '[]');
const counts = { queries: 0, answered: 0, drop: 0, delay: 0, servfail: 0, nxdomain: 0, refuse: 0, truncate: 0 };

const RCODE = { servfail: 2, nxdomain: 3, refuse: 5 };

function readQuestion(message) {
  const labels = [];
  let at = 12;
  while (at < message.length && message[at] !== 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]));
    at += message[at] + 1;
  }
  if (at + 5 > message.length) return null;
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

// An answer to the query: its header and question, and an A record when there is one.
function answer(query, question, { rcode = 0, truncated = false } = {}) {
  const known = question.name === zone || question.name.endsWith(`.${zone}`);
  const code = rcode === 0 && !known ? 3 : rcode;
  const withRecord = code === 0 && question.type === 1 && !truncated;
  const head = Buffer.from(query.subarray(0, question.end));
  head.writeUInt16BE(0x8400 | (truncated ? 0x0200 : 0) | (head.readUInt16BE(2) & 0x0100) | 0x0080 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(withRecord ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  if (!withRecord) return head;
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]); // TTL 0: ask again
  address.split('.').forEach((part, i) => record.writeUInt8(Number(part), 12 + i));
  return Buffer.concat([head, record]);
}

function ruleFor(replica, question) {
  for (const rule of rules) {
    if (rule.replica !== undefined && rule.replica !== replica) continue;
    if (rule.name && !question.name.endsWith(rule.name)) continue;
    if (rule.left === 0 || random() >= (rule.share ?? 1)) continue;
    if (typeof rule.left === 'number') rule.left -= 1;
    return rule;
  }
  return null;
}

function handle(replica, query, overTcp, reply) {
  const question = query.length >= 12 ? readQuestion(query) : null;
  if (!question) return;
  counts.queries += 1;
  const rule = ruleFor(replica, question);
  const action = rule?.action ?? 'answered';
  counts[action] = (counts[action] ?? 0) + 1;
  if (action === 'drop') return;
  if (action === 'delay') return void setTimeout(() => reply(answer(query, question)), rule.delayMs ?? 500);
  if (action === 'truncate' && !overTcp) return reply(answer(query, question, { truncated: true }));
  reply(answer(query, question, { rcode: RCODE[action] ?? 0 }));
}

function listenUdp(replica, port) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', reject);
    socket.on('message', (query, from) => {
      handle(replica, query, false, (bytes) => socket.send(bytes, from.port, from.address));
    });
    socket.bind(port, '127.0.0.1', () => resolve(socket));
  });
}

function listenTcp(replica, port) {
  return new Promise((resolve, reject) => {
    const server = net.createServer((connection) => {
      let buffer = Buffer.alloc(0);
      connection.on('error', () => connection.destroy());
      connection.on('data', (chunk) => {
        buffer = Buffer.concat([buffer, chunk]);
        while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
          const size = buffer.readUInt16BE(0);
          const query = buffer.subarray(2, 2 + size);
          buffer = buffer.subarray(2 + size);
          handle(replica, query, true, (bytes) => {
            const length = Buffer.alloc(2);
            length.writeUInt16BE(bytes.length);
            connection.write(Buffer.concat([length, bytes]));
          });
        }
        if (buffer.length > 65537) connection.destroy();
      });
    });
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

const control = http.createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/counts') {
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(counts));
  }
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    try {
      rules = JSON.parse(body);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(400).end(String(error.message));
    }
  });
});

// Listens on one port over UDP and TCP. A port that the kernel gave for UDP (0) may be in use over TCP,
// by any connection of the machine: then another is asked for.
async function listen(replica, port) {
  for (let attempt = 1; ; ++attempt) {
    const socket = await listenUdp(replica, port);
    const got = socket.address().port;
    try {
      await listenTcp(replica, got);
      return got;
    } catch (error) {
      socket.close();
      if (port !== 0 || error.code !== 'EADDRINUSE' || attempt === 50) throw error;
    }
  }
}

const bound = [];
for (const [index, port] of ports.entries()) bound.push(await listen(index, port));
control.listen(controlPort, '127.0.0.1', () => {
  console.log(`dns ready replicas=${bound.join(',')} control=${control.address().port}`);
});
