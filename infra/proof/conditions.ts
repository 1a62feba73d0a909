/** The condition keys whose values the proof knows. */
import { CONTEXT } from './requests.ts';
import type { Role, Statement } from './roles.ts';

/** What the evaluation itself knows of every request, from the principal, the Region, the ARN. */
const ALWAYS: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principaltype',
  'aws:requestedregion',
  'aws:resourceaccount',
  'aws:securetransport',
]);

/**
 * Refuses a role with a condition on anything else. Silence would be an answer: a key that is
 * absent meets every negated condition.
 */
export function requireKnown(role: Role): void {
  const all: readonly Statement[] = [...role.grants, ...role.denies, ...(role.boundary ?? [])];
  const conditions = all.flatMap((one) => Object.values(one.Condition ?? {}));
  for (const key of conditions.flatMap((one) => Object.keys(one)).map((k) => k.toLowerCase())) {
    if (!ALWAYS.has(key) && !CONTEXT.has(key)) {
      throw new Error(
        `${role.name} has a condition on ${key}, whose value the proof cannot tell; ` +
          'hint: add it to the requests that have it, in proof/requests.ts',
      );
    }
  }
}
