/** Why a role holds what no recorded call needs. One that is no longer true fails the proof. */

export interface Reason {
  /** `<responder>/<lane>`, or `*` for every role. */
  readonly role: string;
  readonly actions: readonly string[];
  /** A part of the resource, where the reason does not hold for all of them. */
  readonly resource?: string;
  readonly why: string;
}

export const REASONS: readonly Reason[] = [
  {
    role: '*',
    actions: ['sqs:SendMessage'],
    why: 'Lambda itself writes what failed for good to the dead-letter queue, as the role',
  },
  {
    role: '*',
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    why: 'Lambda itself writes the log, as the role',
  },
  ...['ssh-access', 'revoke-sessions'].flatMap((responder) => ['unattended', 'attended'].map((lane) => ({
    role: `${responder}/${lane}`,
    actions: ['sns:Publish'],
    resource: 'backstop-info',
    why: `the urgency of a finding chooses the topic, and ${responder} finds nothing for information`,
  }))),
  {
    role: 'imdsv2/attended',
    actions: ['sns:Publish'],
    resource: 'backstop-info',
    why: 'the urgency of a finding chooses the topic, and what is for information has no step to release',
  },
  {
    role: 'imdsv2/attended',
    actions: ['ec2:DescribeLaunchTemplateVersions'],
    why: 'an assessment reads the same in both lanes, and no runbook is about a launch template',
  },
  {
    role: 'imdsv2/attended',
    actions: ['ec2:ModifyInstanceMetadataOptions'],
    why: 'what undoes the change may do more than what makes it: the role holds both',
  },
];
