// A mail server on this machine that answers by script: for tests of whoever sends mail. It speaks
// TLS from the beginning or after STARTTLS, checks logins, and keeps what it was given.

import { createHmac } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { Peer, Received, Reply } from './check_notifier.ts';

export interface SmtpPeerOptions {
  readonly certificate?: { readonly cert: string; readonly key: string };
  readonly isImplicit?: boolean;
  /** Keywords of EHLO. STARTTLS is offered when there is a certificate. */
  readonly extensions?: readonly string[];
  readonly users?: Readonly<Record<string, string>>;
  /** Instead of what it would answer to a command: by its verb, or to the whole line. */
  readonly answers?: Readonly<Record<string, string>>;
}

export interface SmtpPeer extends Peer {
  readonly port: number;
  /** Every line that came, but those of mails. */
  readonly commands: readonly string[];
  /** Mails with the addresses they were for. */
  readonly mails: ReadonlyArray<{ readonly to: readonly string[]; readonly secure: boolean }>;
}

export async function startSmtpPeer(options: SmtpPeerOptions = {}): Promise<SmtpPeer> {
  const received: Received[] = [];
  const mails: { to: string[]; secure: boolean }[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  let next: Reply | ((request: Received) => Reply) = [200];
  const finish = (body: string, to: string[], secure: boolean): Reply => {
    const request = { method: 'MAIL', path: '', headers: {}, body };
    received.push(request);
    mails.push({ to, secure });
    return typeof next === 'function' ? next(request) : next;
  };
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    serve(socket, { options, commands, finish, isSecure: options.isImplicit === true });
  };
  const server = options.isImplicit === true
    ? createTlsServer({ ...options.certificate }, accept) : createServer(accept);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port, url: `127.0.0.1:${port}`, received, commands, mails,
    reply: (reply) => {
      next = reply;
    },
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    }),
  };
}

interface Service {
  readonly options: SmtpPeerOptions;
  readonly commands: string[];
  readonly finish: (body: string, to: string[], secure: boolean) => Reply;
  readonly isSecure: boolean;
}

function serve(socket: Socket, service: Service, isGreeted = false): void {
  const { options, commands, finish, isSecure } = service;
  let pending = '';
  let to: string[] = [];
  let inData = false;
  let awaited: ((line: string) => void) | null = null;
  const say = (text: string) => void socket.write(`${text}\r\n`);
  const login = (isRight: boolean) => say(isRight ? '235 welcome' : '535 5.7.8 wrong password');
  const onLine = (line: string) => {
    if (awaited !== null) return awaited(line);
    commands.push(line);
    const verb = line.split(/[ :]/)[0]!.toUpperCase();
    const scripted = options.answers?.[line] ?? options.answers?.[verb];
    if (scripted === 'hang up') return void socket.destroy();
    if (scripted === 'silence') return;
    if (scripted !== undefined) return say(scripted);
    switch (verb) {
      case 'EHLO': return say(ehlo(options, isSecure));
      case 'RCPT':
        to.push(/<(.*)>/.exec(line)![1]!);
        return say('250 ok');
      case 'DATA':
        inData = true;
        return say('354 go on');
      case 'AUTH': return authenticate(line);
      case 'STARTTLS': {
        say('220 go on');
        socket.removeAllListeners('data');
        const { cert, key } = options.certificate!;
        const safe = new TLSSocket(socket,
          { isServer: true, secureContext: createSecureContext({ cert, key }) });
        safe.on('error', () => {});
        return serve(safe, { ...service, isSecure: true }, true);
      }
      case 'QUIT': return say('221 bye');
      default: return say('250 ok');
    }
  };
  const authenticate = (line: string) => {
    const [, mechanism, initial = ''] = line.split(' ');
    const decode = (text: string) => Buffer.from(text, 'base64').toString();
    const users = options.users ?? {};
    if (mechanism === 'PLAIN') {
      const [, user = '', password = ''] = decode(initial).split('\0');
      return login(users[user] === password);
    }
    if (mechanism === 'LOGIN') {
      say('334 VXNlcm5hbWU6');
      awaited = (name) => {
        say('334 UGFzc3dvcmQ6');
        awaited = (password) => {
          awaited = null;
          login(users[decode(name)] === decode(password));
        };
      };
      return;
    }
    say(`334 ${Buffer.from('<1896.697170952@peer>').toString('base64')}`);
    awaited = (answer) => {
      awaited = null;
      const [user = '', digest] = decode(answer).split(' ');
      login(createHmac('md5', users[user] ?? '').update('<1896.697170952@peer>').digest('hex')
        === digest);
    };
  };
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    for (;;) {
      const end = pending.indexOf(inData ? '\r\n.\r\n' : '\r\n');
      if (end === -1) return;
      const text = pending.slice(0, end);
      pending = pending.slice(end + (inData ? 5 : 2));
      if (!inData) {
        onLine(text);
        continue;
      }
      inData = false;
      conclude(socket, finish(`${text}\r\n`.replace(/^\.\./gm, '.'), to, isSecure));
      to = [];
    }
  });
  if (!isGreeted) say(options.answers?.['greeting'] ?? '220 peer ready');
}

function ehlo({ extensions = [], certificate }: SmtpPeerOptions, isSecure: boolean): string {
  const all = ['peer', ...extensions, ...(certificate !== undefined && !isSecure ? ['STARTTLS']
    : [])];
  return all.map((line, index) => `250${index === all.length - 1 ? ' ' : '-'}${line}`)
    .join('\r\n');
}

/** Statuses of HTTP as mail servers would say them. */
function conclude(socket: Socket, reply: Reply): void {
  if (reply === 'silence') return;
  if (reply === 'hang up') return void socket.destroy();
  const [status, , text = ''] = reply;
  const code = status < 300 ? 250 : status === 429 || status >= 500 ? 451 : 554;
  socket.write(`${code} ${text.replace(/\s+/g, ' ').slice(0, 10_000)}\r\n`);
}
