-- Questions of which no two are alike, as long as people's.
local verbs = {"see", "cook", "lose", "paint", "sell", "forget", "find", "borrow", "hide", "mend", "wash", "burn",
  "steal", "praise", "carry", "break", "count", "bury", "visit", "name"}
local things = {"boat", "soup", "hat", "letter", "horse", "window", "song", "key", "lamb", "fridge", "uncle", "rent",
  "island", "bicycle", "lamp", "sea", "verse", "chair", "dog", "umbrella"}
local whens = {"today", "last night", "again", "on Tuesday", "before breakfast", "in the rain", "for your mother",
  "at the harbour", "without me", "by accident", "after the war"}
local starts = {"Did you", "Why did you", "When will you", "How could you", "Do you want to", "Must I", "Shall we",
  "Would you ever", "Who made you", "Where did you"}
local thread, count = 0, 0

function setup(one) one:set("id", thread); thread = thread + 1 end

function init() count = id * 1000000007 % 880000 end

local function pick(list) local i = count % #list; count = (count - i) / #list; return list[i + 1] end

function request()
  local at = count
  local text = pick(starts) .. " " .. pick(verbs) .. " the " .. pick(things) .. " " .. pick(whens) .. "?"
  if count > 0 then text = text .. " Say it " .. count .. " times." end
  count = at + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"},
    '{"messages": [{"role": "user", "content": "' .. text .. '"}]}')
end

-- DELAY: milliseconds that each connection rests before a request, on average.
local rest = tonumber(os.getenv("DELAY") or "0")
if rest > 0 then
  function delay() return math.random(0, 2 * rest) end
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("%.0f requests/s, p50 %.1f ms, p99 %.1f ms, %d of %d failed\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed, summary.requests))
end
