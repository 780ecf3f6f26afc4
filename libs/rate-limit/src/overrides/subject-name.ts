import { createHash } from 'node:crypto';

const LONGEST = 128;
const DIGEST = '%sha256:';
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A subject where it is stored for people to read: as it is, or the digest of one that is long. What cannot be written in UTF-8
 * is a digest, too, and so is what looks like one.
 */
export function subjectName(subject: string): string {
  const usual = subject.length <= LONGEST && !isDigest(subject) && !LONE_SURROGATE.test(subject);
  return usual ? subject : `${DIGEST}${createHash('sha256').update(subject, 'utf16le').digest('base64url')}`;
}

/** Whether it is the name of a subject that is not written out. */
export function isDigest(name: string): boolean {
  return name.startsWith(DIGEST);
}
