# SPDX-License-Identifier: MIT
#
# The machine that the guest runs on: QEMU as a PC or an ARM board, or for kernel `uml` the kernel
# itself as a process. Sourced by tests/env/vm/run, whose variables these read.
#
# Either writes the console into file $console, the command's output into its
# stdout, the report into file $work/report, and what $save asks for into its file;
# see init. With $ticks, the guest gets the seconds of $work/clock.

# Sets `machine`, the command line, for the kernel in folder $1.
machine_qemu() {
	local append="console=ttyS0 quiet panic=-1 nokaslr norandmaps cryptomgr.notests"
	machine=(qemu-system-x86_64)
	if [ -n "$icount" ]; then
		machine+=("${accel_icount[@]}")
		append+=' mitigations=off'
	else
		accel_choose "$1"
		machine+=("${accel[@]}" -smp "$cpus")
		# The kernel checks that timer interrupts come within ten ticks. On a busy host they
		# may not, and Linux 7.2 then panics.
		append+=' no_timer_check'
	fi
	machine+=(-m "$memory" -nodefaults -no-user-config -display none -no-reboot
		"${qemu_arguments[@]}" -kernel "$1/vmlinuz" -initrd "$work/initrd"
		-append "$append $kernel_arguments" -serial "file:$console"
		-chardev stdio,id=output,signal=off -serial chardev:output
		-serial "file:$work/report")
	[ -z "$save" ] || machine+=(-serial "file:${save%%=*}")
}

# An ARM board whose only serial port is the console. PCI adds the other two, and an unused first
# one, so that they have the names that init expects.
machine_arm64() {
	machine=(qemu-system-aarch64 -M virt -accel tcg,thread=multi -cpu max,pauth-impdef=on
		-smp "$cpus" -m "$memory" -nodefaults -no-user-config -display none -no-reboot
		"${qemu_arguments[@]}" -kernel "$1/vmlinuz" -initrd "$work/initrd"
		-append "console=ttyAMA0 quiet panic=-1 nokaslr norandmaps cryptomgr.notests $kernel_arguments"
		-serial "file:$console" -chardev null,id=none -device pci-serial,chardev=none
		-chardev stdio,id=output,signal=off -device pci-serial,chardev=output
		-chardev "file,id=report,path=$work/report" -device pci-serial,chardev=report)
}

# Its clock stands still while it works and jumps while it sleeps. It keeps its
# memory in a file, which must be where programs may be mapped.
machine_uml() {
	machine=(env TMPDIR=/dev/shm "$1/vmlinuz" "mem=$memory" "initrd=$work/initrd"
		console=ttyS0 con=null con0=null ssl0=null,fd:4 ssl1=null,fd:3 ssl2=null,fd:5
		time-travel=inf-cpu quiet panic=-1 $kernel_arguments)
	[ -z "$save" ] || machine+=(ssl3=null,fd:6)
}

# Start it in the background; sets `qemu` to its process. If this shell is
# killed, the kernel kills the machine. QEMU never gets our own stdout, for it
# would leave that non-blocking.
machine_start() {
	local input=/dev/null
	[ -z "$ticks" ] || input=$work/clock
	if [ "$kernel" = uml ]; then
		local saved=${save%%=*}
		machine_uml "$1"
		setpriv --pdeathsig KILL "${machine[@]}" </dev/null 3>"$work/output" 4>"$console" \
			5>"$work/report" 6>"${saved:-/dev/null}" >"$work/qemu" 2>&1 &
	else
		case $kernel in
		arm64-*) machine_arm64 "$1" ;;
		*) machine_qemu "$1" ;;
		esac
		setpriv --pdeathsig KILL "${machine[@]}" <>"$input" >"$work/output" 2>"$work/qemu" &
	fi
	qemu=$!
}
