# SPDX-License-Identifier: Apache-2.0
# Made from the command's tables; DV_TEST_REGENERATE=1 on the golden tests makes it anew.

function __divvy_leases
	for run in /run/divvy $XDG_RUNTIME_DIR/divvy /tmp/divvy-(id -u)
		test -S $run/divvyd.sock; or continue
		divvy --json --socket $run/divvyd.sock leases 2>/dev/null |
			string match -ar '"name": *"[^"]*"' |
			string replace -r '.*"([^"]*)"$' '$1'
		return
	end
end

complete -c divvy -f
complete -c divvy -l json -d 'print one JSON document on standard output'
complete -c divvy -l socket -r -F -d 'divvyd'\''s socket, if not the usual one'
complete -c divvy -l machine -r -F -d 'work on a simulated machine: its name, or a file'
complete -c divvy -l help -s h -d 'show what a verb does and its options'
complete -c divvy -l version -d 'show the version'
complete -c divvy -n __fish_use_subcommand -a status -d 'one screen: GPUs, how each is divided, tenants, warnings'
complete -c divvy -n __fish_use_subcommand -a gpus -d 'GPUs: model, memory, what each can do here, and why not the rest'
complete -c divvy -n __fish_use_subcommand -a who -d 'processes that hold a GPU, with a lease and without'
complete -c divvy -n __fish_use_subcommand -a profiles -d 'the partitions and vGPU types of a GPU or model'
complete -c divvy -n __fish_use_subcommand -a run -d 'one command in a slice, a partition or on a whole device'
complete -c divvy -n __fish_use_subcommand -a leases -d 'who has what: every lease, its limits, state and processes'
complete -c divvy -n __fish_use_subcommand -a release -d 'give a lease back'
complete -c divvy -n __fish_use_subcommand -a attach -d 'what to hand to a lease'\''s container or process'
complete -c divvy -n __fish_use_subcommand -a top -d 'live: devices and tenants, shares wanted and got, memory, waiting'
complete -c divvy -n __fish_use_subcommand -a plan -d 'where each tenant of a fleet goes, and the steps; changes nothing'
complete -c divvy -n __fish_use_subcommand -a apply -d 'make a fleet so: each step in a journal, all of it or nothing'
complete -c divvy -n __fish_use_subcommand -a diff -d 'what a fleet file wants against what there is'
complete -c divvy -n __fish_use_subcommand -a assert -d 'is everything as a fleet file wants it? 0 yes, 4 no'
complete -c divvy -n __fish_use_subcommand -a export -d 'what there is, as a fleet file'
complete -c divvy -n __fish_use_subcommand -a log -d 'journal and audit: who did what, and how it ended'
complete -c divvy -n __fish_use_subcommand -a bench -d 'measure on this machine: noisy neighbours, shares, overhead'
complete -c divvy -n __fish_use_subcommand -a report -d 'one self-contained page from a plan or a bench'
complete -c divvy -n __fish_use_subcommand -a explain -d 'the methods, every term and every rule, in plain language'
complete -c divvy -n __fish_use_subcommand -a help -d 'how to use divvy, or one of its verbs'
complete -c divvy -n '__fish_seen_subcommand_from profiles' -l sources -d 'say where each fact comes from'
complete -c divvy -n '__fish_seen_subcommand_from run' -l memory -s m -x -d 'memory limit: 8GiB; half of what is left, if not given'
complete -c divvy -n '__fish_seen_subcommand_from run' -l compute -s c -x -d 'share of the time: 25%; half of what is left, if not given'
complete -c divvy -n '__fish_seen_subcommand_from run' -l policy -x -a 'best-effort equal-share fixed-share latency' -d 'best-effort, equal-share, fixed-share or latency'
complete -c divvy -n '__fish_seen_subcommand_from run' -l gpu -x -d 'on this GPU; any, if not given'
complete -c divvy -n '__fish_seen_subcommand_from run' -l name -x -a '(__divvy_leases)' -d 'in the lease NAME if there is one, else it gets that name'
complete -c divvy -n '__fish_seen_subcommand_from run' -l method -x -a 'slice partition passthrough' -d 'slice (if not given), partition or passthrough'
complete -c divvy -n '__fish_seen_subcommand_from run' -l measure -d 'say at the end what it got: time, memory, waiting'
complete -c divvy -n '__fish_seen_subcommand_from run' -l unenforced -x -a 'stop warn' -d 'a process that goes round the gate: stop or warn; as divvyd is configured, if not given'
complete -c divvy -n '__fish_seen_subcommand_from run' -l mounts -x -a 'private shared' -d 'private: absolute paths of NVIDIA'\''s libraries lead to divvy'\''s, too; shared: the machine'\''s; private for root, if not given'
complete -c divvy -n '__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand --fcs-skip=2)'
complete -c divvy -n '__fish_seen_subcommand_from release' -a '(__divvy_leases)'
complete -c divvy -n '__fish_seen_subcommand_from attach' -l as -x -d 'env (if not given): KEY=VALUE lines; cdi: a CDI file'
complete -c divvy -n '__fish_seen_subcommand_from attach' -l out -s o -r -F -d 'into this file, whole and for its owner only; - is standard output'
complete -c divvy -n '__fish_seen_subcommand_from attach' -l library-path -x -d 'of --as cdi: what the image has in LD_LIBRARY_PATH, to stand behind divvy'\''s directory'
complete -c divvy -n '__fish_seen_subcommand_from attach' -a '(__divvy_leases)'
complete -c divvy -n '__fish_seen_subcommand_from top' -l once -s 1 -d 'print one page and end'
complete -c divvy -n '__fish_seen_subcommand_from top' -l every -s d -x -d 'look again after this time: 500ms; 1s if not given'
complete -c divvy -n '__fish_seen_subcommand_from plan' -l out -s o -r -F -d 'also write the plan to this file, for apply and report'
complete -c divvy -n '__fish_seen_subcommand_from plan' -l defragment -d 'also put together room that lies in pieces'
complete -c divvy -n '__fish_seen_subcommand_from plan' -l config -s c -x -d 'of a file of mig-parted: the config that is meant'
complete -c divvy -n '__fish_seen_subcommand_from plan' -F
complete -c divvy -n '__fish_seen_subcommand_from apply' -l yes -s y -d 'do it even if somebody who runs is disturbed'
complete -c divvy -n '__fish_seen_subcommand_from apply' -l config -s c -x -d 'of a file of mig-parted: the config that is meant'
complete -c divvy -n '__fish_seen_subcommand_from apply' -F
complete -c divvy -n '__fish_seen_subcommand_from diff' -l config -s c -x -d 'of a file of mig-parted: the config that is meant'
complete -c divvy -n '__fish_seen_subcommand_from diff' -F
complete -c divvy -n '__fish_seen_subcommand_from assert' -l config -s c -x -d 'of a file of mig-parted: the config that is meant'
complete -c divvy -n '__fish_seen_subcommand_from assert' -F
complete -c divvy -n '__fish_seen_subcommand_from export' -l format -x -a 'divvy mig-parted' -d 'divvy (if not given), or mig-parted'
complete -c divvy -n '__fish_seen_subcommand_from export' -l fleet -x -a '(__divvy_leases)' -d 'only what this fleet made'
complete -c divvy -n '__fish_seen_subcommand_from export' -l config -s c -x -d 'of format mig-parted: call the config so, not current'
complete -c divvy -n '__fish_seen_subcommand_from log' -l lines -s n -x -d 'the last N entries; 50 if not given'
complete -c divvy -n '__fish_seen_subcommand_from log' -l after -x -d 'only entries after that one'
complete -c divvy -n '__fish_seen_subcommand_from bench' -l list -d 'name the cases and end'
complete -c divvy -n '__fish_seen_subcommand_from bench' -l quick -d 'half a minute: the main cases, for a quarter of the time'
complete -c divvy -n '__fish_seen_subcommand_from bench' -l runs -x -d 'run each case N times and take the median (1 to 16)'
complete -c divvy -n '__fish_seen_subcommand_from bench' -l out -s o -r -F -d 'also write the document (.json) or the page (.html)'
complete -c divvy -n '__fish_seen_subcommand_from report' -l out -s o -r -F -d 'where the page goes; - is standard output'
complete -c divvy -n '__fish_seen_subcommand_from report' -F
complete -c divvy -n '__fish_seen_subcommand_from help' -a 'status gpus who profiles run leases release attach top plan apply diff assert export log bench report explain help'
