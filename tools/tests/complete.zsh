# SPDX-License-Identifier: MIT
#
# complete.zsh FOLDER LINE: prints the completions that zsh offers at the end of LINE with _ipcctl,
# one word per line. For test-completion. Completion needs a terminal, so an interactive zsh runs on
# a pseudo terminal and writes its offers to a file in FOLDER.
setopt err_exit no_unset
zmodload zsh/zpty

here=${0:A:h:h}/completion
out=$1/offered
: >$out

cat >$1/rc <<END
PROMPT= RPROMPT=
fpath=($here \$fpath)
autoload -Uz compinit
compinit -u -d $1/dump
zstyle ':completion:*' insert-tab false
bindkey '^I' complete-word

# Records the matching words that are offered. Calls that only query pass through.
compadd() {
	local -a hits
	if (( ! \${@[(I)-(O|A|D)*]} )); then
		builtin compadd -O hits "\$@"
		(( \$#hits )) && print -rl -- \$hits >>$out
	fi
	builtin compadd "\$@"
}
finish() { print -r -- . >>$out }
comppostfuncs=(finish)
END

zpty zsh "zsh -f -i"
zpty -w zsh "source $1/rc"
zpty -w -n zsh $2$'\t'
for ((i = 0; i < 200; i++)); do
	[[ $(tail -n 1 $out) != . ]] || break
	sleep 0.05
done
zpty -d zsh
grep -vFx . $out || true
