/** Bad settings name the thing, the cause, and one hint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyText } from '../lib/settings.ts';
import { POLICY, synthesise } from './synthesised.ts';

const wrong: [what: string, how: Parameters<typeof synthesise>[0], said: RegExp][] = [
  ['no TOML', { policy: 'mode = \n' }, /the policy is not TOML[\s\S]*hint: `backstop config check`/],
  ['an account of 11 digits', { policy: POLICY.replace('111111111111', '11111111111') }, /`scope\.accounts` holds "11111111111"/],
  ['a number for a Region', { policy: POLICY.replace('"us-east-1"', '7') }, /`scope\.regions` holds 7/],
  ['no Region', { policy: POLICY.replace('home_region = "eu-west-1"', 'home_region = "home"') }, /`scope\.home_region` holds "home"/],
  ['an unknown architecture', { context: { architecture: 'arm' } }, /`architecture` is "arm"[\s\S]*`arm64` or `x86_64`/],
  ['too little memory', { context: { 'memory-mb': '64' } }, /`memory-mb` is "64"[\s\S]*from 128 to 10240/],
  ['no number', { context: { 'timeout-seconds': 'long' } }, /`timeout-seconds` is "long"/],
  ['a retention that Logs refuses', { context: { 'log-retention-days': '100' } }, /`log-retention-days` is 100[\s\S]*90, 120/],
  ['an address without @', { context: { 'email-page': 'oncall' } }, /`email-page` is "oncall"[\s\S]*oncall@example\.com/],
  ['an approver without an ARN', { context: { approvers: 'alice' } }, /`approvers` is "alice"[\s\S]*arn:aws:iam/],
  ['a list with spaces', { context: { deployed: 'imdsv2, ssh-access' } }, /`deployed` is/],
];

for (const [what, how, said] of wrong) {
  test(what, () => {
    assert.throws(() => synthesise(how), (error: Error) => {
      assert.equal(error.name, 'SettingError');
      assert.match(error.message, said);
      assert.match(error.message, /\nhint: \S/);
      return true;
    });
  });
}

test('a policy that is not there', () => {
  assert.throws(() => policyText('/nowhere.toml'), /cannot read the policy `\/nowhere\.toml`[\s\S]*hint: `BACKSTOP_CONFIG`/);
});
