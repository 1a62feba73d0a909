/**
 * What the responders declare, as `backstop manifest` prints it. `manifest.json` is that output,
 * kept in the repository so that synthesis needs no Rust; a test fails when it is stale.
 */
import { readFileSync } from 'node:fs';

/** One responder: everything that its stack is made from. */
export interface Manifest {
  readonly responder: string;
  readonly control: string;
  readonly title: string;
  readonly rules: readonly Rule[];
  readonly schedules: readonly Schedule[];
  readonly runbooks: readonly Runbook[];
  readonly responses: readonly Response[];
  readonly actions: readonly Action[];
  readonly reads: readonly Statement[];
  readonly engine: readonly Statement[];
  readonly queries: readonly Query[];
  readonly commands: readonly Command[];
}

/** One EventBridge rule. */
export interface Rule {
  readonly name: string;
  readonly pattern: Pattern;
  readonly state: 'ENABLED' | 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
  /** Where its events are recorded: in every Region, or in us-east-1 only. */
  readonly scope: 'regional' | 'us-east-1';
}

/** An event pattern: `source`, `detail-type`, and for API calls the names in `detail`. */
export interface Pattern {
  readonly source: readonly string[];
  readonly 'detail-type': readonly string[];
  readonly detail?: {
    readonly eventName: readonly (string | { readonly prefix: string })[];
    readonly errorCode: readonly { readonly exists: boolean }[];
  };
}

export interface Schedule {
  readonly name: string;
  readonly expression: string;
  readonly title: string;
}

/** A named entry point that a person can start. */
export interface Runbook {
  readonly name: string;
  readonly response: string;
  readonly title: string;
  readonly parameters: readonly Parameter[];
}

export interface Parameter {
  readonly name: string;
  readonly title: string;
  readonly example: string;
  readonly default?: string;
  readonly shape: string;
  /** A regular expression, anchored at both ends. */
  readonly pattern: string;
}

export type Class = 'auto' | 'guarded' | 'approval' | 'human' | 'read' | 'alert';

export interface Response {
  readonly id: string;
  readonly class: Class;
  readonly title: string;
  readonly actions: readonly { readonly action: string; readonly class: Class }[];
}

export interface Action {
  readonly name: string;
  readonly permissions: {
    readonly observe: readonly Statement[];
    readonly apply: readonly Statement[];
    readonly undo: readonly Statement[];
  };
}

/** One IAM statement; `resource` may hold placeholders that the deployment fills in. */
export interface Statement {
  readonly actions: readonly string[];
  readonly resource: string;
  readonly conditions: readonly {
    readonly operator: string;
    readonly key: string;
    readonly values: readonly string[];
  }[];
  readonly why: string;
}

export interface Query {
  readonly name: string;
  readonly title: string;
  readonly text: string;
}

/** One SSM Command document; `content` is deployed byte for byte. */
export interface Command {
  readonly name: string;
  readonly title: string;
  readonly content: string;
}

/** The manifests of all responders. */
export function manifests(): readonly Manifest[] {
  const file = new URL('../manifest.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Manifest[];
}
