# Puts what comes by stdin in the place of the file $1, which is $2/$3: $4 bytes of
# SHA-256 $5, with mode $6 if there was none.
LC_ALL=C
export LC_ALL
umask 077
file=$1 dir=$2 name=$3 size=$4 sum=$5 mode=$6
tmp=
trap '[ -z "$tmp" ] || rm -f -- "$tmp"' EXIT
trap 'exit 70' HUP INT PIPE TERM
if [ -d "$file" ]; then
  echo "Is a directory" >&2
  exit 71
fi
# What was left by one that was cut off; a killed agent leaves digits there.
for old in "$dir/.$name.berth-new-"* "$dir/.$name"[0-9][0-9][0-9][0-9][0-9]*; do
  sign=${old#"$dir/.$name"}
  case $sign in
  .berth-new-*) ;;
  *[!0-9]*) continue ;;
  esac
  if [ -f "$old" ]; then rm -f -- "$old" || exit 72; fi
done
tmp=$(mktemp "$dir/.$name.berth-new-XXXXXX") || exit 73
cat >"$tmp" || exit 74
have=$(wc -c <"$tmp") || exit 75
if [ "$have" -ne "$size" ]; then
  echo "of $size bytes only $have arrived" >&2
  exit 76
fi
if command -v sha256sum >/dev/null; then
  got=$(sha256sum <"$tmp") || exit 77
  if [ "${got%% *}" != "$sum" ]; then
    echo "other content arrived than was sent" >&2
    exit 78
  fi
fi
if [ -e "$file" ]; then
  # A link's own mode is 777.
  owner=$(stat -L -c %u:%g -- "$file") && chown "$owner" -- "$tmp" || exit 79
  mode=$(stat -L -c %a -- "$file") || exit 80
fi
chmod "$mode" -- "$tmp" || exit 81
sync "$tmp" || exit 82
mv -f -- "$tmp" "$file" || exit 83
tmp=
sync "$dir" || exit 84
