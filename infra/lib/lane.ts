/** One lane of a responder: its function, its role, its dead-letter queue. */
import { Duration } from 'aws-cdk-lib';
import { type IManagedPolicy, PolicyDocument, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, type Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './checks.ts';
import { DeadLetters } from './dead-letters.ts';
import type { Manifest } from './manifest.ts';
import {
  type Lane, TABLE, URGENCIES, arns, deadLetters, functionName, logGroup,
} from './names.ts';
import { grants } from './permissions.ts';
import type { Settings } from './settings.ts';

export interface LaneProps {
  readonly manifest: Manifest;
  readonly lane: Lane;
  readonly settings: Settings;
  /** The deployment package: `bootstrap` and `backstop.toml`. The same one for both lanes. */
  readonly code: Code;
  /** The ceiling of both roles. */
  readonly boundary: IManagedPolicy;
}

export class LaneFunction extends Construct {
  readonly function: Function;

  constructor(scope: Construct, id: string, props: LaneProps) {
    super(scope, id);
    const { manifest, lane, settings } = props;
    const name = functionName(manifest.responder, lane);
    const granted = grants(this, manifest, lane, settings);
    const role = new Role(this, 'Role', {
      roleName: name,
      description: `Backstop ${manifest.responder}, ${lane}: exactly what its manifest declares`,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      permissionsBoundary: props.boundary,
      inlinePolicies: {
        backstop: new PolicyDocument({ statements: granted.map((g) => g.statement) }),
      },
    });
    for (const { statement, why } of granted) {
      acknowledgeWildcards(role, statement, why);
    }
    const undelivered = new DeadLetters(this, 'DeadLetters', deadLetters(manifest.responder, lane));
    const first = settings.deployed !== 'all' && !settings.deployed.has(manifest.responder);
    const arn = arns(this);
    const reserved = settings.reservedConcurrency[lane];
    this.function = new Function(this, 'Function', {
      functionName: name,
      description: `${manifest.control}: ${manifest.title}`.slice(0, 256), // Lambda's maximum
      runtime: Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      code: props.code,
      // By its ARN: the role holds what the manifest says, and nothing that CDK would add to it.
      role: Role.fromRoleArn(this, 'AsRole', role.roleArn, { mutable: false }),
      memorySize: settings.memoryMb,
      timeout: Duration.seconds(settings.timeoutSeconds),
      logGroup: LogGroup.fromLogGroupName(this, 'Logs', logGroup(manifest.responder, lane)),
      deadLetterQueue: undelivered.queue,
      // Lambda's own defaults, written down: what fails for good is in the queue within hours.
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      ...(reserved > 0 && { reservedConcurrentExecutions: reserved }),
      environment: {
        BACKSTOP_CONFIG: 'backstop.toml',
        BACKSTOP_TABLE: TABLE,
        BACKSTOP_LANE: lane,
        ...Object.fromEntries(URGENCIES.map((urgency) =>
          [`BACKSTOP_TOPIC_${urgency.toUpperCase()}`, arn.topic(urgency)])),
        // The first deployment of a responder observes, whatever the policy says.
        ...(first && { BACKSTOP_MODE: 'observe' }),
      },
    });
  }
}
