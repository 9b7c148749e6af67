# SPDX-License-Identifier: MIT
#
# bash completion for ipcctl: verbs, options, names of services and methods. What is
# on the bus is asked for with a short time-out, and silence where there is none.
# shellcheck shell=bash

_ipcctl_ask() { ipcctl --timeout 1 "$@" 2>/dev/null; }

# Options that a word belongs to; what is behind them is not of the verb's arguments.
_ipcctl_valued='^(--(device|timeout|color|user|label|name|pid|method|count|max-data|write|read|speed|interval|time|output|input|root)|-d)$'

# The options of a verb, as its help has them.
_ipcctl_options() { ipcctl "$@" --help 2>/dev/null | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'; }

_ipcctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' i
	local words=() given=()
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} =~ $_ipcctl_valued ]]; then
			i=$((i + 1))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			if [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; else given+=("${COMP_WORDS[i]}"); fi
		fi
	done
	case $prev in
	--color) words=(auto always never) ;;
	--device | -d | --write | --read | --output | --input | --root)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--user) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
	esac
	if [ ${#words[@]} = 0 ]; then
		case $cur in
		-*) mapfile -t words < <(_ipcctl_options ${verb:+"$verb"}) ;;
		*) mapfile -t words < <(_ipcctl_words "$verb" "$prev" "${given[@]}") ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$cur")
}

# _ipcctl_words VERB PREVIOUS [ARGUMENT]...: what may come next
_ipcctl_words() {
	local verb=$1 prev=$2
	shift 2
	if [ "$prev" = --name ]; then
		_ipcctl_ask list --names
	elif ! [[ $prev =~ $_ipcctl_valued ]]; then
		_ipcctl_arguments "$verb" "$@"
	fi
}

# _ipcctl_arguments VERB [ARGUMENT]...: what may follow them
_ipcctl_arguments() {
	local verb=$1
	shift
	case $verb in
	'') ipcctl --verbs 2>/dev/null ;;
	call | describe | ping | dump | freeze | thaw)
		case $verb:$# in
		*:0) _ipcctl_ask list --names ;;
		call:1) _ipcctl_ask describe --methods "$1" ;;
		esac
		;;
	list | wait | watch) _ipcctl_ask list --names ;;
	policy)
		case $# in
		0) echo check ;;
		1) printf '%s\n' register find list call ;;
		2) _ipcctl_ask list --names ;;
		esac
		;;
	trace) compgen -c ;;
	esac
}

complete -F _ipcctl ipcctl
