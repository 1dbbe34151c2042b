# Prints what patterns stand for: for each pattern a line "p 0 PATTERN" and an empty
# one; for each thing found a line "SORT SIZE PATH", its content, and a line's end.
# SORT is f for a file, l for a link to one, o for what is neither, u for what may not
# be read or looked at, s for what has been printed before, without its content. It
# reads nothing that is no plain file.
IFS=
LC_ALL=C
nl='
'
done=$nl
# shown prints one path that is there.
shown() {
	case $done in
	*"$nl$1$nl"*)
		printf 's 0 %s\n\n' "$1"
		return
		;;
	esac
	done=$done$1$nl
	if [ ! -f "$1" ]; then
		printf 'o 0 %s\n\n' "$1"
	elif [ ! -r "$1" ]; then
		printf 'u 0 %s\n\n' "$1"
	else
		sort=f
		[ -L "$1" ] && sort=l
		size=$(wc -c <"$1") || exit 1
		printf '%s %d %s\n' "$sort" "$((size))" "$1"
		head -c "$((size))" <"$1" || exit 1
		printf '\n'
	fi
}
# veiled tells whether a directory on the way keeps what is in it to itself.
veiled() {
	dir=$1
	while :; do
		dir=${dir%/*}
		[ -e "${dir:-/}" ] && break
		[ -n "$dir" ] || break
	done
	[ ! -x "${dir:-/}" ]
}
for pattern; do
	printf 'p 0 %s\n\n' "$pattern"
	any=
	for path in $pattern; do
		if [ -e "$path" ] || [ -L "$path" ]; then
			any=1
			shown "$path"
		fi
	done
	[ -n "$any" ] && continue
	parent=${pattern%/*}
	if veiled "$pattern"; then
		printf 'u 0 %s\n\n' "$pattern"
	elif [ "$pattern" != "${pattern#*[*?[]}" ] && [ -d "$parent" ] && [ ! -r "$parent" ]; then
		printf 'u 0 %s\n\n' "$pattern"
	fi
done
