/** The record of the local AWS, and whose role each call is judged by. */
import { readFileSync } from 'node:fs';

/** One API call, as the local AWS records it (tests/aws/README.md). */
export interface Call {
  readonly seq: number;
  readonly service: string;
  readonly operation: string;
  readonly account: string;
  readonly region: string;
  readonly principal: string;
  readonly params: unknown;
  readonly user_agent: string;
}

/** The role that a call is judged by; none for a call of the tests' own. */
export function roleOf(call: Call): { name: string; session: boolean } | undefined {
  const session = /^arn:[^:]+:sts::\d{12}:assumed-role\/(backstop-[^/]+)\//.exec(call.principal);
  if (session?.[1] !== undefined) return { name: session[1], session: true };
  // An engine inside a test process has the account's root key, and says whose part it plays.
  const app = /(?:^|\s)app\/(backstop-\S+)/.exec(call.user_agent);
  return app?.[1] === undefined ? undefined : { name: app[1], session: false };
}

/** The calls of a running local AWS, or of a file in the shape of its answer. */
export async function recorded(from: { endpoint?: string; file?: string }): Promise<Call[]> {
  if (from.file !== undefined) return read(JSON.parse(readFileSync(from.file, 'utf8')));
  if (from.endpoint === undefined) {
    throw new Error('no record; hint: set BACKSTOP_LOCAL_AWS, or name a file with --calls');
  }
  const { hostname } = new URL(from.endpoint);
  if (!/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname)) {
    throw new Error(`BACKSTOP_LOCAL_AWS names ${hostname}, which is not on loopback`);
  }
  const answer = await fetch(new URL('/_backstop/calls', from.endpoint));
  if (!answer.ok) throw new Error(`the local AWS answered ${answer.status} for its record`);
  return read(await answer.json());
}

function read(record: unknown): Call[] {
  const { calls } = record as { calls?: Call[] };
  if (!Array.isArray(calls)) throw new Error('the record holds no list of calls');
  // It keeps the last 200,000, and forgets them when it is reset: what is gone was never judged.
  const [first] = calls;
  if (first !== undefined && first.seq !== 1) {
    throw new Error(`the record is incomplete: it begins with call ${first.seq}`);
  }
  return calls;
}
