-- Goes on holding a place among those that may be under way at the same time.
--
-- KEYS[1]  the state of the subject
-- ARGV[3..5] the id of the rule, the mark of the operation that took the place, for how many microseconds
-- Returns  1, or 0 if the place is gone

local records = decode(redis.call('MGET', KEYS[1])[1])
local id, mark, lease = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local record = records[id] or ''
for at = 1, #record, 11 do
  if part(record, at, at + 3) == mark and read('>I7', record, at + 4) > now then
    records[id] = part(record, 1, at + 3) .. write('>I7', now + lease) .. part(record, at + 11)
    store(KEYS[1], records, max(redis.call('PTTL', KEYS[1]), lease / 1000))
    return 1
  end
end
return 0
