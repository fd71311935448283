# SPDX-License-Identifier: GPL-2.0-or-later
# Holds the recipients that a replay found against what is expected of the capture.
# Input: the replay's events, slurped. $expected: the expectation, slurped. $notes: lines
# of expected-notes.tsv. Output: one line a flow, "ok ..." or "not ok ...".
def flow: "\(.src_ip):\(.src_port) > \(.dest_ip):\(.dest_port)";
def found: map(select(.event_type == "rcpt")) | group_by(flow) | map({key: (.[0] | flow), value: map(.smtp.rcpt_to)}) | from_entries;
def wanted: $expected[0].flows
    | map({flow: "\(.stream.src):\(.stream.sport) > \(.stream.dst):\(.stream.dport)", agreement, rcpts: (.rcpts | map(.addr))})
    | group_by(.flow)
    | map({flow: .[0].flow, agreed: all(.agreement == "all-agree"), rcpts: (map(.rcpts) | add)});
def noted($file; $flow): $notes | map(select(.[0] == $file and .[1] == $flow)) | .[0];

$expected[0].file as $file
| found as $found
| (wanted[]
   | ($found[.flow] // []) as $got
   | noted($file; .flow) as $note
   | if $note then
         if ($note[2] | if . == "-" then [] else split(" ") end) == $got then "ok \($file): \(.flow) as noted"
         else "not ok \($file): \(.flow): noted \($note[2]), found \($got | join(" "))" end
     elif .agreed | not then "not ok \($file): \(.flow): the tools disagree and expected-notes.tsv has no line for it; found \($got | join(" "))"
     elif .rcpts == $got then "ok \($file): \(.flow): \($got | length) recipients"
     else "not ok \($file): \(.flow): expected \(.rcpts | join(" ")), found \($got | join(" "))" end),
  ((($found | keys) - (wanted | map(.flow)))[] | "not ok \($file): \(.): expected nothing, found \($found[.] | join(" "))")
