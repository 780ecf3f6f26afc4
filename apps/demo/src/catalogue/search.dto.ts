import { Length, Matches } from 'class-validator';

/** `?text=jazz`. */
export class SearchQuery {
  @Length(2, 80)
  @Matches(/^\P{Cc}*\p{L}\P{Cc}*$/u, { message: 'text must be a part of the name of a venue, such as jazz' })
  readonly text!: string;
}
