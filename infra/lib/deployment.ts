/** What a deployment will do, before it does it. Pure: `bin/deploy.ts` asks AWS and runs the CDK. */
import type { Manifest } from './manifest.ts';
import { LANES, PREFIX, deadLetters, ruleDeadLetters } from './names.ts';
import { type Mode, type Settings, SettingError } from './settings.ts';

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
}

/** Stacks in these states hold nothing that runs. */
const ABSENT = new Set(['REVIEW_IN_PROGRESS', 'ROLLBACK_COMPLETE', 'DELETE_COMPLETE']);
/** The stack of the CDK itself. */
export const CDK_STACK = 'CDKToolkit';

/** The Regions that a deployment touches, home first. */
export function regions(settings: Settings): readonly string[] {
  const { homeRegion } = settings;
  if (homeRegion === undefined) {
    throw new SettingError('the policy names no home Region',
      'set `scope.home_region` in `config/backstop.toml`: functions and journal live there');
  }
  return [homeRegion, ...settings.regions.filter((region) => region !== homeRegion)];
}

/** What will be done, stack by stack, in the order in which it is done. */
export function plan(
  settings: Settings, manifests: readonly Manifest[], existing: Existing,
): Deployment {
  const [homeRegion, ...others] = regions(settings) as [string, ...string[]];
  const status = (region: string, stack: string) => existing.stacks.get(region)?.get(stack);
  const exists = (region: string, stack: string) => {
    const found = status(region, stack);
    return found !== undefined && !ABSENT.has(found);
  };
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
  for (const { region, stack } of steps) {
    const found = status(region, stack);
    if (found?.endsWith('_IN_PROGRESS') && found !== 'REVIEW_IN_PROGRESS') {
      warnings.push(`${stack} in ${region} is ${found}: wait until that has ended`);
    }
  }
  return {
    account: existing.account,
    homeRegion,
    architecture: settings.architecture,
    steps,
    deployed,
    unprepared: regions(settings).filter((region) => !exists(region, CDK_STACK)),
    warnings,
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
export function removal(settings: Settings, manifests: readonly Manifest[]): {
  readonly stacks: readonly string[]; readonly queues: readonly string[]; readonly stays: string;
} {
  const [, ...others] = regions(settings);
  return {
    stacks: [
      ...others.map((region) => `${PREFIX}-forward-${region}`),
      ...manifests.map((m) => `${PREFIX}-${m.responder}`),
      `${PREFIX}-shared`,
    ],
    // What waits in these would be lost with them.
    queues: manifests.flatMap(({ responder }) =>
      [...LANES.map((lane) => deadLetters(responder, lane)), ruleDeadLetters(responder)]),
    stays: `${PREFIX}-journal`,
  };
}
