// What tells alerts apart: names and values, and their fingerprint, which is Alertmanager's, so
// that its tools and ours mean the same alert by the same 16 digits.

/** Values by name. An empty value is the same as none. */
export type Labels = Readonly<Record<string, string>>;

/** Name of the label with the alert's name. */
export const ALERT_NAME = 'alertname';

const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;
const MASK = 0xffffffffffffffffn;
const SEPARATOR = 0xff;

/**
 * FNV-1a of 64 bits over the labels sorted by name, each name and value ended by the byte 0xff;
 * 16 hexadecimal digits. Labels without a value do not count.
 */
export function fingerprintOf(labels: Labels): string {
  let hash = OFFSET;
  const add = (byte: number) => {
    hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  };
  for (const [name, value] of sorted(labels)) {
    for (const text of [name, value]) {
      for (const byte of Buffer.from(text)) add(byte);
      add(SEPARATOR);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

/** Without labels that have no value, by name in the order of their bytes. */
export function sorted(labels: Labels): [name: string, value: string][] {
  return Object.entries(labels).filter(([, value]) => value !== '')
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
}

/** `{a="1", b="2"}`, for people and logs. */
export const printLabels = (labels: Labels): string =>
  `{${sorted(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
