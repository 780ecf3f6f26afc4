-- Decides calls, one after the other at one moment: all rules of a call at once, and charges all of them or none.
--
-- KEYS     the state of each subject of each call
-- ARGV[3]  1 to charge what is allowed, 0 to charge nothing
-- ARGV[4]  how many plans follow; a plan: how many subjects; for each: how many rules; for each: id, kind, cost,
--          flags (1 shadow, 2 block), a, b, c; with a block: base, factor, most, decay
--          kind 1 gcra: emission, burst, pace; 2 fixed window: limit, period; 3 sliding window: limit, bucket, buckets;
--          4 sliding log: limit, period; 5 calendar: limit, begin, end, and the end after that; 6 concurrency: places, lease
--          (times in microseconds)
-- then     for each row of calls of the same plan: its number, and how many calls; if the plan has places to give, for each call
--          the mark of its operation (4 bytes)
-- Returns  the time in microseconds; how many calls are told in short; for each rule of these the reset, or, if it denies the call,
--          the retry below 0; then for each rule of the others: remaining, retry (0 if it allows the call), reset.
--          Only the time if a calendar has come to a period that no plan knows of.
--
-- Invariant: the same arithmetic as in algorithms/*.ts, in whole numbers below 2^53.

local function fixed_window(rule, record, ends)
  local limit, cost, count, reset, retry = rule.a, rule.cost, 0, 0, ends - now
  if record then
    local known, taken = read('>I7I4', record)
    if known > now then
      retry, ends, count = known - now, min(known, ends), taken
      reset = ends - now
    end
  end
  local left = max(0, limit - count)
  if count + cost > limit then
    return retry, left, reset
  end
  return 0, left, reset, limit - count - cost, ends - now, write('>I7I4', ends, count + cost)
end

local function sliding_window(rule, record)
  local limit, cost, period, buckets = rule.a, rule.cost, rule.b, rule.c
  local newest = floor(now / period)
  local counts, sum, oldest, youngest = {}, 0, -1, -1
  for age = 0, buckets do
    counts[age] = 0
  end
  if record then
    local width, known = read('>I6I6', record)
    for index = 0, (#record - 12) / 4 - 1 do
      local count = read('>I4', record, 13 + index * 4)
      local age = 0
      if width == period then
        age = max(0, newest - known + index)
      end
      if age <= buckets then
        counts[age] = counts[age] + count
      end
    end
    for age = 0, buckets do
      sum = sum + counts[age]
      if counts[age] > 0 then
        oldest = age
        if youngest < 0 then
          youngest = age
        end
      end
    end
  end
  local left, reset = max(0, limit - sum), 0
  if youngest >= 0 then
    reset = (newest - youngest + buckets + 1) * period - now
  end
  if sum + cost <= limit then
    counts[0] = counts[0] + cost
    local packed = { write('>I6I6', period, newest) }
    for age = 0, max(0, oldest) do
      packed[#packed + 1] = write('>I4', counts[age])
    end
    return 0, left, reset, limit - sum - cost, (newest + buckets + 1) * period - now, table.concat(packed)
  end
  local age = oldest
  local freed = counts[age]
  while freed < sum + cost - limit do
    age = age - 1
    freed = freed + counts[age]
  end
  return (newest - age + buckets + 1) * period - now, left, reset
end

local function sliding_log(rule, record)
  local limit, cost, period = rule.a, rule.cost, rule.b
  local taken, packed = {}, {}
  if record then
    for at = 1, #record, 7 do
      local moment = read('>I7', record, at)
      if moment > now - period then
        taken[#taken + 1] = min(moment, now)
        packed[#packed + 1] = write('>I7', min(moment, now))
      end
    end
  end
  local left, reset = max(0, limit - #taken), 0
  if #taken > 0 then
    reset = taken[#taken] + period - now
  end
  local excess = #taken + cost - limit
  if excess > 0 then
    return taken[excess] + period - now, left, reset
  end
  for _ = 1, cost do
    packed[#packed + 1] = write('>I7', now)
  end
  return 0, left, reset, -excess, period, table.concat(packed)
end

local function concurrency(rule, record, mark)
  local places, lease = rule.a, rule.b
  local held, packed, first, last = 0, '', 0, 0
  for at = 1, record and #record or 0, 11 do
    local ends = read('>I7', record, at + 4)
    if ends > now then
      packed = packed .. part(record, at, at + 10)
      first = held == 0 and ends or min(first, ends)
      last = max(last, ends)
      held = held + 1
    end
  end
  local left, reset = max(0, places - held), max(0, last - now)
  if held >= places then
    -- Any of them may be freed at any time.
    return min(first - now, 1000000), left, reset
  end
  return 0, left, reset, left - 1, max(reset, lease), packed .. mark .. write('>I7', now + lease)
end

-- Returns: retry (0: ok), remaining and reset without the call, the same with it, and the new record.
local function evaluate(rule, record, mark)
  local kind = rule.kind
  if kind == '1' then
    local emission, burst, pace = rule.a, rule.b, rule.c
    local paid, ahead = emission, 0
    if record then
      local known, arrival = read('>I2I7', record)
      paid, ahead = emission_at(known, pace, emission), max(0, arrival - now)
    end
    local left, retry = max(0, floor((paid * burst - ahead) / paid)), ahead - paid * (burst - rule.cost)
    if retry > 0 then
      return retry, left, ahead
    end
    local following = (paid == emission and ahead or ceil((ahead / paid) * emission)) + emission * rule.cost
    local left_after = max(0, floor((emission * burst - following) / emission))
    return 0, left, ahead, left_after, following, write('>I2I7', pace, now + following)
  elseif kind == '2' then
    return fixed_window(rule, record, now + rule.b)
  elseif kind == '3' then
    return sliding_window(rule, record)
  elseif kind == '4' then
    return sliding_log(rule, record)
  elseif kind == '5' then
    return fixed_window(rule, record, rule.b)
  end
  return concurrency(rule, record, mark)
end

-- The block that a denial begins.
local function blocked_anew(rule, block)
  local until_us, strikes = 0, 0
  if block then
    until_us, strikes = read('>I7B', block)
    strikes = now < until_us + rule.decay and min(strikes + 1, 255) or 0
  end
  local length = min(rule.most, rule.base)
  for _ = 1, strikes do
    length = min(rule.most, length * rule.factor)
  end
  return length, write('>I7B', now + length, strikes)
end

local plans, at = {}, 5
for number = 1, tonumber(ARGV[4]) do
  local plan = {}
  for subject = 1, tonumber(ARGV[at]) do
    local rules = {}
    at = at + 1
    for index = 1, tonumber(ARGV[at]) do
      local flags = ARGV[at + 4]
      local rule = {
        id = tonumber(ARGV[at + 1]),
        kind = ARGV[at + 2],
        cost = tonumber(ARGV[at + 3]),
        shadow = flags == '1' or flags == '3',
        blocks = flags == '2' or flags == '3',
        a = tonumber(ARGV[at + 5]),
        b = tonumber(ARGV[at + 6]),
        c = tonumber(ARGV[at + 7]),
      }
      at = at + 7
      if rule.kind == '5' then
        local begins, ends, following = rule.b, rule.c, tonumber(ARGV[at + 1])
        at = at + 1
        if now < begins or now >= following then
          return { now }
        end
        rule.b = now < ends and ends or following
      end
      if rule.blocks then
        rule.base, rule.factor = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
        rule.most, rule.decay = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
        at = at + 4
      end
      plan.marks = plan.marks or rule.kind == '6'
      rules[index] = rule
    end
    plan[subject] = rules
  end
  plans[number] = plan
  at = at + 1
end

local function decide(plan, first, mark)
  local found, allowed = {}, true
  -- The verdicts if the call is charged, which is known in the end; `out` has those of one that is not.
  local with = {}
  for subject, rules in ipairs(plan) do
    local records = decode(states[KEYS[first + subject]])
    local fresh, life, blocks = {}, 0, nil
    for _, rule in ipairs(rules) do
      local known, block = records[rule.id], records[rule.id + BLOCK]
      local retry, left, reset, left_after, reset_after, record = evaluate(rule, known, mark)
      local blocked = block and read('>I7', block) - now or 0
      if blocked > 0 then
        retry, left, reset, record = max(blocked, retry), 0, max(blocked, reset), nil
      end
      if retry > 0 and not rule.shadow then
        allowed = false
        if rule.blocks and charging and blocked <= 0 then
          local length, text = blocked_anew(rule, block)
          blocks = blocks or {}
          blocks[rule.id + BLOCK] = text
          life = max(life, length + rule.decay)
          retry, left, reset = max(retry, length), 0, max(reset, length)
        end
      end
      if block then
        fresh[rule.id + BLOCK] = block
        life = max(life, blocked + (rule.decay or 0))
      end
      fresh[rule.id] = record or known
      life = max(life, record and reset_after or reset)
      out[to + 1], out[to + 2], out[to + 3] = left, retry, reset
      with[to + 1], with[to + 3] = record and left_after or left, record and reset_after or reset
      to = to + 3
    end
    found[subject] = { records, fresh, life, blocks }
  end

  if not charging then
    return
  end
  for subject = 1, #plan do
    local key = KEYS[first + subject]
    local records, fresh, life, blocks = unpack(found[subject], 1, 4)
    if allowed or blocks then
      life = life / 1000
      for id, record in pairs(records) do
        if not fresh[id] then
          -- What other calls have left there may have to last longer.
          life = max(life, redis.call('PTTL', key))
          break
        end
      end
      for id, record in pairs(allowed and fresh or blocks) do
        records[id] = record
      end
      states[key] = store(key, records, life)
      changed = true
    end
  end
  if allowed then
    for place, number in pairs(with) do
      out[place] = number
    end
  end
end

local first, call = before, 0
while at <= #ARGV do
  local plan, calls = plans[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  at = at + 2
  for _ = 1, calls do
    call = call + 1
    if call > decided then
      decide(plan, first, plan.marks and ARGV[at])
    end
    first = first + #plan
    at = plan.marks and at + 1 or at
  end
end
return changed and remember(out) or out
