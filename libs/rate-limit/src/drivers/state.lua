-- How the state of a subject is stored: records of id (2 bytes), length (1, or 255 and 2 more), and as many bytes. The record of
-- a block has 32768 added to its id: until when (7), and how many blocks it followed (1).

local BLOCK = 32768

-- The emission interval by which units were taken: that of the rule, unless the rule was another then. A pace is 1024 times the
-- binary logarithm of an interval.
local function emission_at(known, pace, emission)
  return known == pace and emission or floor(2 ^ (known / 1024) + 0.5)
end

local function decode_own(text)
  local records, at, size = {}, 1, #text
  while at <= size do
    local id, length = read('>I2B', text, at)
    at = at + 3
    if length == 255 then
      length = read('>I2', text, at)
      at = at + 2
    end
    records[id] = part(text, at, at + length - 1)
    at = at + length
  end
  return records
end

-- The records of a state by their ids. Something else may stand there, or bytes that no script of ours has written: then nothing
-- is known.
local function decode(text)
  if not text then
    return {}
  end
  local readable, records = pcall(decode_own, text)
  return readable and records or {}
end

-- Stores a state for as many milliseconds, and gives it back as text.
local function store(key, records, life)
  local state = ''
  for id, record in pairs(records) do
    local length = #record
    if length >= 255 then
      state = state .. write('>I2BI2', id, 255, length) .. record
    elseif length > 0 then
      state = state .. write('>I2B', id, length) .. record
    end
  end
  if state == '' then
    redis.call('DEL', key)
    return false
  end
  redis.call('SET', key, state, 'PX', max(1, ceil(life)))
  return state
end
