// Signs what goes to a webhook, so that its receiver knows who sent it and that it is new.
//
//     X-Binnacle-Signature: t=1763761577,v1=<hex of HMAC-SHA256(secret, "1763761577." + body)>
//
// A receiver computes the same over the bytes of the body, compares in constant time, and refuses
// what is older than `REPLAY_WINDOW_SECONDS` by its own clock. Repeated attempts are signed anew;
// `Idempotency-Key` tells that they are the same message.

import { createHmac } from 'node:crypto';

export const SIGNATURE_HEADER = 'x-binnacle-signature';

/** What receivers are told to allow between the time of the signature and theirs. */
export const REPLAY_WINDOW_SECONDS = 300;

export function signatureOf(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000);
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${digest}`;
}
