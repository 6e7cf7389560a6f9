"""The governor's Lua: each script runs in Redis as one step, on Redis's own clock.

Rates are kept by GCRA (the generic cell rate algorithm): `rpm_tat` and `tpm_tat` are the moments
at which all that was granted so far will have been earned. A request may go `tolerance` seconds
before that. One that may not go yet reserves the moment at which it may, so that nobody else is
told the same moment and nobody has to look again in between.

Keys: rates (hash), permits (set by expiry), arrivals and wakes (sets of those who wait, by their
order and by the moment they were told), breaker (hash).
"""

_COMMON = """
local rates, permits, arrivals, wakes, breaker = unpack(KEYS)
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or 0)
end
local function text(value)
  return string.format('%.6f', value)
end
local function keep_a_day()
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, 86400) end
end
"""

# who, attempt, resumed, slot, tokens, rpm interval, rpm tolerance, tpm interval, tpm tolerance,
# slack, horizon, concurrency, permit seconds, breaker seconds
# -> verdict, moment, now, slot (0: none)
ENTER = (
    _COMMON
    + """
local who, attempt, resumed = ARGV[1], ARGV[2], ARGV[3] == '1'
local slot, tokens = tonumber(ARGV[4]), tonumber(ARGV[5])
local rpm, rpm_tolerance = tonumber(ARGV[6]), tonumber(ARGV[7])
local tpm, tpm_tolerance = tonumber(ARGV[8]), tonumber(ARGV[9])
local slack, horizon = tonumber(ARGV[10]), tonumber(ARGV[11])
local limit, life, cooling = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])

local function answer(verdict, moment, reserved)
  keep_a_day()
  return {verdict, text(moment), text(now), text(reserved or 0)}
end

-- The breaker: closed, or open until a moment, or half open with one job probing.
local opened = number(breaker, 'until')
if opened > now then return answer('circuit_open', opened, slot) end
if opened > 0 then
  local prober = redis.call('HGET', breaker, 'prober')
  local probed = number(breaker, 'probe_until')
  if prober and prober ~= who and probed > now then
    return answer('circuit_open', math.min(probed, now + cooling), slot)
  end
end

-- Permits: those of this job's earlier attempts go, those that ran out go.
local function forget(name)
  redis.call('ZREM', arrivals, name)
  redis.call('ZREM', wakes, name)
end
if limit > 0 then
  redis.call('ZREMRANGEBYSCORE', permits, '-inf', text(now))
  for _, held in ipairs(redis.call('ZRANGE', permits, 0, -1)) do
    if string.sub(held, 1, #who + 1) == who .. '#' then redis.call('ZREM', permits, held) end
  end
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', wakes, '-inf', text(now - slack))) do
    if name ~= who then forget(name) end
  end
  local free = limit - redis.call('ZCARD', permits)
  if not resumed then
    -- Who came earlier and is due has the first claim; who sleeps on holds nobody up.
    local mine, ahead = tonumber(redis.call('ZSCORE', arrivals, who) or math.huge), 0
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', wakes, '-inf', text(now + 1))) do
      if name ~= who and tonumber(redis.call('ZSCORE', arrivals, name)) < mine then
        ahead = ahead + 1
      end
    end
    if free <= ahead then
      redis.call('ZADD', arrivals, 'NX', redis.call('HINCRBY', rates, 'drawn', 1), who)
      local mean = number(rates, 'mean')
      if mean == 0 then mean = 5 end
      local turn = (redis.call('ZRANK', arrivals, who) + 1) * mean / limit
      -- Where nothing has moved for long, the mean is too small: come back ever more rarely.
      local still = (now - math.max(number(rates, 'moved'), now - horizon)) / 2
      local moment = now + math.min(math.max(turn, still, 1), horizon)
      redis.call('ZADD', wakes, text(moment), who)
      return answer('at_capacity', moment, slot)
    end
  end
  forget(who)
end

-- Rates, unless this very moment was paid for already, or nothing new is asked of the provider.
local pause = number(rates, 'pause')
if not resumed then
  local is_paid = slot > 0 and now <= slot + slack and pause <= now
  if is_paid and slot > now then return answer('rate_limited', slot, slot) end
  if not is_paid then
    local base = math.max(now, pause)
    local moment = base
    local requests_tat, tokens_tat = number(rates, 'rpm_tat'), number(rates, 'tpm_tat')
    if rpm > 0 then moment = math.max(moment, requests_tat - rpm_tolerance) end
    if tpm > 0 then moment = math.max(moment, tokens_tat - tpm_tolerance) end
    if moment > base + horizon then return answer('rate_limited', base + horizon) end
    if rpm > 0 then
      redis.call('HSET', rates, 'rpm_tat', text(math.max(requests_tat, moment) + rpm))
    end
    if tpm > 0 then
      redis.call('HSET', rates, 'tpm_tat', text(math.max(tokens_tat, moment) + tokens * tpm))
    end
    if moment > now then return answer('rate_limited', moment, moment) end
  end
end

if limit > 0 then
  redis.call('ZADD', permits, text(now + life), who .. '#' .. attempt)
  redis.call('HSET', rates, 'moved', text(now))
end
if opened > 0 then
  redis.call('HSET', breaker, 'prober', who, 'probe_until', text(now + life))
end
return answer('granted', now)
"""
)

# who, attempt, permit seconds
KEEP = (
    _COMMON
    + """
local who, member, till = ARGV[1], ARGV[1] .. '#' .. ARGV[2], text(now + tonumber(ARGV[3]))
redis.call('ZADD', permits, 'XX', till, member)
if redis.call('HGET', breaker, 'prober') == who then
  redis.call('HSET', breaker, 'probe_until', till)
end
"""
)

# who, attempt, outcome, seconds, more requests, more tokens, rpm interval, tpm interval, pause,
# breaker failures, breaker seconds
# -> closed, opened or nothing: what became of the breaker
LEAVE = (
    _COMMON
    + """
local who, outcome = ARGV[1], ARGV[3]
local seconds, pause = tonumber(ARGV[4]), tonumber(ARGV[9])
local failures, cooling = tonumber(ARGV[10]), tonumber(ARGV[11])

if redis.call('ZREM', permits, who .. '#' .. ARGV[2]) > 0 then
  redis.call('HSET', rates, 'moved', text(now))
end
if outcome == 'ok' then
  local mean = number(rates, 'mean')
  redis.call('HSET', rates, 'mean', text(mean == 0 and seconds or 0.8 * mean + 0.2 * seconds))
end
-- What was used beyond the estimate, or less than it, moves the moment of the next.
local function correct(field, amount)
  local moment = number(rates, field)
  if amount ~= 0 and moment > 0 then redis.call('HSET', rates, field, text(moment + amount)) end
end
correct('rpm_tat', tonumber(ARGV[5]) * tonumber(ARGV[7]))
correct('tpm_tat', tonumber(ARGV[6]) * tonumber(ARGV[8]))
if pause > 0 then
  redis.call('HSET', rates, 'pause', text(math.max(number(rates, 'pause'), now + pause)))
end

local opened, was = number(breaker, 'until'), ''
local probes = redis.call('HGET', breaker, 'prober') == who
if opened == 0 or probes then
  if outcome == 'ok' or (probes and outcome == 'alive') then
    redis.call('DEL', breaker)
    if probes then was = 'closed' end
  elseif outcome == 'failed' and failures > 0 then
    if redis.call('HINCRBY', breaker, 'failures', 1) >= failures or probes then
      redis.call('HSET', breaker, 'until', text(now + cooling))
      redis.call('HDEL', breaker, 'prober', 'probe_until')
      was = 'opened'
    end
  elseif probes then
    redis.call('HDEL', breaker, 'prober', 'probe_until')
  end
end
keep_a_day()
return was
"""
)
