import { Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { CacheTransactions } from '@nuthatch/cache';
import { DATABASE, openDatabase, type Database } from './database.js';
import { DrizzleTransactions } from './drizzle-transactions.js';

@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  readonly #database: Database;

  constructor(@Inject(DATABASE) database: Database) {
    this.#database = database;
  }

  static forRoot(cityLimit?: number): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        { provide: DATABASE, useFactory: () => openDatabase(cityLimit) },
        DrizzleTransactions,
        { provide: CacheTransactions, useExisting: DrizzleTransactions },
      ],
      exports: [DATABASE, DrizzleTransactions, CacheTransactions],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#database.$client.close();
  }
}
