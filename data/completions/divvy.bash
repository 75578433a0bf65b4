# SPDX-License-Identifier: Apache-2.0
# Made from the command's tables; DV_TEST_REGENERATE=1 on the golden tests makes it anew.

_divvy_leases()
{
	local run
	for run in /run/divvy "${XDG_RUNTIME_DIR:-/nonexistent}/divvy" "/tmp/divvy-$UID"; do
		[ -S "$run/divvyd.sock" ] || continue
		divvy --json --socket "$run/divvyd.sock" leases 2>/dev/null |
			grep -o '"name": *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/'
		return
	done
}

_divvy()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verb= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket | --machine) ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $verb:$prev in
	*:--socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	*:--machine) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	run:--memory) COMPREPLY=(); return ;;
	run:-m) COMPREPLY=(); return ;;
	run:--compute) COMPREPLY=(); return ;;
	run:-c) COMPREPLY=(); return ;;
	run:--policy) COMPREPLY=($(compgen -W 'best-effort equal-share fixed-share latency' -- "$cur")); return ;;
	run:--gpu) COMPREPLY=(); return ;;
	run:--name) COMPREPLY=($(compgen -W "$(_divvy_leases)" -- "$cur")); return ;;
	run:--method) COMPREPLY=($(compgen -W 'slice partition passthrough' -- "$cur")); return ;;
	run:--unenforced) COMPREPLY=($(compgen -W 'stop warn' -- "$cur")); return ;;
	run:--mounts) COMPREPLY=($(compgen -W 'private shared' -- "$cur")); return ;;
	attach:--as) COMPREPLY=(); return ;;
	attach:--out) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	attach:-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	attach:--library-path) COMPREPLY=(); return ;;
	top:--every) COMPREPLY=(); return ;;
	top:-d) COMPREPLY=(); return ;;
	plan:--out) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	plan:-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	plan:--config) COMPREPLY=(); return ;;
	plan:-c) COMPREPLY=(); return ;;
	apply:--config) COMPREPLY=(); return ;;
	apply:-c) COMPREPLY=(); return ;;
	diff:--config) COMPREPLY=(); return ;;
	diff:-c) COMPREPLY=(); return ;;
	assert:--config) COMPREPLY=(); return ;;
	assert:-c) COMPREPLY=(); return ;;
	export:--format) COMPREPLY=($(compgen -W 'divvy mig-parted' -- "$cur")); return ;;
	export:--fleet) COMPREPLY=($(compgen -W "$(_divvy_leases)" -- "$cur")); return ;;
	export:--config) COMPREPLY=(); return ;;
	export:-c) COMPREPLY=(); return ;;
	log:--lines) COMPREPLY=(); return ;;
	log:-n) COMPREPLY=(); return ;;
	log:--after) COMPREPLY=(); return ;;
	bench:--runs) COMPREPLY=(); return ;;
	bench:--out) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	bench:-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	report:--out) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	report:-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	esac
	case $verb:$cur in
	:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	:*) COMPREPLY=($(compgen -W 'status gpus who profiles run leases release attach top plan apply diff assert export log bench report explain help' -- "$cur")) ;;
	status:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	status:*) COMPREPLY=() ;;
	gpus:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	gpus:*) COMPREPLY=() ;;
	who:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	who:*) COMPREPLY=() ;;
	profiles:-*) COMPREPLY=($(compgen -W ' --sources --json --socket --machine -h --help --version' -- "$cur")) ;;
	profiles:*) COMPREPLY=() ;;
	run:-*) COMPREPLY=($(compgen -W ' -m --memory -c --compute --policy --gpu --name --method --measure --unenforced --mounts --json --socket --machine -h --help --version' -- "$cur")) ;;
	run:*) COMPREPLY=($(compgen -c -- "$cur")) ;;
	leases:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	leases:*) COMPREPLY=() ;;
	release:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	release:*) COMPREPLY=($(compgen -W "$(_divvy_leases)" -- "$cur")) ;;
	attach:-*) COMPREPLY=($(compgen -W ' --as -o --out --library-path --json --socket --machine -h --help --version' -- "$cur")) ;;
	attach:*) COMPREPLY=($(compgen -W "$(_divvy_leases)" -- "$cur")) ;;
	top:-*) COMPREPLY=($(compgen -W ' -1 --once -d --every --json --socket --machine -h --help --version' -- "$cur")) ;;
	top:*) COMPREPLY=() ;;
	plan:-*) COMPREPLY=($(compgen -W ' -o --out --defragment -c --config --json --socket --machine -h --help --version' -- "$cur")) ;;
	plan:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	apply:-*) COMPREPLY=($(compgen -W ' -y --yes -c --config --json --socket --machine -h --help --version' -- "$cur")) ;;
	apply:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	diff:-*) COMPREPLY=($(compgen -W ' -c --config --json --socket --machine -h --help --version' -- "$cur")) ;;
	diff:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	assert:-*) COMPREPLY=($(compgen -W ' -c --config --json --socket --machine -h --help --version' -- "$cur")) ;;
	assert:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	export:-*) COMPREPLY=($(compgen -W ' --format --fleet -c --config --json --socket --machine -h --help --version' -- "$cur")) ;;
	export:*) COMPREPLY=() ;;
	log:-*) COMPREPLY=($(compgen -W ' -n --lines --after --json --socket --machine -h --help --version' -- "$cur")) ;;
	log:*) COMPREPLY=() ;;
	bench:-*) COMPREPLY=($(compgen -W ' --list --quick --runs -o --out --json --socket --machine -h --help --version' -- "$cur")) ;;
	bench:*) COMPREPLY=() ;;
	report:-*) COMPREPLY=($(compgen -W ' -o --out --json --socket --machine -h --help --version' -- "$cur")) ;;
	report:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	explain:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	explain:*) COMPREPLY=() ;;
	help:-*) COMPREPLY=($(compgen -W ' --json --socket --machine -h --help --version' -- "$cur")) ;;
	help:*) COMPREPLY=($(compgen -W 'status gpus who profiles run leases release attach top plan apply diff assert export log bench report explain help' -- "$cur")) ;;
	esac
}

complete -o filenames -F _divvy divvy
