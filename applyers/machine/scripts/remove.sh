# Removes the file $1 of the directory $2.
LC_ALL=C
export LC_ALL
rm -f -- "$1" || exit 70
if [ -d "$2" ]; then sync "$2" || exit 71; fi
