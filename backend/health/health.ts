// Whether this backend can do its work: a list of named checks, each asking one thing it depends
// on. `/health` shows all of them, `/health/ready` and the load balancer only need the verdict.

import type { Clock } from '../../runtime/clock.ts';

/** `degraded` works, but somebody should look; `unhealthy` can't do its work. */
export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

export interface CheckResult {
  readonly status: HealthStatus;
  /** What is wrong and what to do; absent when healthy. */
  readonly reason?: string;
  /** Numbers and names worth showing, such as `latency_ms` or `version`. */
  readonly details?: Readonly<Record<string, string | number>>;
}

/** Never throws, answers within `CHECK_MS_MAX`; a slower one counts as unhealthy. */
export type HealthCheck = () => Promise<CheckResult>;

export interface HealthReport {
  readonly status: HealthStatus;
  readonly version: string;
  readonly uptime_seconds: number;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface HealthOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly checks: Readonly<Record<string, HealthCheck>>;
}

export interface HealthBoard {
  /** Runs all checks side by side. */
  report(): Promise<HealthReport>;
}

/** A dependency that takes longer than this to answer is as good as away. */
const CHECK_MS_MAX = 5000;

export function createHealthBoard({ clock, version, checks }: HealthOptions): HealthBoard {
  const startedMs = clock.monotonicMs();
  return {
    report: async () => {
      const results = await Promise.all(Object.entries(checks).map(async ([name, check]) =>
        [name, await withinTime(clock, check)] as const));
      return {
        status: worstStatus(results.map(([, { status }]) => status)),
        version,
        uptime_seconds: Math.round((clock.monotonicMs() - startedMs) / 1000),
        timestamp: new Date(clock.nowMs()).toISOString(),
        checks: Object.fromEntries(results),
      };
    },
  };
}

async function withinTime(clock: Clock, check: HealthCheck): Promise<CheckResult> {
  const late = new AbortController();
  const reason = `no answer within ${CHECK_MS_MAX / 1000} s`;
  const timeout = clock.sleep(CHECK_MS_MAX, late.signal)
    .then((): CheckResult => ({ status: 'unhealthy', reason }));
  const result = await Promise.race([check(), timeout]);
  late.abort();
  return result;
}

function worstStatus(statuses: readonly HealthStatus[]): HealthStatus {
  if (statuses.includes('unhealthy')) return 'unhealthy';
  return statuses.includes('degraded') ? 'degraded' : 'healthy';
}
