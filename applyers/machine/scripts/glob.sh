# Prints what the pattern $1 stands for, each with a zero byte behind. $2 is the
# directory that is looked into; empty if that is a pattern itself.
LC_ALL=C
export LC_ALL
IFS=
found=
for file in $1; do
  if [ -e "$file" ] || [ -L "$file" ]; then
    found=1
    printf '%s\0' "$file"
  fi
done
# What can't be read looks empty.
if [ -z "$found" ] && [ -n "$2" ]; then
  why=$(ls -- "$2" 2>&1 >/dev/null) && exit 0
  case $why in
  *"No such file"*) exit 0 ;;
  esac
  printf '%s\n' "$why" >&2
  exit 70
fi
exit 0
