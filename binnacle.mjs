#!/usr/bin/env node
// Starts binnacle.ts: Node.js 20 cannot read TypeScript by itself.

import { register } from 'tsx/esm/api';

register();
await import('./binnacle.ts');
