# SPDX-License-Identifier: GPL-2.0-or-later
"""What `conntrack -F` does, for machines that don't have it: IPCTNL_MSG_CT_DELETE without a tuple, for each family."""
import socket
import struct

s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
for family in (socket.AF_INET, socket.AF_INET6):
    # nlmsghdr: length, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK; nfgenmsg
    s.send(struct.pack("=IHHII", 20, 1 << 8 | 2, 5, 1, 0) + struct.pack("=BBH", family, 0, 0))
    error = struct.unpack_from("=i", s.recv(4096), 16)[0]
    if error:
        raise OSError(-error, "conntrack can't be flushed")
