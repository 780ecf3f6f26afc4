-- Gives back what calls have taken before, or takes more, whatever the limit.
--
-- KEYS     the state of each subject
-- ARGV[3..] for each: how many corrections; for each: id, kind, units to give back (below 0 to take more), the mark of the
--          operation that took them, when that was, until when its window went, the emission, bucket or period of the
--          rule, and its pace or, of a log, its limit
-- Returns  how many records it has changed
--
-- Invariant: the same arithmetic as in algorithms/give-back.ts. Nothing is given back that has run off by itself since.

-- The record after the correction; nil if it stays as it is, and '' if nothing is left.
local function correct(kind, record, units, taken_by, since, ends, width, pace)
  if kind == '1' then
    local known, arrival = pace, now
    if record then
      known, arrival = read('>I2I7', record)
    end
    local back = units * emission_at(known, pace, width)
    if units > 0 then
      back = min(back, max(0, ends - now))
    end
    local following = max(now, max(arrival, now) - back)
    return following == now and '' or write('>I2I7', known, min(following, 9007199254740991))
  end
  if not record and kind ~= '4' then
    return nil
  end
  if kind == '2' or kind == '5' then
    local known, count = read('>I7I4', record)
    if known ~= ends or ends <= now then
      return nil
    end
    return write('>I7I4', ends, min(4294967295, max(0, count - units)))
  elseif kind == '3' then
    local known_width, newest = read('>I6I6', record)
    local place = 13 + (newest - floor(since / width)) * 4
    if known_width ~= width or place < 13 or place + 3 > #record then
      return nil
    end
    local count = min(4294967295, max(0, read('>I4', record, place) - units))
    return part(record, 1, place - 1) .. write('>I4', count) .. part(record, place + 4)
  end
  local kept = {}
  local size = kind == '4' and 7 or 11
  for at = 1, record and #record or 0, size do
    local entry = part(record, at, at + size - 1)
    local gone
    if kind == '4' then
      gone = units > 0 and read('>I7', entry) == since
      units = gone and units - 1 or units
    else
      gone = part(entry, 1, 4) == taken_by
    end
    if not gone then
      kept[#kept + 1] = entry
    end
  end
  if kind == '4' then
    -- It keeps no more than it needs to deny everything: here `pace` is the limit.
    for _ = 1, min(-units, pace) do
      kept[#kept + 1] = write('>I7', now)
    end
    return table.concat(kept, '', max(1, #kept - pace + 1))
  end
  return table.concat(kept)
end

local again = before == 1 and remembered(redis.call('GET', KEYS[1]))
if again then
  return again
end
local at, changed = 3, 0
for place = 1 + before, #KEYS do
  local key = KEYS[place]
  local state = redis.call('MGET', key)[1]
  local records = decode(state)
  local life, count = state and redis.call('PTTL', key) or 0, 0
  for _ = 1, tonumber(ARGV[at]) do
    local id, kind, units = tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
    local width = tonumber(ARGV[at + 7])
    local record = correct(kind, records[id], units, ARGV[at + 4], tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]), width, tonumber(ARGV[at + 8]))
    if record then
      records[id] = record
      count = count + 1
      if kind == '1' and record ~= '' then
        life = max(life, (read('>I7', record, 3) - now) / 1000)
      elseif kind == '4' and units < 0 then
        life = max(life, width / 1000)
      end
    end
    at = at + 8
  end
  at = at + 1
  if count > 0 then
    store(key, records, life)
    changed = changed + count
  end
end
return remember(changed)
