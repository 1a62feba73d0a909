/** Every recorded call against the role that made it, and every permission against the calls. */
import type { Call } from './calls.ts';
import { roleOf } from './calls.ts';
import { evaluate } from './evaluate.ts';
import type { Case } from './evaluate.ts';
import { typesOf } from './fits.ts';
import type { Template } from './intrinsics.ts';
import type { Place } from './naming.ts';
import { requests } from './requests.ts';
import type { Request } from './requests.ts';
import { keyOf, roles } from './roles.ts';
import type { Grant, Role } from './roles.ts';
import type { Reason } from './unused.ts';

/** A request that the role does not allow. */
export interface Denial {
  readonly request: Request;
  /** The first call that made it. */
  readonly call: Call;
  readonly because: 'no statement allows it' | 'a statement denies it' | 'the boundary forbids it';
}

export interface Verdict {
  readonly role: string;
  readonly calls: number;
  readonly requests: number;
  readonly denials: readonly Denial[];
  /** Permissions without which no recorded call would be denied. */
  readonly unneeded: readonly { readonly grant: Grant; readonly why?: string }[];
  readonly needed: number;
}

export interface Judgement {
  readonly verdicts: readonly Verdict[];
  /** Calls of the tests' own. */
  readonly others: number;
  /** Calls in the name of what is not deployed, such as a specimen that the tests break. */
  readonly undeployed: ReadonlyMap<string, number>;
  /** What the proof does not know, with how many calls it concerns. */
  readonly unknown: ReadonlyMap<string, number>;
  /** Reasons that are no longer true. */
  readonly stale: readonly string[];
}

/** What one role asked for, as deployed for one account. */
interface Asked extends Case {
  readonly requests: { readonly request: Request; readonly place: Place; readonly call: Call }[];
  readonly seen: Set<string>;
}

/** Judges the calls by the roles of the templates. */
export async function judge(
  calls: readonly Call[],
  templates: readonly Template[],
  reasons: readonly Reason[],
): Promise<Judgement> {
  const { cases, made, unknown, undeployed } = await gather(calls, templates);
  const { denials, needed } = decide(cases);
  const declared = [...roles(templates, { account: '111111111111', region: 'us-east-1' }).values()];
  const verdicts: Verdict[] = [];
  for (const role of declared) {
    const { name } = role;
    const mine = needed.get(name) ?? new Set<number>();
    verdicts.push({
      role: name,
      calls: made.get(name) ?? 0,
      requests: cases.filter((one) => one.role.name === name).flatMap((one) => one.requests).length,
      denials: denials.get(name) ?? [],
      needed: mine.size,
      unneeded: (await spare(role, mine)).map((grant) => {
        const why = reasons.find((reason) => covers(reason, name, grant))?.why;
        return { grant, ...(why !== undefined && { why }) };
      }),
    });
  }
  const attributed = [...made.values()].reduce((sum, one) => sum + one, 0);
  return {
    verdicts,
    others: calls.length - attributed,
    undeployed,
    unknown,
    stale: stale(reasons, declared, verdicts),
  };
}

/** What each role asked for in each account, each request once. */
async function gather(calls: readonly Call[], templates: readonly Template[]) {
  const attributed = calls.flatMap((call) => {
    const role = roleOf(call);
    return role === undefined ? [] : [{ call, role }];
  });
  const home = homes(attributed.map((one) => one.call));
  const deployed = memo((account: string, region: string) => roles(templates, { account, region }));
  const key = memo((topic: string) => keyOf(templates, topic));
  const asked = new Map<string, Asked>();
  const made = new Map<string, number>();
  const unknown = new Map<string, number>();
  const undeployed = new Map<string, number>();
  for (const { call, role: { name, session } } of attributed) {
    tally(made, name);
    try {
      const region = home(call);
      const role = deployed(call.account, region).get(name);
      if (role === undefined) {
        if (session) throw new Error(`no template declares the role ${name}, which made calls`);
        tally(undeployed, name);
        continue;
      }
      const where = `${name} ${call.account} ${region}`;
      const mine = asked.get(where) ?? { role, requests: [], seen: new Set<string>() };
      asked.set(where, mine);
      for (const request of await requests(call, key)) {
        const id = JSON.stringify([call.region, request]);
        if (mine.seen.has(id)) continue;
        mine.seen.add(id);
        mine.requests.push({ request, place: call, call });
      }
    } catch (error) {
      tally(unknown, error instanceof Error ? error.message : String(error));
    }
  }
  return { cases: [...asked.values()], made, unknown, undeployed };
}

/** What is denied, and which permissions some request is allowed by alone, by role. */
function decide(cases: readonly Asked[]) {
  const denials = new Map<string, Denial[]>();
  const needed = new Map<string, Set<number>>();
  const answers = evaluate(cases);
  for (const [n, { role: { name }, requests: of }] of cases.entries()) {
    for (const [m, { request, call }] of of.entries()) {
      const answer = answers[n]?.[m];
      if (answer === undefined) throw new Error('a request was not answered');
      const [first, second] = answer.grants;
      if (answer.decision !== 'Allow') {
        const because =
          answer.decision === 'Deny' ? 'a statement denies it'
          : first === undefined ? 'no statement allows it'
          : 'the boundary forbids it';
        denials.set(name, [...(denials.get(name) ?? []), { request, call, because }]);
      } else if (first !== undefined && second === undefined) {
        needed.set(name, (needed.get(name) ?? new Set()).add(first));
      }
    }
  }
  return { denials, needed };
}

/** The permissions that are not needed, without those that mean nothing: `GetItem` on an index. */
async function spare(role: Role, needed: ReadonlySet<number>): Promise<Grant[]> {
  const all: Grant[] = [];
  for (const [n, grant] of role.grants.entries()) {
    if (needed.has(n)) continue;
    const [resource] = grant.Resource;
    const means = resource === '*' || (await typesOf(grant.Action[0], resource)).length > 0;
    // What fits no type at all is a mistake, and is shown.
    const [action] = grant.Action;
    const elsewhere = role.grants.some((other, m) => m !== n && other.Action[0] === action);
    if (means || !elsewhere) all.push(grant);
  }
  return all;
}

function covers(reason: Reason, role: string, grant: Grant): boolean {
  const { Action: [action], Resource: [on] } = grant;
  return (
    (reason.role === '*' || `backstop-${reason.role.replace('/', '-')}` === role) &&
    reason.actions.includes(action) &&
    (reason.resource === undefined || on.includes(reason.resource))
  );
}

function stale(
  reasons: readonly Reason[],
  all: readonly Role[],
  verdicts: readonly Verdict[],
): string[] {
  return reasons.flatMap((reason) =>
    reason.actions.flatMap((action) => {
      const one = { ...reason, actions: [action] };
      const holds = verdicts.some(({ role, unneeded }) =>
        unneeded.some(({ grant }) => covers(one, role, grant)));
      if (holds) return [];
      const held = all.some((role) => role.grants.some((grant) => covers(one, role.name, grant)));
      const on = reason.resource === undefined ? '' : ` on ${reason.resource}`;
      return [`${reason.role}: ${action}${on}: ${held ? 'it is needed' : 'no role holds it'}`];
    }),
  );
}

/**
 * The Region that the function of a call is deployed in: the one of its journal. A call in another
 * Region does not move the role there.
 */
function homes(calls: readonly Call[]): (call: Call) => string {
  const journals = calls.filter((call) => call.service === 'dynamodb');
  const all = new Set(journals.map((call) => call.region));
  const of = new Map<string, Set<string>>();
  for (const { account, region } of journals) {
    of.set(account, (of.get(account) ?? new Set()).add(region));
  }
  return ({ account, region }) => {
    const known = of.get(account) ?? all;
    if (known.size === 0 || known.has(region)) return region;
    const [only, other] = known;
    if (only === undefined || other !== undefined) {
      throw new Error(`${account} has journals in ${[...known].join(', ')}: which is its home?`);
    }
    return only;
  };
}

function tally(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function memo<A extends string[], T>(make: (...from: A) => T): (...from: A) => T {
  const made = new Map<string, T>();
  return (...from) => {
    const key = from.join(' ');
    if (!made.has(key)) made.set(key, make(...from));
    return made.get(key) as T;
  };
}
