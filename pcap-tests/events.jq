# SPDX-License-Identifier: GPL-2.0-or-later
# Events of `rcptwall replay --json` in the short form that dialogues expect, one a line.
def list(word): if length > 0 then word + join(",") else "" end;
def when(cond; text): if cond then text else "" end;

if .event_type == "rcpt" then
    "rcpt \(.smtp.rcpt_to): " + (if .rcptwall.external then "external" else "local" end)
    + (.rcptwall.domains | list(" to ")) + (.rcptwall.via | list(" via ")) + ", " + .rcptwall.action
elif .event_type == "reply" then
    "reply \(.reply.ordinal) \(.reply.code)"
elif .event_type == "alert" then
    "alert \(.rcptwall.reason) \(.rcptwall.action)"
elif .event_type == "gap" then
    "gap \(.gap.from) \(.gap.bytes)"
elif .event_type == "session" then
    .session as $s
    | "session \(.rcptwall.tag): \($s.rcpts) rcpts, \($s.external_rcpts) external, \($s.external_accepted) accepted, \($s.messages) messages"
    + when($s.external_messages > 0 and $s.external_messages != $s.messages; ", \($s.external_messages) of them external")
    + when($s.starttls; ", starttls") + when($s.auth.used; ", auth used") + when($s.auth.succeeded; ", auth succeeded")
    + when($s.midstream; ", midstream") + when($s.smtp | not; ", no smtp")
    + ": \($s.verdict)" + when($s.reason != "none"; " \($s.reason)")
elif .event_type == "summary" then
    "answer \(.answer)"
else
    "unknown event \(.)"
end
