// account-oauth, of the Account squad: issues and refreshes OAuth token sets by scope and checks the
// customer's state. Traced by OpenTelemetry's automatic instrumentation (node --require …/register),
// as a vendor's agent would: nothing in this file makes spans; it only adds attributes to the
// current one.
//
//   POST /oauth/token    {grant: "legacy_session" | "refresh_token", customer, session | refreshToken, scope}
//   GET  /customers/{id}/state
//   GET  /.well-known/oauth-authorization-server
//
// Release 3.1 answers a suspended customer's transfer with a restricted token set for the journey
// that suspended customers have, where 3.0 refused it.
'use strict';
const { createHmac, randomBytes } = require('node:crypto');
const http = require('node:http');
const { context, trace } = require('@opentelemetry/api');
const { getRPCMetadata } = require('@opentelemetry/core');

const port = Number(process.env.PORT ?? 0);
const version = process.env.SERVICE_VERSION ?? '3.0';
const hangMs = Number(process.env.HANG_MS ?? 7000);
const tokenLifeS = Number(process.env.TOKEN_LIFE_S ?? 60);
const secret = randomBytes(32);
const hasSuspendedJourney = Number(version) >= 3.1;

const MINIMUM_SCOPES = ['openid', 'account.read', 'session.transfer'];

// The customer data base of the demonstration: the id says it ("c123s" is suspended).
const isSuspended = (customer) => /^c\d+s$/.test(customer);

function scopesOf(customer) {
  return isSuspended(customer) ? ['openid', 'account.suspended'] : MINIMUM_SCOPES;
}

function sign(text) {
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function tokenSet(customer, scopes) {
  const claims = Buffer.from(JSON.stringify({ sub: customer, scope: scopes, exp: Date.now() + tokenLifeS * 1000 })).toString('base64url');
  const refresh = Buffer.from(JSON.stringify({ sub: customer, use: 'refresh' })).toString('base64url');
  return {
    accessToken: `${claims}.${sign(claims)}`,
    refreshToken: `${refresh}.${sign(refresh)}`,
    expiresInS: tokenLifeS,
    scope: scopes.join(' '),
  };
}

function subjectOf(refreshToken) {
  const [claims, signature] = String(refreshToken).split('.');
  if (!claims || sign(claims) !== signature) return null;
  return JSON.parse(Buffer.from(claims, 'base64url').toString()).sub;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function issue(body) {
  const span = trace.getActiveSpan();
  const customer = body.grant === 'refresh_token' ? subjectOf(body.refreshToken) : body.customer;
  if (!customer) return { status: 401, body: { error: 'invalid_grant', error_description: 'the refresh token is not one of ours' } };
  const suspended = isSuspended(customer);
  span?.setAttributes({
    'enduser.id': customer,
    'account.state': suspended ? 'suspended' : 'active',
    'oauth.grant_type': body.grant,
    'oauth.scope.requested': body.scope ?? '',
  });
  const granted = scopesOf(customer);
  const missing = String(body.scope ?? '').split(' ').filter((scope) => scope && !granted.includes(scope));
  if (missing.length > 0 && !(suspended && hasSuspendedJourney)) {
    span?.setAttributes({ 'oauth.scope.missing': missing.join(' ') });
    return {
      status: 403,
      body: {
        error: 'insufficient_scope',
        error_description: `customer lacks the minimum scopes for a token set: ${missing.join(', ')} (account state: suspended)`,
        account_state: 'suspended',
      },
    };
  }
  return { status: 200, body: { ...tokenSet(customer, granted), accountState: suspended ? 'suspended' : 'active' } };
}

// What a framework tells the instrumentation of a request: it names the span by it.
function setRoute(route) {
  const metadata = getRPCMetadata(context.active());
  if (metadata) metadata.route = route;
}

async function answer(request, body) {
  if (request.url === '/healthz') return { status: 200, body: { status: 'up' } };
  // The demonstration's fault plan, made by the driver: this call hangs, as some do.
  // Not all for as long: those that are waited for make no ridge of their own.
  if (request.headers['x-demo-fault']?.includes('hang')) await pause(hangMs * (1 + Math.random() / 3));
  if (request.method === 'POST' && request.url === '/oauth/token') {
    setRoute('/oauth/token');
    await pause(3 + Math.random() * 9); // its data base
    return issue(body);
  }
  if (request.url === '/.well-known/oauth-authorization-server') {
    setRoute('/.well-known/oauth-authorization-server');
    return { status: 200, body: { grant_types_supported: ['legacy_session', 'refresh_token'], scopes_supported: [...MINIMUM_SCOPES, 'account.suspended'] } };
  }
  const state = /^\/customers\/([^/]+)\/state$/.exec(request.url ?? '');
  if (request.method === 'GET' && state) {
    setRoute('/customers/{id}/state');
    return { status: 200, body: { state: isSuspended(state[1]) ? 'suspended' : 'active' } };
  }
  return { status: 404, body: { error: 'not_found' } };
}

const server = http.createServer((request, response) => {
  const chunks = [];
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > 65536) request.destroy();
    else chunks.push(chunk);
  });
  request.on('end', async () => {
    let result;
    try {
      const text = Buffer.concat(chunks).toString();
      result = await answer(request, text ? JSON.parse(text) : {});
    } catch (error) {
      trace.getActiveSpan()?.recordException(error);
      result = { status: 400, body: { error: 'invalid_request', error_description: error.message } };
    }
    response.writeHead(result.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(result.body));
  });
});
server.keepAliveTimeout = 30_000;
server.listen(port, '127.0.0.1', () => console.log(`account-oauth ready http=${server.address().port}`));
process.on('SIGTERM', () => {
  server.close();
  setTimeout(() => process.exit(0), 1500).unref();
});
