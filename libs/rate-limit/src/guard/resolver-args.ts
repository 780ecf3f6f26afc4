/** What GraphQL calls a resolver with. */
export interface ResolverArgs {
  readonly args: unknown;
  readonly context: unknown;
  readonly info: unknown;
}

/** Resolvers of references get no arguments of a field. */
export function resolverArgs(given: readonly unknown[]): ResolverArgs {
  return given.length === 3
    ? { args: undefined, context: given[1], info: given[2] }
    : { args: given[1], context: given[2], info: given[3] };
}
