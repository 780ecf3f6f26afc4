import { textOf } from '#harness/replies';

/** One line of `CLUSTER NODES`: what a node believes of another, or of itself. */
export interface ClusterMember {
  readonly id: string;
  readonly flags: readonly string[];
  /** The id of the master that this node replicates. */
  readonly masterId: string | undefined;
  readonly epoch: number;
  readonly connected: boolean;
  /** Inclusive ranges. Slots that are on the move do not show here. */
  readonly slots: readonly SlotRange[];
}

/** Inclusive. */
export type SlotRange = readonly [first: number, last: number];

/** Parses the reply of `CLUSTER NODES`. */
export function clusterViewOf(reply: unknown): readonly ClusterMember[] {
  return textOf(reply)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', , flags = '', masterId, , , epoch, link, ...slots] = line.trim().split(' ');
      return {
        id,
        flags: flags.split(','),
        masterId: masterId === '-' ? undefined : masterId,
        epoch: Number(epoch),
        connected: link === 'connected',
        slots: slots.filter((slot) => !slot.startsWith('[')).map(rangeOf),
      };
    });
}

/** Whether this line gives the slot to its node. */
export function owns(member: ClusterMember, slot: number): boolean {
  return member.slots.some(([first, last]) => first <= slot && slot <= last);
}

/** Equal for two nodes that believe the same of everyone's role and slots. */
export function fingerprint(view: readonly ClusterMember[]): string {
  return view
    .map(({ id, masterId = 'master', slots }) => `${id} ${masterId} ${slots.join(' ')}`)
    .sort()
    .join('\n');
}

function rangeOf(slots: string): SlotRange {
  const [first = '', last = first] = slots.split('-');
  return [Number(first), Number(last)];
}
