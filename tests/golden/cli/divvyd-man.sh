#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The man page of divvyd names the options that its --help names, no more and no less.
# $1 is divvyd, $2 the source tree.
help=$("$1" --help | grep -oE -- '--[a-z-]+' | sort -u)
page=$(sed -n '/^# OPTIONS/,/^# SIGNALS/p' "$2/man/divvyd.8.scd" | grep -oE -- '--[a-z-]+' | sort -u)
[ -n "$help" ] || { echo "divvyd --help names no option"; exit 1; }
[ "$help" = "$page" ] && exit 0
printf 'divvyd --help:\n%s\nman page:\n%s\n' "$help" "$page"
exit 1
