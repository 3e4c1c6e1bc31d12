// A stand-in for a tracing vendor: an OTLP/HTTP endpoint that wants an api-key header and keeps
// nothing. GET /received says how much came; POST /down and /up switch it off and on (503), to show
// that one exporter in trouble harms no other.
import http from 'node:http';

const key = process.env.VENDOR_API_KEY ?? 'demo-vendor-key';
const received = { requests: 0, bytes: 0, refused: 0, unauthorised: 0 };
let down = false;

const server = http.createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/received') {
    response.setHeader('content-type', 'application/json');
    return void response.end(JSON.stringify(received));
  }
  if (request.url === '/down' || request.url === '/up') {
    down = request.url === '/down';
    return void response.writeHead(204).end();
  }
  let bytes = 0;
  request.on('data', (chunk) => { bytes += chunk.length; });
  request.on('end', () => {
    if (request.headers['api-key'] !== key) {
      received.unauthorised += 1;
      return void response.writeHead(401).end();
    }
    if (down) {
      received.refused += 1;
      return void response.writeHead(503).end();
    }
    received.requests += 1;
    received.bytes += bytes;
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/x-protobuf' }).end();
  });
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`vendor ready http=${server.address().port}`);
});
process.on('SIGTERM', () => process.exit(0));
