# SPDX-License-Identifier: MIT
#
# ask.zsh FOLDER LINE: what an interactive zsh completes at the end of LINE with the
# _ipcctl that lies here, a word each line. For test-completion. A zsh of its own runs on
# a pseudo terminal, for completion is only there on one; what it would offer goes to a
# file in FOLDER.
setopt err_exit no_unset
zmodload zsh/zpty

here=${0:A:h}
out=$1/offered
: >$out

cat >$1/rc <<END
PROMPT= RPROMPT=
fpath=($here \$fpath)
autoload -Uz compinit
compinit -u -d $1/dump
zstyle ':completion:*' insert-tab false
bindkey '^I' complete-word

# Questions are left to zsh; of what is offered, the matching words are noted.
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
