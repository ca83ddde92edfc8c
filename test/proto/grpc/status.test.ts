// Proves what a gRPC status means where a real server cannot be made to send it at will.

import { Metadata, status as codes } from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeOfStatus } from '../../../proto/grpc/status.ts';

const outcome = (code: number, details: string, metadata = new Metadata()) =>
  outcomeOfStatus({ code, details, metadata }).status;

test('H9: a connection that breaks is no INTERNAL of the peer', () => {
  // The text of grpc-js for errors of a socket other than ECONNRESET and ETIMEDOUT.
  const broken = 'Received RST_STREAM with code 2 triggered by internal client error: write EPIPE';
  assert.equal(outcome(codes.INTERNAL, broken), 'retryable');
  // A peer that stops may end calls without a word.
  const ended = 'Received RST_STREAM with code 0 (Call ended without gRPC status)';
  assert.equal(outcome(codes.INTERNAL, ended), 'retryable');
  assert.equal(outcome(codes.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)'),
    'rejected');
});

test('G7: a code that is none, and details that are none, are rejected', () => {
  assert.equal(outcome(99, 'x'), 'rejected');
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from('no Status'));
  assert.equal(outcome(codes.RESOURCE_EXHAUSTED, 'x', metadata), 'rejected');
  assert.equal(outcome(codes.UNAVAILABLE, 'x', metadata), 'retryable');
});

test('G7: RetryInfo without a time is still RetryInfo', () => {
  const metadata = new Metadata();
  // Status { details { type_url, value: RetryInfo {} } }, by hand.
  const type = Buffer.from('type.googleapis.com/google.rpc.RetryInfo');
  const any = Buffer.concat([Buffer.of(0x0a, type.length), type, Buffer.of(0x12, 0)]);
  metadata.set('grpc-status-details-bin', Buffer.concat([Buffer.of(0x1a, any.length), any]));
  assert.equal(outcome(codes.RESOURCE_EXHAUSTED, 'x', metadata), 'retryable');
});
