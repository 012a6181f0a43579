# What Amarre asks of a machine of a pool, in one connection: accounts are made and removed, and what is there is printed. Run by
# `sh -s`, on any POSIX shell with BusyBox or shadow's tools; what is asked for follows as lines that this script reads, and is
# checked here once more. No word of a person becomes part of a command line.
#
#   as INSTANCE                                      whose marks are ours; the first line
#   register POOL PROOF KIND KEY                     notes for which pool this machine is, with its host key, unless that is noted
#   reregister POOL PROOF KIND KEY                   notes it in any case
#   make NAME UID UNTIL_MS DAY RESERVATION POOL PROOF SHELL
#                                                    an account that is locked on DAY (days since 1970), with its mark; one that is
#                                                    there has its end moved. PROOF tells Amarre that it wrote the mark
#   key NAME UNTIL_MS LINE                           its authorized_keys; sshd itself refuses the key after UNTIL_MS
#   hash NAME HASH                                   its password, as crypt wrote it
#   sign NAME WORD                                   notes in its mark how it signs in
#   sudo NAME                                        it may do everything
#   between BASE64                                   a script that runs as root when an account has ended
#   end NAME UID RESERVATION                         expire, kill by number, remove; prove that nothing is left
#
# Printed: `AMARRE1`, then lines of `word<TAB>…`, then `done`. A line `failed<TAB>WHAT<TAB>WHY` says what could not be done.
LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
STATE=/var/lib/amarre/accounts
REGISTRATION=
INSTANCE=
FAILED=
BETWEEN=
TAB=$(printf '\t')

say() { printf '%s\n' "$*"; }
fail() { FAILED=yes; printf 'failed\t%s\t%s\n' "$1" "$(printf '%s' "$2" | tr '\n\t' '  ' | cut -c1-200)"; }
has() { command -v "$1" >/dev/null 2>&1; }
entry() { grep "^$1:" /etc/passwd; }
field() { entry "$1" | cut -d: -f"$2"; }
is_name() { case $1 in '' | *[!a-z0-9-]* | [!a-z]*) return 1 ;; esac; [ ${#1} -le 31 ]; }
is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; [ ${#1} -le 15 ]; }
is_word() { case $1 in '' | *[!a-z0-9-]*) return 1 ;; esac; }
# What serves the connection in which this runs, as its program is called.
server() {
  pid=$$
  while [ "${pid:-0}" -gt 1 ]; do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
      sshd*) say openssh; return ;;
      dropbear*) say dropbear; return ;;
    esac
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
  done
}
marked() { sed -n "s/^$2 //p" "$STATE/$1" 2>/dev/null | head -n 1; }
# Only what carries the mark of this script is ever changed.
is_ours() { [ -f "$STATE/$1" ] && [ "$(marked "$1" instance)" = "$INSTANCE" ] && [ "$(field "$1" 3)" = "$(marked "$1" uid)" ]; }

# Whose this machine is: `register` or `reregister`, POOL, PROOF, KIND KEY. One that cannot be noted is told by its host keys only.
register() {
  [ "$1" = reregister ] || [ ! -s "$REGISTRATION" ] || return 0
  is_word "$2" && is_word "$3" || return 0
  mkdir -p "${REGISTRATION%/*}" && printf '%s\t%s\t%s\n' "$2" "$3" "$4" >"$REGISTRATION.$$" || return 0
  # Of two that come at once the first one counts.
  if [ "$1" = register ]; then ln "$REGISTRATION.$$" "$REGISTRATION" 2>/dev/null; else mv "$REGISTRATION.$$" "$REGISTRATION"; fi
  rm -f "$REGISTRATION.$$"
}

# The public halves of its host keys, as OpenSSH and dropbear have them.
host_keys() {
  for file in /etc/ssh/ssh_host_*_key.pub; do
    [ ! -f "$file" ] || awk 'NR == 1 {print $1 " " $2}' "$file"
  done
  ! has dropbearkey || for file in /etc/dropbear/dropbear_*_host_key; do
    [ ! -f "$file" ] || dropbearkey -y -f "$file" 2>/dev/null | awk '$2 ~ /^AAAA/ {print $1 " " $2}'
  done
}

# Its mark: NAME UID UNTIL_MS RESERVATION POOL PROOF. It outlives a loss of power, as the account does.
mark() {
  mkdir -p "$STATE" && printf 'instance %s\npool %s\nuid %s\nreservation %s\nuntil_ms %s\nproof %s\n' "$INSTANCE" "$5" "$2" "$4" "$3" "$6" >"$STATE/.new" || return
  sync "$STATE/.new" 2>/dev/null || sync
  mv "$STATE/.new" "$STATE/$1"
}

# The account of a mark could not be made: NAME WHY. Without an account there is no mark; a run that was cut off may have made it meanwhile.
unmade() {
  [ -n "$(entry "$1")" ] || rm -f "$STATE/$1"
  fail "make $1" "$2"
}

make() {
  name=$1 uid=$2 until=$3 day=$4 reservation=$5 pool=$6 proof=$7 shell=$8
  is_name "$name" && is_number "$uid" && [ "$uid" -ge 1000 ] && is_number "$until" && is_number "$day" && is_word "$reservation" && is_word "$pool" && is_word "$proof" \
    || { fail "make $name" "not a name, a number or a day"; return; }
  if [ -n "$(entry "$name")" ]; then
    is_ours "$name" && [ "$(marked "$name" reservation)" = "$reservation" ] || { fail "make $name" "this machine has an account of that name"; return; }
    mark "$name" "$uid" "$until" "$reservation" "$pool" "$proof" || { fail "make $name" "$STATE cannot be written"; return; }
  else
    cut -d: -f3 /etc/passwd | grep -qx "$uid" && { fail "make $name" "number $uid is taken"; return; }
    [ ! -e "/home/$name" ] || { fail "make $name" "/home/$name is there already"; return; }
    [ -x "$shell" ] || shell=/bin/sh
    # The mark comes first: an account without one would never be removed.
    mark "$name" "$uid" "$until" "$reservation" "$pool" "$proof" || { fail "make $name" "$STATE cannot be written"; return; }
    if has useradd; then
      why=$(useradd -m -s "$shell" -u "$uid" -c "amarre-$reservation" "$name" 2>&1) || { unmade "$name" "$why"; return; }
    else
      why=$(adduser -D -s "$shell" -u "$uid" -g "amarre-$reservation" "$name" 2>&1) || { unmade "$name" "$why"; return; }
      # Without PAM sshd refuses an account that is locked, even with a key.
      printf '%s:*\n' "$name" | chpasswd -e >/dev/null 2>&1
    fi
    chmod 700 "/home/$name"
  fi
  if has usermod; then
    why=$(usermod -e "$(date -u -d "@$((day * 86400))" +%Y-%m-%d)" "$name" 2>&1) || fail "make $name" "$why"
  fi
}

key() {
  name=$1 until=$2
  shift 2
  is_ours "$name" && is_number "$until" || { fail "key $name" "it is not ours"; return; }
  option=
  # OpenSSH reads it in the time zone of its machine; other servers would refuse the whole line.
  [ "$(server)" != openssh ] || option="expiry-time=\"$(date -d "@$((until / 1000))" +%Y%m%d%H%M%S)\" "
  # As its user: a link in that place may lead to what is root's.
  why=$(printf '%s%s\n' "$option" "$*" | su -s /bin/sh "$name" -c 'umask 077; cd && mkdir -p .ssh && cat >.ssh/authorized_keys.new && mv .ssh/authorized_keys.new .ssh/authorized_keys' 2>&1) \
    || fail "key $name" "$why"
}

hash() {
  is_ours "$1" || { fail "hash $1" "it is not ours"; return; }
  printf '%s:%s\n' "$1" "$2" | chpasswd -e >/dev/null 2>&1 || fail "hash $1" "chpasswd refused it"
}

sign() {
  # Without a key or a password that was asked for it is not as it should be.
  [ -z "$FAILED" ] || return
  is_ours "$1" && is_word "$2" && printf 'sign_in %s\n' "$2" >>"$STATE/$1" || fail "sign $1" "it is not ours"
}

may_all() {
  is_ours "$1" || { fail "sudo $1" "it is not ours"; return; }
  has sudo && [ -d /etc/sudoers.d ] || { fail "sudo $1" "it has no sudo"; return; }
  printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" >"/etc/sudoers.d/amarre-$1" && chmod 440 "/etc/sudoers.d/amarre-$1" || fail "sudo $1" "/etc/sudoers.d cannot be written"
}

# What its pool wants done before the next one has the machine. Until it ends well, the mark stays.
between() {
  [ -n "$BETWEEN" ] || return 0
  has base64 || { fail "run the script" "it has no base64"; return 1; }
  printf '%s' "$BETWEEN" | base64 -d >"$STATE/.between" || { fail "run the script" "$STATE cannot be written"; return 1; }
  rm -f "$STATE/.code"
  group=
  ! has setsid || group=setsid
  # Of what it prints the end is kept, however much it is.
  { AMARRE_USER=$1 AMARRE_RESERVATION=$2 $group sh "$STATE/.between" </dev/null 2>&1; say $? >"$STATE/.code"; } | tail -c 2000 >"$STATE/.said" &
  turns=0
  while [ ! -s "$STATE/.code" ] && [ "$turns" -lt 180 ]; do
    sleep 1
    turns=$((turns + 1))
  done
  if [ ! -s "$STATE/.code" ]; then
    for status in /proc/[0-9]*; do
      tr '\0' ' ' <"$status/cmdline" 2>/dev/null | grep -qxF "sh $STATE/.between " || continue
      kill -KILL "${status#/proc/}" 2>/dev/null
      [ -z "$group" ] || kill -KILL "-${status#/proc/}" 2>/dev/null
    done
    fail "run the script" "it did not end within 3 minutes"
    return 1
  fi
  [ "$(cat "$STATE/.code")" = 0 ] || { fail "run the script" "code $(cat "$STATE/.code"): $(tail -n 1 "$STATE/.said")"; return 1; }
}

# The processes of a number, of /proc itself: BusyBox has no pgrep by number everywhere. What is dead and not yet forgotten does nothing.
processes() {
  set -- $(grep -l "^Uid:[[:space:]]*$1[[:space:]]" /proc/[0-9]*/status 2>/dev/null)
  [ $# = 0 ] || grep -L '^State:[[:space:]]*Z' "$@" 2>/dev/null | tr -dc '0-9\n'
}

# The sessions of a number that dropbear has as root's: one without a process is for tunnels, or opens more of them later. Whose such
# a one is nothing tells, so that everyone's end. The dropbear that only listens has no connection.
sessions() {
  for session in $(grep -l '^dropbear' /proc/[0-9]*/comm 2>/dev/null | tr -dc '0-9\n'); do
    users=
    for child in $(grep -l "^PPid:[[:space:]]*$session\$" /proc/[0-9]*/status 2>/dev/null); do
      grep -q '^State:[[:space:]]*Z' "$child" 2>/dev/null || users="$users $(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$child" 2>/dev/null)"
    done
    case "$users " in
      *" $1 "*) say "$session" ;;
      ' ') ! is_connected "$session" || say "$session" ;;
    esac
  done
}

is_connected() {
  # Of another dropbear: the one that listens. Elsewhere its open files tell, which root may not read in every container.
  grep -q '^dropbear' "/proc/$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)/comm" 2>/dev/null && return
  for socket in "/proc/$1/fd"/*; do
    socket=$(readlink "$socket" 2>/dev/null)
    case $socket in
      socket:*) socket=${socket#socket:?} && awk -v socket="${socket%?}" '$4 == "01" && $10 == socket {found = 1} END {exit !found}' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null && return ;;
    esac
  done
  return 1
}

kill_all() {
  for turn in 1 2 3 4 5 6 7 8 9 10; do
    # The sessions first: one of them would start more.
    all=$(sessions "$1"; processes "$1")
    [ -n "$all" ] || return
    [ "$turn" -gt 2 ] || kill -STOP $all 2>/dev/null
    kill -KILL $all 2>/dev/null
    sleep 0.2 2>/dev/null || sleep 1
  done
}

# Where files of this machine's own may be. Spaces are written as \040 there.
mounts() {
  awk '$3 !~ /^(proc|sysfs|cgroup2?|devpts|mqueue|nsfs|overlay|squashfs|fuse.*|nfs.*)$/ {gsub(/\\040/, " ", $2); print $2}' /proc/mounts
  say /
}

# Files of a number, wherever they are: UID COUNT.
of_number() {
  mounts | while read -r mounted; do find "$mounted" -xdev -user "$1" -print 2>/dev/null | head -n "$2"; done | head -n "$2"
}

# Runs a script of the shell with no more rights than an account has: NAME UID SCRIPT. By its number, or else by its name.
as_number() (
  group=$(field "$1" 4)
  group=${group:-65534}
  cd / || exit
  if setpriv --reuid 0 --regid 0 --clear-groups true 2>/dev/null; then
    exec setpriv --reuid "$2" --regid "$group" --clear-groups --no-new-privs sh -c "$3"
  elif has chpst; then
    exec chpst -u ":$2:$group" sh -c "$3"
  fi
  [ -n "$(entry "$1")" ] && exec su -s /bin/sh "$1" -c "$3"
)

# Whether no one but root can change what a path leads to.
is_roots() {
  above=$1
  while [ -n "$above" ]; do
    above=${above%/*}
    [ -n "$(find "${above:-/}" -maxdepth 0 -type d -user 0 ! -perm -020 ! -perm -002 2>/dev/null)" ] || return
  done
}

# Deletes what a number owns: NAME UID. As that number: whoever puts a link in the place of a folder meanwhile leads to nothing that
# the number could not delete itself. Root deletes only what lies where no one else can change a folder, as a home does.
clear_files() {
  mounts | as_number "$1" "$2" "while read -r mounted; do
    find \"\$mounted\" -xdev -type d -user $2 ! -perm -700 -exec chmod u+rwx {} \\;
    find \"\$mounted\" -xdev -depth -user $2 -delete
  done" >/dev/null 2>&1
  # A link in the place of its home leads to what is another's.
  [ ! -L "/home/$1" ] || rm -f "/home/$1"
  of_number "$2" 20 | while read -r path; do
    is_roots "$path" && [ -n "$(find "$path" -maxdepth 0 -user "$2" 2>/dev/null)" ] || continue
    if [ -d "$path" ] && [ ! -L "$path" ]; then rmdir "$path"; else rm -f "$path"; fi 2>/dev/null
  done
}

# Says what of an account is left, if anything is: NAME UID.
is_cleared() {
  left=$(of_number "$2" 1)
  [ -n "$left" ] || { [ ! -e "/home/$1" ] && [ ! -L "/home/$1" ]; } || left=/home/$1
  [ -n "$left" ] || return 0
  fail "end $1" "something of it is left: $(printf '%s' "$left" | tr -c ' -~' '?' | cut -c1-160)"
  return 1
}

end() {
  name=$1 uid=$2 reservation=$3
  is_name "$name" && is_number "$uid" && [ "$uid" -ge 1000 ] || { fail "end $name" "not a name and a number of ours"; return; }
  # Without a mark it ended before.
  [ -f "$STATE/$name" ] || { [ -z "$(entry "$name")" ] || fail "end $name" "it is not ours"; return; }
  [ "$(marked "$name" instance) $(marked "$name" uid) $(marked "$name" reservation)" = "$INSTANCE $uid $reservation" ] \
    || { fail "end $name" "it is of another reservation"; return; }
  rm -f "/etc/sudoers.d/amarre-$name"
  if [ -n "$(entry "$name")" ]; then
    is_ours "$name" || { fail "end $name" "it is not ours"; return; }
    has usermod && usermod -e 1 "$name" >/dev/null 2>&1
    printf '%s:*\n' "$name" | chpasswd -e >/dev/null 2>&1
    has loginctl && loginctl terminate-user "$uid" >/dev/null 2>&1
  fi
  # A job of a table that is there would start more.
  for tab in "/var/spool/cron/crontabs/$name" "/var/spool/cron/$name"; do rm -f "$tab"; done
  [ ! -d /var/spool/cron/atjobs ] || find /var/spool/cron/atjobs -type f -user "$uid" -delete 2>/dev/null
  kill_all "$uid"
  # Where an account does not expire, its key lets it in until now.
  as_number "$name" "$uid" "chmod u+rwx /home/$name /home/$name/.ssh; rm -f /home/$name/.ssh/authorized_keys*" </dev/null >/dev/null 2>&1
  kill_all "$uid"
  [ -z "$(processes "$uid")" ] || { fail "end $name" "processes of it go on"; return; }
  # What it put into its tables until it was killed.
  for tab in "/var/spool/cron/crontabs/$name" "/var/spool/cron/$name"; do rm -f "$tab"; done
  [ ! -d /var/spool/cron/atjobs ] || find /var/spool/cron/atjobs -type f -user "$uid" -delete 2>/dev/null
  if has ipcs && has ipcrm; then
    for kind in m q s; do
      ipcs -"$kind" 2>/dev/null | awk -v name="$name" -v uid="$uid" '$3 == name || $3 == uid {print $2}' | while read -r id; do
        # As its owner, for root in a container may not.
        as_number "$name" "$uid" "ipcrm -$kind $id" </dev/null 2>/dev/null || ipcrm -"$kind" "$id" 2>/dev/null
      done
    done
  fi
  # While there is an account, for where BusyBox is nothing runs as a number without one.
  clear_files "$name" "$uid"
  is_cleared "$name" "$uid" || return
  if [ -n "$(entry "$name")" ]; then
    if has userdel; then
      why=$(userdel "$name" 2>&1) || { fail "end $name" "$why"; return; }
    else
      why=$(deluser "$name" 2>&1) || { fail "end $name" "$why"; return; }
    fi
  fi
  # Who was signing in just then has an account no more, and may have a process.
  kill_all "$uid"
  [ -z "$(of_number "$uid" 1)" ] || clear_files "$name" "$uid"
  is_cleared "$name" "$uid" || return
  [ -z "$(entry "$name")" ] && [ -z "$(processes "$uid")" ] || { fail "end $name" "processes of it go on"; return; }
  between "$name" "$reservation" || return
  rm -f "$STATE/$name"
  printf 'ended\t%s\t%s\n' "$name" "$uid"
}

look() {
  printf 'system\t%s\n' "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null | head -n 1)"
  printf 'now\t%s\n' "$(date +%s)"
  printf 'free\t%s\n' "$(df -P /home 2>/dev/null | awk 'NR == 2 {print $4}')"
  has usermod && [ "$(server)" = openssh ] && say "expires${TAB}day" || say "expires${TAB}no"
  # Of all that starts only this one has these two.
  printf 'running\t%s %s\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)" "$(readlink /proc/1/ns/pid 2>/dev/null)"
  host_keys | head -n 16 | while read -r key; do printf 'hostkey\t%s\n' "$key"; done
  [ ! -s "$REGISTRATION" ] || printf 'registered\t%s\n' "$(head -n 1 "$REGISTRATION" | cut -c1-2000)"
  cut -d: -f1 /etc/passwd | head -n 5000 | while read -r name; do
    is_name "$name" && is_ours "$name" || printf 'foreign\t%s\n' "$name"
  done
  # Of a mark without its account, a make or an end was cut short.
  for mark in "$STATE"/*; do
    name=${mark##*/}
    [ -f "$mark" ] && is_name "$name" && [ "$(marked "$name" instance)" = "$INSTANCE" ] || continue
    if [ -n "$(entry "$name")" ]; then is_ours "$name" && there=account || continue; else there=rest; fi
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$there" "$name" "$(marked "$name" uid)" "$(marked "$name" reservation)" \
      "$(marked "$name" until_ms)" "$(marked "$name" pool)" "$(marked "$name" sign_in)" "$(marked "$name" proof)"
  done
}

amarre() {
  say AMARRE1
  [ "$(id -u)" = 0 ] || { fail login "its user is not root, and may not sudo without a password"; return; }
  for tool in awk chpasswd cut find grep sed su tr; do
    has "$tool" || { fail login "it has no $tool"; return; }
  done
  while read -r word first rest; do
    case $word in
      as) INSTANCE=$first REGISTRATION=/var/lib/amarre/machine.$(printf '%s' "$first" | tr -c 'a-zA-Z0-9-' _) ;;
      register | reregister) register "$word" "$first" "${rest%% *}" "${rest#* }" ;;
      make) set -- $rest; make "$first" "$@" ;;
      key) set -- "${rest%% *}" "${rest#* }"; key "$first" "$@" ;;
      hash) hash "$first" "$rest" ;;
      sign) sign "$first" "$rest" ;;
      sudo) may_all "$first" ;;
      between) BETWEEN=$first ;;
      end) set -- $rest; end "$first" "$@" ;;
      '') ;;
      *) fail "$word" "no such word" ;;
    esac
  done
  look
  say done
}
