// A recording proxy: stands in front of a service and keeps the head of every request that passes, and
// the secrets in the heads of answers.
import http from 'node:http';

export class Tap {
  constructor() {
    this.requests = [];
    this.servers = [];
    this.setCookies = [];
  }

  // Every session and token that went through a cookie or a header, bare.
  secrets() {
    const cookies = [...this.setCookies, ...this.requests.flatMap(({ headers }) => (headers.cookie ?? '').split('; '))];
    const ofCookies = cookies.map((line) => /^(?:legacy_session|oauth_access|oauth_refresh)=([^;]+)/.exec(line)?.[1]);
    const ofHeaders = this.requests.map(({ headers }) => headers['x-legacy-session']);
    return [...ofCookies, ...ofHeaders].filter(Boolean);
  }

  // Resolves with the port of a proxy to `port`.
  stand(name, port) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 128 });
    const server = http.createServer((request, response) => {
      this.requests.push({ to: name, method: request.method, path: request.url, headers: request.headers });
      const upstream = http.request({ host: '127.0.0.1', port, method: request.method, path: request.url, headers: request.headers, agent }, (answer) => {
        this.setCookies.push(...(answer.headers['set-cookie'] ?? []));
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      upstream.on('error', () => {
        if (!response.headersSent) response.writeHead(502);
        response.end();
      });
      response.on('close', () => upstream.destroy());
      request.pipe(upstream);
    });
    server.keepAliveTimeout = 30_000;
    this.servers.push({ server, agent });
    return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server.address().port)); });
  }

  close() {
    for (const { server, agent } of this.servers) {
      agent.destroy();
      server.closeAllConnections();
      server.close();
    }
  }
}
