/** What a deployment will do, before it does it. Pure: `bin/deploy.ts` asks AWS and runs the CDK. */
import type { Manifest } from './manifest.ts';
import { PREFIX, awayDeadLetterQueues, deadLetterQueues } from './names.ts';
import { type Mode, type Settings, SettingError, awayRegions } from './settings.ts';

/** What is there already. */
export interface Existing {
  readonly account: string;
  /** By Region: the stacks of the suite and of the CDK, with their status. */
  readonly stacks: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface Step {
  readonly stack: string;
  readonly region: string;
  readonly change: 'create' | 'update';
  /** Of a responder: what its unattended lane will do, and why not what the policy says. */
  readonly mode?: Mode;
  readonly first?: boolean;
}

export interface Deployment {
  readonly account: string;
  readonly homeRegion: string;
  readonly architecture: string;
  readonly steps: readonly Step[];
  /** The responders that were deployed before. */
  readonly deployed: readonly string[];
  /** Regions where the CDK has not been set up. */
  readonly unprepared: readonly string[];
  readonly warnings: readonly string[];
  /** What must be out of the way first, each with what to do about it. */
  readonly obstacles: readonly { readonly what: string; readonly hint: string }[];
}

/** Whether a stack was whole once: only then has its responder run, and observed. */
const wasWhole = (status: string | undefined) =>
  status !== undefined && /^(CREATE_COMPLETE|UPDATE_.*|IMPORT_.*)$/.test(status);
/** Whether something is at work on it. A change set that nobody has begun is not. */
const isBusy = (status: string | undefined) =>
  status !== undefined && status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS';
/** The stack of the CDK itself. */
export const CDK_STACK = 'CDKToolkit';

/** The Regions that a deployment touches, home first. */
export function regions(settings: Settings): readonly string[] {
  const { homeRegion } = settings;
  if (homeRegion === undefined) {
    throw new SettingError('the policy names no home Region',
      'set `scope.home_region` in `config/backstop.toml`: functions and journal live there');
  }
  return [homeRegion, ...awayRegions(settings)];
}

/** What will be done, stack by stack, in the order in which it is done. */
export function plan(
  settings: Settings, manifests: readonly Manifest[], existing: Existing,
): Deployment {
  const [homeRegion, ...others] = regions(settings) as [string, ...string[]];
  const status = (region: string, stack: string) => existing.stacks.get(region)?.get(stack);
  const exists = (region: string, stack: string) => wasWhole(status(region, stack));
  const deployed = manifests.map((m) => m.responder)
    .filter((responder) => exists(homeRegion, `${PREFIX}-${responder}`));
  const step = (stack: string, region = homeRegion): Step =>
    ({ stack, region, change: exists(region, stack) ? 'update' : 'create' });
  const steps = [
    step(`${PREFIX}-journal`),
    step(`${PREFIX}-shared`),
    ...manifests.map(({ responder }) => {
      const first = !deployed.includes(responder);
      return {
        ...step(`${PREFIX}-${responder}`), first,
        mode: first ? 'observe' : settings.mode(responder),
      };
    }),
    ...others.map((region) => step(`${PREFIX}-forward-${region}`, region)),
  ];
  const warnings: string[] = [];
  if (settings.accounts.length === 0) {
    warnings.push('`scope.accounts` is empty: every event will be ignored');
  } else if (!settings.accounts.includes(existing.account)) {
    warnings.push(`this account, ${existing.account}, is not in \`scope.accounts\`: what happens `
      + 'here will be ignored');
  }
  if (!settings.regions.includes(homeRegion)) {
    warnings.push(`the home Region, ${homeRegion}, is not in \`scope.regions\`: what happens there `
      + 'will be ignored');
  }
  const unwatched = manifests.filter((m) => m.rules.some((rule) => rule.scope === 'us-east-1'));
  if (unwatched.length > 0 && !settings.regions.includes('us-east-1')) {
    warnings.push('us-east-1 is not in `scope.regions`: IAM is not watched, which concerns '
      + unwatched.map((m) => m.responder).join(', '));
  }
  if (settings.runbooks.approvers.length === 0) {
    warnings.push('no `approvers` are set: whoever starts a runbook in Systems Manager names them');
  }
  for (const [region, stacks] of existing.stacks) {
    for (const stack of stacks.keys()) {
      if (stack !== CDK_STACK && !steps.some((s) => s.stack === stack && s.region === region)) {
        warnings.push(`${stack} in ${region} is of no responder or Region any more, and still `
          + 'runs: delete the stack by hand');
      }
    }
  }
  const obstacles = steps.flatMap(({ region, stack }) => {
    const found = status(region, stack);
    if (isBusy(found)) {
      return [{ what: `${stack} in ${region} is ${found}`, hint: 'wait until that has ended' }];
    }
    // CloudFormation cannot update it, and its termination protection keeps the CDK from deleting it.
    return stack === `${PREFIX}-journal` && found !== undefined && !wasWhole(found)
      ? [{
        what: `${stack} is ${found}, so it was never whole`,
        hint: 'turn off its termination protection and delete the stack, then deploy again',
      }] : [];
  });
  return {
    account: existing.account,
    homeRegion,
    architecture: settings.architecture,
    steps,
    deployed,
    unprepared: regions(settings).filter((region) => !exists(region, CDK_STACK)),
    warnings,
    obstacles,
  };
}

/** The plan, for a person. */
export function describe(deployment: Deployment): string {
  const { account, homeRegion, architecture, steps, warnings } = deployment;
  const rows = steps.map(({ stack, region, change, mode, first }) => [
    change, stack, region,
    mode === undefined ? '' : `mode ${mode}${first ? ' (first deployment, whatever the policy says)' : ''}`,
  ]);
  const widths = [0, 1, 2].map((n) => Math.max(...rows.map((row) => row[n]!.length)));
  return [
    `account ${account}, home Region ${homeRegion}, ${architecture}`,
    '',
    ...rows.map((row) => `  ${row.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join('  ').trimEnd()}`),
    ...(warnings.length > 0 ? ['', ...warnings.map((warning) => `warning: ${warning}`)] : []),
  ].join('\n');
}

/** What `destroy` takes away, in its order, and what it leaves. */
export function removal(
  settings: Settings, manifests: readonly Manifest[],
): {
  readonly stacks: readonly string[];
  /** What waits in these would be lost with them. */
  readonly queues: readonly { readonly region: string; readonly name: string }[];
  readonly stays: string;
} {
  const [home, ...others] = regions(settings) as [string, ...string[]];
  return {
    stacks: [
      ...others.map((region) => `${PREFIX}-forward-${region}`),
      ...manifests.map((m) => `${PREFIX}-${m.responder}`),
      `${PREFIX}-shared`,
    ],
    queues: [
      ...deadLetterQueues(manifests).map((name) => ({ region: home, name })),
      ...others.flatMap((region) => awayDeadLetterQueues(region).map((name) => ({ region, name }))),
    ],
    stays: `${PREFIX}-journal`,
  };
}
