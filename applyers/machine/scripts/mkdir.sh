# Makes the directory $1 below $2.
LC_ALL=C
export LC_ALL
umask 022
if [ -d "$1" ]; then exit 0; fi
mkdir -p -- "$1" || exit 70
sync "$2" || exit 71
