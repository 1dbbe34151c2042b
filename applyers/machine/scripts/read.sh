# Prints up to $3 bytes of $1, from byte $2 on; the first is 1.
LC_ALL=C
export LC_ALL
if [ "$2" = 1 ]; then
  exec head -c "$3" -- "$1"
fi
# A pipe tells nothing of tail's end: it is asked for before.
head -c 0 -- "$1" || exit
tail -c "+$2" -- "$1" | head -c "$3"
