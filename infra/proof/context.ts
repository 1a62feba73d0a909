/** The circumstances of a request that conditions look at. */
import { CONTEXT } from './requests.ts';
import type { Context, Request } from './requests.ts';
import type { Role, Statement } from './roles.ts';
import { partition } from './naming.ts';
import type { Place } from './naming.ts';

/** What AWS sets for every request of a function's role. */
const ALWAYS: Readonly<Record<string, (role: string, request: Request, place: Place) => string>> = {
  'aws:principalaccount': (_role, _request, { account }) => account,
  'aws:principalarn': (role, _request, { account, region }) =>
    `arn:${partition(region)}:iam::${account}:role/${role}`,
  'aws:requestedregion': (_role, _request, { region }) => region,
  'aws:resourceaccount': (_role, request, { account }) => request.resource.split(':')[4] || account,
  'aws:securetransport': () => 'true',
  'ec2:region': (_role, _request, { region }) => region,
};

/** The value of every key that a condition of the role may look at. */
export function context(role: Role, request: Request, place: Place): Context {
  const values: Record<string, string | readonly string[]> = { ...request.context };
  for (const key of keys(role)) {
    const value = ALWAYS[key];
    if (value !== undefined) values[key] = value(role.name, request, place);
    // Silence would be an answer: an absent key meets every negated condition.
    else if (!CONTEXT.has(key)) {
      throw new Error(
        `${role.name} has a condition on ${key}, whose value the proof cannot tell; ` +
          'hint: add it to ALWAYS in proof/context.ts, or to the requests that have it',
      );
    }
  }
  return values;
}

/** The condition keys of a role and its boundary, in lower case. */
function keys(role: Role): Set<string> {
  const all: readonly Statement[] = [...role.grants, ...role.denies, ...(role.boundary ?? [])];
  const conditions = all.flatMap((one) => Object.values(one.Condition ?? {}));
  return new Set(conditions.flatMap((one) => Object.keys(one)).map((key) => key.toLowerCase()));
}
