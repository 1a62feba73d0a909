/**
 * One Automation runbook (schema 0.3) for each runbook of a responder: Plan, then a person's
 * approval, then Apply, bound to the hash that the person was shown.
 */
import { readFileSync } from 'node:fs';
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './checks.ts';
import type { Manifest, Parameter, Runbook } from './manifest.ts';
import { PREFIX, arns, functionName } from './names.ts';

/** What a runbook's document depends on besides the manifest. */
export interface Setting {
  /** The ARN of the role that the document always runs as. */
  readonly assumeRole: string;
  /**
   * Who may approve: names of IAM users, or ARNs of users and roles, 10 at most. Fixed in the
   * document, so that whoever starts it cannot name themselves. With none of them the form asks.
   */
  readonly approvers?: readonly string[];
  /** How many of them must approve; 1 if not given. */
  readonly approvals?: number;
  /** The ARN of the topic that approvers are told on. */
  readonly topicArn?: string;
  /** `guards.approval_expiry_secs` of the policy; its default if not given. */
  readonly approvalExpirySecs?: number;
}

/** A parameter of a document. */
export interface FormField {
  readonly type: 'String' | 'StringList';
  readonly description: string;
  readonly default?: string;
  readonly allowedPattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** An Automation document, as far as these runbooks use the schema. */
export interface AutomationDocument {
  readonly schemaVersion: '0.3';
  readonly description: string;
  readonly assumeRole: string;
  readonly parameters: Readonly<Record<string, FormField>>;
  readonly mainSteps: readonly Record<string, unknown>[];
  readonly outputs: readonly string[];
}

// The plan must still be approvable when it is approved in the last minute, and then be applied.
const MARGIN_SECS = 600;
// The limit of aws:executeScript.
const SCRIPT_SECS = 600;
const EXPIRY_SECS = 14_400;

/** Free text of one line. Braces could make a reference of Automation; the rest is for people. */
const LINE = '^[^\\x00-\\x1f\\x7f"\\\\{}]{1,200}$';

/** `ssh-access.revoke-ingress` is `backstop-ssh-access-revoke-ingress`. */
export function documentName(runbook: Runbook): string {
  return `${PREFIX}-${runbook.name.replaceAll('.', '-')}`;
}

/** `group_id` is `GroupId`, as parameters of SSM documents are written. */
export function fieldName(parameter: string): string {
  return parameter
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** A pattern that takes what `pattern` takes, and nothing at all. */
function optional(pattern: string): string {
  return `^(?:${pattern.replace(/^\^/, '').replace(/\$$/, '')})?$`;
}

/** The runbook's own parameters. A target names at least one, so each of them may be left empty. */
function target(parameters: readonly Parameter[]): Record<string, FormField> {
  return Object.fromEntries(
    parameters.map((p) => [
      fieldName(p.name),
      {
        type: 'String' as const,
        description: `(Optional) ${p.title}, such as ${p.example}.`,
        default: p.default ?? '',
        allowedPattern: optional(p.pattern),
      },
    ]),
  );
}

/** What every run is told. */
const COMMON: Record<string, FormField> = {
  Account: {
    type: 'String',
    description: '(Required) the account of the target, such as 111122223333.',
    allowedPattern: '^[0-9]{12}$',
  },
  Region: {
    type: 'String',
    description: '(Required) the Region of the target, such as eu-west-1.',
    allowedPattern: '^[a-z0-9]+(-[a-z0-9]+){1,3}-[0-9]{1,3}$',
  },
  RequestedBy: {
    type: 'String',
    description: '(Required) who asks. Recorded as claimed; CloudTrail says who started this.',
    allowedPattern: LINE,
  },
  Reason: {
    type: 'String',
    description: '(Required) why, such as INC-42.',
    allowedPattern: LINE,
  },
  Option: {
    type: 'String',
    description:
      '(Optional) which option, where the plan holds a choice. Empty: the one that removes least.',
    default: '',
    allowedPattern: '^[a-z0-9-]{0,40}$',
  },
};

const APPROVERS: FormField = {
  type: 'StringList',
  description:
    '(Required) who may approve: names of IAM users, or ARNs of users and roles. Whoever starts ' +
    'this is not kept from naming themselves.',
  minItems: 1,
  maxItems: 10,
};

function description(manifest: Manifest, runbook: Runbook, setting: Setting): string {
  const people = setting.approvals ?? 1;
  return [
    `${runbook.title} (${of(runbook.response, manifest.control)}).`,
    'It makes a plan, shows it, waits for an approval, and applies exactly what was shown.',
    'Four-eyes is enforced here, by the step Approve, and nowhere else: Backstop takes the names ' +
      'in its orders as claimed, and whoever may invoke the attended function passes it by.',
    setting.approvers?.length
      ? `${people} of the approvers fixed in this document must approve. AWS lets one of them ` +
        'who started it approve it too: keep them apart from those who may start it.'
      : 'The form asks for the approvers: deploy it with approvers to take that choice away.',
  ].join('\n\n');
}

/** A response of a control; a procedure that controls call for is its own. */
const of = (response: string, control: string) =>
  response === control ? control : `${response} of ${control}`;

function script(name: 'plan' | 'apply'): string {
  return readFileSync(new URL(`../automation/${name}.py`, import.meta.url), 'utf8');
}

/** A step that runs one of the scripts. All values go in as payload, none into the text. */
function scriptStep(
  name: string,
  file: 'plan' | 'apply',
  payload: Record<string, unknown>,
  outputs: readonly (readonly [string, string, string])[],
): Record<string, unknown> {
  return {
    name,
    action: 'aws:executeScript',
    timeoutSeconds: SCRIPT_SECS,
    onFailure: 'Abort',
    inputs: { Runtime: 'python3.11', Handler: file, InputPayload: payload, Script: script(file) },
    outputs: outputs.map(([Name, key, Type]) => ({ Name, Selector: `$.Payload.${key}`, Type })),
  };
}

/** The document of one runbook. */
export function automation(
  manifest: Manifest,
  runbook: Runbook,
  setting: Setting,
): AutomationDocument {
  const fields = target(runbook.parameters);
  const fixed = setting.approvers?.length ? setting.approvers : undefined;
  const common = fixed ? COMMON : { ...COMMON, Approvers: APPROVERS };
  const taken = Object.keys(fields).find((name) => name in common);
  if (taken) throw new Error(`${runbook.name}: the field ${taken} is there already`);
  const among = fixed?.length ?? 10;
  if (among > 10) throw new Error('aws:approve takes 10 approvers at most');
  const people = setting.approvals ?? 1;
  if (people < 1 || people > among) {
    throw new Error(`${people} approvals of ${among} approvers cannot be had`);
  }
  const timeout = (setting.approvalExpirySecs ?? EXPIRY_SECS) - MARGIN_SECS;
  if (timeout < 60) throw new Error('the plan would expire before anybody could approve it');
  return {
    schemaVersion: '0.3',
    description: description(manifest, runbook, setting),
    assumeRole: setting.assumeRole,
    parameters: { ...fields, ...common },
    mainSteps: [
      {
        ...scriptStep(
          'Plan',
          'plan',
          {
            function: functionName(manifest.responder, 'attended'),
            runbook: runbook.name,
            target: Object.fromEntries(
              runbook.parameters.map((p) => [p.name, `{{ ${fieldName(p.name)} }}`]),
            ),
            account: '{{ Account }}',
            region: '{{ Region }}',
            requested_by: '{{ RequestedBy }}',
            reason: '{{ Reason }}',
            option: '{{ Option }}',
          },
          [
            ['Decision', 'decision', 'String'],
            ['Approvals', 'approvals', 'StringList'],
            ['Incidents', 'incidents', 'StringList'],
            ['Message', 'message', 'String'],
            ['Plan', 'plan', 'String'],
          ],
        ),
        nextStep: 'IsThereAPlan',
      },
      {
        // Without a match and a default, the automation ends here, and successfully.
        name: 'IsThereAPlan',
        action: 'aws:branch',
        inputs: {
          Choices: [
            { NextStep: 'Approve', Variable: '{{ Plan.Decision }}', StringEquals: 'approve' },
          ],
        },
        isEnd: true,
      },
      {
        name: 'Approve',
        action: 'aws:approve',
        timeoutSeconds: timeout,
        onFailure: 'Abort',
        inputs: {
          ...(setting.topicArn ? { NotificationArn: setting.topicArn } : {}),
          Message: '{{ Plan.Message }}',
          MinRequiredApprovals: people,
          Approvers: fixed ?? '{{ Approvers }}',
        },
        nextStep: 'Apply',
      },
      {
        ...scriptStep(
          'Apply',
          'apply',
          {
            function: functionName(manifest.responder, 'attended'),
            approvals: '{{ Plan.Approvals }}',
            decisions: '{{ Approve.ApproverDecisions }}',
            execution: '{{ automation:EXECUTION_ID }}',
          },
          [['Result', 'result', 'String']],
        ),
        isEnd: true,
      },
    ],
    outputs: ['Plan.Decision', 'Plan.Incidents', 'Plan.Plan', 'Apply.Result'],
  };
}

/** Where approvers are told. */
export interface ApprovalTopic {
  /**
   * It must begin with `Automation`
   * (https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html).
   */
  readonly topicName: string;
  /** The alias of the key that encrypts it, if one does. */
  readonly keyAlias?: string;
}

export interface RunbookDocumentProps
  extends Pick<Setting, 'approvers' | 'approvals' | 'approvalExpirySecs'> {
  readonly manifest: Manifest;
  readonly runbook: Runbook;
  readonly notify?: ApprovalTopic;
}

/** A runbook as a document, with the role that it runs as. */
export class RunbookDocument extends Construct {
  readonly document: CfnDocument;
  readonly role: AutomationRole;

  constructor(scope: Construct, id: string, props: RunbookDocumentProps) {
    super(scope, id);
    const { manifest, runbook, notify, approvers, approvals, approvalExpirySecs } = props;
    if (notify !== undefined && !notify.topicName.startsWith('Automation')) {
      throw new Error(`aws:approve only notifies topics named Automation…: ${notify.topicName}`);
    }
    this.role = AutomationRole.of(this, manifest);
    if (notify !== undefined) this.role.mayNotify(notify);
    const document = automation(manifest, runbook, {
      assumeRole: this.role.role.roleArn,
      ...(notify && { topicArn: arns(this).of('sns', notify.topicName) }),
      approvers, approvals, approvalExpirySecs,
    });
    this.document = new CfnDocument(this, 'Document', {
      name: documentName(runbook),
      documentType: 'Automation',
      // JSON is YAML, and AWS documents that only YAML runbooks may hold their script inline
      // (https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html).
      documentFormat: 'YAML',
      content: Stack.of(this).toJsonString(document),
      updateMethod: 'NewVersion',
    });
  }
}

/** The role of one responder's documents: it may start the attended lane, and tell approvers. */
export class AutomationRole extends Construct {
  readonly role: Role;

  /** The role of `manifest` in the stack of `scope`: all its runbooks share it. */
  static of(scope: Construct, manifest: Manifest): AutomationRole {
    const stack = Stack.of(scope);
    const id = `${manifest.responder}-automation`;
    const found = stack.node.tryFindChild(id);
    return found instanceof AutomationRole ? found : new AutomationRole(stack, id, manifest);
  }

  private constructor(stack: Stack, id: string, manifest: Manifest) {
    super(stack, id);
    const arn = arns(this);
    this.role = new Role(this, 'Role', {
      roleName: `${PREFIX}-${id}`,
      description: `Runs the Automation documents of ${manifest.responder}`,
      // Only executions of this account and Region
      // (https://docs.aws.amazon.com/systems-manager/latest/userguide/cross-service-confused-deputy-prevention.html).
      assumedBy: new ServicePrincipal('ssm.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': stack.account },
          ArnLike: { 'aws:SourceArn': arn.of('ssm', 'automation-execution/*') },
        },
      }),
    });
    this.role.addToPolicy(new PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: [arn.lambda(functionName(manifest.responder, 'attended'))],
    }));
  }

  /**
   * Lets it publish the request for approval. Automation publishes it as this role: AWS's own
   * `AmazonSSMAutomationRole` holds `sns:Publish` on topics named Automation… for the same purpose.
   */
  mayNotify({ topicName, keyAlias }: ApprovalTopic): void {
    const arn = arns(this);
    this.role.addToPolicy(new PolicyStatement({
      actions: ['sns:Publish'],
      resources: [arn.of('sns', topicName)],
    }));
    if (keyAlias === undefined) return;
    const encrypts = new PolicyStatement({
      actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
      resources: [arn.of('kms', 'key/*')],
      conditions: {
        StringEquals: { 'kms:ViaService': `sns.${Stack.of(this).region}.amazonaws.com` },
        'ForAnyValue:StringEquals': { 'kms:ResourceAliases': keyAlias },
      },
    });
    this.role.addToPolicy(encrypts);
    const policy = this.role.node.findChild('DefaultPolicy');
    acknowledgeWildcards(policy, encrypts, 'its alias pins the key, which has no fixed ARN');
  }
}
