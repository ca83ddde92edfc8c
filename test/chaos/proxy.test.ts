// The proxy of chaos runs does to connections what its modes say: an echo server behind it, and
// what a client sees of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { createClock } from '../../runtime/clock.ts';
import { createFrameWatch, startProxy, type Proxy } from './proxy.ts';

const clock = createClock();
let server: Server;
let proxy: Proxy;
const received: string[] = [];
const sockets = new Set<Socket>();

before(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received.push(bytes.toString());
      socket.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startProxy(() => 0.1);
  proxy.target = (server.address() as AddressInfo).port;
});

after(async () => {
  for (const socket of sockets) socket.destroy();
  await proxy.close();
  server.close();
});

function dial(): Socket {
  const [host, port] = proxy.endpoint.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => {});
  sockets.add(socket);
  return socket;
}

/** An error may come before it. */
const closing = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

async function echo(socket: Socket, bytes: Buffer | string): Promise<Buffer> {
  socket.write(bytes);
  const [answer] = await once(socket, 'data') as [Buffer];
  return answer;
}

test('proxy: bytes go through', async () => {
  const socket = dial();
  assert.equal(String(await echo(socket, 'there and back')), 'there and back');
});

test('proxy: a cut ends what is open and what comes', async () => {
  const socket = dial();
  await echo(socket, 'open');
  const closed = closing(socket);
  proxy.set('cut');
  await closed;
  await closing(dial());
  proxy.set('pass');
  assert.equal(String(await echo(dial(), 'again')), 'again');
});

test('proxy: half-open, nothing moves until it is over', async () => {
  const socket = dial();
  await echo(socket, 'open');
  proxy.set('half-open');
  const other = dial();
  await once(other, 'connect');
  const answers = Promise.all([echo(socket, 'old'), echo(other, 'new')]);
  await clock.sleep(100);
  assert.ok(!received.includes('old'));
  assert.ok(!received.includes('new'));
  proxy.set('pass');
  assert.deepEqual((await answers).map(String), ['old', 'new']);
});

test('proxy: a reset ends what is open, once', async () => {
  const socket = dial();
  await echo(socket, 'open');
  const closed = closing(socket);
  proxy.reset();
  await closed;
  assert.equal(String(await echo(dial(), 'again')), 'again');
});

const frame = (type: number, payload: string): Buffer => {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  return Buffer.concat([header, Buffer.from(payload)]);
};

test('proxy: an answer is lost, what it answers was forwarded', async () => {
  const socket = dial();
  const [ping, answer] = [frame(6, '12345678'), frame(1, 'answer')];
  assert.deepEqual(await echo(socket, answer), answer);
  proxy.set('lose');
  assert.deepEqual(await echo(socket, ping), ping);
  const closed = closing(socket);
  socket.on('data', () => assert.fail('the answer came'));
  socket.write(answer);
  await closed;
  assert.equal(received.at(-1), answer.toString());
  assert.equal(proxy.lost, 1);
  proxy.set('pass');
});

test('proxy: frames are told apart wherever they are cut', () => {
  const bytes = Buffer.concat([frame(4, ''), frame(0, '\u0001'.repeat(40)), frame(1, 'x')]);
  for (let size = 1; size <= bytes.length; size++) {
    const hasAnswer = createFrameWatch();
    const found: number[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      if (hasAnswer(bytes.subarray(at, at + size))) found.push(at);
    }
    const end = 9 + 49 + 9 - 1;
    assert.deepEqual(found, [end - (end % size)], `pieces of ${size}`);
  }
});
