# SPDX-License-Identifier: MIT
#
# How QEMU runs the guest's instructions. Sourced by tests/env/vm/run.
#
# Whether KVM serves is only known by trying: /dev/kvm may be there, and pass a
# short test, and still not carry a kernel (nested, or half emulated). So the
# guest's own kernel is booted once, and the answer kept until this machine is
# booted anew.

# Exact figures: one instruction is one nanosecond, no randomness, no real
# clock. With erms a copied byte would count as an instruction.
accel_icount=(-accel tcg,thread=single -icount shift=0,sleep=off -smp 1
	-cpu max,-erms,-fsrm -seed 1 -rtc base=2020-01-01)

accel_tcg=(-accel tcg,thread=multi -cpu max)
accel_kvm=(-accel kvm -cpu host)

# Boot kernel $1/vmlinuz without anything to start: it panics when it gets
# there, within two seconds where KVM is any good.
accel_try_kvm() {
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	timeout 10 setpriv --pdeathsig KILL qemu-system-x86_64 "${accel_kvm[@]}" -smp 2 -m 256 \
		-nodefaults -no-user-config -display none -no-reboot -serial stdio \
		-kernel "$1/vmlinuz" -append 'console=ttyS0 panic=-1' </dev/null 2>/dev/null |
		grep -q 'Kernel panic'
}

# Sets `accel` for the kernel in folder $1.
accel_choose() {
	local known answer boot
	boot=$(cat /proc/sys/kernel/random/boot_id)
	known=$(kernel_cache_root)/kvm-works
	read -r answer < <(sed -n "s/^$boot //p" "$known" 2>/dev/null) || answer=''
	if [ -z "$answer" ]; then
		answer=no
		! accel_try_kvm "$1" || answer=yes
		echo "$boot $answer" >"$known.$$"
		mv "$known.$$" "$known"
	fi
	if [ "$answer" = yes ]; then
		accel=("${accel_kvm[@]}")
	else
		accel=("${accel_tcg[@]}")
	fi
}
