-- Begins every script.
--
-- ARGV[1]  for how many milliseconds the reply of a run is kept that has changed something, in case it is lost and the run is
--          asked for again; 0: it is not, and then KEYS begins with what each script says
-- ARGV[2]  the number of the run
-- KEYS[1]  where its reply is kept, in the place of that of an earlier run

local read, write, part = struct.unpack, struct.pack, string.sub
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
-- The first of the keys that a script is about comes after so many.
local before = ARGV[1] == '0' and 0 or 1

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Keeps the reply of this run, and gives it back.
local function remember(reply)
  if before == 1 then
    redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. cmsgpack.pack(reply), 'PX', ARGV[1])
  end
  return reply
end

-- The reply of this run, if it was made before.
local function remembered(kept)
  local head = ARGV[2] .. ' '
  if before == 1 and kept and part(kept, 1, #head) == head then
    return cmsgpack.unpack(part(kept, #head + 1))
  end
end
