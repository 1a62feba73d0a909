/** Checks SSM documents against the schemas that lie beside this file. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';

/**
 * Whether a regular expression is one that RE2 takes, as `allowedPattern` must be
 * (https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html):
 * no look-around, no back-references, and no repetition above 1000
 * (https://github.com/google/re2/wiki/Syntax).
 */
export function isRe2(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u');
  } catch {
    return false;
  }
  const repeats = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].flatMap((m) => [m[1], m[2]]);
  return (
    !/\(\?<?[=!]|\\[1-9]|\\k</.test(pattern) && repeats.every((n) => !n || Number(n) <= 1000)
  );
}

/** The check of one schema: what is wrong with a document, or nothing. */
export function schema(file: string): (document: unknown) => string | undefined {
  const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
  ajv.addFormat('re2', { type: 'string', validate: isRe2 });
  const text = readFileSync(new URL(file, import.meta.url), 'utf8');
  const check = ajv.compile(JSON.parse(text) as object);
  return (document) => (check(document) ? undefined : ajv.errorsText(check.errors));
}
