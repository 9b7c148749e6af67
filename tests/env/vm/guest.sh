# SPDX-License-Identifier: MIT
#
# Operations inside the guest: set up the machine, load ipcbus, start and stop the service manager,
# check for leaked objects, unload. Sourced by the guest's init, by that of tests/suite/ports and by
# tests/each; busybox's shell reads it. Each function prints problems and fails; none ends the
# shell.

guest_device=/dev/ipcbus
guest_stats=/sys/kernel/debug/ipcbus/stats
guest_leaks=/sys/kernel/debug/kmemleak
guest_log=/run/servicemanager.log
guest_pid=/run/servicemanager.pid

# What the kernel says when something is wrong with it. Also read on the host.
kernel_trouble='BUG:|BUG [^ ]+ \(|WARNING:|Oops|general protection|KASAN|KCSAN|UBSAN:|ODEBUG:|INFO: (task|rcu)|possible recursive|possible circular|suspicious RCU|kmemleak: .* new suspected|Kernel panic'

# Removes reports of races without a module in their stacks: the kernel itself has some, in sleeps
# and the page cache. A truncated report is kept. One such race is in timed sleeps: hrtimer_wakeup()
# clears a field that the sleeper reads, both in hrtimer.c and on the sleeper's stack.
kernel_races_of_modules() {
	awk '
		/BUG: KCSAN: / {
			report = $0
			module = 0
			sleeper = /hrtimer_wakeup/ && /schedule_hrtimeout/
			next
		}
		report != "" {
			report = report "\n" $0
			if (/ \[(ipcbus|mutants)\]/) module = 1
			if (/==========/) { if (module && !sleeper) print report; report = "" }
			next
		}
		{ print }
		END { if (report != "") print report }'
}

# Prints the warnings in the kernel's log on stdin, each with the lines after it.
kernel_complaints() {
	kernel_races_of_modules | grep -E -A 30 "$kernel_trouble"
}

# Try "$@" for $1 seconds, ten times a second and at once at first.
guest_retry() {
	retries=$(($1 * 10))
	shift
	while ! "$@"; do
		[ $retries -gt 0 ] || return 1
		retries=$((retries - 1))
		sleep 0.1
	done
}

# What other programs take for granted: file systems, devices, users. For init, at first.
guest_make() {
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts pts /dev/pts
	mount -t debugfs debug /sys/kernel/debug
	mount -t tmpfs -o mode=1777 tmp /tmp
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t tmpfs run /run
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
	hostname guest
	mkdir -p /etc /home/user /home/other
	cat >/etc/passwd <<-END
		root:x:0:0:root:/root:/bin/sh
		user:x:1000:1000:user:/home/user:/bin/sh
		other:x:1001:1001:other:/home/other:/bin/sh
	END
	cat >/etc/group <<-END
		root:x:0:
		ipcbus:x:900:user,other
		user:x:1000:
		other:x:1001:
	END
	chown user:user /home/user
	chown other:other /home/other
}

# A step of init. What it prints when it fails is a problem, by init's report().
guest_step() {
	"$@" >/run/step 2>&1 && return 0
	while IFS= read -r line; do report "problem $line"; done </run/step
	return 1
}

# Load it, with PARAMETER=VALUE...
module_load() {
	insmod /t/driver/ipcbus.ko "$@" || { echo "ipcbus.ko does not load"; return 1; }
	[ -c $guest_device ] || { echo "ipcbus.ko is loaded, but there is no $guest_device"; return 1; }
	chown root:ipcbus $guest_device
	chmod 0660 $guest_device
}

# The live counters that are not zero, "name live" a line.
counters_left() {
	awk '$2 != 0 { print "  " $1, $2 }' $guest_stats
}

counters_are_zero() { [ -z "$(counters_left)" ]; }

# The processes that have the device open, "PID name" a line.
device_users() {
	for p in /proc/[0-9]*; do
		if ls -l "$p/fd" 2>/dev/null | grep -q " $guest_device\$"; then
			echo "  ${p#/proc/} $(cat "$p/comm")"
		fi
	done
}

# What a killed process held is given back a moment after it is gone.
counters_check() {
	[ -r $guest_stats ] || { echo "no $guest_stats"; return 1; }
	guest_retry 30 counters_are_zero && return 0
	echo "left behind in the driver (counter, live):"
	counters_left
	echo "processes that have $guest_device open:"
	device_users
	return 1
}

module_unload() {
	rmmod ipcbus && return 0
	echo "ipcbus.ko does not unload; processes that have $guest_device open:"
	device_users
	return 1
}

# Lockdep stops at the first report of any kind, or when it runs out of memory: later code was not
# checked.
lockdep_check() {
	[ -e /proc/lockdep_stats ] || return 0
	grep -q 'debug_locks: *1$' /proc/lockdep_stats && return 0
	echo "lockdep was off at the end"
	return 1
}

# What the kernel lost before is not ours.
leaks_forget() {
	[ ! -e $guest_leaks ] || echo clear >$guest_leaks
}

# Unreferenced memory. The first scan records changing objects. Memory younger than five seconds may
# still be in transit.
leaks_check() {
	[ -e $guest_leaks ] || return 0
	sleep 6
	if ! { echo scan >$guest_leaks && echo scan >$guest_leaks; }; then
		echo "kmemleak is off"
		return 1
	fi
	! grep -q . $guest_leaks || { echo "leaked:"; head -n 100 $guest_leaks; return 1; }
}

manager_is_ready() { grep -q ready $guest_log; }

manager_start() {
	: >$guest_log # the manager before was ready, too
	# As the default, but any user registers any free name.
	mkdir -p /run/policy
	cat >/run/policy/00-default.conf <<-END
		allow anyone all *
		refuse anyone register ipc.* system.* user/*
		allow user root register ipc.* system.*
		allow anyone register user/%u/*
	END
	/t/servicemanager/servicemanager --policy /run/policy 2>$guest_log >&2 </dev/null &
	MANAGER=$!
	export MANAGER # as tests/env/with-manager does
	echo $MANAGER >$guest_pid
	guest_retry 60 manager_is_ready && return 0
	echo "servicemanager does not get ready; its log:"
	cat $guest_log
	return 1
}

manager_is_gone() { ! kill -0 "$(cat $guest_pid)" 2>/dev/null; }

# Only the shell that started it may call this: it asks for the exit status.
manager_stop() {
	manager_pid=$(cat $guest_pid)
	if manager_is_gone; then
		echo "servicemanager ended too early; its log:"
		cat $guest_log
		return 1
	fi
	kill -TERM "$manager_pid"
	if ! guest_retry 60 manager_is_gone; then
		echo "servicemanager does not end on SIGTERM; its log:"
		cat $guest_log
		kill -KILL "$manager_pid"
		return 1
	fi
	wait "$manager_pid" && return 0
	echo "servicemanager's exit status is $?; its log:"
	cat $guest_log
	return 1
}
