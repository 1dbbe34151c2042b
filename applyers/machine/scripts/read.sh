# Prints up to $3 bytes of $1, from byte $2 on; the first is 1.
LC_ALL=C
export LC_ALL
# A pipe would be waited for.
if [ -e "$1" ] && ! [ -f "$1" ]; then
  if [ -d "$1" ]; then echo "Is a directory" >&2; else echo "it is no plain file" >&2; fi
  exit 70
fi
if [ "$2" = 1 ]; then
  exec head -c "$3" -- "$1"
fi
# A pipe tells nothing of tail's end: it is asked for before.
head -c 0 -- "$1" || exit
tail -c "+$2" -- "$1" | head -c "$3"
