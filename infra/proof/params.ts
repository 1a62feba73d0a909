/** What a call names in its parameters, whatever the protocol. */

/** A value and its path, without positions in lists: `SecurityGroupRule.SecurityGroupRuleId`. */
export interface Named {
  readonly path: string;
  readonly value: string;
}

/** Query protocols carry the path in the key, JSON and REST nest. */
export function named(params: unknown, path = ''): Named[] {
  if (typeof params === 'string') return [{ path, value: params }];
  if (typeof params !== 'object' || params === null) return [];
  return Object.entries(params).flatMap(([key, value]) => {
    const steps = key.split('.').filter((step) => !/^\d+$/.test(step));
    return named(value, [path, ...steps].filter((step) => step !== '').join('.'));
  });
}

/** The values at a path from the top. */
export function at(all: readonly Named[], path: string): string[] {
  return all.filter((one) => one.path === path).map((one) => one.value);
}

/** The values of what is so called, at whatever depth, one or a list of them. */
export function called(all: readonly Named[], name: string): string[] {
  const wanted = [name.toLowerCase(), `${name.toLowerCase()}s`];
  return all
    .filter((one) => wanted.includes(one.path.slice(one.path.lastIndexOf('.') + 1).toLowerCase()))
    .map((one) => one.value);
}
