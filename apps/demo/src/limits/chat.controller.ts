import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import { RateLimit, RateLimitInfo, type RateLimitDecision } from '@nuthatch/rate-limit';
import { CurrentUser } from '../login/current-user.decorator.js';
import type { DemoUser } from '../login/demo-tokens.js';
import { LoggedInGuard } from '../login/logged-in.guard.js';
import { MessageBody } from './limited.dto.js';

export interface ChatMessage {
  readonly from: string;
  readonly text: string;
  /** How many more can be sent at once. */
  readonly left: number | undefined;
}

@Controller('chat')
@UseGuards(LoggedInGuard)
export class ChatController {
  /** Nobody else is in the room. */
  @Post('messages')
  @RateLimit('chat')
  say(
    @CurrentUser() { id: from }: DemoUser,
    @Body() { text }: MessageBody,
    @RateLimitInfo() limits: RateLimitDecision | undefined,
  ): ChatMessage {
    return { from, text, left: limits?.policies.find(({ name }) => name === 'chat')?.remaining };
  }
}
