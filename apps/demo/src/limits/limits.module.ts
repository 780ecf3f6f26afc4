import { Module, type DynamicModule } from '@nestjs/common';
import { CatalogueModule } from '../catalogue/catalogue.module.js';
import { ChatController } from './chat.controller.js';
import { LimitsController } from './limits.controller.js';
import { LimitsOfCaller } from './limits-of-caller.js';
import { OperatorController } from './operator.controller.js';
import { OPERATOR_ENV } from './operator.guard.js';
import { PaymentsController } from './payments.controller.js';
import { UploadsController } from './uploads.controller.js';

/** What is limited beside the catalogue and the login, who has what left, and what operators do about it. */
@Module({})
export class LimitsModule {
  static forRoot(env: NodeJS.ProcessEnv = process.env): DynamicModule {
    return {
      module: LimitsModule,
      imports: [CatalogueModule],
      controllers: [ChatController, LimitsController, OperatorController, PaymentsController, UploadsController],
      providers: [{ provide: OPERATOR_ENV, useValue: env }, LimitsOfCaller],
    };
  }
}
