/** Where something listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Only the address of something that has more to it. */
export function addressOf({ host, port }: Address): Address {
  return { host, port };
}
