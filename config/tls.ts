// TLS as the Collector's users write it, for those who listen. Without the section there is none.

import * as z from 'zod';
import { optionalSection } from './schema.ts';

const serverTlsShape = () => ({
  cert_file: z.string().min(1).describe('Certificate chain, PEM.'),
  key_file: z.string().min(1).describe('Private key of the certificate, PEM.'),
  client_ca_file: z.string().min(1).optional()
    .describe('Clients must show a certificate that this CA signed (mTLS).'),
});

/** The `tls` section of a server; undefined until somebody writes it. */
export function serverTls() {
  return optionalSection(serverTlsShape()).describe('TLS; absent means plain text.');
}

export type ServerTlsConfig = NonNullable<z.output<ReturnType<typeof serverTls>>>;
