#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What bash offers for a line that was begun, and that the other shells can read theirs.
cd "$1" || exit 1
failed=0
source data/completions/divvy.bash || exit 1

# offers "words of the line" "what must be offered" ...: all of them, the last word is being typed.
offers()
{
	local line=$1 word
	shift
	read -ra COMP_WORDS <<<"$line"
	[[ $line == *' ' ]] && COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_divvy
	for word; do
		if [[ " ${COMPREPLY[*]} " != *" $word "* ]]; then
			echo "'$line' offers '${COMPREPLY[*]}', not $word"
			failed=1
		fi
	done
}

offers 'divvy ' status gpus run leases release log help
offers 'divvy re' release
offers 'divvy --' --json --socket --machine --help --version
offers 'divvy run --m' --memory --method --machine
offers 'divvy run --policy f' fixed-share
offers 'divvy run --unenforced ' stop warn
offers 'divvy --socket /dev/nul' /dev/null
offers 'divvy --socket /x sta' status
offers 'divvy help r' run release
offers 'divvy run -- ech' echo
for shell in zsh:_divvy fish:divvy.fish; do
	command -v "${shell%%:*}" >/dev/null || continue
	"${shell%%:*}" -n "data/completions/${shell#*:}" || failed=1
done
exit $failed
