// How long a backend keeps what it stores, and how much of the disk that may take.

import * as z from 'zod';
import { duration, fault, parseByteSize, section, strictObject } from './schema.ts';

/** Rules are part of the tables' TTL expressions, which are evaluated for each row. */
const RULES_MAX = 100;
const SERVICES_MAX = 1000;

const days = (of: string) => duration({ min: '1h' }).describe(`How long ${of} are kept.`);

const rule = () => strictObject({
  services: z.array(z.string().max(1000)).min(1).max(SERVICES_MAX)
    .describe('Values of ServiceName.'),
  logs: days('their log records').optional(),
  traces: days('their spans').optional(),
  metrics: days('their data points').optional(),
});

export const retention = () => section({
  logs: days('log records').prefault('720h'),
  traces: days('spans').prefault('720h'),
  metrics: days('data points').prefault('720h'),
  services: z.array(rule()).max(RULES_MAX).superRefine(checkRules)
    .describe('Services whose data is kept for another time.').default([]),
  max_size: diskAmount()
    .describe('Most that the tables may take, in bytes or as a share of the file system such as '
      + '80%; beyond it the oldest days are dropped. auto: 80% embedded, off for a server.')
    .prefault('auto'),
  min_free: diskAmount()
    .describe('What must stay free on the file system; below it the oldest days are dropped. '
      + 'auto: 2GiB embedded, off for a server.')
    .prefault('auto'),
});

/** An amount of disk: bytes, a share of the file system from 0 to 1, nothing at all, or `auto`. */
export type DiskAmount = { readonly bytes: number } | { readonly share: number } | null | 'auto';

function diskAmount(): z.ZodType<DiskAmount, string | number> {
  const hint = 'write it like 80%, 500GiB, off or auto';
  const schema = z.unknown().transform((value, ctx): DiskAmount => {
    // YAML 1.1 readers take a bare `off` for false.
    if (value === 'auto') return 'auto';
    if (value === 'off' || value === false || value === 0) return null;
    const share = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?%$/.exec(value)?.[1] : undefined;
    if (share !== undefined && Number(share) > 0 && Number(share) <= 100) {
      return { share: Number(share) / 100 };
    }
    const bytes = parseByteSize(value);
    if (bytes !== null && bytes > 0) return { bytes };
    fault(ctx, 'is not an amount of disk', hint);
    return z.NEVER;
  });
  return schema.meta({ type: ['string', 'integer'] }) as unknown as
    z.ZodType<DiskAmount, string | number>;
}

function checkRules(
  rules: readonly z.output<ReturnType<typeof rule>>[],
  ctx: z.core.$RefinementCtx<unknown>,
): void {
  const known = new Set<string>();
  rules.forEach(({ services, ...kept }, index) => {
    if (Object.values(kept).every((ms) => ms === undefined)) {
      fault(ctx, 'says nothing', 'write logs, traces or metrics', [index]);
    }
    services.forEach((service, at) => {
      if (known.has(service)) {
        fault(ctx, 'is named twice', 'say once how long a service is kept',
          [index, 'services', at]);
      }
      known.add(service);
    });
  });
}
