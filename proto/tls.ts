// Certificates and keys from files, for servers and clients of both transports.

import { createSecureContext } from 'node:tls';
import { errorMessage, OperatorError, systemCause } from '../runtime/errors.ts';
import type { Files } from '../runtime/files.ts';

export interface ServerTlsOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must then show a certificate that one of these authorities signed. */
  readonly clientCaFile?: string | undefined;
}

export interface ClientTlsFiles {
  /** Authorities that may have signed the server's certificate, instead of the system's. */
  readonly caFile?: string | undefined;
  /** The client's own certificate and key, for servers that ask for one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface ServerPem {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | null;
}

export interface ClientPem {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
}

/** What a client needs to speak TLS. */
export interface ClientTls extends ClientPem {
  /** The name that the server's certificate must carry, when it is not the endpoint's. */
  readonly serverNameOverride?: string | undefined;
  /** Takes any certificate. The connection is then no safer than one without TLS. */
  readonly insecureSkipVerify?: boolean | undefined;
}

/** `setting` is the configuration path of the `tls` section. Throws OperatorError. */
export async function readServerPem(
  files: Files,
  { certFile, keyFile, clientCaFile }: ServerTlsOptions,
  setting: string,
): Promise<ServerPem> {
  const [cert, key, clientCa] = await Promise.all([
    readPem(files, certFile, `${setting}.cert_file`),
    readPem(files, keyFile, `${setting}.key_file`),
    clientCaFile === undefined ? null : readPem(files, clientCaFile, `${setting}.client_ca_file`),
  ]);
  checkTogether({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) }, setting);
  return { cert, key, clientCa };
}

/** `setting` is the configuration path of the `tls` section. Throws OperatorError. */
export async function readClientPem(
  files: Files,
  { caFile, certFile, keyFile }: ClientTlsFiles,
  setting: string,
): Promise<ClientPem> {
  const [ca, cert, key] = await Promise.all([
    caFile === undefined ? null : readPem(files, caFile, `${setting}.ca_file`),
    certFile === undefined ? null : readPem(files, certFile, `${setting}.cert_file`),
    keyFile === undefined ? null : readPem(files, keyFile, `${setting}.key_file`),
  ]);
  checkTogether({
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  }, setting);
  return { ca, cert, key };
}

/** Files may be PEM and still be of no use, or not belong together. */
function checkTogether(pem: Readonly<Record<string, Buffer>>, setting: string): void {
  try {
    createSecureContext(pem);
  } catch (error) {
    const hint = `check the files named in ${setting}: the key must belong to the certificate`;
    throw new OperatorError(`cannot use ${setting}: ${errorMessage(error)}`, hint);
  }
}

async function readPem(files: Files, path: string, setting: string): Promise<Buffer> {
  const hint = `set ${setting} to a PEM file that this user may read`;
  let content: Buffer | null;
  try {
    content = await files.read(path);
  } catch (error) {
    throw new OperatorError(`cannot read ${path}: ${systemCause(error)}`, hint);
  }
  if (content === null) throw new OperatorError(`cannot read ${path}: it does not exist`, hint);
  if (!content.includes('-----BEGIN ')) {
    throw new OperatorError(`cannot read ${path}: it is not a PEM file`, hint);
  }
  return content;
}
