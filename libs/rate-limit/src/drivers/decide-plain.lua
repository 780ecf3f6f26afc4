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
  local id, cost, emission = tonumber(ARGV[7]), tonumber(ARGV[9]), tonumber(ARGV[11])
  local tolerance, taken = emission * tonumber(ARGV[12]), emission * cost
  for call = 1, calls do
    local key = KEYS[call + before]
    local state, tat = states[key], now
    if state then
      if #state ~= 10 then
        break
      end
      local known, length, stored = read('>I2BI7', state)
      if known ~= id or length ~= 7 then
        break
      end
      tat = stored
    end
    local value = min(max(tat, now), now + tolerance) + taken - now
    if value > tolerance then
      value = tolerance - value
    else
      state = write('>I2BI7', id, 7, now + value)
      states[key], changed = state, true
      redis.call('SET', key, state, 'PX', ceil(value / 1000))
    end
    to = to + 1
    out[to] = value
    decided = call
  end
elseif calls > 0 then
  local format = '>' .. string.rep('I2BI7', count)
  local ids, tolerances, takings = {}, {}, {}
  for rule = 1, count do
    local at = 7 * rule
    local emission = tonumber(ARGV[at + 4])
    ids[rule] = tonumber(ARGV[at])
    tolerances[rule], takings[rule] = emission * tonumber(ARGV[at + 5]), emission * tonumber(ARGV[at + 2])
  end
  for call = 1, calls do
    local key, tats, fits = KEYS[call + before], {}, true
    local state = states[key]
    if state then
      fits = #state == 10 * count
      local fields = fits and { read(format, state) } or {}
      for field = 1, #fields - 1, 3 do
        fits = fits and fields[field + 1] == 7
        tats[fields[field]] = fields[field + 2]
      end
      for rule = 1, count do
        fits = fits and tats[ids[rule]] ~= nil
      end
    end
    if not fits then
      break
    end
    local fields, allowed, last = {}, true, 0
    for rule = 1, count do
      local tolerance = tolerances[rule]
      local arrival = min(max(tats[ids[rule]] or now, now), now + tolerance)
      local reset = arrival + takings[rule] - now
      if reset > tolerance then
        allowed = false
      end
      last = max(last, reset)
      local place = 3 * rule
      fields[place - 2], fields[place - 1], fields[place] = ids[rule], 7, now + reset
    end
    for rule = 1, count do
      local tolerance, value = tolerances[rule], fields[3 * rule] - now
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
