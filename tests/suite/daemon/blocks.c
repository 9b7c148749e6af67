// SPDX-License-Identifier: MIT
/*
 * Files with which a client would block the daemon; see blocks.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blocks.h"

int tcp_connection(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	static const int little = 4096;

	/* The listener stays open, but never accepts or reads. */
	if (listener < 0 || fd < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) ||
	    bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) ||
	    connect(fd, (struct sockaddr *)&address, size))
		return -1;
	return fd;
}

int lingering_socket(void)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 1000 };
	static char data[1 << 16];
	int fd = tcp_connection();

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)))
		return -1;
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* Returns a page on which a page fault by the kernel never ends. */
static void *page_without_end(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .range.len = 4096, .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area.range.start = (uintptr_t)page;
	if (fd < 0 || page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &area))
		return NULL;
	return page;
}

struct holder {
	int fd;
	void *page;
	bool polls;
	pid_t tid;
};

static void *use_page(void *arg)
{
	struct holder *holder = arg;

	__atomic_store_n(&holder->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	if (holder->polls)
		epoll_wait(holder->fd, holder->page, 1, -1);
	else
		send(holder->fd, holder->page, 4096, 0);
	return arg;
}

/* Waits until the thread sleeps on the page. */
static bool holds(const struct holder *holder)
{
	char path[64], text[64] = "", state = 0;
	FILE *stat;

	for (int i = 0; i < 30000 && state != 'S' && state != 'D'; i++) {
		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
			 (int)__atomic_load_n(&holder->tid, __ATOMIC_SEQ_CST));
		stat = fopen(path, "re");
		if (!stat)
			continue;
		if (fscanf(stat, "%*d %63s %c", text, &state) != 2)
			state = 0;
		fclose(stat);
	}
	return state == 'S' || state == 'D';
}

bool hold_lock(int fd, bool polls)
{
	static struct holder holder;
	pthread_t thread;

	holder = (struct holder){ .fd = fd, .page = page_without_end(), .polls = polls };
	return holder.page && !pthread_create(&thread, NULL, use_page, &holder) && holds(&holder);
}
