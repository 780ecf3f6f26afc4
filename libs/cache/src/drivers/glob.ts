/** The pattern of a glob as Redis reads it: `*`, `?`, `[abc]`, `[^a]`, `[a-z]` and `\` before what is meant literally. */
export function globPattern(glob: string): RegExp {
  let source = '';
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at]!;
    if (char === '*') source += '[^]*';
    else if (char === '?') source += '[^]';
    else if (char === '[') {
      const { pattern, end } = characterClass(glob, at);
      source += pattern;
      at = end;
    } else source += literal(char === '\\' && at + 1 < glob.length ? glob[++at]! : char);
  }
  return new RegExp(`^${source}$`);
}

/** Read as Redis does, in whose ranges even a `]` or a `\` is only an end. One that is never closed ends with the glob. */
function characterClass(glob: string, from: number): { readonly pattern: string; readonly end: number } {
  const negated = glob[from + 1] === '^';
  let source = '';
  let at = from + (negated ? 2 : 1);
  for (; at < glob.length && glob[at] !== ']'; at++) {
    if (glob[at] === '\\' && at + 1 < glob.length) source += classLiteral(glob[++at]!);
    else if (glob[at + 1] === '-' && at + 2 < glob.length) {
      // Redis takes the ends of a range in either order.
      source += [glob[at]!, glob[at + 2]!].sort().map(classLiteral).join('-');
      at += 2;
    } else source += classLiteral(glob[at]!);
  }
  if (source === '') return { pattern: negated ? '[^]' : '[]', end: at };
  return { pattern: `[${negated ? '^' : ''}${source}]`, end: at };
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}

function classLiteral(char: string): string {
  return char.replace(/[\\\]^-]/, '\\$&');
}
