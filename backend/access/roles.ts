// Who may ask what: each role may what the ones before it may, except `writer`, which may only hand
// in telemetry.

/** From the least to the most; `writer` stands apart. */
export const ROLES = ['writer', 'viewer', 'analyst', 'operator', 'admin'] as const;

export type Role = (typeof ROLES)[number];

/** Somebody who asks, as far as is known. */
export interface Caller {
  /** Name of the token; `anonymous` for who showed none. */
  readonly name: string;
  readonly role: Role;
  /** Where the connection comes from. */
  readonly address: string;
}

export const ANONYMOUS = 'anonymous';
