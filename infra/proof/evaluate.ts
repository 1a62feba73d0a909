/** IAM's decisions, by the evaluation of the local AWS (MIT), over the roles as synthesised. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireKnown } from './conditions.ts';
import { partition } from './naming.ts';
import type { Place } from './naming.ts';
import type { Request } from './requests.ts';
import type { Role } from './roles.ts';

/** What a role asks for where it works. */
export interface Case {
  readonly role: Role;
  readonly requests: readonly { readonly request: Request; readonly place: Place }[];
}

export interface Answer {
  readonly decision: 'Allow' | 'Deny' | 'ImplicitDeny';
  /** The grants that allow it, by their position in the role, whatever the boundary says. */
  readonly grants: readonly number[];
}

/** The answers to all requests of all cases, in one process. */
export function evaluate(cases: readonly Case[]): Answer[][] {
  for (const { role } of cases) requireKnown(role);
  const input = cases.map(({ role, requests }) => ({
    grants: role.grants,
    denies: role.denies,
    boundary: role.boundary ?? null,
    requests: requests.map(({ request, place }) => ({
      action: request.action,
      resource: request.resource,
      principal: `arn:${partition(place.region)}:iam::${place.account}:role/${role.name}`,
      account: place.account,
      region: place.region,
      context: request.context,
    })),
  }));
  const script = fileURLToPath(new URL('evaluate.py', import.meta.url));
  const run = spawnSync(python(), [script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  if (run.status !== 0) throw new Error(`the evaluation failed: ${run.error ?? run.stderr}`);
  return JSON.parse(run.stdout) as Answer[][];
}

function python(): string {
  const venv =
    process.env.BACKSTOP_VENV ?? fileURLToPath(new URL('../../.venv', import.meta.url));
  const path = join(venv, 'gateway', 'bin', 'python');
  if (!existsSync(path)) {
    throw new Error(`no local AWS in ${venv}; hint: \`make venv\`, or set BACKSTOP_VENV`);
  }
  return path;
}
