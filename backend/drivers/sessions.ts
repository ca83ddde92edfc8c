// Sessions of ClickHouse's HTTP interface, as far as they mean something to who may only read: the
// settings that `SET` has left for the statements that come. A session belongs to who opened it,
// and is forgotten when nothing was asked in it for its time.

import type { Clock } from '../../runtime/clock.ts';
import { DriverError } from './errors.ts';

export const limits = {
  /** Sessions at the same time; beyond it the one that was idle longest is forgotten. */
  sessionsMax: 10_000,
  /** As in ClickHouse, unless the caller asks for another. */
  timeoutMs: 60_000,
  /** A longer one is refused, as by ClickHouse's `max_session_timeout`. */
  timeoutMsMax: 3_600_000,
  /** Settings of a session; more are refused. */
  settingsMax: 100,
} as const;

interface Session {
  readonly settings: Map<string, string>;
  untilMs: number;
}

export class Sessions {
  private readonly clock: Clock;
  /** In the order of last use. */
  private readonly open: Map<string, Session>;

  constructor(clock: Clock) {
    this.clock = clock;
    this.open = new Map();
  }

  /** The settings of a session, which begins when it is first named. */
  enter(caller: string, id: string, timeoutSeconds: number | null): ReadonlyMap<string, string> {
    return this.session(caller, id, timeoutSeconds).settings;
  }

  /** What `SET` says, for what is asked next in the session. */
  set(caller: string, id: string, settings: Readonly<Record<string, string>>): void {
    const session = this.session(caller, id, null);
    for (const [name, value] of Object.entries(settings)) session.settings.set(name, value);
    if (session.settings.size <= limits.settingsMax) return;
    for (const name of Object.keys(settings)) session.settings.delete(name);
    throw new DriverError(36, 'BAD_ARGUMENTS',
      `A session keeps at most ${limits.settingsMax} settings.`);
  }

  private session(caller: string, id: string, timeoutSeconds: number | null): Session {
    const timeoutMs = timeoutSeconds === null ? limits.timeoutMs : timeoutSeconds * 1000;
    if (timeoutMs > limits.timeoutMsMax) {
      throw new DriverError(491, 'INVALID_SESSION_TIMEOUT',
        `A session_timeout is at most ${limits.timeoutMsMax / 1000} seconds.`);
    }
    const key = `${caller}\0${id}`;
    const nowMs = this.clock.monotonicMs();
    const known = this.open.get(key);
    const session = known !== undefined && known.untilMs > nowMs ? known
      : { settings: new Map<string, string>(), untilMs: 0 };
    session.untilMs = nowMs + timeoutMs;
    this.open.delete(key);
    this.open.set(key, session);
    this.forget(nowMs);
    return session;
  }

  private forget(nowMs: number): void {
    for (const [key, { untilMs }] of this.open) {
      if (untilMs > nowMs && this.open.size <= limits.sessionsMax) return;
      this.open.delete(key);
    }
  }
}
