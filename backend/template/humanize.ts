// Numbers as people read them; the results are those of Prometheus, digit for digit.

import { formatTime, significant } from './values.ts';

const LARGE = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const SMALL = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'];
const BINARY = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];
const DIGITS = 4;

/** `12.35k`, `3.2m`. */
export function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return significant(value, DIGITS);
  return Math.abs(value) >= 1 ? scaled(value, LARGE, 1000) : small(value, '');
}

/** `1.5Mi`. */
export const humanize1024 = (value: number): string =>
  (Math.abs(value) <= 1 || !Number.isFinite(value) ? significant(value, DIGITS)
    : scaled(value, BINARY, 1024));

function scaled(value: number, prefixes: readonly string[], step: number): string {
  let prefix = '';
  let rest = value;
  for (const next of prefixes) {
    if (Math.abs(rest) < step) break;
    prefix = next;
    rest /= step;
  }
  return significant(rest, DIGITS) + prefix;
}

function small(value: number, unit: string): string {
  let prefix = '';
  let rest = value;
  for (const next of SMALL) {
    if (Math.abs(rest) >= 1) break;
    prefix = next;
    rest *= 1000;
  }
  return significant(rest, DIGITS) + prefix + unit;
}

/** Of a share from 0 to 1: `12.5%`. */
export const humanizePercentage = (value: number): string =>
  `${significant(value * 100, DIGITS)}%`;

/** Of seconds: `1h 30m 0s`, `250ms`. */
export function humanizeDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return significant(seconds, DIGITS);
  if (seconds === 0) return '0s';
  if (Math.abs(seconds) < 1) return small(seconds, 's');
  const sign = seconds < 0 ? '-' : '';
  const rest = Math.abs(seconds);
  const whole = Math.trunc(rest);
  const [days, hours, minutes] = [Math.trunc(whole / 86_400), Math.trunc(whole / 3600) % 24,
    Math.trunc(whole / 60) % 60];
  if (days > 0) return `${sign}${days}d ${hours}h ${minutes}m ${whole % 60}s`;
  if (hours > 0) return `${sign}${hours}h ${minutes}m ${whole % 60}s`;
  if (minutes > 0) return `${sign}${minutes}m ${whole % 60}s`;
  return `${sign}${significant(rest, DIGITS)}s`;
}

/** Of seconds since 1970: `2026-08-01 10:00:00 +0000 UTC`. */
export function humanizeTimestamp(seconds: number): string {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return significant(seconds, DIGITS);
  return formatTime(time, '2006-01-02 15:04:05.999999999 -0700 MST');
}
