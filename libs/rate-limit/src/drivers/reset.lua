-- Forgets what some rules know of a subject, or sets and ends a block.
--
-- KEYS[1]  the state of the subject
-- ARGV[3]  'reset', or for a block its length in microseconds, 0 to end it
-- ARGV[4..] the ids of the rules
-- Returns  the time in microseconds

local state = redis.call('MGET', KEYS[1])[1]
local records = decode(state)
local length = tonumber(ARGV[3])
for index = 4, #ARGV do
  local id = tonumber(ARGV[index])
  records[id + BLOCK] = length and length > 0 and write('>I7B', now + length, 0) or nil
  if not length then
    records[id] = nil
  end
end
local life = state and redis.call('PTTL', KEYS[1]) or 0
store(KEYS[1], records, max(life, (length or 0) / 1000))
return now
