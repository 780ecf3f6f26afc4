-- Decides what most calls are: all of one plan, which is one subject with rules of kind gcra alone. What it cannot decide,
-- because there is more in the state of the subject, it and all calls after it are left to decide.lua; see there for KEYS, ARGV
-- and the reply.

-- States as they are while this runs, by their keys; false where there is none.
local states = redis.call('MGET', unpack(KEYS))
local again = remembered(states[1])
if again then
  return again
end
for index = 1 + before, #KEYS do
  states[KEYS[index]] = states[index]
end
local out, to, changed = { now, 0 }, 2, false
-- How many calls have been decided.
local decided = 0

local charging = ARGV[3] == '1'
local count = tonumber(ARGV[6])
local calls = charging and ARGV[4] == '1' and ARGV[5] == '1' and #ARGV == 8 + 7 * count and tonumber(ARGV[8 + 7 * count]) or 0
for rule = 0, count - 1 do
  if ARGV[8 + 7 * rule] ~= '1' or ARGV[10 + 7 * rule] ~= '0' then
    calls = 0
  end
end

if calls > 0 and count == 1 then
  local id, cost, emission, pace = tonumber(ARGV[7]), tonumber(ARGV[9]), tonumber(ARGV[11]), tonumber(ARGV[13])
  local tolerance, taken = emission * tonumber(ARGV[12]), emission * cost
  for call = 1, calls do
    local key = KEYS[call + before]
    local state, tat = states[key], now
    if state then
      if #state ~= 12 then
        break
      end
      local known, length, known_pace, stored = read('>I2BI2I7', state)
      if known ~= id or length ~= 9 or known_pace ~= pace then
        break
      end
      tat = stored
    end
    local value = max(tat - now, 0) + taken
    if value > tolerance then
      value = tolerance - value
    else
      state = write('>I2BI2I7', id, 9, pace, now + value)
      states[key], changed = state, true
      redis.call('SET', key, state, 'PX', ceil(value / 1000))
    end
    to = to + 1
    out[to] = value
    decided = call
  end
elseif calls > 0 then
  local format = '>' .. string.rep('I2BI2I7', count)
  local ids, tolerances, takings, paces = {}, {}, {}, {}
  for rule = 1, count do
    local at = 7 * rule
    local emission = tonumber(ARGV[at + 4])
    ids[rule], paces[rule] = tonumber(ARGV[at]), tonumber(ARGV[at + 6])
    tolerances[rule], takings[rule] = emission * tonumber(ARGV[at + 5]), emission * tonumber(ARGV[at + 2])
  end
  for call = 1, calls do
    local key, tats, known, fits = KEYS[call + before], {}, {}, true
    local state = states[key]
    if state then
      fits = #state == 12 * count
      local fields = fits and { read(format, state) } or {}
      for field = 1, #fields - 1, 4 do
        fits = fits and fields[field + 1] == 9
        known[fields[field]], tats[fields[field]] = fields[field + 2], fields[field + 3]
      end
      for rule = 1, count do
        fits = fits and known[ids[rule]] == paces[rule]
      end
    end
    if not fits then
      break
    end
    local fields, allowed, last = {}, true, 0
    for rule = 1, count do
      local tolerance = tolerances[rule]
      local reset = max((tats[ids[rule]] or now) - now, 0) + takings[rule]
      if reset > tolerance then
        allowed = false
      end
      last = max(last, reset)
      local place = 4 * rule
      fields[place - 3], fields[place - 2], fields[place - 1], fields[place] = ids[rule], 9, paces[rule], now + reset
    end
    for rule = 1, count do
      local tolerance, value = tolerances[rule], fields[4 * rule] - now
      if value > tolerance then
        value = tolerance - value
      elseif not allowed then
        -- As it is without the call.
        value = value - takings[rule]
      end
      to = to + 1
      out[to] = value
    end
    if allowed then
      state = write(format, unpack(fields))
      states[key], changed = state, true
      redis.call('SET', key, state, 'PX', ceil(last / 1000))
    end
    decided = call
  end
end
out[2] = decided
if calls > 0 and decided == calls then
  return changed and remember(out) or out
end
