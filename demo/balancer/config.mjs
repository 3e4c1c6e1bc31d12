// The two load balancers in front of the account data centre, as haproxy configurations. The web
// tier passes TLS through; the app tier ends TLS and routes by path. Neither is traced: what they
// cost is the gap between a client span and the server span that continues it.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const common = `global
  maxconn 2000
  log stderr format raw local0 notice
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
`;

export function webTier({ listen, appTier }) {
  return `${common}
frontend web_tier
  mode tcp
  bind 127.0.0.1:${listen}
  default_backend app_tier
backend app_tier
  mode tcp
  server app 127.0.0.1:${appTier}
`;
}

export function appTier({ listen, certificate, oauth, legacy }) {
  return `${common}
frontend app_tier
  mode http
  bind 127.0.0.1:${listen} ssl crt ${certificate} alpn http/1.1
  option forwardfor
  use_backend legacy if { path_beg /sessions }
  default_backend oauth
backend oauth
  mode http
  server oauth1 127.0.0.1:${oauth}
backend legacy
  mode http
  server legacy1 127.0.0.1:${legacy}
`;
}

// A certificate authority and a certificate for the zone, made anew for each run. Returns the paths
// of the authority's certificate and of certificate and key in one file, as haproxy wants them.
export function makeCertificates(folder, zone) {
  const path = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30',
    '-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=Account data centre CA');
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-keyout', path('server.key'), '-out', path('server.csr'), '-subj', `/CN=${zone}`);
  writeFileSync(path('server.ext'), `subjectAltName=DNS:${zone},DNS:*.${zone}\n`);
  openssl('x509', '-req', '-in', path('server.csr'), '-CA', path('ca.pem'), '-CAkey', path('ca.key'),
    '-CAcreateserial', '-days', '30', '-extfile', path('server.ext'), '-out', path('server.pem'));
  writeFileSync(path('haproxy.pem'), readFileSync(path('server.pem'), 'utf8') + readFileSync(path('server.key'), 'utf8'),
    { mode: 0o600 });
  return { authority: path('ca.pem'), bundle: path('haproxy.pem') };
}
