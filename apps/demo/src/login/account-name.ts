/** The one way to write an account, so that `Ada@example.com` has no second limit. */
export function accountName(account: string): string {
  return account.trim().toLowerCase();
}
