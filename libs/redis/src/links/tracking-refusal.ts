// Asked again, or on another connection, the server may agree.
const PASSING = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOAUTH|ERR max number of clients|ERR The client ID) ?/i;
const FIRST_WORDS = 120;

/**
 * Why the server will not report changes of keys to this client, in the first words of its reply: it does not know the
 * command, or the ACL forbids it. Undefined when that is not what the error says: the link died, or the server is busy.
 */
export function trackingRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError' || PASSING.test(error.message)) return undefined;
  return error.message.slice(0, FIRST_WORDS);
}
