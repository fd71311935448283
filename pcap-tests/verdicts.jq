# SPDX-License-Identifier: GPL-2.0-or-later
# Events to one line a recipient or alert: what was decided about whom. Live and replay must agree on these.
select(.event_type == "alert" or .event_type == "rcpt")
| [.event_type, .src_ip, .src_port, .dest_ip, .smtp.mail_from, .smtp.rcpt_to, .rcptwall.tag, .rcptwall.external,
   (.rcptwall.domains | join(" ")), (.rcptwall.via | join(" ")), .rcptwall.action, .rcptwall.reason // ""]
| @tsv
