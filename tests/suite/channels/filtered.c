// SPDX-License-Identifier: MIT
/*
 * filtered ERRNO COMMAND...: runs a command under a seccomp filter. The system calls that the
 * default profile of Podman on Debian 12 and 13 refuses, and that programs of this tree might make,
 * fail with that number: with ENOSYS, 38, on Debian 12 and with EPERM, 1, on Debian 13. Exits with
 * 77 if this machine refuses the filter.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* With numbers, because headers of Debian 12 lack the newest. */
static const unsigned int refused[] = {
	SYS_futex_waitv, SYS_process_madvise, SYS_userfaultfd, SYS_kcmp, SYS_io_uring_setup,
	SYS_vmsplice,
	451, /* cachestat */
	453, /* map_shadow_stack */
	454, 455, 456, /* futex_wake, futex_wait, futex_requeue */
	462, /* mseal */
};

#define N_REFUSED (sizeof(refused) / sizeof(refused[0]))

int main(int argc, char **argv)
{
	struct sock_filter filter[N_REFUSED + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	const struct sock_fprog program = { .len = N_REFUSED + 3, .filter = filter };

	if (argc < 3) {
		fprintf(stderr, "usage: filtered ERRNO COMMAND...\n");
		return 2;
	}
	for (size_t i = 0; i < N_REFUSED; i++)
		filter[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i],
							      N_REFUSED - i, 0);
	filter[N_REFUSED + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[N_REFUSED + 2] = (struct sock_filter)BPF_STMT(
		BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)atoi(argv[1]));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("filtered: no filter can be installed");
		return 77;
	}
	if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) != -1 || errno != atoi(argv[1])) {
		fprintf(stderr, "filtered: futex_waitv() is not refused\n");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
