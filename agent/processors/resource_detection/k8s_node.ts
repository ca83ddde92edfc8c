// The `k8s_node` detector (`k8snode` in the Collector): the Kubernetes node that the agent's pod
// runs on. Its name comes from an environment variable, which the pod must set from the downward
// API:
//
//     env:
//       - name: K8S_NODE_NAME
//         valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
//
// Its uid comes from the API server, which asks for the right to `get` `nodes`; where that is not
// wanted turn `k8s.node.uid` off, and nobody is asked. Outside of Kubernetes nothing is found.

import { request, type RequestOptions } from 'node:https';
import { request as plainRequest } from 'node:http';
import type { Files } from '../../../runtime/files.ts';
import { textAttributes, type Detector, type DetectorContext } from './detector.ts';

export interface K8sNodeOptions {
  readonly auth_type: 'serviceAccount' | 'none';
  readonly node_from_env_var: string;
  readonly resource_attributes: {
    readonly 'k8s.node.name': { readonly enabled: boolean };
    readonly 'k8s.node.uid': { readonly enabled: boolean };
  };
}

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A longer answer is not read: a node with many images has some hundred kilobytes. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

export function createK8sNodeDetector(
  { auth_type, node_from_env_var: variable, resource_attributes: wanted }: K8sNodeOptions,
  { world, log, env }: DetectorContext,
  serviceAccount: string,
): Detector {
  return {
    name: 'k8s_node',
    detect: async (abort) => {
      const host = env['KUBERNETES_SERVICE_HOST'];
      const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
      if (host === undefined) {
        log.info('the k8s_node detector finds nothing: the agent does not run in Kubernetes');
        return [];
      }
      const name = env[variable];
      if (name === undefined || name === '') {
        throw new Error(`${variable} is not set: let the pod set it from spec.nodeName`);
      }
      const asksServer = wanted['k8s.node.uid'].enabled;
      const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
      const secrets = auth_type === 'none' ? null
        : await readSecrets(world.files, serviceAccount, asksServer);
      const uid = asksServer ? await nodeUid({ host, port, path, signal: abort }, secrets) : '';
      return textAttributes({
        'k8s.node.name': wanted['k8s.node.name'].enabled ? name : undefined,
        'k8s.node.uid': uid,
      });
    },
  };
}

interface Secrets {
  readonly token: string;
  readonly ca: string;
}

async function readSecrets(
  files: Files, folder: string, needed: boolean,
): Promise<Secrets | null> {
  if (!needed) return null;
  const read = async (name: string): Promise<string> => {
    const content = await files.readText(`${folder}/${name}`);
    if (content !== null) return content.trim();
    throw new Error(`${folder}/${name} does not exist: give the pod a service account`);
  };
  return { token: await read('token'), ca: await read('ca.crt') };
}

async function nodeUid(options: RequestOptions, secrets: Secrets | null): Promise<string> {
  const node = JSON.parse(await ask(options, secrets)) as { metadata?: { uid?: unknown } };
  const uid = node.metadata?.uid;
  if (typeof uid !== 'string' || uid === '') throw new Error('the API server tells no uid');
  return uid;
}

function ask(options: RequestOptions, secrets: Secrets | null): Promise<string> {
  const call = secrets === null ? plainRequest(options) : request({
    ...options, ca: secrets.ca, headers: { authorization: `Bearer ${secrets.token}` },
  });
  return new Promise((resolve, reject) => {
    call.on('error', reject);
    call.on('response', (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('error', reject);
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) call.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else reject(new Error(`the API server answers ${answer.statusCode}${
          answer.statusCode === 403 ? ': its service account may not get nodes' : ''}`));
      });
    });
    call.end();
  });
}
