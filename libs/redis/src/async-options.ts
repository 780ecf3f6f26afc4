import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Provider, Type } from '@nestjs/common';

/** A class that makes the options of a module, for `useClass` and `useExisting`. */
export interface OptionsFactory<T> {
  createOptions(): T | Promise<T>;
}

/**
 * What `forRootAsync` of a module takes: exactly one of `useFactory`, `useClass` and `useExisting`. `isGlobal` stands beside
 * the factory and not in what it returns, because Nest needs it before the factory runs.
 */
export interface AsyncModuleOptions<T> extends Pick<ModuleMetadata, 'imports'> {
  /** Whether the providers are visible in every module. @default true */
  isGlobal?: boolean;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  useFactory?: (...args: never[]) => T | Promise<T>;
  useClass?: Type<OptionsFactory<T>>;
  useExisting?: Type<OptionsFactory<T>>;
}

/**
 * The providers that bring asynchronous options to `token`.
 *
 * @param refuse makes the error for anything but one source
 */
export function asyncOptionsProviders<T>(
  token: InjectionToken,
  { useFactory, useClass, useExisting, inject = [] }: AsyncModuleOptions<T>,
  refuse: (mistake: string) => Error,
): Provider[] {
  if ([useFactory, useClass, useExisting].filter(Boolean).length !== 1) {
    throw refuse('forRootAsync() needs exactly one of useFactory, useClass and useExisting.');
  }
  if (useFactory) return [{ provide: token, inject, useFactory }];
  const source = (useClass ?? useExisting)!;
  const provider: Provider = {
    provide: token,
    inject: [source],
    useFactory: (factory: OptionsFactory<T>) => factory.createOptions(),
  };
  return useClass ? [useClass, provider] : [provider];
}
