const MOST_SHOWN = 100;
// What a terminal or a log would obey instead of showing it: controls, also those that turn the direction of text, and ends of lines.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text that others have chosen, for messages: in quotes, escaped, and not in full when it is long. */
export function quote(text: string): string {
  const shown = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
  return JSON.stringify(shown).replace(UNSEEN, escapeUnits);
}

function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
