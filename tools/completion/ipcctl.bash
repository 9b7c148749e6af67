# SPDX-License-Identifier: MIT
#
# bash completion for ipcctl. It contains no verbs: verbs come from `ipcctl --verbs`, options and
# arguments from the usage line and options in `ipcctl VERB --help`. Names on the bus are looked up
# with a short time-out.
# shellcheck shell=bash

# Services choose names and methods, so only words without a special meaning for shells are offered.
_ipcctl_query() { ipcctl --timeout 1 "$@" 2>/dev/null | grep -xE '[A-Za-z0-9_./-]+'; }

# Prints "OPTION VALUE" for each option of a verb; without VALUE if it takes none.
_ipcctl_options() {
	ipcctl ${1:+"$1"} --help 2>/dev/null |
		sed -nE 's/^ +(-[a-z], )?(--[a-z-]+)( [A-Z]+)?( .*|$)/\2\3/p'
}

# _ipcctl_value VALUE SERVICE: prints values for a word of the usage line or for an option
_ipcctl_value() {
	case $1 in
	NAME | PREFIX) _ipcctl_query list --names ;;
	METHOD) [ -z "$2" ] || _ipcctl_query describe --methods "$2" ;;
	COMMAND) compgen -c -- "$cur" ;;
	PATH) compgen -f -- "$cur" ;;
	USER) compgen -u -- "$cur" ;;
	[a-z]*) echo "$1" ;;
	esac
}

# _ipcctl_arguments VERB GIVEN...: prints the next argument, according to the usage line
_ipcctl_arguments() {
	local verb=$1 usage word n
	shift
	n=$#
	read -ra usage < <(ipcctl "$verb" --help 2>/dev/null |
		sed -n "1{s/.*\[OPTION\]\.\.\.//; s/[][*']//g; p; q}")
	[ ${#usage[@]} -gt 0 ] || return
	if [ $n -ge ${#usage[@]} ]; then
		word=${usage[-1]}
		[[ $word == *... ]] || return
	else
		word=${usage[n]}
	fi
	for word in ${word//|/ }; do _ipcctl_value "${word%...}" "${1-}"; done
}

_ipcctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' i option value
	local given=() words
	local -A values=([-b]=PATH [--bus]=PATH [--timeout]=S)
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ -n "${values[${COMP_WORDS[i]}]-}" ]; then
			i=$((i + 1))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			if [ -n "$verb" ]; then given+=("${COMP_WORDS[i]}"); continue; fi
			verb=${COMP_WORDS[i]}
			while read -r option value; do
				[ -z "$value" ] || values[$option]=$value
			done < <(_ipcctl_options "$verb")
		fi
	done
	if [ -n "${values[$prev]-}" ]; then
		words=$(_ipcctl_value "${values[$prev]}" '')
	elif [[ $cur == -* ]]; then
		words=$(_ipcctl_options "$verb" | sed 's/ .*//')
	elif [ -z "$verb" ]; then
		words=$(ipcctl --verbs 2>/dev/null)
	else
		words=$(_ipcctl_arguments "$verb" "${given[@]}")
	fi
	# compgen -W would expand the words.
	COMPREPLY=()
	while IFS= read -r value; do
		[[ -z $value || $value != "$cur"* ]] || COMPREPLY+=("$value")
	done <<<"$words"
}

complete -F _ipcctl ipcctl
