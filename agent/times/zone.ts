// Time zones: what the clocks of a place show at an instant, from the IANA data that Node brings.

export interface Zone {
  /** The instant, in milliseconds, at which clocks of the place show this time (as if UTC). */
  toUtcMs(localMs: number): number;
}

export const UTC: Zone = { toUtcMs: (localMs) => localMs };

/** The zone of an IANA name, `Local` or `UTC`; null when the name is not known. */
export function parseZone(name: string): Zone | null {
  if (name === 'UTC') return UTC;
  const timeZone = name === 'Local' ? undefined : name;
  try {
    return createZone(new Intl.DateTimeFormat('en-US', { ...FIELDS, timeZone }));
  } catch {
    return null;
  }
}

/**
 * The offset of an abbreviation, in milliseconds; null for those that are unknown or that mean
 * different things in different places (IST, CST of China, BST).
 */
export function abbreviationOffsetMs(abbreviation: string): number | null {
  const hours = ABBREVIATION_HOURS[abbreviation];
  return hours === undefined ? null : hours * HOUR_MS;
}

const HOUR_MS = 3_600_000;

const ABBREVIATION_HOURS: Record<string, number> = {
  UTC: 0, GMT: 0, UCT: 0, WET: 0, WEST: 1, CET: 1, CEST: 2, EET: 2, EEST: 3, MSK: 3,
  EST: -5, EDT: -4, CST: -6, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7, AKST: -9, AKDT: -8,
  HST: -10, JST: 9, KST: 9, AEST: 10, AEDT: 11, NZST: 12, NZDT: 13,
};

const FIELDS: Intl.DateTimeFormatOptions = {
  hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
  hour: 'numeric', minute: 'numeric', second: 'numeric',
};

function createZone(format: Intl.DateTimeFormat): Zone {
  const offsetMs = (utcMs: number): number => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(utcMs)) part[type] = Number(value);
    const shown = Date.UTC(part['year']!, part['month']! - 1, part['day']!, part['hour']!,
      part['minute']!, part['second']!);
    return shown - Math.floor(utcMs / 1000) * 1000;
  };
  // Offsets change at full quarters of an hour at most, and lines come in order of time.
  let quarter = NaN;
  let quarterOffsetMs = 0;
  return {
    toUtcMs: (localMs) => {
      const current = Math.floor(localMs / (HOUR_MS / 4));
      if (current !== quarter) {
        const guess = localMs - offsetMs(localMs);
        quarterOffsetMs = offsetMs(guess);
        quarter = current;
      }
      return localMs - quarterOffsetMs;
    },
  };
}
