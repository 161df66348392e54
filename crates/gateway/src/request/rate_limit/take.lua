-- Takes a request from each of these buckets (the generic cell rate algorithm), in order, until one
-- has none left. The time is Redis's own, so the callers' clocks do not matter.
-- KEYS: the buckets. A bucket holds when it is full again, in µs, and is gone when it is.
-- ARGV: for each bucket the requests that it gains a second, and how many it holds at most.
-- Returns what each has left, -1 for the one that had none.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
  local gain, most = 1000000 / ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  local full = math.max(tonumber(redis.call('GET', key) or now), now) + gain
  -- Times have 16 digits, so quarters of a µs are lost. Nobody is refused a request for that.
  local left = math.floor((now + gain * most - full) / gain + 0.001)
  if left < 0 then
    answer[i] = -1
    return answer
  end
  redis.call('SET', key, string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000))
  answer[i] = left
end
return answer
