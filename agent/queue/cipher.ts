// Encryption of what lies in the queue: AES-256-GCM for each record, under a key of the segment.
//
//     segment key = HKDF-SHA-256(master key, salt of the segment, "binnacle queue segment")
//     nonce       = sequence − first sequence of the segment, 96 bits, big-endian
//     AAD         = the segment's header without its CRC ‖ length ‖ sequence … time of the record
//     sealed      = ciphertext ‖ tag, 16 bytes
//     key id      = HKDF-SHA-256(master key, "", "binnacle queue key id"), 8 bytes
//
// Invariants: each segment has a new salt and is never appended to by another process or after a
// failure, and sequences in it only grow, so no key ever meets a nonce twice. A record opens only
// in its segment and under its sequence. The key id tells nothing about the key.

import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

export const KEY_BYTES = 32;
export const SALT_BYTES = 16;
export const KEY_ID_BYTES = 8;
export const TAG_BYTES = 16;

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;

/** Seals and opens the records of one segment. */
export interface SegmentCipher {
  /** Writes ciphertext and tag to `target`, which has room for exactly these. */
  seal(target: Buffer, counter: number, about: Uint8Array, payload: Uint8Array): void;
  /** Null when anything was changed: the bytes, their place, or what is said about them. */
  open(sealed: Uint8Array, counter: number, about: Uint8Array): Buffer | null;
}

export interface QueueKey {
  /** 16 hex digits. */
  readonly id: string;
  /** `header` goes into what is authenticated. */
  cipher(salt: Uint8Array, header: Uint8Array): SegmentCipher;
}

export interface KeyRing {
  /** For new segments; null: they are not encrypted. */
  readonly current: QueueKey | null;
  find(id: string): QueueKey | null;
}

/** Of master keys of 32 bytes: the first is for writing, all are for reading. */
export function createKeyRing(masters: readonly Uint8Array[]): KeyRing {
  const keys = masters.map(createKey);
  return {
    current: keys[0] ?? null,
    find: (id) => keys.find((key) => key.id === id) ?? null,
  };
}

function createKey(master: Uint8Array): QueueKey {
  assert.equal(master.length, KEY_BYTES);
  return {
    id: derive(master, Buffer.alloc(0), 'binnacle queue key id', KEY_ID_BYTES).toString('hex'),
    cipher: (salt, header) => {
      assert.equal(salt.length, SALT_BYTES);
      return createSegmentCipher(
        derive(master, salt, 'binnacle queue segment', KEY_BYTES), Buffer.from(header));
    },
  };
}

function createSegmentCipher(key: Buffer, header: Buffer): SegmentCipher {
  return {
    seal: (target, counter, about, payload) => {
      assert.equal(target.length, payload.length + TAG_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonceOf(counter));
      cipher.setAAD(Buffer.concat([header, about]));
      cipher.update(payload).copy(target);
      cipher.final();
      cipher.getAuthTag().copy(target, payload.length);
    },
    open: (sealed, counter, about) => {
      if (sealed.length < TAG_BYTES || counter < 0) return null;
      const text = sealed.length - TAG_BYTES;
      const decipher = createDecipheriv(ALGORITHM, key, nonceOf(counter),
        { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.concat([header, about]));
      decipher.setAuthTag(sealed.subarray(text));
      const payload = decipher.update(sealed.subarray(0, text));
      try {
        decipher.final();
      } catch {
        return null;
      }
      return payload;
    },
  };
}

function nonceOf(counter: number): Buffer {
  assert(Number.isSafeInteger(counter) && counter >= 0);
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(counter), NONCE_BYTES - 8);
  return nonce;
}

const derive = (master: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', master, salt, info, length));
