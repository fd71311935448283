# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# mta - real mail servers as open relays in the lab's inside namespace, one at a time,
# on port 25 of $LAB_SERVER4 and $LAB_SERVER6:
#
#   mta_fetch exim           # before lab_enter: its Debian packages into $MTA_CACHE; false: can't be had (why: MTA_WHY)
#   mta_start exim           # in the lab, with lab_catchers or others at the ends
#   mta_idle                 # true: nothing waits in its queue
#   mta_stop
#
# Include scripts/lib/lab.sh and build.sh before it. MTA_NAMES: exim sendmail opensmtpd postfix. What is for local.example goes to
# 127.0.0.1:2602, all else to $LAB_CATCHER4:25.
#
# The packages conflict with each other and with the system's, so none is installed.
# They are only unpacked, on a tmpfs, and laid over this machine's root directory by
# an overlay: the server finds its own files and this machine's libraries, and what
# it writes goes to the tmpfs. Nothing of it outlives the lab.

# shellcheck disable=SC2034  # used by the scripts that include this
MTA_NAMES="exim sendmail opensmtpd postfix"
MTA_CACHE=${MTA_CACHE:-build/mta}
# After so many commands that it can't read, Exim ends the session; its own default is 3.
MTA_EXIM_ERRORS=1000
# Lines for Exim's main configuration; what else counts as its own domain.
MTA_EXIM_MORE='' MTA_EXIM_OURS=''
MTA_WHY=

mta_packages() {
    case $1 in
    postfix) ;; # the system's own: lab_postfix
    exim) echo exim4-daemon-light ;;
    sendmail) echo sendmail-bin sendmail-cf m4 ;;
    opensmtpd) echo opensmtpd ;;
    *) return 1 ;;
    esac
}

# Simulates the installation, to learn which packages this machine lacks, and downloads those.
mta_fetch() {
    local name=$1 dir=$MTA_CACHE/$1 wanted missing
    wanted=$(mta_packages "$name") || lab_die "no such mail server: $name"
    if [[ ! $wanted || -e $dir/complete ]]; then return 0; fi
    if ! command -v apt-get >/dev/null; then
        MTA_WHY="there is no apt-get to get $name with"
        return 1
    fi
    # shellcheck disable=SC2154  # as_owner: build.sh
    "${as_owner[@]}" mkdir -p "$dir"
    # shellcheck disable=SC2086  # several packages
    missing=$(LC_ALL=C apt-get -s -y --no-install-recommends install $wanted 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    # shellcheck disable=SC2086
    if [[ ! $missing ]] || ! (cd "$dir" && "${as_owner[@]}" apt-get -q -o Acquire::Retries=3 download $missing >/dev/null 2>&1); then
        MTA_WHY="apt-get can't get $wanted"
        return 1
    fi
    "${as_owner[@]}" touch "$dir/complete"
}

# A tree to chroot into: $LAB_DIR/mta/NAME/root.
mta_tree() {
    local name=$1 base=$LAB_DIR/mta/$1 deb dir
    mkdir -p "$base"/{files,upper,work,root}
    for deb in "$MTA_CACHE/$name"/*.deb; do
        dpkg-deb -x "$deb" "$base/files" || lab_die "$deb can't be unpacked"
    done
    for dir in bin sbin lib lib64; do
        # Where this machine has a link to /usr, a directory laid over it would hide all of that.
        if [[ -L /$dir && -d $base/files/$dir ]]; then
            mkdir -p "$base/files/usr/$dir"
            cp -a "$base/files/$dir/." "$base/files/usr/$dir/"
            rm -r "${base:?}/files/$dir"
        fi
    done
    mount -t overlay -o "lowerdir=$base/files:/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root" ||
        lab_die "this kernel has no overlay file system"
    MTA_ROOT=$base/root
    mount --rbind /dev "$MTA_ROOT/dev"
    mount -t tmpfs -o mode=755 run "$MTA_ROOT/run"
    mkdir -p "$MTA_ROOT/run/lock"
    echo 'hosts: files' >"$MTA_ROOT/etc/nsswitch.conf"
    : >"$MTA_ROOT/etc/resolv.conf"
    printf '127.0.0.1 mail.%s localhost\n' "$LAB_DOMAIN" >"$MTA_ROOT/etc/hosts"
    echo "mail.$LAB_DOMAIN" >"$MTA_ROOT/etc/mailname"
}

# mta_user NAME UID: unless this machine has it.
mta_user() {
    if ! grep -q "^$1:" "$MTA_ROOT/etc/passwd"; then echo "$1:x:$2:$2::/nonexistent:/usr/sbin/nologin" >>"$MTA_ROOT/etc/passwd"; fi
    if ! grep -q "^$1:" "$MTA_ROOT/etc/group"; then echo "$1:x:$2:" >>"$MTA_ROOT/etc/group"; fi
}

# mta_dir USER:GROUP MODE DIR
mta_dir() {
    rm -rf "${MTA_ROOT:?}$3"
    mkdir -p "$MTA_ROOT$3"
    chroot "$MTA_ROOT" chown "$1" "$3"
    chmod "$2" "$MTA_ROOT$3"
}

mta_conf_exim() {
    mta_user Debian-exim 61001
    mta_dir Debian-exim:Debian-exim 750 /var/spool/exim4
    mta_dir Debian-exim:adm 2750 /var/log/exim4
    cat >"$MTA_ROOT/etc/exim4/exim4.conf" <<END
primary_hostname = mail.$LAB_DOMAIN
domainlist ours = $LAB_DOMAIN : mail.$LAB_DOMAIN$MTA_EXIM_OURS
$MTA_EXIM_MORE
local_interfaces = <; 0.0.0.0 ; ::0
acl_smtp_rcpt = anything
acl_smtp_data = anything
host_lookup =
rfc1413_query_timeout = 0s
recipient_unqualified_hosts = *
sender_unqualified_hosts = *
qualify_domain = $LAB_DOMAIN
chunking_advertise_hosts = *
# The worst that an old configuration may have.
smtp_enforce_sync = false
percent_hack_domains = +ours
strip_trailing_dot = true
smtp_accept_max = 0
smtp_max_synprot_errors = $MTA_EXIM_ERRORS
smtp_max_unknown_commands = 1000
smtp_accept_queue_per_connection = 0
smtp_accept_max_nonmail = 1000
keep_environment =
begin acl
anything:
  accept
begin routers
inside:
  driver = manualroute
  domains = +ours
  transport = inside
  route_list = * 127.0.0.1
  self = send
outside:
  driver = manualroute
  transport = outside
  route_list = * $LAB_CATCHER4
begin transports
inside:
  driver = smtp
  port = 2602
  allow_localhost
  hosts_try_fastopen =
  hosts_try_chunking =
outside:
  driver = smtp
  hosts_try_fastopen =
  hosts_try_chunking =
begin retry
* * F,1h,1m
END
    chmod 640 "$MTA_ROOT/etc/exim4/exim4.conf"
    chroot "$MTA_ROOT" chown root:Debian-exim /etc/exim4/exim4.conf
    MTA_QUEUED=("$MTA_ROOT/var/spool/exim4/input" -name '*-H')
    MTA_COMMAND=(/usr/sbin/exim4 -bdf -q1m)
}

mta_conf_opensmtpd() {
    local dir
    mta_user opensmtpd 61002
    mta_user opensmtpq 61003
    mta_dir root:root 711 /var/spool/smtpd
    mta_dir root:opensmtpq 770 /var/spool/smtpd/offline
    for dir in corrupt encrypt incoming purge queue temporary; do mta_dir opensmtpq:root 700 "/var/spool/smtpd/$dir"; done
    mta_dir root:root 755 /var/lib/opensmtpd/empty
    mta_dir root:root 755 /var/empty
    cat >"$MTA_ROOT/etc/smtpd.conf" <<END
table ours { "$LAB_DOMAIN", "mail.$LAB_DOMAIN" }
smtp limit max-rcpt 1000
listen on 0.0.0.0 port 25 hostname mail.$LAB_DOMAIN
listen on :: port 25 hostname mail.$LAB_DOMAIN
action "inside" relay host "smtp://127.0.0.1:2602"
action "outside" relay host "smtp://$LAB_CATCHER4:25"
match from any for domain <ours> action "inside"
match from any for any action "outside"
END
    MTA_QUEUED=("$MTA_ROOT/var/spool/smtpd/queue" -type f)
    MTA_COMMAND=(/usr/sbin/smtpd -d -f /etc/smtpd.conf)
}

mta_conf_sendmail() {
    mta_user smmta 61004
    mta_user smmsp 61005
    mta_dir root:root 700 /var/spool/mqueue
    {
        cat <<END
divert(-1)dnl
include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
divert(0)dnl
OSTYPE(\`linux')dnl
define(\`confDOMAIN_NAME', \`mail.$LAB_DOMAIN')dnl
define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl
define(\`confPRIVACY_FLAGS', \`')dnl
define(\`confQUEUE_LA', \`500')dnl
define(\`confREFUSE_LA', \`500')dnl
define(\`confTO_IDENT', \`0')dnl
define(\`confBAD_RCPT_THROTTLE', \`0')dnl
define(\`confMAX_DAEMON_CHILDREN', \`0')dnl
define(\`confLOG_LEVEL', \`0')dnl
define(\`confPID_FILE', \`/run/sendmail.pid')dnl
undefine(\`ALIAS_FILE')dnl
FEATURE(\`no_default_msa')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`promiscuous_relay')dnl
FEATURE(\`accept_unresolvable_domains')dnl
FEATURE(\`accept_unqualified_senders')dnl
LOCAL_DOMAIN(\`$LAB_DOMAIN')dnl
LOCAL_DOMAIN(\`mail.$LAB_DOMAIN')dnl
define(\`SMART_HOST', \`relay:[$LAB_CATCHER4]')dnl
define(\`LOCAL_MAILER_PATH', \`[IPC]')dnl
define(\`LOCAL_MAILER_ARGS', \`TCP [127.0.0.1] 2602')dnl
define(\`LOCAL_MAILER_FLAGS', \`Pmn9X8')dnl
MODIFY_MAILER_FLAGS(\`LOCAL', \`-wrf')dnl
DAEMON_OPTIONS(\`Name=MTA4, Family=inet, Addr=$LAB_SERVER4, Port=25')dnl
DAEMON_OPTIONS(\`Name=MTA6, Family=inet6, Addr=$LAB_SERVER6, Port=25')dnl
MAILER(\`local')dnl
MAILER(\`smtp')dnl
END
    } >"$MTA_ROOT/etc/mail/relay.mc"
    printf 'hosts files\naliases files\n' >"$MTA_ROOT/etc/mail/service.switch"
    : >"$MTA_ROOT/etc/mail/aliases"
    chroot "$MTA_ROOT" m4 /etc/mail/relay.mc >"$MTA_ROOT/etc/mail/relay.cf" 2>/dev/null # it warns of open relays
    MTA_QUEUED=("$MTA_ROOT/var/spool/mqueue" -name 'qf*')
    MTA_COMMAND=(/usr/libexec/sendmail/sendmail -bD -q1m -C/etc/mail/relay.cf)
}

mta_start() {
    local name=$1
    MTA_NOW=$name
    case $name in
    postfix)
        lab_postfix
        MTA_QUEUED=("$LAB_DIR/postfix/queue/"{maildrop,incoming,active,deferred} -type f -perm -u+x)
        return
        ;;
    exim | sendmail | opensmtpd)
        mta_tree "$name"
        "mta_conf_$name"
        ;;
    *) lab_die "no such mail server: $name" ;;
    esac
    # A PID namespace of its own: whatever it has started ends with it.
    lab_start "$name" inside unshare --pid --fork --kill-child=KILL --mount-proc="$MTA_ROOT/proc" chroot "$MTA_ROOT" \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "${MTA_COMMAND[@]}"
    lab_wait_until 20 lab_listens inside 25 || lab_die "$name doesn't start: $(tail -n 3 "$LAB_DIR/$name.log")"
}

# Mail that is still being received doesn't count.
mta_idle() {
    [[ ! $(find "${MTA_QUEUED[@]}" -print -quit 2>/dev/null) ]]
}

mta_stop() {
    local children
    # Its children, for unshare the first process of its PID namespace. (--kill-child is lost where a program is setuid.)
    children=$(ps -o pid= --ppid "${LAB_PID[$MTA_NOW]}" || true)
    # shellcheck disable=SC2086  # several words
    kill -KILL $children 2>/dev/null || true
    lab_stop "$MTA_NOW" KILL 2>/dev/null
    lab_wait_until 10 mta_gone || lab_die "$MTA_NOW doesn't end"
}

mta_gone() {
    ! lab_listens inside 25
}
