# Prints what is known of the nginx whose master wrote the pid file $1: a line "w PID"
# for each worker that takes new connections, and "l SIZE" for its error log $2. A
# worker that is told to end says so in its title right before it closes its listening
# sockets, and lives on for the connections that it has.
LC_ALL=C
read -r master <"$1" 2>/dev/null
if [ -n "$master" ]; then
	read -r children 2>/dev/null <"/proc/$master/task/$master/children" || children=
	for pid in $children; do
		title=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")
		case $title in
		*"shutting down"*) ;;
		"nginx: worker process"*) printf 'w %d\n' "$pid" ;;
		esac
	done
fi
if [ -n "$2" ] && [ -f "$2" ]; then
	printf 'l %d\n' "$(wc -c <"$2")"
fi
exit 0
