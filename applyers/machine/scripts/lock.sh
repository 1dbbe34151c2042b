# Holds the lock of the directory $1 while lines come by stdin, and gives it up 30 s
# after the last one: a server may take a connection that is dead for alive for
# hours.
LC_ALL=C
export LC_ALL
command -v flock >/dev/null && command -v timeout >/dev/null || exit 76
[ -d "$1" ] || { ls -d -- "$1/." >/dev/null || exit 74; }
# A redirection that fails ends the shell, with a code of its own.
(: <"$1") || exit 74
exec 9<"$1"
flock -n 9 || exit 75
echo locked
# The lock is the shell's alone, and ends with it.
while [ -n "$(timeout 30 head -n 1 2>/dev/null 9<&-)" ]; do :; done
