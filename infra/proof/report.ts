/** The judgement in words. */
import type { Denial, Judgement, Verdict } from './proof.ts';
import type { Grant } from './roles.ts';

/** How many denials of one action are written out. */
const SHOWN = 3;

const HINTS: Readonly<Record<Denial['because'], (action: string) => string>> = {
  'no statement allows it': (action) =>
    `add ${action} on that resource to what the responder declares, if it is to do this`,
  'a statement denies it': (action) => `no role of the suite is ever to do ${action} there`,
  'the boundary forbids it': (action) => `the boundary has to allow ${action} too`,
};

export function report(judgement: Judgement): { text: string; proven: boolean } {
  const { verdicts, others, undeployed, unknown, stale } = judgement;
  const failures: string[] = [];
  for (const [said, calls] of unknown) failures.push(`not judged (${calls} calls): ${said}`);
  if (verdicts.length === 0) failures.push('the templates declare no role of a function');
  for (const verdict of verdicts) {
    if (verdict.requests === 0) failures.push(`${verdict.role}: no call was judged`);
    failures.push(...denied(verdict));
    for (const { grant, why } of verdict.unneeded) {
      if (why === undefined) {
        failures.push(
          `${verdict.role}: no call needs ${words(grant)}; ` +
            'hint: take it away, or say why in proof/unused.ts',
        );
      }
    }
  }
  for (const reason of stale) failures.push(`proof/unused.ts is out of date: ${reason}`);
  const lines = [...table(verdicts), '', ...verdicts.flatMap(kept)];
  lines.push(`not judged: ${others} calls of the tests' own`);
  for (const [name, calls] of undeployed) {
    lines.push(`not judged: ${calls} calls as ${name}, which no template deploys`);
  }
  if (failures.length > 0) lines.push('', ...failures.map((failure) => `FAILED ${failure}`));
  const total = verdicts.reduce((sum, { denials }) => sum + denials.length, 0);
  const proven = failures.length === 0;
  lines.push('', `permissions: denied ${total}, ${proven ? 'proven' : 'not proven'}`);
  return { text: lines.join('\n'), proven };
}

function table(verdicts: readonly Verdict[]): string[] {
  const rows = [
    ['role', 'calls', 'distinct requests', 'denied', 'permissions needed', 'not needed'],
    ...verdicts.map((v) => [
      v.role,
      ...[v.calls, v.requests, v.denials.length, v.needed, v.unneeded.length].map(String),
    ]),
  ];
  const width = (n: number) => Math.max(...rows.map((row) => row[n]?.length ?? 0));
  const widths = rows[0]?.map((_, n) => width(n)) ?? [];
  return rows.map(([role = '', ...figures]) =>
    [
      role.padEnd(widths[0] ?? 0),
      ...figures.map((figure, n) => figure.padStart(widths[n + 1] ?? 0)),
    ].join('  '),
  );
}

function kept({ role, unneeded }: Verdict): string[] {
  const reasons = new Map<string, string[]>();
  for (const { grant, why } of unneeded) {
    if (why !== undefined) reasons.set(why, [...(reasons.get(why) ?? []), words(grant)]);
  }
  if (reasons.size === 0) return [];
  const lines = [...reasons].flatMap(([why, grants]) => [
    `  ${why}:`,
    ...grants.map((grant) => `    ${grant}`),
  ]);
  return [`${role}: not needed by any call, kept because`, ...lines, ''];
}

function denied({ role, denials }: Verdict): string[] {
  const of = new Map<string, Denial[]>();
  for (const denial of denials) {
    const key = `${denial.request.action} ${denial.because}`;
    of.set(key, [...(of.get(key) ?? []), denial]);
  }
  return [...of.values()].flatMap((all) => {
    const shown = all.slice(0, SHOWN).map(({ request, call, because }) => {
      const { action, resource, context } = request;
      const where = Object.entries(context).map(([key, value]) => ` with ${key}=${value}`);
      return (
        `${role}: denied ${action} on ${resource}${where.join('')}: ${because} ` +
        `(call ${call.seq}, ${call.service}:${call.operation} by ${call.principal}); ` +
        `hint: ${HINTS[because](action)}`
      );
    });
    const more = all.length - SHOWN;
    return more > 0 ? [...shown, `${role}: … and ${more} more like it`] : shown;
  });
}

function words({ Action: [action], Resource: [resource], Condition: condition }: Grant): string {
  const where = condition === undefined ? '' : ` if ${JSON.stringify(condition)}`;
  return `${action} on ${resource}${where}`;
}
