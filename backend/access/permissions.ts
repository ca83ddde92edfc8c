// What each route needs, and which role may do that. A route that is not listed here is closed to
// everybody (403), and a test names it: nobody opens a route without saying to whom.

import type { Role } from './roles.ts';

/**
 * - `public`: anybody, without a token.
 * - `otlp`: checked by the OTLP server itself, in OTLP's words (Access.authorizeIngest).
 * - `ingest`: hands in telemetry.
 * - `raise`: raises alerts, and ends those that were raised so.
 * - `read`: asks through Binnacle's own questions.
 * - `sql`: writes statements.
 * - `operate`: takes telemetry away, changes what others see.
 * - `administer`: everything.
 */
export type Permission =
  'public' | 'otlp' | 'ingest' | 'raise' | 'read' | 'sql' | 'operate' | 'administer';

const HELD: Readonly<Record<Role, readonly Permission[]>> = {
  writer: ['public', 'otlp', 'ingest', 'raise'],
  viewer: ['public', 'read'],
  analyst: ['public', 'read', 'sql'],
  operator: ['public', 'raise', 'read', 'sql', 'operate'],
  admin: ['public', 'otlp', 'ingest', 'raise', 'read', 'sql', 'operate', 'administer'],
};

export const mayDo = (role: Role, permission: Permission): boolean =>
  HELD[role].includes(permission);

/** By `METHOD /path` as it was registered; HEAD is GET. A path that ends in `*` covers a folder. */
export const PERMISSIONS: Readonly<Record<string, Permission>> = {
  'GET /': 'public',
  'GET /docs': 'public',
  'GET /docs/*': 'public',
  'GET /health/live': 'public',
  'GET /health/ready': 'public',
  'GET /health': 'read',
  'GET /metrics': 'read',

  '* /v1/logs': 'otlp',
  '* /v1/metrics': 'otlp',
  '* /v1/traces': 'otlp',

  'POST /api/query': 'sql',
  'GET /api/query': 'sql',
  'GET /api/query/:id': 'sql',
  'DELETE /api/query/:id': 'sql',
  'GET /api/queries': 'sql',
  'GET /api/schema': 'read',
  'GET /api/saved-queries': 'sql',
  'POST /api/saved-queries': 'sql',
  'GET /api/saved-queries/:id': 'sql',
  'PUT /api/saved-queries/:id': 'sql',
  'DELETE /api/saved-queries/:id': 'sql',
  'GET /api/ledger': 'read',

  'POST /api/logs': 'ingest',
  'GET /api/logs': 'read',
  'GET /api/logs/:id': 'read',
  'DELETE /api/logs/:id': 'operate',
  'GET /api/logs/:id/context': 'read',
  'GET /api/logs/stats': 'read',
  'GET /api/logs/histogram': 'read',
  'GET /api/logs/facets': 'read',
  'GET /api/search': 'read',
  'GET /api/analytics': 'read',
  'GET /api/tail': 'read',

  'GET /api/traces': 'read',
  'GET /api/traces/compare': 'read',
  'GET /api/traces/:id': 'read',
  'GET /api/services': 'read',
  'GET /api/services/:name': 'read',
  'GET /api/service-map': 'read',
  'GET /api/exceptions': 'read',
  'GET /api/exceptions/:fingerprint': 'read',

  'GET /api/metrics': 'read',
  'GET /api/metrics/:name': 'read',
  'GET /api/metrics/labels': 'read',
  'GET /api/metrics/query': 'read',
  'POST /api/metrics/query': 'read',
  'GET /api/metrics/latency': 'read',

  'GET /api/rules': 'read',
  'POST /api/rules': 'operate',
  'POST /api/rules/check': 'sql',
  'POST /api/rules/backtest': 'sql',
  'GET /api/rules/:id': 'read',
  'PUT /api/rules/:id': 'operate',
  'DELETE /api/rules/:id': 'operate',
  'GET /api/alerts': 'read',
  'POST /api/alerts': 'raise',
  'GET /api/alerts/history': 'read',
  'GET /api/alerts/stats': 'read',
  'GET /api/alerts/stream': 'read',
  'GET /api/alerts/:id': 'read',
  'GET /api/alerts/:id/history': 'read',
  'POST /api/alerts/:id/acknowledge': 'operate',
  'POST /api/alerts/:id/unacknowledge': 'operate',
  'POST /api/alerts/:id/snooze': 'operate',
  'POST /api/alerts/:id/resolve': 'raise',
  'POST /api/alerts/:id/notes': 'operate',
  'GET /api/on-call': 'read',
  'GET /api/channels': 'read',
  'POST /api/channels/:id/test': 'operate',
  'GET /api/channels/dead-letters': 'read',
  'POST /api/channels/dead-letters/:id/resend': 'operate',
  'DELETE /api/channels/dead-letters/:id': 'operate',
  'GET /api/v2/status': 'read',
  'GET /api/v2/receivers': 'read',
  'GET /api/v2/silences': 'read',
  'POST /api/v2/silences': 'operate',
  'GET /api/v2/silence/:id': 'read',
  'DELETE /api/v2/silence/:id': 'operate',
  'GET /api/v2/alerts': 'read',
  'POST /api/v2/alerts': 'raise',
  'GET /api/v2/alerts/groups': 'read',
  'GET /-/healthy': 'public',
  'GET /-/ready': 'public',
  'GET /api/v1/rules': 'read',
  'GET /api/v1/alerts': 'read',
  'GET /api/v1/status/buildinfo': 'read',
  'GET /api/v1/query': 'read',
  'POST /api/v1/query': 'read',
};

/** Null for a route that nobody has listed. */
export function permissionOf(method: string, path: string): Permission | null {
  const asked = method === 'HEAD' ? 'GET' : method;
  return PERMISSIONS[`${asked} ${path}`] ?? PERMISSIONS[`* ${path}`] ?? folderOf(asked, path);
}

function folderOf(method: string, path: string): Permission | null {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const found = PERMISSIONS[`${method} ${path.slice(0, end)}/*`];
    if (found !== undefined) return found;
  }
  return null;
}
