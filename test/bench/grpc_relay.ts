// The yardstick of agent.ts: grpc-js alone takes requests as bytes and sends the same bytes on. The
// first argument is where to.

import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { METHODS } from '../../proto/grpc/methods.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const client = new Client(process.argv[2]!, credentials.createInsecure());
const server = new Server({ 'grpc.max_receive_message_length': -1 });
server.register(METHODS.traces, relay, asIs, asIs, 'unary');
function relay({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
  client.makeUnaryRequest(METHODS.traces, asIs, asIs, request, answer);
}

server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => {
  process.send?.({ event: 'ready', addresses: { 'OTLP gRPC': `127.0.0.1:${port}` } });
});
process.once('SIGTERM', () => process.exit());
