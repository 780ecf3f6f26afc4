import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { HistoryEvent } from './events.js';
import type { AcceptedWrite, History } from './history.js';
import { ProcessStory } from './process-story.js';

const ENDING = '.jsonl';

/** The events of each process by its name, from the files `<name>.jsonl` of a folder. */
export function readEvents(folder: string): Map<string, HistoryEvent[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith(ENDING));
  return new Map(
    files.map((file) => [file.slice(0, -ENDING.length), eventsOf(readFileSync(path.join(folder, file), 'utf8'))]),
  );
}

/** @param liveMs what a grant is worth at most that was handed on to who waited */
export function tellHistory(
  events: ReadonlyMap<string, readonly HistoryEvent[]>,
  accepted: ReadonlyMap<string, readonly AcceptedWrite[]>,
  liveMs: number,
): History {
  const told = [...events].map(([name, list]) => {
    const story = new ProcessStory(name, liveMs);
    for (const event of list) story.read(event);
    return story.tell();
  });
  return {
    processes: new Map(told.map(({ process }) => [process.name, process])),
    holds: told.flatMap(({ holds }) => holds),
    claims: told.flatMap(({ claims }) => claims),
    accepted,
    forces: told.flatMap(({ forces }) => forces),
  };
}

/** The last line of a process that was killed may lack its end. */
function eventsOf(text: string): HistoryEvent[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as HistoryEvent);
}
