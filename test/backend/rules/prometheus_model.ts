// Prometheus' semantics of alerting rules once more, as simple as they can be said: to be compared
// with the state machine, and to be read beside Prometheus, rules/alerting.go sentence by sentence.
// It shares no code with what it is compared to. Where ours differs on purpose, a line says so
// (D-055).

const MINUTE = 60_000;

export interface ModelAlert {
  name: string;
  state: 'pending' | 'firing' | 'inactive';
  activeAt: number;
  firedAt: number;
  resolvedAt: number;
  keepFiringSince: number;
  lastSentAt: number;
}

/** What is measured: names of label sets, or that the query fails. Zero stands for "never". */
export type Result = 'error' | readonly string[];

export class PrometheusModel {
  alerts: ModelAlert[] = [];
  for = 0;
  keepFiringFor = 0;
  limit = 0;
  interval = MINUTE;

  /** Gives the names of the alerts that are sent, and until when each is valid. */
  evaluate(ts: number, result: Result): string[] {
    // "query error -> return error, alert state unchanged". Ours goes on to send what it keeps.
    if (result === 'error') return this.send(ts);
    // "two results with same set -> error". Ours goes on to send what it keeps.
    if (result.some((name, index) => result.indexOf(name) !== index)) return this.send(ts);

    // "New -> Pending, ActiveAt=ts; existing (not Inactive) keeps ActiveAt".
    for (const name of result) {
      const known = this.alerts.find((alert) => alert.name === name);
      if (known !== undefined && known.state !== 'inactive') continue;
      this.alerts = this.alerts.filter((alert) => alert !== known);
      this.alerts.push({ name, state: 'pending', activeAt: ts, firedAt: 0, resolvedAt: 0,
        keepFiringSince: 0, lastSentAt: 0 });
    }

    for (const alert of [...this.alerts]) {
      if (!result.includes(alert.name)) {
        // "Pending -> deleted at once".
        if (alert.state === 'pending') this.remove(alert);
        // "Inactive kept 15 min".
        if (alert.state === 'inactive' && ts - alert.resolvedAt > 15 * MINUTE) this.remove(alert);
        if (alert.state !== 'firing') continue;
        // "Firing -> if keep_firing_for>0: KeepFiringSince:=ts if zero; stays firing while
        // ts−KeepFiringSince < keep_firing_for; else Inactive, ResolvedAt=ts".
        if (this.keepFiringFor > 0 && alert.keepFiringSince === 0) alert.keepFiringSince = ts;
        const stays = this.keepFiringFor > 0 && ts - alert.keepFiringSince < this.keepFiringFor;
        if (!stays) {
          alert.state = 'inactive';
          alert.resolvedAt = ts;
          continue;
        }
      } else {
        // "Reappearing resets KeepFiringSince".
        alert.keepFiringSince = 0;
      }
      // "Pending -> Firing when ts−ActiveAt >= for".
      if (alert.state === 'pending' && ts - alert.activeAt >= this.for) {
        alert.state = 'firing';
        alert.firedAt = ts;
      }
      // "If `for` was raised and firing age < for -> back to Pending".
      if (alert.state === 'firing' && ts - alert.activeAt < this.for) {
        alert.state = 'pending';
        alert.firedAt = 0;
        alert.lastSentAt = 0;
        alert.keepFiringSince = 0;
      }
    }

    // "limit exceeded -> error and all alerts of the rule cleared".
    const active = this.alerts.filter(({ state }) => state !== 'inactive').length;
    if (this.limit > 0 && active > this.limit) this.alerts = [];
    return this.send(ts);
  }

  /** "send if not Pending and (ResolvedAt>LastSent or LastSent+1m < ts); EndsAt(ValidUntil) = …" */
  send(ts: number): string[] {
    const due = this.alerts.filter(({ state, resolvedAt, lastSentAt }) => state !== 'pending'
      && (resolvedAt > lastSentAt || lastSentAt + MINUTE < ts));
    for (const alert of due) alert.lastSentAt = ts;
    const validUntil = ts + 4 * Math.max(this.interval, MINUTE);
    return due.map(({ name, resolvedAt }) =>
      `${name} ${resolvedAt === 0 ? validUntil : resolvedAt}`);
  }

  /** It was evaluated last at `downAt`, and goes on at `ts`. */
  restart(downAt: number, ts: number): void {
    for (const alert of [...this.alerts]) {
      // Ours knows all of the alerts it had; it does not know what it sent.
      alert.lastSentAt = 0;
      if (alert.state === 'inactive' && ts - alert.resolvedAt > 15 * MINUTE) this.remove(alert);
      // Ours: what fires goes on to.
      if (alert.state !== 'pending') continue;
      // "only for>=grace: look back for-outage-tolerance 1h".
      if (this.for < 10 * MINUTE || ts - downAt > 60 * MINUTE) {
        this.remove(alert);
        continue;
      }
      const remaining = this.for - (downAt - alert.activeAt);
      // "remaining<=0 -> as is; remaining < for-grace-period 10m -> ActiveAt = now+10m−for; else
      // ActiveAt += downtime".
      if (remaining <= 0) continue;
      if (remaining < 10 * MINUTE) alert.activeAt = ts + 10 * MINUTE - this.for;
      else alert.activeAt += ts - downAt;
    }
  }

  private remove(alert: ModelAlert): void {
    this.alerts = this.alerts.filter((other) => other !== alert);
  }
}
